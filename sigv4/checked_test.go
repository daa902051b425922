package sigv4_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
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

// A body that is not what was hashed fails the request, and the service never
// sees a whole one.
func TestBodyThatChanges(t *testing.T) {
	before := text(large)
	for name, after := range map[string]string{
		"first byte": "x" + before[1:],
		"last byte":  before[:large-1] + "x",
		"shorter":    before[:large-1],
		"empty":      "",
		"longer":     before + "x",
	} {
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
					_, err := (&http.Client{Transport: s.transport()}).Do(req)
					require.ErrorContains(t, err, "sigv4: the body changed between hashing and sending")
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
	tr := &sigv4.Transport{Service: "s3", Region: "r", Source: stschain.Static("AKID", "secret", ""),
		Base: roundTripper(func(r *http.Request) (*http.Response, error) {
			io.Copy(io.Discard, r.Body)
			return &http.Response{StatusCode: 400, Body: answer}, nil
		})}
	_, err := tr.RoundTrip(req)
	require.ErrorContains(t, err, "sigv4: the body changed")
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
			tr := &sigv4.Transport{Service: "s3", Region: "r", Source: stschain.Static("AKID", "secret", "")}
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
		tr := &sigv4.Transport{Service: "s3", Region: "r", Source: stschain.Static("AKID", "secret", "")}
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
		tr := &sigv4.Transport{Service: "s3", Region: "r", Source: stschain.Static("AKID", "secret", "")}
		_, err := tr.RoundTrip(newRequest(t, "PUT", "https://h/", b))
		require.ErrorContains(t, err, "sigv4: going back to the start of the body: never again")
		require.EqualValues(t, 1, b.closed.Load())
	})
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
			tr := &sigv4.Transport{Service: "s3", Region: "r", Source: stschain.Static("AKID", "secret", "")}
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
		tr := &sigv4.Transport{Service: "s3", Region: "r", Source: stschain.Static("AKID", "secret", ""), MaxBody: 1 << 60}
		_, err := tr.RoundTrip(newRequest(t, "PUT", "https://h/", b).WithContext(ctx))
		require.ErrorIs(t, err, context.Canceled)
		require.EqualValues(t, 1, b.closed.Load())
	})
	t.Run("before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		b := &stream{Reader: readerFunc(func(p []byte) (int, error) { t.Error("was read"); return 0, io.EOF })}
		tr := &sigv4.Transport{Service: "s3", Region: "r", Source: stschain.Static("AKID", "secret", "")}
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
	tr := &sigv4.Transport{Service: "s3", Region: "r", Source: stschain.Static("AKID", "secret", ""), UnsignedPayload: true,
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
