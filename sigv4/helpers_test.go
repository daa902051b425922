package sigv4_test

import (
	"bufio"
	"io"
	"log"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

var quiet = log.New(io.Discard, "", 0)

func bufioReader(r io.Reader) *bufio.Reader { return bufio.NewReader(r) }

func newRequest(t testing.TB, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequest(method, url, body)
	require.NoError(t, err)
	return req
}

func mustParse(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	require.NoError(t, err)
	return u
}

// stream is a body that can be read once, and counts how often it is closed.
type stream struct {
	io.Reader
	io.Closer // may be nil
	closed    atomic.Int32
}

func newStream(s string) *stream { return &stream{Reader: strings.NewReader(s)} }

func (s *stream) Close() error {
	s.closed.Add(1)
	if s.Closer != nil {
		return s.Closer.Close()
	}
	return nil
}

// seekable is a stream that can seek.
type seekable struct {
	stream
	io.Seeker
}

func newSeekable(s string) *seekable {
	r := strings.NewReader(s)
	return &seekable{stream{Reader: r}, r}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

type seekerFunc func(offset int64, whence int) (int64, error)

func (f seekerFunc) Seek(offset int64, whence int) (int64, error) { return f(offset, whence) }

type closerFunc func()

func (f closerFunc) Close() error { f(); return nil }
