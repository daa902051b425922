package sigv4

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"sync/atomic"
)

var errChanged = errors.New("sigv4: the body changed between hashing and sending")

// openChecked makes p open bodies that are checked while they are read.
func (p *payload) openChecked(sum [sha256.Size]byte, open func() (io.ReadCloser, error)) {
	if p.size == 0 {
		return
	}
	p.open = func() (io.ReadCloser, error) {
		src, err := open()
		if err != nil {
			return nil, err
		}
		return &checked{src: src, payload: p, left: p.size, want: sum, hash: sha256.New()}, nil
	}
}

// checked hands out a body only as long as it is what was hashed. It keeps back
// the end until it knows, so that nobody gets a whole request that is wrong.
type checked struct {
	src     io.ReadCloser
	payload *payload
	left    int64
	want    [sha256.Size]byte
	hash    hash.Hash
	err     error
	one     [1]byte
	closed  atomic.Bool
}

func (c *checked) Read(p []byte) (n int, err error) {
	if c.err != nil {
		return 0, c.err
	}
	n, c.err = c.read(p)
	over := errors.Is(c.err, errReturned) || c.closed.Load() // nobody waits for this one any more
	if c.err != nil && c.err != io.EOF && !over {
		c.payload.fault.CompareAndSwap(nil, &c.err)
	}
	return n, c.err
}

func (c *checked) read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n, err := c.src.Read(p[:min(int64(len(p)), c.left)])
	c.hash.Write(p[:n])
	c.left -= int64(n)
	switch {
	case c.left > 0 && err == io.EOF:
		return 0, errChanged
	case err != nil && err != io.EOF:
		return 0, readError(err)
	case c.left > 0:
		return n, nil
	case [sha256.Size]byte(c.hash.Sum(nil)) != c.want:
		return 0, errChanged
	}
	if err == nil {
		err = c.end()
	}
	if err != io.EOF {
		return 0, err
	}
	return n, nil
}

// end finds io.EOF where the body ended when it was hashed.
func (c *checked) end() error {
	for range 100 {
		switch n, err := c.src.Read(c.one[:]); {
		case n > 0:
			return errChanged
		case err == io.EOF:
			return io.EOF
		case err != nil:
			return readError(err)
		}
	}
	return readError(io.ErrNoProgress)
}

func (c *checked) Close() error {
	c.closed.Store(true)
	return c.src.Close()
}
