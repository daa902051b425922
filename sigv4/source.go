package sigv4

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
)

// source is a body of the caller's. Attempts that seek in it share it, and the
// last of its users closes it.
type source struct {
	rc     io.ReadCloser
	seek   io.Seeker // nil: it cannot
	start  int64     // where the caller left it
	idle   int       // reads in a row that returned nothing
	users  atomic.Int32
	closed atomic.Bool

	mu     sync.Mutex
	reader *attempt // whose reads are let through
}

func (s *source) set(rc io.ReadCloser) {
	s.rc = rc
	if r, ok := rc.(io.Seeker); ok {
		if at, err := r.Seek(0, io.SeekCurrent); err == nil { // a pipe is an *os.File that cannot
			s.seek, s.start = r, at
		}
	}
}

// length is what is left to read, -1 if the source does not say. Files that are
// not on a disk, as those of /proc, have a size of 0 and content.
func (s *source) length() int64 {
	if s.seek == nil {
		return -1
	}
	end, err := s.seek.Seek(0, io.SeekEnd)
	if s.back() != nil || err != nil || end <= s.start {
		return -1
	}
	return end - s.start
}

// back returns to where the caller left the source, if it can seek.
func (s *source) back() error {
	if s.seek == nil {
		return nil
	}
	if _, err := s.seek.Seek(s.start, io.SeekStart); err != nil {
		return fmt.Errorf("sigv4: going back to the start of the body: %w", err)
	}
	return nil
}

// Read checks what readers that break their contract return, before net/http
// slices with it.
func (s *source) Read(p []byte) (int, error) {
	if s.closed.Load() {
		return 0, errClosed
	}
	n, err := s.rc.Read(p)
	switch {
	case n < 0 || n > len(p):
		return 0, fmt.Errorf("sigv4: the body's Read returned %d bytes for a buffer of %d", n, len(p))
	case n > 0 || err != nil || len(p) == 0:
		s.idle = 0
	default:
		if s.idle++; s.idle > 100 {
			err = io.ErrNoProgress
		}
	}
	if err != nil && err != io.EOF {
		err = fmt.Errorf("sigv4: reading the body: %w", err)
	}
	return n, err
}

var errClosed = errors.New("sigv4: the body is closed")

func (s *source) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	return s.rc.Close()
}

func (s *source) done() {
	if s.users.Add(-1) == 0 {
		s.Close()
	}
}

// attempt is a body while it is sent once. It holds the end back until it knows
// that the body has the length that was promised, so that no service gets a whole
// request that is wrong.
type attempt struct {
	of     *body
	src    *source
	left   int64 // -1: unknown
	err    error
	closed atomic.Bool
}

var errReopened = errors.New("sigv4: reading the body: the body is being sent again")

// lend takes the source from the attempt before, which may not have noticed yet
// that it is over.
func (s *source) lend(b *body) (*attempt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.get == nil {
		if err := s.back(); err != nil {
			return nil, err
		}
	}
	s.users.Add(1)
	s.reader = &attempt{of: b, src: s, left: b.size}
	return s.reader, nil
}

func (a *attempt) Read(p []byte) (n int, err error) {
	a.src.mu.Lock()
	defer a.src.mu.Unlock()
	switch {
	case a.src.reader != a:
		return 0, errReopened
	case a.err != nil:
		return 0, a.err
	}
	n, err = a.read(p)
	if a.err = err; err != nil && err != io.EOF && !a.closed.Load() {
		a.of.fault.CompareAndSwap(nil, &err)
	}
	return n, err
}

func (a *attempt) read(p []byte) (int, error) {
	if a.left < 0 {
		return a.src.Read(p)
	}
	n, err := a.src.Read(p[:min(int64(len(p)), a.left)])
	a.left -= int64(n)
	switch {
	case err != nil && err != io.EOF:
		return 0, err
	case a.left > 0 && err == io.EOF:
		return 0, fmt.Errorf("sigv4: the body ended %d bytes before its length of %d", a.left, a.of.size)
	case a.left > 0:
		return n, nil
	case err == nil:
		if _, err = io.ReadFull(a.src, make([]byte, 1)); err == nil {
			return 0, fmt.Errorf("sigv4: the body is longer than its length of %d", a.of.size)
		}
	}
	if err != io.EOF {
		return 0, err
	}
	return n, io.EOF
}

func (a *attempt) Close() error {
	if !a.closed.Swap(true) {
		a.src.done()
	}
	return nil
}

// attended runs read over src, and leaves it behind when ctx ends: a Read that
// blocks cannot be interrupted except by closing the body, and not always by that.
func attended(ctx context.Context, src *source, read func() error) error {
	switch {
	case ctx.Err() != nil:
		return ended(ctx, "hashing")
	case ctx.Done() == nil || isMemory(src.rc):
		return read()
	}
	done := make(chan error, 1)
	go func() {
		err := errors.New("sigv4: the body's Read ended its goroutine")
		defer func() {
			if p := recover(); p != nil { // the caller may recover from panics; here it could not
				err = fmt.Errorf("sigv4: the body's Read panicked: %v", p)
			}
			done <- err
		}()
		err = read()
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		src.Close()
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

// isMemory reports whether Read cannot block: the bodies that http.NewRequest
// knows. net/http looks into io.NopCloser in the same way.
func isMemory(r io.Reader) bool {
	if t := reflect.TypeOf(r); t == nopCloser || t == nopCloserWriterTo {
		r, _ = reflect.ValueOf(r).Field(0).Interface().(io.Reader)
	}
	switch r.(type) {
	case *bytes.Reader, *bytes.Buffer, *strings.Reader:
		return true
	}
	return false
}

// What io.NopCloser returns, without and with WriteTo.
var (
	nopCloser         = reflect.TypeOf(io.NopCloser(nil))
	nopCloserWriterTo = reflect.TypeOf(io.NopCloser(new(bytes.Reader)))
)
