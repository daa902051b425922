package sigv4

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"sync/atomic"
)

const (
	smallBody      = 64 << 10 // cheaper to keep than to read twice
	defaultMaxBody = 10 << 20
	emptyHash      = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// ErrBodyTooLarge says that a body that can be read only once exceeds
// Transport.MaxBody.
var ErrBodyTooLarge = errors.New("sigv4: body too large to keep in memory")

// body is the second step of a request: its body, hashed, and opened anew for
// each attempt: from memory, by GetBody, or by seeking back. What is hashed once
// is not hashed again while it is sent: a service compares the same hash.
type body struct {
	hash  string                        // as it is signed
	size  int64                         // -1: unknown
	data  []byte                        // kept in memory
	first bytes.Reader                  // of data, for the first attempt
	lent  atomic.Bool                   // first is
	get   func() (io.ReadCloser, error) // opens it again; nil: see src
	src   *source                       // what the request came with; nil: it was read and closed
	own   source                        // where src points to
	last  atomic.Pointer[source]        // being sent
	fault atomic.Pointer[error]         // why it could not be sent
}

// newBody reads the body of req as far as it has to. From here on it closes it,
// whatever happens.
func (t *Transport) newBody(req *http.Request, to scope) (*body, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return &body{hash: emptyHash}, checkLength(req, 0)
	}
	b := &body{size: -1, get: req.GetBody}
	b.src = &b.own
	b.src.set(req.Body)
	b.src.users.Store(1)
	if req.ContentLength > 0 {
		b.size = req.ContentLength
	}
	if err := t.measure(req, to, b); err != nil {
		b.src.Close()
		return nil, err
	}
	if b.data != nil || b.get != nil || b.size == 0 {
		b.src.Close()
		b.src = nil
	}
	return b, nil
}

// measure finds hash and size of a body, and how it is opened again.
func (t *Transport) measure(req *http.Request, to scope, b *body) error {
	if to.noChunks && len(req.Trailer) > 0 {
		return fmt.Errorf("sigv4: %s accepts no trailers, since they need chunks; remove Request.Trailer", to.service)
	}
	limit := min(max(cmp.Or(t.MaxBody, defaultMaxBody), 0), math.MaxInt64-1)
	unsigned := t.leavesOut(to)
	if unsigned {
		if b.hash = UnsignedPayload; b.size < 0 {
			b.size = b.src.length()
		}
		if b.size >= 0 || !to.noChunks {
			return nil
		}
	}
	switch {
	case unsigned, b.get == nil && b.src.seek == nil:
		return b.keep(req, limit, to)
	case 0 < b.size && b.size <= smallBody && (b.get != nil || b.size <= limit):
		return b.keep(req, smallBody, to)
	}
	return b.sum(req)
}

// leavesOut reports whether the body is left out of the signature.
func (t *Transport) leavesOut(to scope) bool { return t.UnsignedPayload || to.unsignedPayload }

// sum hashes the body without keeping it.
func (b *body) sum(req *http.Request) error {
	if err := attended(req.Context(), b.src, b.hashAll); err != nil {
		return err
	}
	return checkLength(req, b.size)
}

func (b *body) hashAll() error {
	h, n := sha256.New(), int64(0)
	for buf := make([]byte, 64<<10); ; {
		read, err := b.src.Read(buf)
		h.Write(buf[:read])
		n += int64(read)
		switch {
		case err != nil && err != io.EOF:
			return err
		case err == io.EOF, b.size >= 0 && n > b.size: // the rest does not matter
			b.hash, b.size = hex.EncodeToString(h.Sum(nil)), n
			return nil
		}
	}
}

// keep reads the body into memory. limit counts if its length is unknown.
func (b *body) keep(req *http.Request, limit int64, to scope) (err error) {
	known := b.size >= 0
	switch {
	case b.size > limit:
		return tooLarge(limit, b.hash, to)
	case known:
		limit = b.size
	}
	if isMemory(b.src.rc) {
		err = b.readAll(limit)
	} else {
		err = attended(req.Context(), b.src, func() error { return b.readAll(limit) })
	}
	switch {
	case err != nil:
		return err
	case !known && b.size > limit:
		return tooLarge(limit, b.hash, to)
	case b.hash == "":
		b.hash = PayloadHash(b.data)
	}
	return checkLength(req, b.size)
}

// readAll reads at most one byte more than limit.
func (b *body) readAll(limit int64) error {
	data := make([]byte, 0, min(max(b.size, 511), defaultMaxBody)+1)
	for int64(len(data)) <= limit {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := b.src.Read(data[len(data):min(int64(cap(data)), limit+1)])
		data = data[:len(data)+n]
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	b.data, b.size = data, int64(len(data))
	b.first.Reset(data)
	return nil
}

func tooLarge(limit int64, hash string, to scope) error {
	if hash == UnsignedPayload {
		return fmt.Errorf("%w: %s requires a Content-Length, and the body of unknown length exceeds %d bytes; set ContentLength, or raise MaxBody",
			ErrBodyTooLarge, to.service, limit)
	}
	return fmt.Errorf("%w while it is hashed: over %d bytes; set GetBody, use a body that can seek, or raise MaxBody", ErrBodyTooLarge, limit)
}

func checkLength(req *http.Request, n int64) error {
	switch {
	case req.ContentLength <= 0: // unknown
		return nil
	case n > req.ContentLength:
		return fmt.Errorf("sigv4: the body is longer than its ContentLength of %d", req.ContentLength)
	case n < req.ContentLength:
		return fmt.Errorf("sigv4: the body has %d bytes instead of its ContentLength of %d", n, req.ContentLength)
	}
	return nil
}

// frame sets the length of what is sent: chunks are for bodies of unknown length
// and for trailers, and some services accept none.
func (b *body) frame(req *http.Request) {
	if len(req.Trailer) == 0 {
		req.ContentLength, req.TransferEncoding = b.size, nil
	}
}

// again reports whether open works more than once.
func (b *body) again() bool { return b.src == nil || b.src.seek != nil }

// open returns the body from its start, for one attempt.
func (b *body) open() (io.ReadCloser, error) {
	switch {
	case b.size == 0:
		return http.NoBody, nil
	case b.data != nil && b.lent.Swap(true): // net/http sends these together with the headers
		return io.NopCloser(bytes.NewReader(b.data)), nil
	case b.data != nil:
		return io.NopCloser(&b.first), nil
	}
	src := b.src
	if b.get != nil {
		rc, err := getBody(b.get)
		if err != nil {
			return nil, err
		}
		src = new(source)
		src.set(rc)
	}
	b.last.Store(src)
	return src.lend(b)
}

// getBody calls a GetBody that need not keep the rules.
func getBody(get func() (io.ReadCloser, error)) (io.ReadCloser, error) {
	rc, err := get()
	switch {
	case err != nil:
		return nil, fmt.Errorf("sigv4: GetBody: %w", err)
	case rc == nil:
		return nil, errors.New("sigv4: GetBody returned neither a body nor an error")
	}
	return rc, nil
}

// stop closes what is being sent: net/http would wait for a Read that blocks.
func (b *body) stop() {
	if src := b.last.Load(); src != nil {
		src.Close()
	}
}

// release is called when nothing will be opened any more.
func (b *body) release() {
	if b.src != nil {
		b.src.done()
	}
}
