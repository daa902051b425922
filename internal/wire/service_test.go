package wire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// slow is a body that never ends, one byte in a second.
type slow struct{ ctx context.Context }

func (s slow) Read(b []byte) (int, error) {
	select {
	case <-time.After(time.Second):
		return copy(b, " "), nil
	case <-s.ctx.Done():
		return 0, s.ctx.Err()
	}
}

func (slow) Close() error { return nil }

func responses(status int, body io.ReadCloser, err error) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: body}, err
	}
}

// Attempts are repeated where that may help, are bounded in time, and follow no redirect.
func TestServiceCall(t *testing.T) {
	invalid := errors.New("invalid response")
	for name, test := range map[string]struct {
		send     func(*http.Request) (*http.Response, error)
		attempts int // 0: the default
		want     string
		made     int
	}{
		"200":         {responses(200, http.NoBody, nil), 0, "", 1},
		"no response": {responses(0, nil, io.ErrUnexpectedEOF), 0, "service.example: no response: unexpected EOF", 3},
		"503":         {responses(503, http.NoBody, nil), 0, "service.example returned 503 Service Unavailable, X", 3},
		"five":        {responses(503, http.NoBody, nil), 5, "returned 503", 5},
		"negative":    {responses(503, http.NoBody, nil), -1, "returned 503", 3},
		"403":         {responses(403, http.NoBody, nil), 0, "returned 403 Forbidden, X", 1},
		"redirect": {func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 307, Header: http.Header{"Location": {"https://attacker.example/"}}, Body: http.NoBody}, nil
		}, 0, "returned 307 Temporary Redirect", 1},
		"hangs": {func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }, 1, "waited 5s", 1},
		"slow": {func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: slow{r.Context()}}, nil
		}, 1, "waited 5s", 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				made := 0
				client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) { made++; return test.send(r) })}
				s := wire.Service{URL: &url.URL{Scheme: "https", Host: "service.example"}, HTTPClient: client, MaxAttempts: test.attempts, Now: time.Now}
				err := s.Call(t.Context(), func() (wire.Request, error) { return wire.Request{Header: http.Header{}}, nil }, func(r wire.Response) error {
					if r.Status != 200 {
						return s.Refuse(r, "X", "").Marked()
					}
					return nil
				})
				require.Equal(t, test.made, made)
				if test.want == "" {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, test.want)
				require.Equal(t, name == "403", errors.Is(err, stschain.ErrPermanent))
			})
		})
	}

	// A request that cannot be made is not repeated, and a response that cannot be read is.
	s := wire.Service{URL: &url.URL{Scheme: "https", Host: "h"}, MaxAttempts: 2, Now: time.Now}
	require.ErrorIs(t, s.Call(t.Context(), func() (wire.Request, error) { return wire.Request{}, invalid }, nil), invalid)
	reads := 0
	s.HTTPClient = &http.Client{Transport: roundTripper(responses(200, http.NoBody, nil))}
	err := s.Call(t.Context(), func() (wire.Request, error) { return wire.Request{Header: http.Header{}}, nil }, func(wire.Response) error { reads++; return invalid })
	require.Equal(t, invalid, err)
	require.Equal(t, 2, reads)
}

func TestServiceSendsNoCookies(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("Cookie")) }))
	defer srv.Close()
	u, err := url.Parse(srv.URL)
	require.NoError(t, err)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	jar.SetCookies(u, []*http.Cookie{{Name: "a", Value: "b"}})
	for _, client := range []*http.Client{nil, {Jar: jar}} {
		s := wire.Service{URL: u, HTTPClient: client, Now: time.Now}
		require.NoError(t, s.Call(t.Context(), func() (wire.Request, error) { return wire.Request{Header: http.Header{}}, nil }, func(r wire.Response) error {
			require.Empty(t, r.Body)
			return nil
		}))
	}
}

// The text of a service is one line without secrets, and its code is short.
func TestRefuse(t *testing.T) {
	const secret = "canary-4711-refresh-token"
	s := wire.Service{URL: &url.URL{Host: "h"}}
	for _, test := range []struct{ code, message, want string }{
		{"", "", "h returned 400 Bad Request"},
		{"Code", "", "h returned 400 Bad Request, Code"},
		{"", "message", "h returned 400 Bad Request, message"},
		{"Code", "a\r\nb", "h returned 400 Bad Request, Code: a b"},
		{"Code", secret[3:20], "h returned 400 Bad Request, a message that is not shown, since it holds a secret"},
		{url.PathEscape(secret), "x", "h returned 400 Bad Request, a message that is not shown, since it holds a secret"},
	} {
		r := s.Refuse(wire.Response{Status: 400}, test.code, test.message, stschain.NewSecret(secret))
		require.EqualError(t, r, test.want)
		require.Equal(t, test.code != "", errors.Is(r.Marked(), stschain.ErrPermanent))
		require.NotContains(t, r.Code, secret)
	}
	require.ErrorIs(t, s.Refuse(wire.Response{Status: 429}, "Code", "").Marked(), stschain.ErrThrottled)
	slow := s.Refuse(wire.Response{Status: 400}, "ThrottlingException", "Rate exceeded").Marked()
	require.ErrorIs(t, slow, stschain.ErrThrottled)
	require.NotErrorIs(t, slow, stschain.ErrPermanent)
}
