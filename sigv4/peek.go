package sigv4

import (
	"io"
	"net/http"
	"time"
)

const (
	maxPeek  = 64 << 10 // read ahead of a response that may reject a signature
	peekTime = 2 * time.Second
)

// peek returns the start of the body, as far as it arrives in time, and replaces
// the body by one that still returns all of it.
func peek(resp *http.Response) []byte {
	if resp.Body == nil {
		resp.Body = http.NoBody // as http.Client does
	}
	p := &peeked{ReadCloser: resp.Body}
	resp.Body = p
	timeout := time.NewTimer(peekTime)
	defer timeout.Stop()
	for p.err == nil && len(p.data) < maxPeek {
		p.pending = readAhead(p.ReadCloser, min(4<<10, maxPeek-len(p.data)))
		select {
		case c := <-p.pending:
			p.take(c)
		case <-timeout.C:
			return p.data
		}
	}
	return p.data
}

// peeked is a body whose start was read. The Read that is in flight when the
// time is up cannot be interrupted without losing its result.
type peeked struct {
	io.ReadCloser
	chunk              // what was read, and is returned first
	pending chan chunk // the Read in flight, or nil
}

type chunk struct {
	data []byte
	err  error
}

func readAhead(r io.Reader, size int) chan chunk {
	done := make(chan chunk, 1)
	go func() {
		buf := make([]byte, size)
		n, err := checkedRead(r, buf)
		done <- chunk{buf[:n], err}
	}()
	return done
}

func (p *peeked) take(c chunk) {
	p.chunk, p.pending = chunk{append(p.data, c.data...), c.err}, nil
}

func (p *peeked) Read(b []byte) (int, error) {
	if len(p.data) == 0 && p.pending != nil {
		p.take(<-p.pending)
	}
	if n := copy(b, p.data); n > 0 || len(b) == 0 {
		p.data = p.data[n:]
		return n, nil
	}
	if p.err != nil {
		return 0, p.err
	}
	return p.ReadCloser.Read(b)
}
