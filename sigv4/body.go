package sigv4

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"

	"github.com/stschain-go/stschain/internal/system"
)

const (
	smallBody      = 64 << 10 // cheaper to keep than to read twice
	defaultMaxBody = 10 << 20
	emptyHash      = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// ErrBodyTooLarge is the error of a body that can be read only once and exceeds
// Transport.MaxBody.
var ErrBodyTooLarge = errors.New("sigv4: body too large to keep in memory")

// body is the body of a request: hashed, and opened again for each attempt,
// from memory, by GetBody, or by seeking back. It is hashed once, and not again
// while it is sent: the service compares the same hash.
type body struct {
	hash  string                        // as it is signed
	size  int64                         // -1: unknown
	in    io.LimitedReader              // what is hashed of src
	data  []byte                        // in memory: of the caller's reader, or kept
	first bytes.Reader                  // of data, for the first attempt; or a copy of the caller's reader at its start
	sent  io.ReadCloser                 // reads with the caller's reader, for the first attempt; nil: the body is not hashed in place
	lent  atomic.Bool                   // first, or sent, is in use
	get   func() (io.ReadCloser, error) // GetBody of the request, or nil
	src   *source                       // the request's body; nil: it was read and closed
	own   source                        // where src points to
	last  atomic.Pointer[source]        // being sent
	fault atomic.Pointer[error]         // why the body could not be sent
}

// newBody reads the body of req as far as necessary. It also takes over closing the body of req.
func (t *Transport) newBody(req *http.Request, to service) (*body, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return &body{hash: emptyHash}, checkLength(req, 0)
	}
	b := &body{size: cmp.Or(max(req.ContentLength, 0), -1), get: req.GetBody}
	b.src = b.own.set(req.Body)
	b.src.users.Store(1)
	if err := t.measure(req, to, b); err != nil {
		b.src.Close()
		return nil, err
	}
	if !b.streams() || b.get != nil {
		b.src.Close()
		b.src = nil
	}
	return b, nil
}

// measure finds the hash and the size of a body. It keeps a body that is small, or
// that cannot be opened again.
func (t *Transport) measure(req *http.Request, to service, b *body) error {
	if to.noChunks && len(req.Trailer) > 0 {
		return fmt.Errorf("sigv4: %s accepts no trailers, since they need chunks; remove Request.Trailer", to.Service)
	}
	unsigned := t.UnsignedPayload || to.unsignedPayload
	if unsigned {
		if b.hash = UnsignedPayload; b.size < 0 {
			b.size = b.src.length()
		}
		if b.size >= 0 || !to.noChunks {
			return nil
		}
	}
	if r, ok := memory(req.Body).(*bytes.Reader); ok && b.get != nil && !unsigned {
		b.inPlace(r, req.Body)
		return checkLength(req, b.size)
	}
	read, known, limit := (*body).keep, b.size >= 0, min(max(cmp.Or(t.MaxBody, defaultMaxBody), 0), math.MaxInt64-1)
	if again := b.get != nil || b.src.seek != nil; again && !unsigned {
		if limit = smallBody; b.size <= 0 || b.size > limit {
			read, limit = (*body).sum, math.MaxInt64-1
		}
	}
	if b.size > limit {
		return tooLarge(limit, unsigned, to)
	}
	b.in = io.LimitedReader{R: b.src, N: limit + 1}
	if known {
		b.in.N = b.size + 1
	}
	err := b.interruptible(req.Context(), read)
	switch {
	case err != nil:
		return err
	case b.size > limit && !known:
		return tooLarge(limit, unsigned, to)
	}
	return checkLength(req, b.size)
}

// keep reads the body into memory.
func (b *body) keep() error {
	buf := bytes.NewBuffer(make([]byte, 0, min(max(b.size, 0), defaultMaxBody)+bytes.MinRead))
	_, err := buf.ReadFrom(&b.in)
	b.data, b.size = buf.Bytes(), int64(buf.Len())
	b.first.Reset(b.data)
	if b.hash == "" {
		b.hash = PayloadHash(b.data)
	}
	return err
}

// inPlace hashes the bytes of a reader where they are. Each attempt reads them with a reader of its own.
func (b *body) inPlace(r *bytes.Reader, sent io.ReadCloser) {
	b.first, b.sent, b.size = *r, sent, int64(r.Len())
	rest := *r
	rest.WriteTo((*written)(&b.data)) // does not fail
	b.hash = PayloadHash(b.data)
}

// written is what was last written to it. A bytes.Reader writes all that is left of it at once.
type written []byte

func (w *written) Write(p []byte) (int, error) {
	*w = p
	return len(p), nil
}

// streams reports whether sending the body reads from its source.
func (b *body) streams() bool { return b.data == nil && b.sent == nil && b.size != 0 }

// sum hashes the body without keeping it.
func (b *body) sum() (err error) {
	h := sha256.New()
	b.size, err = io.CopyBuffer(h, &b.in, make([]byte, 64<<10))
	b.hash = hex.EncodeToString(h.Sum(nil))
	return err
}

// interruptible runs read, and abandons it when ctx ends: a Read that blocks cannot be
// interrupted except by closing the body, and not always by that.
func (b *body) interruptible(ctx context.Context, read func(*body) error) error {
	if ctx.Done() == nil || ctx.Err() == nil && isMemory(b.src.rc) {
		return read(b)
	}
	done := make(chan error, 1)
	if ctx.Err() == nil {
		go func() {
			err := errors.New("sigv4: the body's Read called runtime.Goexit")
			defer func() { done <- err }()
			err = read(b)
		}()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		b.src.Close()
		return fmt.Errorf("sigv4: hashing the body: %w", system.ContextErr(ctx))
	}
}

func tooLarge(limit int64, unsigned bool, to service) error {
	if unsigned {
		return fmt.Errorf("%w: %s requires a Content-Length, and the body of unknown length exceeds %d bytes; set ContentLength, or raise MaxBody",
			ErrBodyTooLarge, to.Service, limit)
	}
	return fmt.Errorf("%w while it is hashed: over %d bytes; set GetBody, use a body that can seek, or raise MaxBody", ErrBodyTooLarge, limit)
}

func checkLength(req *http.Request, n int64) error {
	switch {
	case req.ContentLength <= 0 || n == req.ContentLength: // unknown, or correct
		return nil
	case n > req.ContentLength:
		return fmt.Errorf("sigv4: the body is longer than its ContentLength of %d", req.ContentLength)
	}
	return fmt.Errorf("sigv4: the body has %d bytes instead of its ContentLength of %d", n, req.ContentLength)
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
	src := b.src
	switch {
	case b.size == 0:
		return http.NoBody, nil
	case b.sent != nil && b.lent.Swap(true):
		again := b.first
		return io.NopCloser(&again), nil
	case b.sent != nil:
		return b.sent, nil
	case b.data != nil && b.lent.Swap(true): // net/http sends these together with the headers
		return io.NopCloser(bytes.NewReader(b.data)), nil
	case b.data != nil:
		return io.NopCloser(&b.first), nil
	case b.get != nil:
		rc, err := getBody(b.get)
		if err != nil {
			return nil, err
		}
		src = &source{rc: rc}
	}
	b.last.Store(src)
	return src.lend(b)
}

// getBody calls a GetBody that may break its contract.
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

// release is called after the last open.
func (b *body) release() {
	if b.src != nil {
		b.src.done()
	}
}

// isMemory reports whether Read cannot block: the bodies that http.NewRequest
// supports.
func isMemory(r io.Reader) bool {
	switch memory(r).(type) {
	case *bytes.Reader, *bytes.Buffer, *strings.Reader:
		return true
	}
	return false
}

// memory returns the reader in an io.NopCloser, as net/http does, and any other reader as it is.
func memory(r io.Reader) io.Reader {
	if t := reflect.TypeOf(r); t == nopCloser || t == nopCloserWriterTo {
		r, _ = reflect.ValueOf(r).Field(0).Interface().(io.Reader)
	}
	return r
}

// What io.NopCloser returns, without and with WriteTo.
var (
	nopCloser         = reflect.TypeOf(io.NopCloser(nil))
	nopCloserWriterTo = reflect.TypeOf(io.NopCloser(new(bytes.Reader)))
)
