package sigv4_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

// changing gives other bytes each time it is read from the start.
type changing struct {
	stream
	versions []string
}

func (c *changing) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekStart {
		c.versions = c.versions[1:]
		c.Reader = strings.NewReader(c.versions[0])
	}
	return 0, nil
}

// A body that is not what was hashed is refused by the service, which compares the
// same hash; one of another length fails the request before the service sees a
// whole one .
func TestBodyThatChanges(t *testing.T) {
	before := text(large)
	for name, c := range map[string]struct{ after, want string }{
		"first byte": {"x" + before[1:], ""},
		"last byte":  {before[:large-1] + "x", ""},
		"shorter":    {before[:large-1], "sigv4: the body ended 1 bytes before its length of 300000"},
		"empty":      {"", "sigv4: the body ended 300000 bytes before its length of 300000"},
		"longer":     {before + "x", "sigv4: the body is longer than its length of 300000"},
	} {
		after := c.after
		for how, start := range map[string]func(*httptest.Server){"HTTP1": withTLS, "HTTP2": http2} {
			for kind, body := range map[string]func() *http.Request{
				"seeker": func() *http.Request {
					b := &changing{versions: []string{before, after}}
					b.Reader = strings.NewReader(before)
					return &http.Request{Body: b}
				},
				"GetBody": func() *http.Request {
					return &http.Request{Body: newStream(before), GetBody: func() (io.ReadCloser, error) { return newStream(after), nil }}
				},
			} {
				t.Run(strings.Join([]string{kind, name, how}, "/"), func(t *testing.T) {
					s := newService(t, start, nil, "AKID")
					req := body()
					req.Method, req.URL, req.Header = "PUT", mustParse(t, s.URL), http.Header{}
					resp, err := (&http.Client{Transport: s.transport()}).Do(req)
					if c.want == "" {
						require.NoError(t, err)
						resp.Body.Close()
						require.Equal(t, http.StatusTeapot, resp.StatusCode)
						require.ErrorContains(t, s.arrivals()[0].err, "signature is")
						return
					}
					require.ErrorContains(t, err, c.want)
					s.Close()
					for _, a := range s.arrivals() {
						require.Error(t, a.err, "the service got a whole body")
						require.Less(t, len(a.body), large)
					}
				})
			}
		}
	}
}

// A server may respond to a part of a body, before Base notices that it failed.
func TestResponseToABrokenBody(t *testing.T) {
	reply := newStream("bad request")
	req := newRequest(t, "PUT", "https://h/", newStream(text(large)))
	req.GetBody = func() (io.ReadCloser, error) { return newStream("else"), nil }
	tr := &sigv4.Transport{Service: "s3", Region: "r", Credentials: stschain.Static("AKID", "secret", ""),
		Base: roundTripper(func(r *http.Request) (*http.Response, error) {
			io.Copy(io.Discard, r.Body)
			return &http.Response{StatusCode: 400, Body: reply}, nil
		})}
	_, err := tr.RoundTrip(req)
	require.ErrorContains(t, err, "sigv4: the body ended 299996 bytes before")
	require.EqualValues(t, 1, reply.closed.Load())
}

// A body that fails, or that breaks the contract of io.Reader, io.Seeker or GetBody,
// is an error, and does not end the process in another goroutine.
func TestBodiesThatBreakTheRules(t *testing.T) {
	broken := errors.New("disk on fire")
	reader := func(read func(p []byte) (int, error)) io.ReadCloser { return &stream{Reader: readerFunc(read)} }
	returns := func(n int, err error) io.ReadCloser {
		return reader(func([]byte) (int, error) { return n, err })
	}
	failAfter := func(n int) io.ReadCloser {
		return &stream{Reader: io.MultiReader(strings.NewReader(text(n)), returns(0, broken))}
	}
	more := func(p []byte) (int, error) { return len(p) + 3, nil }
	getBody := func(again io.ReadCloser, err error) func() *http.Request {
		return func() *http.Request {
			return &http.Request{Body: newStream(text(large)), GetBody: func() (io.ReadCloser, error) { return again, err }}
		}
	}
	body := func(b io.ReadCloser, length int64) func() *http.Request {
		return func() *http.Request { return &http.Request{Body: b, ContentLength: length} }
	}
	cannotGoBack := func() *http.Request {
		b := newSeekable(text(large))
		b.Seeker = seekerFunc(func(_ int64, whence int) (int64, error) {
			if whence == io.SeekStart {
				return 0, broken
			}
			return 0, nil
		})
		return &http.Request{Body: b}
	}
	for name, c := range map[string]struct {
		req  func() *http.Request
		want string
	}{
		"fails":                       {body(failAfter(100), 0), "sigv4: reading the body: disk on fire"},
		"fails before its length":     {body(failAfter(100), 200), "sigv4: reading the body: disk on fire"},
		"fails, and can seek":         {body(&seekable{stream{Reader: failAfter(large)}, strings.NewReader("")}, 0), "sigv4: reading the body: disk on fire"},
		"fails when it is sent":       {getBody(failAfter(large/2), nil), "sigv4: reading the body: disk on fire"},
		"cannot seek back":            {cannotGoBack, "sigv4: going back to the start of the body: disk on fire"},
		"GetBody fails":               {getBody(nil, broken), "sigv4: GetBody: disk on fire"},
		"GetBody returns nothing":     {getBody(nil, nil), "GetBody returned neither a body nor an error"},
		"GetBody returns a bad body":  {getBody(reader(more), nil), "Read of a body returned "},
		"too many bytes":              {body(reader(more), 0), "Read of a body returned "},
		"too many for its length":     {body(reader(more), large), "Read of a body returned "},
		"a negative count":            {body(returns(-1, nil), 0), "Read of a body returned -1 bytes"},
		"a negative count at its end": {body(returns(-1, io.EOF), 3), "Read of a body returned -1 bytes"},
		"nothing, without an end":     {body(returns(0, nil), 0), io.ErrNoProgress.Error()},
		"nothing, of a known length":  {body(returns(0, nil), large), io.ErrNoProgress.Error()},
		"a panic":                     {body(reader(func([]byte) (int, error) { panic("out of luck") }), 0), "sigv4: Read of a body panicked: out of luck"},
	} {
		for _, unsigned := range []bool{false, true} {
			for way := range ways(nil) {
				t.Run(fmt.Sprintf("%s/%v/%s", name, unsigned, way), func(t *testing.T) {
					if unsigned && (name == "cannot seek back" || strings.HasPrefix(name, "fails")) {
						t.Skip("is sent as it comes")
					}
					s := newService(t, withTLS, nil, "AKID")
					tr := s.transport()
					tr.UnsignedPayload = unsigned
					req := c.req().WithContext(t.Context())
					req.Method, req.URL, req.Header = "PUT", mustParse(t, s.URL), http.Header{}
					_, err := ways(tr)[way](req)
					require.ErrorContains(t, err, c.want)
				})
			}
		}
	}
	ends := reader(func([]byte) (int, error) { runtime.Goexit(); return 0, nil })
	_, err := s3(discard{}).RoundTrip(newRequest(t, "PUT", "https://h/", ends).WithContext(t.Context()))
	require.EqualError(t, err, "sigv4: the body's Read called runtime.Goexit")
}

// The end of the context ends the request, whether or not Close ends a Read.
func TestContextEndsWhileHashing(t *testing.T) {
	cause := errors.New("changed my mind")
	for kind, change := range map[string]func(*http.Request){
		"stream":                 func(*http.Request) {},
		"stream of known length": func(r *http.Request) { r.ContentLength = 100 },
		"GetBody": func(r *http.Request) {
			r.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("not needed") }
		},
		"seeker": func(r *http.Request) {
			r.Body = struct {
				io.ReadCloser
				io.Seeker
			}{r.Body, strings.NewReader("")}
		},
	} {
		for name, read := range map[string]func(release chan struct{}, p []byte) (int, error){
			"blocks":       func(release chan struct{}, p []byte) (int, error) { <-release; return 0, io.EOF },
			"never ends":   func(_ chan struct{}, p []byte) (int, error) { return len(p), nil },
			"ended before": nil,
		} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				release := make(chan struct{})
				defer close(release)
				body := &stream{Reader: readerFunc(func(p []byte) (int, error) {
					cancel(cause)
					return read(release, p)
				})}
				if read == nil {
					cancel(cause)
				}
				req := newRequest(t, "PUT", "https://h/", body)
				change(req)
				tr := s3(nil)
				tr.MaxBody = 1 << 60
				_, err := tr.RoundTrip(req.WithContext(ctx))
				if kind == "stream of known length" && name == "never ends" {
					require.Error(t, err, "it is too long, too")
				} else {
					require.ErrorIs(t, err, context.Canceled)
					require.ErrorIs(t, err, cause)
					require.ErrorContains(t, err, "sigv4: hashing the body")
				}
				require.EqualValues(t, 1, body.closed.Load())
			})
		}
	}
}

// A body that blocks while it is sent is closed when the context ends: net/http
// would wait for it.
func TestContextEndsWhileSending(t *testing.T) {
	for _, start := range []func(*httptest.Server){withTLS, http2} {
		for kind, give := range map[string]func(io.ReadCloser) *http.Request{
			"GetBody": func(b io.ReadCloser) *http.Request {
				return &http.Request{Body: newStream(text(large)), GetBody: func() (io.ReadCloser, error) { return b, nil }}
			},
			"seeker": func(b io.ReadCloser) *http.Request {
				first := newSeekable(text(large))
				first.Closer, first.Seeker = b, seekerFunc(func(_ int64, whence int) (int64, error) {
					if whence == io.SeekStart {
						first.Reader = b
					}
					return 0, nil
				})
				return &http.Request{Body: first}
			},
		} {
			t.Run(kind, func(t *testing.T) {
				s := newService(t, start, nil, "AKID")
				tr := s.transport()
				pipe, _ := io.Pipe()
				ctx, cancel := context.WithCancel(t.Context())
				reading := &stream{Reader: readerFunc(func(p []byte) (int, error) { cancel(); return pipe.Read(p) }), Closer: pipe}
				req := give(reading)
				req.Method, req.URL, req.Header = "PUT", mustParse(t, s.URL), http.Header{}
				_, err := tr.RoundTrip(req.WithContext(ctx))
				require.ErrorIs(t, err, context.Canceled)
				requireClosed(t, reading.closed.Load, "")
			})
		}
	}
}

// The end of the context is the error, and not what closing the body makes of it.
func TestContextEndsWhileBaseReads(t *testing.T) {
	cause := errors.New("changed my mind")
	ctx, cancel := context.WithCancelCause(t.Context())
	pipe, _ := io.Pipe()
	reading := &stream{Reader: readerFunc(func(p []byte) (int, error) { cancel(cause); return pipe.Read(p) }), Closer: pipe}
	tr := &sigv4.Transport{Service: "execute-api", Region: "r", Credentials: stschain.Static("AKID", "secret", ""), UnsignedPayload: true,
		Base: roundTripper(func(r *http.Request) (*http.Response, error) {
			_, err := io.Copy(io.Discard, r.Body)
			return nil, err
		})}
	_, err := tr.RoundTrip(newRequest(t, "PUT", "https://h/", reading).WithContext(ctx))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, cause)
	require.ErrorContains(t, err, "sigv4: sending the body")
	require.NotErrorIs(t, err, io.ErrClosedPipe)
}
