package sigv4_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

const (
	small = 1000    // kept in memory
	large = 300_000 // not kept, if it can be read twice
)

func text(n int) string { return strings.Repeat("0123456789", n/10+1)[:n] }

// bodies are the ways in which a body can be given. Each returns a function that
// counts how often the body is closed, too.
var bodies = map[string]func(content string) (*http.Request, func() int32){
	"stream": func(content string) (*http.Request, func() int32) {
		b := newStream(content)
		return &http.Request{Body: b}, b.closed.Load
	},
	"stream of known length": func(content string) (*http.Request, func() int32) {
		b := newStream(content)
		return &http.Request{Body: b, ContentLength: int64(len(content))}, b.closed.Load
	},
	"seeker": func(content string) (*http.Request, func() int32) {
		b := newSeekable(content)
		return &http.Request{Body: b}, b.closed.Load
	},
	"seeker of known length": func(content string) (*http.Request, func() int32) {
		b := newSeekable(content)
		return &http.Request{Body: b, ContentLength: int64(len(content))}, b.closed.Load
	},
	"seeker at its middle": func(content string) (*http.Request, func() int32) {
		b := newSeekable("already read" + content)
		io.CopyN(io.Discard, b, int64(len("already read")))
		return &http.Request{Body: b}, b.closed.Load
	},
	"GetBody": func(content string) (*http.Request, func() int32) {
		var opened []*stream
		get := func() (io.ReadCloser, error) {
			opened = append(opened, newStream(content))
			return opened[len(opened)-1], nil
		}
		first, _ := get()
		return &http.Request{Body: first, GetBody: get}, func() int32 {
			if i := slices.IndexFunc(opened, func(b *stream) bool { return b.closed.Load() != 1 }); i >= 0 {
				return opened[i].closed.Load()
			}
			return 1
		}
	},
}

// eachBody yields every way to give a body of every size.
func eachBody(yield func(kind string, size int) bool) {
	for kind := range bodies {
		for _, size := range []int{0, 1, small, large} {
			if !yield(kind, size) {
				return
			}
		}
	}
}

// put returns a request with a body, and how often that was closed.
func put(t testing.TB, kind, url string, size int) (req *http.Request, closed func() int32) {
	t.Helper()
	req, closed = bodies[kind](text(size))
	req.Method, req.URL, req.Header = "PUT", mustParse(t, url), http.Header{}
	return req, closed
}

// requireClosed waits until the body was closed, once.
func requireClosed(t testing.TB, closed func() int32, kind string) {
	t.Helper()
	require.Eventually(t, func() bool { return closed() == 1 }, 10*time.Second, time.Millisecond, kind)
}

// A body arrives complete and with its length, however it was given and whatever
// TransferEncoding says, and is closed once.
func TestBodies(t *testing.T) {
	for kind, size := range eachBody {
		for _, service := range []string{"s3", "execute-api"} {
			for _, unsigned := range []bool{false, true} {
				for way, start := range map[string]func(*httptest.Server){"RoundTrip": http2, "SignRequest": withTLS} {
					s := newService(t, start, nil, "AKID")
					s.service = service
					tr := s.transport()
					tr.UnsignedPayload = unsigned
					req, closed := put(t, kind, s.URL+"/a b//+?x=1+2", size)
					req.Header = http.Header{"X-Amz-Content-Sha256": {"to be replaced"}, "X-Amz-Meta-A": {"a\tb"}}
					req.TransferEncoding = []string{"chunked"}
					requireOK(t, ways(tr)[way], req)
					a := s.arrivals()[0]
					require.NoError(t, a.err, kind)
					require.Equal(t, text(size), a.body, kind)
					if !unsigned {
						require.EqualValues(t, size, a.req.ContentLength, kind)
						require.Empty(t, a.req.TransferEncoding, kind)
					} else if size > 0 {
						require.Equal(t, "UNSIGNED-PAYLOAD", a.req.Header.Get("X-Amz-Content-Sha256"), kind)
						known := service == "s3" || strings.Contains(kind, "seeker") || strings.Contains(kind, "known")
						require.Equal(t, known, a.req.ContentLength == int64(size), kind)
					}
					s.Client().CloseIdleConnections()
					requireClosed(t, closed, kind)
				}
			}
		}
	}
}

// A body is closed once when the request goes nowhere.
func TestBodiesClosedWithoutSending(t *testing.T) {
	down := roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Body != nil {
			r.Body.Close()
			r.Body.Close() // as net/http may
		}
		return nil, errors.New("connection refused")
	})
	for kind, size := range eachBody {
		for want, change := range map[string]func(*sigv4.Transport, *http.Request){
			"connection refused": func(*sigv4.Transport, *http.Request) {},
			"SessionToken contains": func(tr *sigv4.Transport, _ *http.Request) {
				tr.Credentials = stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
					c := creds("AKID")
					c.SessionToken = stschain.NewSecret("a\nb")
					return c, nil
				})
			},
			"no credentials for s3": func(tr *sigv4.Transport, _ *http.Request) {
				tr.Credentials = stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
					return stschain.Credentials{}, errors.New("none today")
				})
			},
			"header X-Amz-Meta twice": func(_ *sigv4.Transport, r *http.Request) {
				r.Header = http.Header{"x-amz-meta": {"1"}, "X-Amz-Meta": {"2"}}
			},
		} {
			for _, unsigned := range []bool{false, true} {
				req, closed := put(t, kind, "https://h/", size)
				tr := s3(down)
				tr.UnsignedPayload = unsigned
				change(tr, req)
				_, err := tr.RoundTrip(req)
				require.ErrorContains(t, err, want, kind)
				require.EqualValues(t, 1, closed(), kind)
			}
		}
	}
}

// What can be sent once has no GetBody: a Base whose connection was closed would send the rest.
func TestGetBodyOfWhatIsSentOnce(t *testing.T) {
	for body, again := range map[io.Reader]bool{newStream("text"): false, newSeekable("text"): true} {
		tr := &sigv4.Transport{Service: "execute-api", Region: "r", Credentials: stschain.Static("AKID", "secret", ""), UnsignedPayload: true}
		tr.Base = roundTripper(func(r *http.Request) (*http.Response, error) {
			require.Equal(t, again, r.GetBody != nil)
			return discard{}.RoundTrip(r)
		})
		requireOK(t, tr.RoundTrip, newRequest(t, "PUT", "https://h/", body))
	}
}

func TestContentLength(t *testing.T) {
	for kind, size := range eachBody {
		for _, off := range []int64{1, -1, 100_000, -100_000} {
			req, closed := put(t, kind, "https://h/", size)
			if req.ContentLength = int64(size) + off; req.ContentLength <= 0 {
				continue // not known
			}
			_, err := s3(discard{}).RoundTrip(req)
			require.ErrorContains(t, err, "sigv4: the body ", kind)
			require.ErrorContains(t, err, "its ContentLength of ", kind)
			require.EqualValues(t, 1, closed(), kind)
		}
	}
	req := newRequest(t, "PUT", "https://h/", nil)
	req.ContentLength = 5
	_, err := s3(discard{}).RoundTrip(req)
	require.ErrorContains(t, err, "has 0 bytes instead of its ContentLength of 5")
	req = newRequest(t, "PUT", "https://h/", bytes.NewReader([]byte("hello")))
	req.ContentLength = 4
	_, err = s3(discard{}).RoundTrip(req)
	require.ErrorContains(t, err, "is longer than its ContentLength of 4")
}

// Issues: toolhive#3568.
func TestMaxBody(t *testing.T) {
	for _, c := range []struct {
		max, size int64
		body      string
		want      bool
	}{
		{small, small, "stream", true},
		{small, small + 10, "stream", false},
		{small, small, "stream of known length", true},
		{small, small + 10, "stream of known length", false},
		{small, large, "stream of known length", false},
		{small, large, "seeker", true},
		{small, small + 10, "seeker of known length", true},
		{small, large, "GetBody", true},
		{0, 10 << 20, "stream", true},
		{0, 10<<20 + 1, "stream", false},
		{-1, 1, "stream", false},
		{-1, 0, "stream", true},
		{math.MaxInt64, large, "stream", true},
	} {
		req, closed := put(t, c.body, "https://h/", int(c.size))
		var got int64
		tr := &sigv4.Transport{Service: "s3", Region: "r", Credentials: stschain.Static("AKID", "secret", ""), MaxBody: c.max,
			Base: roundTripper(func(r *http.Request) (resp *http.Response, err error) {
				got, err = io.Copy(io.Discard, r.Body)
				r.Body.Close()
				return &http.Response{StatusCode: 200, Body: http.NoBody}, err
			})}
		_, err := tr.RoundTrip(req)
		if c.want {
			require.NoError(t, err, "%+v", c)
			require.Equal(t, c.size, got, "%+v", c)
		} else {
			require.ErrorIs(t, err, sigv4.ErrBodyTooLarge, "%+v", c)
		}
		require.EqualValues(t, 1, closed(), "%+v", c)
	}
}

func TestPipeIsASeekerThatCannot(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	go func() {
		io.WriteString(w, "through a pipe")
		w.Close()
	}()
	s := newService(t, plain, nil, "AKID")
	do(t, s.transport().RoundTrip, newRequest(t, "PUT", s.URL, r))
	require.NoError(t, s.arrivals()[0].err)
	require.Equal(t, "through a pipe", s.arrivals()[0].body)
}

// Trailers are sent after chunks, which S3 does not accept.
func TestTrailer(t *testing.T) {
	s := newService(t, plain, nil, "AKID")
	req := newRequest(t, "PUT", s.URL, newStream("hello"))
	req.Trailer = http.Header{"X-Sum": {"5"}}
	do(t, s.transport().RoundTrip, req)
	require.NoError(t, s.arrivals()[0].err)
	require.Equal(t, "5", s.arrivals()[0].req.Trailer.Get("X-Sum"))

	for _, service := range []string{"s3", "s3-object-lambda", "s3-outposts", "s3express"} {
		body := newStream("hello")
		req.Body = body
		tr := s3(discard{})
		tr.Service = service
		_, err := tr.RoundTrip(req)
		require.ErrorContains(t, err, "sigv4: "+service+" accepts no trailers")
		require.EqualValues(t, 1, body.closed.Load())
	}
}

// A large file goes out in constant memory. It is sparse, and in CI it has a
// gibibyte, which takes some seconds to hash twice.
func TestLargeFile(t *testing.T) {
	size := int64(64 << 20)
	if os.Getenv("CI") == "true" {
		size = 1 << 30
	}
	name := filepath.Join(t.TempDir(), "large")
	require.NoError(t, os.WriteFile(name, []byte("start"), 0o600))
	require.NoError(t, os.Truncate(name, size))
	file, err := os.Open(name)
	require.NoError(t, err)
	var got int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.Copy(io.Discard, r.Body)
	}))
	defer server.Close()
	tr := s3(nil)

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	resp, err := tr.RoundTrip(newRequest(t, "PUT", server.URL, file))
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, size, got)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
	_, err = file.Stat()
	require.ErrorIs(t, err, os.ErrClosed)
}

func TestSmallBodiesGoOutWithTheirHeaders(t *testing.T) {
	var writes int
	s := newService(t, plain, nil, "AKID")
	tr := s.transport()
	tr.Base = roundTripper(func(r *http.Request) (*http.Response, error) {
		require.NoError(t, r.Write(writerFunc(func(p []byte) (int, error) { writes++; return len(p), nil })))
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	})
	_, err := tr.RoundTrip(newRequest(t, "POST", s.URL, bytes.NewReader([]byte(text(small)))))
	require.NoError(t, err)
	require.Equal(t, 1, writes)
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
