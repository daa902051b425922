package sigv4_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

// Issues: aws-sdk-go-v2#528.
func TestTransport(t *testing.T) {
	for name, start := range starts {
		for _, signedName := range []string{"execute-api", "s3"} {
			t.Run(name+"/"+signedName, func(t *testing.T) {
				s := newService(t, start, nil, "AKID")
				s.service = signedName
				client := &http.Client{Transport: s.transport()}
				for _, c := range []struct{ method, path, body string }{
					{"GET", "/", ""},
					{"GET", "/a/../b//c?x=2&x=1&y=a+b&z=%2B;w", ""},
					{"HEAD", "/ü/%2F/+/~?acl", ""},
					{"POST", "/", "hello"},
					{"PUT", "/big", strings.Repeat("0123456789", 20_000)},
					{"DELETE", "/x#fragment", ""},
				} {
					req := newRequest(t, c.method, s.URL+c.path, strings.NewReader(c.body))
					req.Header.Set("Content-Type", "text/plain")
					req.Header.Set("X-Amz-Meta-A", " a  b ")
					requireOK(t, client.Do, req)
				}
				for i, a := range s.arrivals() {
					require.NoError(t, a.err)
					require.Equal(t, "AKID", a.id)
					require.Equal(t, name == "HTTP2", a.req.ProtoMajor == 2)
					require.Equal(t, i == 4, len(a.body) == 200_000)
				}
			})
		}
	}
}

func TestTransportChangesNothing(t *testing.T) {
	s := newService(t, plain, nil, "AKID")
	tr := s.transport()
	body := newStream("hello")
	req := newRequest(t, "POST", s.URL+"/a+b?x=1+2", body)
	req.Header = http.Header{"X-Amz-Meta-A": {"a\tb"}, "X-Amz-Date": {"mine"}, "X-Amz-Content-Sha256": {"mine"}}
	req.Trailer = http.Header{"X-Later": nil}
	before := req.Clone(t.Context())
	shared := *req.URL
	resp := do(t, tr.RoundTrip, req)
	require.Equal(t, before.URL, req.URL)
	require.Equal(t, shared, *req.URL)
	require.Equal(t, before.Header, req.Header)
	require.Equal(t, before.Host, req.Host)
	require.Equal(t, before.Trailer, req.Trailer)
	require.EqualValues(t, 0, req.ContentLength)
	require.Nil(t, req.GetBody)
	require.Same(t, body, req.Body)
	require.Same(t, req, resp.Request, "the signed request holds a token; the response does not hand it out")
	require.NoError(t, s.arrivals()[0].err)
}

// Requests may share their header values, which Base may add to.
func TestSharedHeaderValues(t *testing.T) {
	values := append(make([]string, 0, 2), "a")
	tr := &sigv4.Transport{Service: "s3", Region: "r", Credentials: stschain.Static("a", "b", ""),
		Base: roundTripper(func(r *http.Request) (*http.Response, error) {
			r.Header.Add("X-Shared", "of Base")
			return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
		})}
	req := newRequest(t, "GET", "https://h/", nil)
	req.Header["X-Shared"] = values
	_, err := tr.RoundTrip(req)
	require.NoError(t, err)
	require.Equal(t, []string{"a", ""}, values[:2])
}

func TestOverriddenHost(t *testing.T) {
	for _, start := range []func(*httptest.Server){plain, http2} {
		s := newService(t, start, nil, "AKID")
		req := newRequest(t, "GET", s.URL, nil)
		req.Host = "bucket.example.com"
		do(t, (&http.Client{Transport: s.transport()}).Do, req)
		require.NoError(t, s.arrivals()[0].err)
		require.Equal(t, "bucket.example.com", s.arrivals()[0].req.Host)
	}
}

// The default port is not sent, so it is not signed. Base dials the test server
// wherever the request goes.
func TestDefaultPort(t *testing.T) {
	s := newService(t, plain, nil, "AKID")
	tr := s.transport()
	tr.AllowHTTP = true
	tr.Base = &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
	}}
	defer tr.CloseIdleConnections()
	for _, u := range []string{"http://example.com:80/", "http://example.com/"} {
		requireOK(t, tr.RoundTrip, newRequest(t, "GET", u, nil))
	}
	for _, a := range s.arrivals() {
		require.NoError(t, a.err)
		require.Equal(t, "example.com", a.req.Host)
	}
}

// Issues: aws-sdk-go#4322.
func TestHTTPProxy(t *testing.T) {
	s := newService(t, plain, nil, "AKID")
	var through atomic.Int32
	onward := &http.Transport{}
	defer onward.CloseIdleConnections()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		through.Add(1)
		r.RequestURI = ""
		for _, hop := range []string{"Connection", "Proxy-Connection", "Te"} {
			r.Header.Del(hop)
		}
		r.Header.Set("Via", "1.1 proxy")
		r.Header.Set("X-Forwarded-For", "127.0.0.1")
		resp, err := onward.RoundTrip(r)
		if err != nil {
			t.Error(err)
			return
		}
		w.WriteHeader(resp.StatusCode)
		resp.Body.Close()
	}))
	defer proxy.Close()
	tr := s.transport()
	tr.SignedHeaders = []string{"*", "Content-Length"}
	tr.Base = &http.Transport{Proxy: http.ProxyURL(mustParse(t, proxy.URL))}
	defer tr.CloseIdleConnections()
	req := newRequest(t, "POST", s.URL+"/a//b?x=1 2", strings.NewReader("hello"))
	req.Header.Set("Te", "trailers")
	requireOK(t, (&http.Client{Transport: tr}).Do, req)
	require.EqualValues(t, 1, through.Load())
	require.NoError(t, s.arrivals()[0].err)
	require.Contains(t, s.arrivals()[0].signed, "content-length")
}

func TestExpectContinue(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		s := newService(t, plain, nil, "AKID")
		if refuse {
			s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(417) })
		}
		tr := s.transport()
		tr.Base = &http.Transport{ExpectContinueTimeout: time.Minute}
		defer tr.CloseIdleConnections()
		body := newSeekable(strings.Repeat("x", 100_000))
		req := newRequest(t, "PUT", s.URL, body)
		req.Header.Set("Expect", "100-continue")
		resp := do(t, tr.RoundTrip, req)
		require.Equal(t, refuse, resp.StatusCode == 417)
		tr.CloseIdleConnections()
		requireClosed(t, body.closed.Load, "")
		for _, a := range s.arrivals() {
			require.NoError(t, a.err)
			require.NotContains(t, a.signed, "expect")
		}
	}
}

// Base may send a request again, as net/http does when a connection that it kept
// turns out to be closed. It gets the body from GetBody of the signed request.
func TestBaseRetries(t *testing.T) {
	for kind, size := range eachBody {
		if size == 0 {
			continue
		}
		s := newService(t, plain, nil, "AKID")
		tr := s.transport()
		tr.Base = roundTripper(func(r *http.Request) (*http.Response, error) {
			io.CopyN(io.Discard, r.Body, 10)
			again := r.Clone(r.Context())
			var err error
			again.Body, err = r.GetBody()
			require.NoError(t, err)
			if size == large && strings.HasPrefix(kind, "seeker") {
				n, err := r.Body.Read(make([]byte, 1))
				require.ErrorContains(t, err, "sigv4: reading the body: the body is being sent again")
				require.Zero(t, n)
			}
			require.NoError(t, r.Body.Close())
			return s.Client().Transport.RoundTrip(again)
		})
		req, closed := put(t, kind, s.URL, size)
		requireOK(t, tr.RoundTrip, req)
		require.Equal(t, text(size), s.arrivals()[0].body)
		s.Client().CloseIdleConnections()
		requireClosed(t, closed, kind)
	}
}

// Issues: minio-go#1321.
func TestThousandGoroutines(t *testing.T) {
	s := newService(t, plain, nil, "AKID")
	tr := s.transport()
	var calls atomic.Int32
	tr.Credentials = stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		calls.Add(1)
		return creds("AKID"), nil
	})
	tr.Base = &http.Transport{MaxConnsPerHost: 32}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr}
	shared := http.Header{"Content-Type": {"text/plain"}, "X-Amz-Meta": {"a\tb"}}
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			want := fmt.Sprint("body ", i)
			var body io.Reader = strings.NewReader(want)
			if i%2 == 0 {
				body = newSeekable(want)
			}
			req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/?n="+want, body)
			if err != nil {
				t.Error(err)
				return
			}
			req.Header = shared
			resp, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != 200 {
				t.Error(resp.Status)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, calls.Load())
	require.Len(t, s.arrivals(), 1000)
}

// The clock of a Transport is that of the cache it makes, and not of one that
// it was given.
func TestTransportClock(t *testing.T) {
	s := newService(t, plain, nil, "AKID")
	var calls int
	source := stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		calls++
		c := creds("AKID")
		c.Expires = now.Add(time.Hour) // long over by the real clock, or far away
		return c, nil
	})
	tr := s.transport()
	tr.Credentials = source
	for range 3 {
		do(t, tr.RoundTrip, newRequest(t, "GET", s.URL, nil))
	}
	require.Equal(t, 1, calls)
	require.Equal(t, now.Format("20060102T150405Z"), s.arrivals()[0].req.Header.Get("X-Amz-Date"))

	cache := &stschain.Cache{Provider: source, Clock: fixedClock(now.Add(time.Minute))}
	tr = s.transport()
	tr.Credentials = cache
	do(t, tr.RoundTrip, newRequest(t, "GET", s.URL, nil))
	require.Equal(t, fixedClock(now.Add(time.Minute)), cache.Clock)
}

// Explain reports the cache of a Transport.
func TestTransportProviders(t *testing.T) {
	tr := s3(discard{})
	require.Len(t, tr.Providers(), 1, "before the first request")
	requireOK(t, tr.RoundTrip, newRequest(t, "GET", "https://example.com/", nil))
	x := stschain.Explain(t.Context(), tr.Providers()[0])
	require.True(t, x.Cached)
	require.EqualValues(t, 1, x.Cache.Attempts)
	require.Empty(t, new(sigv4.Transport).Providers())
}

func TestWaitingForCredentialsEndsWithTheRequest(t *testing.T) {
	hung := make(chan struct{})
	defer close(hung)
	tr := &sigv4.Transport{Service: "s3", Region: "r", Credentials: stschain.ProviderFunc(
		func(context.Context) (stschain.Credentials, error) {
			<-hung
			return stschain.Credentials{}, errors.New("too late")
		})}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	body := newStream("x")
	go cancel(cause)
	_, err := tr.RoundTrip(newRequest(t, "PUT", "https://example.com/", body).WithContext(ctx))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, cause)
	require.EqualValues(t, 1, body.closed.Load())
}

func TestCloseIdleConnections(t *testing.T) {
	s := newService(t, plain, nil, "AKID")
	tr := s.transport()
	tr.Base = &http.Transport{TLSClientConfig: &tls.Config{}}
	client := &http.Client{Transport: tr}
	for range 2 {
		resp, err := client.Get(s.URL)
		require.NoError(t, err)
		resp.Body.Close()
		client.CloseIdleConnections()
	}
	require.NotEqual(t, s.arrivals()[0].req.RemoteAddr, s.arrivals()[1].req.RemoteAddr)
	(&sigv4.Transport{Base: discard{}}).CloseIdleConnections()
}
