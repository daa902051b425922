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
	"time"

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
// whole one (field case B14).
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

// A server may answer what it got of a body, and faster than Base notices.
func TestAnswerToABrokenBody(t *testing.T) {
	answer := newStream("bad request")
	req := newRequest(t, "PUT", "https://h/", newStream(text(large)))
	req.GetBody = func() (io.ReadCloser, error) { return newStream("else"), nil }
	tr := &sigv4.Transport{Service: "s3", Region: "r", Credentials: stschain.Static("AKID", "secret", ""),
		Base: roundTripper(func(r *http.Request) (*http.Response, error) {
			io.Copy(io.Discard, r.Body)
			return &http.Response{StatusCode: 400, Body: answer}, nil
		})}
	_, err := tr.RoundTrip(req)
	require.ErrorContains(t, err, "sigv4: the body ended 299996 bytes before")
	require.EqualValues(t, 1, answer.closed.Load())
}

func TestBodyThatFails(t *testing.T) {
	broken := errors.New("disk on fire")
	failAfter := func(n int) io.Reader {
		return io.MultiReader(strings.NewReader(text(n)), readerFunc(func([]byte) (int, error) { return 0, broken }))
	}
	t.Run("while hashing", func(t *testing.T) {
		for _, req := range []*http.Request{
			{Body: &stream{Reader: failAfter(100)}},
			{Body: &stream{Reader: failAfter(100)}, ContentLength: 200},
			{Body: &stream{Reader: failAfter(large)}, GetBody: func() (io.ReadCloser, error) { return nil, nil }},
			{Body: &seekable{stream{Reader: failAfter(large)}, strings.NewReader("")}},
		} {
			req.Method, req.URL, req.Header = "PUT", mustParse(t, "https://h/"), http.Header{}
			tr := &sigv4.Transport{Service: "s3", Region: "r", Credentials: stschain.Static("AKID", "secret", "")}
			_, err := tr.RoundTrip(req)
			require.ErrorIs(t, err, broken)
			require.ErrorContains(t, err, "sigv4: reading the body")
		}
	})
	t.Run("while sending", func(t *testing.T) {
		s := newService(t, plain, nil, "AKID")
		second := &stream{Reader: failAfter(large / 2)}
		req := newRequest(t, "PUT", s.URL, newStream(text(large)))
		req.GetBody = func() (io.ReadCloser, error) { return second, nil }
		_, err := (&http.Client{Transport: s.transport()}).Do(req)
		require.ErrorIs(t, err, broken)
		require.ErrorContains(t, err, "sigv4: reading the body")
		require.Eventually(t, func() bool { return second.closed.Load() == 1 }, 10*time.Second, time.Millisecond)
	})
	t.Run("GetBody", func(t *testing.T) {
		req := newRequest(t, "PUT", "https://h/", newStream(text(large)))
		req.GetBody = func() (io.ReadCloser, error) { return nil, broken }
		tr := &sigv4.Transport{Service: "s3", Region: "r", Credentials: stschain.Static("AKID", "secret", "")}
		_, err := tr.RoundTrip(req)
		require.ErrorIs(t, err, broken)
		require.ErrorContains(t, err, "sigv4: GetBody")
	})
	t.Run("seeking back", func(t *testing.T) {
		b := newSeekable(text(large))
		b.Seeker = seekerFunc(func(_ int64, whence int) (int64, error) {
			if whence == io.SeekStart {
				return 0, errors.New("never again")
			}
			return 0, nil
		})
		tr := &sigv4.Transport{Service: "s3", Region: "r", Credentials: stschain.Static("AKID", "secret", "")}
		_, err := tr.RoundTrip(newRequest(t, "PUT", "https://h/", b))
		require.ErrorContains(t, err, "sigv4: going back to the start of the body: never again")
		require.EqualValues(t, 1, b.closed.Load())
	})
}

// Bodies that break the contract of io.Reader or of GetBody are errors, and do not
// end the process in a goroutine of net/http or of this package (field case B12).
func TestBodiesThatBreakTheRules(t *testing.T) {
	reader := func(read func(p []byte) (int, error)) io.ReadCloser { return &stream{Reader: readerFunc(read)} }
	returns := func(n int, err error) io.ReadCloser {
		return reader(func([]byte) (int, error) { return n, err })
	}
	more := func(p []byte) (int, error) { return len(p) + 3, nil }
	get := func(body func() io.ReadCloser) func() (io.ReadCloser, error) {
		return func() (io.ReadCloser, error) { return body(), nil }
	}
	whole := func() io.ReadCloser { return newStream(text(large)) }
	for name, c := range map[string]struct {
		req  func() *http.Request
		want string
	}{
		"GetBody returns nothing": {func() *http.Request {
			return &http.Request{Body: whole(), GetBody: func() (io.ReadCloser, error) { return nil, nil }}
		}, "GetBody returned neither a body nor an error"},
		"GetBody returns a bad reader": {func() *http.Request {
			return &http.Request{Body: whole(), GetBody: get(func() io.ReadCloser { return reader(more) })}
		}, "Read of a body returned "},
		"more than asked for":        {func() *http.Request { return &http.Request{Body: reader(more)} }, "Read of a body returned "},
		"more, and the length":       {func() *http.Request { return &http.Request{Body: reader(more), ContentLength: 7} }, "Read of a body returned "},
		"more, and a large length":   {func() *http.Request { return &http.Request{Body: reader(more), ContentLength: large} }, "Read of a body returned "},
		"less than nothing":          {func() *http.Request { return &http.Request{Body: returns(-1, nil)} }, "Read of a body returned -1 bytes"},
		"less than nothing, and EOF": {func() *http.Request { return &http.Request{Body: returns(-1, io.EOF), ContentLength: 3} }, "Read of a body returned -1 bytes"},
		"nothing, for ever":          {func() *http.Request { return &http.Request{Body: returns(0, nil)} }, io.ErrNoProgress.Error()},
		"nothing, of a known length": {func() *http.Request { return &http.Request{Body: returns(0, nil), ContentLength: large} }, io.ErrNoProgress.Error()},
	} {
		for _, unsigned := range []bool{false, true} {
			for _, sign := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%v/%v", name, unsigned, sign), func(t *testing.T) {
					s := newService(t, withTLS, nil, "AKID")
					tr := s.transport()
					tr.UnsignedPayload = unsigned
					req := c.req().WithContext(t.Context())
					req.Method, req.URL, req.Header = "PUT", mustParse(t, s.URL), http.Header{}
					send := tr.RoundTrip
					if sign {
						send = func(req *http.Request) (*http.Response, error) {
							if err := tr.SignRequest(req); err != nil {
								return nil, err
							}
							return tr.Base.RoundTrip(req)
						}
					}
					_, err := send(req)
					require.ErrorContains(t, err, c.want)
				})
			}
		}
	}
	for want, read := range map[string]func([]byte) (int, error){
		"Read of a body panicked: out of luck": func([]byte) (int, error) { panic("out of luck") },
		"the body's Read ended its goroutine":  func([]byte) (int, error) { runtime.Goexit(); return 0, nil },
	} {
		tr := &sigv4.Transport{Service: "s3", Region: "r", Credentials: stschain.Static("AKID", "secret", ""), Base: discard{}}
		_, err := tr.RoundTrip(newRequest(t, "PUT", "https://h/", reader(read)).WithContext(t.Context()))
		require.EqualError(t, err, "sigv4: "+want)
	}
}

// blocked is a body whose Read answers when released, whatever Close says.
type blocked struct {
	stream
	reading, release chan struct{}
}

func newBlocked() *blocked {
	b := &blocked{reading: make(chan struct{}), release: make(chan struct{})}
	first := strings.NewReader("half of it")
	b.Reader = readerFunc(func(p []byte) (int, error) {
		if first.Len() > 0 {
			return first.Read(p)
		}
		close(b.reading)
		<-b.release
		return 0, io.EOF
	})
	return b
}

func TestContextEndsWhileHashing(t *testing.T) {
	cause := errors.New("changed my mind")
	for name, give := range map[string]func(*blocked) *http.Request{
		"stream":                 func(b *blocked) *http.Request { return &http.Request{Body: b} },
		"stream of known length": func(b *blocked) *http.Request { return &http.Request{Body: b, ContentLength: 100} },
		"GetBody": func(b *blocked) *http.Request {
			return &http.Request{Body: b, GetBody: func() (io.ReadCloser, error) { return nil, errors.New("not needed") }}
		},
		"seeker": func(b *blocked) *http.Request {
			return &http.Request{Body: struct {
				*blocked
				io.Seeker
			}{b, strings.NewReader("")}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBlocked()
			defer close(b.release)
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() {
				<-b.reading
				cancel(cause)
			}()
			req := give(b)
			req.Method, req.URL, req.Header = "PUT", mustParse(t, "https://h/"), http.Header{}
			tr := &sigv4.Transport{Service: "s3", Region: "r", Credentials: stschain.Static("AKID", "secret", "")}
			_, err := tr.RoundTrip(req.WithContext(ctx))
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, cause)
			require.ErrorContains(t, err, "sigv4: hashing the body")
			require.EqualValues(t, 1, b.closed.Load())
		})
	}
	t.Run("between reads", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var reads int
		b := &stream{Reader: readerFunc(func(p []byte) (int, error) {
			if reads++; reads == 3 {
				cancel()
			}
			return len(p), nil // without an end
		})}
		tr := &sigv4.Transport{Service: "s3", Region: "r", Credentials: stschain.Static("AKID", "secret", ""), MaxBody: 1 << 60}
		_, err := tr.RoundTrip(newRequest(t, "PUT", "https://h/", b).WithContext(ctx))
		require.ErrorIs(t, err, context.Canceled)
		require.EqualValues(t, 1, b.closed.Load())
	})
	t.Run("before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		b := &stream{Reader: readerFunc(func(p []byte) (int, error) { t.Error("was read"); return 0, io.EOF })}
		tr := &sigv4.Transport{Service: "s3", Region: "r", Credentials: stschain.Static("AKID", "secret", "")}
		_, err := tr.RoundTrip(newRequest(t, "PUT", "https://h/", b).WithContext(ctx))
		require.ErrorIs(t, err, context.Canceled)
		require.EqualValues(t, 1, b.closed.Load())
	})
}

// A body that blocks while it is sent is closed when the context ends: net/http
// would wait for it.
func TestContextEndsWhileSending(t *testing.T) {
	for _, start := range []func(*httptest.Server){withTLS, http2} {
		for name, give := range map[string]func(io.ReadCloser) *http.Request{
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
			t.Run(name, func(t *testing.T) {
				s := newService(t, start, nil, "AKID")
				tr := s.transport()
				pipe, _ := io.Pipe()
				ctx, cancel := context.WithCancel(t.Context())
				reading := &stream{Reader: readerFunc(func(p []byte) (int, error) { cancel(); return pipe.Read(p) }), Closer: pipe}
				req := give(reading)
				req.Method, req.URL, req.Header = "PUT", mustParse(t, s.URL), http.Header{}
				_, err := tr.RoundTrip(req.WithContext(ctx))
				require.ErrorIs(t, err, context.Canceled)
				require.Eventually(t, func() bool { return reading.closed.Load() == 1 }, 10*time.Second, time.Millisecond)
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
