package sigv4

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

// source is the caller's body. Attempts that seek in it share it, and its last user
// closes it.
type source struct {
	rc     io.ReadCloser
	seek   io.Seeker // nil: it cannot seek
	start  int64     // the offset at which the caller passed it
	idle   int       // consecutive reads that returned nothing
	users  atomic.Int32
	closed atomic.Bool

	mu     sync.Mutex
	reader *attempt // the one that may read
}

func (s *source) set(rc io.ReadCloser) *source {
	s.rc = rc
	if r, ok := rc.(io.Seeker); ok {
		if at, err := r.Seek(0, io.SeekCurrent); err == nil { // a pipe is an *os.File that cannot
			s.seek, s.start = r, at
		}
	}
	return s
}

// length returns the number of bytes left to read, or -1 if it is unknown.
// Files that are not on a disk, such as those of /proc, report a size of 0 but
// have content.
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

// back seeks to the offset at which the caller passed the source, if it can seek.
func (s *source) back() error {
	if s.seek == nil {
		return nil
	}
	if _, err := s.seek.Seek(s.start, io.SeekStart); err != nil {
		return fmt.Errorf("sigv4: going back to the start of the body: %w", err)
	}
	return nil
}

func (s *source) Read(p []byte) (int, error) {
	if s.closed.Load() {
		return 0, errors.New("sigv4: the body is closed")
	}
	n, err := checkedRead(s.rc, p)
	if s.idle++; n > 0 || len(p) == 0 {
		s.idle = 0
	}
	if s.idle > 100 && err == nil {
		err = io.ErrNoProgress
	}
	if _, broken := err.(contractError); err != nil && err != io.EOF && !broken {
		err = fmt.Errorf("sigv4: reading the body: %w", err)
	}
	return n, err
}

// contractError is the error of a Read that breaks the contract of io.Reader.
type contractError string

func (e contractError) Error() string { return "sigv4: Read of a body " + string(e) }

// checkedRead guards the goroutines of net/http and of this package, where a panic
// or an invalid count would end the process.
func checkedRead(r io.Reader, p []byte) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			n, err = 0, contractError(fmt.Sprint("panicked: ", v))
		}
	}()
	if n, err = r.Read(p); n < 0 || n > len(p) {
		return 0, contractError(fmt.Sprintf("returned %d bytes for a buffer of %d", n, len(p)))
	}
	return n, err
}

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

// attempt is a body while it is sent once. It withholds the end until the body
// is known to have the announced length, so that no service receives a request
// that is complete but wrong.
type attempt struct {
	of     *body
	src    *source
	left   int64 // -1: unknown
	err    error
	closed atomic.Bool
}

// lend takes the source from the previous attempt, which may not know yet that it has ended.
func (s *source) lend(b *body) (*attempt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.back(); err != nil {
		return nil, err
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
		return 0, errors.New("sigv4: reading the body: the body is being sent again")
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
	case a.left > 0 && err == io.EOF:
		err = fmt.Errorf("sigv4: the body ended %d bytes before its length of %d", a.left, a.of.size)
	case a.left == 0 && err == nil:
		if _, err = io.ReadFull(a.src, make([]byte, 1)); err == nil {
			err = fmt.Errorf("sigv4: the body is longer than its length of %d", a.of.size)
		}
	}
	if err != nil && err != io.EOF {
		return 0, err
	}
	return n, err
}

func (a *attempt) Close() error {
	if !a.closed.Swap(true) {
		a.src.done()
	}
	return nil
}
