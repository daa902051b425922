package wire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/internal/wire"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestClient(t *testing.T) {
	srv := httptest.NewServer(http.RedirectHandler("http://elsewhere.example/", http.StatusFound))
	defer srv.Close()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	proxied := &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { t.Error("a proxy is looked up"); return nil, io.EOF }}
	for name, given := range map[string]*http.Client{"own": nil, "empty": {Jar: jar}, "with a proxy": {Transport: proxied}} {
		var dialled []string
		client, guarded := wire.DirectClient(given, func(dial wire.Dial) wire.Dial {
			return func(ctx context.Context, network, address string) (net.Conn, error) {
				dialled = append(dialled, address)
				return dial(ctx, network, address)
			}
		})
		require.True(t, guarded, name)
		require.Nil(t, client.Jar, name)
		response, err := wire.Send(t.Context(), client, wire.Request{Method: "GET", URL: srv.URL, Header: http.Header{}, Timeout: time.Minute})
		require.NoError(t, err, name)
		require.Equal(t, http.StatusFound, response.Status, name)
		require.Equal(t, []string{srv.Listener.Addr().String()}, dialled, name)
		client.CloseIdleConnections()
	}
	require.NotNil(t, proxied.Proxy, "what is given is not changed")
	require.Nil(t, proxied.DialContext)

	_, guarded := wire.DirectClient(&http.Client{Transport: roundTripper(nil)}, func(wire.Dial) wire.Dial { t.Error("there is nothing to guard"); return nil })
	require.False(t, guarded)
}

func TestAsk(t *testing.T) {
	const secret = "canary-4711-token"
	send := func(url string, transport roundTripper) (wire.Response, error) {
		return wire.Send(t.Context(), &http.Client{Transport: transport}, wire.Request{
			Method: "GET", URL: url, Header: http.Header{"Authorization": {secret}}, Timeout: time.Second, Secrets: []stschain.Secret{stschain.NewSecret(secret)},
		})
	}
	response, err := send("http://x", func(r *http.Request) (*http.Response, error) {
		require.Equal(t, "stschain", r.Header.Get("User-Agent"))
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(strings.Repeat("x", wire.MaxBody)))}, nil
	})
	require.NoError(t, err)
	require.Len(t, response.Body, wire.MaxBody)

	_, err = send("http://x", func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(strings.Repeat("x", wire.MaxBody+1)))}, nil
	})
	require.ErrorIs(t, err, wire.ErrTooLarge)
	_, err = send("http://x", func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(&endless{t: t})}, nil
	})
	require.ErrorIs(t, err, wire.ErrTooLarge)

	_, err = send("http://x", func(*http.Request) (*http.Response, error) { return nil, errors.New("cannot send " + secret) })
	none, ok := errors.AsType[*wire.NoResponse](err)
	require.True(t, ok)
	require.False(t, none.Connected || none.TimedOut)
	canary.Check(t, secret, err)

	_, err = send("http://x/%zz"+secret, nil)
	require.EqualError(t, err, "the URL is not valid")
}

// A transport without credentials of its own says nothing about the service.
func TestAskWrapsUnavailable(t *testing.T) {
	none := stschain.Unavailable("gateway")
	_, err := wire.Send(t.Context(), &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, none })},
		wire.Request{Method: "GET", URL: "http://agent.example/", Header: http.Header{}, Timeout: time.Minute})
	require.ErrorContains(t, err, "no response: gateway")
	require.False(t, stschain.IsUnavailable(err), "%v", err)
}

// Only 429 is throttling, and what an error wraps stays reachable.
func TestThrottled(t *testing.T) {
	cause := stschain.Permanent(errors.New("no"))
	err := wire.Throttled(http.StatusTooManyRequests, cause)
	require.EqualError(t, err, "no")
	require.ErrorIs(t, fmt.Errorf("sso: %w", err), stschain.ErrThrottled)
	require.ErrorIs(t, err, stschain.ErrPermanent)
	require.Equal(t, cause, wire.Throttled(http.StatusServiceUnavailable, cause))
	require.NotErrorIs(t, cause, stschain.ErrThrottled)
}

// endless is a body that does not end before its reader stops.
type endless struct {
	t    *testing.T
	read int
}

func (e *endless) Read(b []byte) (int, error) {
	if e.read += len(b); e.read > 16*wire.MaxBody {
		e.t.Errorf("read %d bytes", e.read)
		return 0, io.EOF
	}
	return len(b), nil
}

func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trouble := errors.New("trouble")
		attempts := 0
		began := time.Now()
		err := wire.Retry(t.Context(), 3, time.Second, func() (bool, error) { attempts++; return true, trouble })
		require.Equal(t, trouble, err)
		require.Equal(t, 3, attempts)
		require.GreaterOrEqual(t, time.Since(began), 1500*time.Millisecond)
		require.LessOrEqual(t, time.Since(began), 3*time.Second+2)

		attempts = 0
		require.Equal(t, trouble, wire.Retry(t.Context(), 3, time.Second, func() (bool, error) { attempts++; return false, trouble }))
		require.NoError(t, wire.Retry(t.Context(), 3, time.Second, func() (bool, error) { attempts++; return true, nil }))
		require.Equal(t, 2, attempts)

		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		require.ErrorIs(t, wire.Retry(ctx, 3, time.Second, func() (bool, error) { return true, trouble }), context.DeadlineExceeded)
	})
}

func TestAskWithBody(t *testing.T) {
	got, err := wire.Send(t.Context(), &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		require.EqualValues(t, 4, r.ContentLength)
		return &http.Response{StatusCode: 200, Body: r.Body}, nil
	})}, wire.Request{Method: "POST", URL: "http://x", Header: http.Header{}, Body: stschain.NewSecret("body"), Timeout: time.Second})
	require.NoError(t, err)
	require.Equal(t, "body", string(got.Body))
}
