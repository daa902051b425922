package sigv4_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

// service is a server that lets through what is signed, and remembers it.
type service struct {
	*httptest.Server
	verifier
	t  testing.TB
	do http.HandlerFunc // nil: 200

	mu   sync.Mutex
	seen []arrival
}

type arrival struct {
	id     string
	body   string
	signed []string
	req    *http.Request
	err    error
}

// newService starts a server for credentials of these ids. It responds 418 to a
// request that is not valid.
func newService(t testing.TB, start func(*httptest.Server), do http.HandlerFunc, ids ...string) *service {
	s := &service{t: t, do: do, verifier: verifier{service: "execute-api", region: "eu-west-1"}}
	for _, id := range ids {
		s.known = append(s.known, creds(id))
	}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.handle))
	s.Config.ErrorLog = quiet
	start(s.Server)
	t.Cleanup(s.Close)
	return s
}

func plain(s *httptest.Server)   { s.Start() }
func withTLS(s *httptest.Server) { s.StartTLS() }
func http2(s *httptest.Server)   { s.EnableHTTP2 = true; s.StartTLS() }

// starts are the ways to start a service.
var starts = map[string]func(*httptest.Server){"HTTP": plain, "TLS": withTLS, "HTTP2": http2}

func (s *service) handle(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	a := arrival{body: string(body), req: r, err: err}
	if err == nil {
		a.id, a.signed, a.err = s.verify(r, body)
	}
	s.mu.Lock()
	s.seen = append(s.seen, a)
	s.mu.Unlock()
	switch {
	case a.err != nil:
		http.Error(w, a.err.Error(), http.StatusTeapot)
	case s.do != nil:
		s.do(w, r)
	}
}

func (s *service) arrivals() []arrival {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]arrival(nil), s.seen...)
}

// transport signs for the service with the first of its credentials.
func (s *service) transport() *sigv4.Transport {
	return &sigv4.Transport{
		Service: s.verifier.service, Region: s.region, Base: s.Client().Transport, Clock: fixedClock(now),
		Credentials: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return s.known[0], nil }),
	}
}

// do sends a request, and closes the body of the response.
func do(t testing.TB, send func(*http.Request) (*http.Response, error), req *http.Request) *http.Response {
	t.Helper()
	resp, err := send(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp
}

// read is do, and returns the body of the response.
func read(t testing.TB, send func(*http.Request) (*http.Response, error), req *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := send(req)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp, string(body)
}

func requireOK(t testing.TB, send func(*http.Request) (*http.Response, error), req *http.Request) {
	t.Helper()
	require.Equal(t, http.StatusOK, do(t, send, req).StatusCode)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// s3 is a Transport with long-lived keys over base.
func s3(base http.RoundTripper) *sigv4.Transport {
	return &sigv4.Transport{Service: "s3", Region: "r", Credentials: stschain.Static("AKID", "secret", ""), Base: base}
}

var quiet = log.New(io.Discard, "", 0)

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
