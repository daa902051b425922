package sigv4

import (
	"cmp"
	"context"
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

// payload is the body of one request: what it hashes to, and how to send it.
type payload struct {
	hash  string
	size  int64                         // -1: not known
	open  func() (io.ReadCloser, error) // a body for one try; nil: there is none
	once  bool                          // open works once
	stop  func()                        // closes what is being read; nil: it cannot block
	free  func()                        // to be called when nothing will be opened any more; may be nil
	fault atomic.Pointer[error]         // what went wrong with the body while it was sent
}

func (p *payload) release() {
	if p.free != nil {
		p.free()
	}
}

// outcome is what Base came to, unless the body has failed: then a server may
// have answered what it got of it, and that is no answer to the request. The end
// of ctx comes before what closing the body made of it.
func (p *payload) outcome(ctx context.Context, resp *http.Response, err error) (*http.Response, error) {
	fault := p.fault.Load()
	switch {
	case err == nil && fault == nil:
		return resp, nil
	case err == nil:
		resp.Body.Close()
		err = *fault
	case fault != nil:
		err = *fault
	}
	if p.stop != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) && !errors.Is(err, context.Cause(ctx)) {
		err = ended(ctx, "sending")
	}
	return nil, err
}

// prepare hashes the body of req. It takes care of the body: whatever happens,
// it is closed once. How often it is read, and where it lies in between:
//
//   - small bodies and those that can be read only once: in memory
//   - GetBody: read to be hashed, and got again for each try
//   - io.Seeker, as *os.File: read to be hashed, and again for each try
func (t *Transport) prepare(req *http.Request) (*payload, error) {
	body := req.Body
	if body == nil || body == http.NoBody {
		return &payload{hash: emptyHash}, checkSize(req, 0)
	}
	if t.UnsignedPayload {
		return unsigned(req), nil
	}
	limit := min(max(cmp.Or(t.MaxBody, defaultMaxBody), 0), math.MaxInt64-1)
	small := 0 < req.ContentLength && req.ContentLength <= smallBody
	if small && (req.GetBody != nil || req.ContentLength <= limit) {
		return inMemory(req, smallBody)
	}
	if req.GetBody != nil {
		return gotAgain(req)
	}
	if r := newRewound(body); r != nil {
		return r.payload(req)
	}
	return inMemory(req, limit)
}

// unsigned sends the body as it comes.
func unsigned(req *http.Request) *payload {
	p := &payload{hash: UnsignedPayload, size: req.ContentLength}
	if p.size == 0 {
		p.size = -1
	}
	if req.GetBody != nil {
		req.Body.Close()
		p.open, p.stop = getAgain(req)
	} else if r := newRewound(req.Body); r != nil {
		p.open, p.stop, p.free = r.open, r.stop, r.release
		if p.size < 0 {
			p.size = r.size()
		}
	} else {
		body := &onceCloser{ReadCloser: req.Body}
		taken := false
		p.once = true
		p.open = func() (io.ReadCloser, error) { taken = true; return body, nil }
		p.stop = func() { body.Close() }
		p.free = func() {
			if !taken {
				body.Close()
			}
		}
	}
	return p
}

// gotAgain hashes the body and gets another one to send.
func gotAgain(req *http.Request) (*payload, error) {
	body := &onceCloser{ReadCloser: req.Body}
	defer body.Close()
	p, sum, err := digest(req, body)
	if err != nil {
		return nil, err
	}
	open, stop := getAgain(req)
	p.openChecked(sum, open)
	p.stop = stop
	return p, nil
}

// getAgain returns what opens a body, and what closes the one opened last.
func getAgain(req *http.Request) (open func() (io.ReadCloser, error), stop func()) {
	var last atomic.Pointer[onceCloser]
	get := req.GetBody // which SignRequest replaces
	open = func() (io.ReadCloser, error) {
		body, err := get()
		if err != nil {
			return nil, fmt.Errorf("sigv4: GetBody: %w", err)
		}
		b := &onceCloser{ReadCloser: body}
		last.Store(b)
		return b, nil
	}
	return open, func() {
		if b := last.Load(); b != nil {
			b.Close()
		}
	}
}

// digest hashes what is left of a body.
func digest(req *http.Request, body io.ReadCloser) (*payload, [sha256.Size]byte, error) {
	type result struct {
		sum  [sha256.Size]byte
		size int64
	}
	r := new(result)
	err := attended(req.Context(), body, func(ctx context.Context, body io.Reader) error {
		h := sha256.New()
		buf := make([]byte, 32<<10)
		for {
			n, err := body.Read(buf)
			h.Write(buf[:n])
			r.size += int64(n)
			switch {
			case err == io.EOF:
				h.Sum(r.sum[:0])
				return nil
			case err != nil:
				return readError(err)
			case ctx.Err() != nil:
				return ended(ctx, "hashing")
			case req.ContentLength > 0 && r.size > req.ContentLength:
				return checkSize(req, r.size)
			}
		}
	})
	if err == nil {
		err = checkSize(req, r.size)
	}
	if err != nil {
		return nil, [sha256.Size]byte{}, err
	}
	return &payload{hash: hex.EncodeToString(r.sum[:]), size: r.size}, r.sum, nil
}

// attended runs read over body, and leaves it behind when ctx ends: a Read that
// blocks cannot be interrupted but by closing the body, and not always by that.
func attended(ctx context.Context, body io.ReadCloser, read func(context.Context, io.Reader) error) error {
	if ctx.Done() == nil {
		return read(ctx, body)
	}
	if ctx.Err() != nil {
		return ended(ctx, "hashing")
	}
	done := make(chan error, 1)
	go func() { done <- read(ctx, body) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		body.Close()
		return ended(ctx, "hashing")
	}
}

// ended is the error of a context that ended while the body was hashed or sent.
func ended(ctx context.Context, doing string) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return fmt.Errorf("sigv4: %s the body: %w", doing, cause)
	}
	return fmt.Errorf("sigv4: %s the body: %w: %w", doing, err, cause)
}

func readError(err error) error { return fmt.Errorf("sigv4: reading the body: %w", err) }

func checkSize(req *http.Request, size int64) error {
	switch {
	case req.ContentLength <= 0: // not known
		return nil
	case size > req.ContentLength:
		return fmt.Errorf("sigv4: the body is longer than its ContentLength of %d", req.ContentLength)
	case size < req.ContentLength:
		return fmt.Errorf("sigv4: the body has %d bytes and not its ContentLength of %d", size, req.ContentLength)
	}
	return nil
}

// onceCloser closes once, however many do.
type onceCloser struct {
	io.ReadCloser
	closed atomic.Bool
}

func (c *onceCloser) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	return c.ReadCloser.Close()
}
