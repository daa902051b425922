package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/test/canary"
)

// The page needs no token and shows no secret. Credentials still need the token.
func TestServeStatus(t *testing.T) {
	w := newWorld(t).keys()
	s := w.serve("-role-arn", roleARN, "-status", "-v")
	url := exported(t, <-s.lines, "AWS_CONTAINER_CREDENTIALS_FULL_URI")
	token := exported(t, <-s.lines, "AWS_CONTAINER_AUTHORIZATION_TOKEN")
	code, page := get(t, url+"status", "")
	require.Equal(t, 200, code)
	require.Contains(t, page, "assumerole "+roleARN)
	require.Contains(t, page, `<svg class="timeline"`)
	code, text := get(t, url+"status?format=json", "")
	require.Equal(t, 200, code)
	var status struct {
		Version   int
		Providers []struct {
			Caches []struct{ AccessKeyID, Phase string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(text), &status))
	require.Equal(t, 1, status.Version)
	require.Equal(t, "fresh", status.Providers[0].Caches[0].Phase)
	require.Contains(t, page, "<code>"+status.Providers[0].Caches[0].AccessKeyID+"</code>")

	for name, test := range map[string]struct {
		change func(*http.Request)
		want   int
	}{
		"a browser, typed":    {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "none") }, 200},
		"HEAD":                {func(r *http.Request) { r.Method = http.MethodHead }, 200},
		"POST":                {func(r *http.Request) { r.Method = http.MethodPost }, 405},
		"a rebound name":      {func(r *http.Request) { r.Host = "rebound.example" }, 403},
		"a proxy":             {func(r *http.Request) { r.Header.Set("X-Forwarded-For", "127.0.0.1") }, 403},
		"a page of a site":    {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		"a script of a site":  {func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403},
		"not the page":        {func(r *http.Request) { r.URL.Path = "/status/" }, 401},
		"not the page either": {func(r *http.Request) { r.URL.Path = "//status" }, 401},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"status", nil)
		require.NoError(t, err)
		test.change(r)
		resp, err := http.DefaultTransport.RoundTrip(r)
		require.NoError(t, err, name)
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		require.NoError(t, err, name)
		require.Equal(t, test.want, resp.StatusCode, name)
		require.Equal(t, test.want == 200 && name != "HEAD", strings.Contains(string(body), roleARN), name)
	}

	code, _ = get(t, url, "another")
	require.Equal(t, 401, code)
	code, body := get(t, url, token)
	require.Equal(t, 200, code)
	var served struct{ SecretAccessKey, Token string }
	require.NoError(t, json.Unmarshal([]byte(body), &served))
	s.stop()
	require.Equal(t, 0, <-s.code)
	require.Contains(t, s.stderr.String(), "their state is at "+url+"status")
	for _, secret := range []string{token, w.secret(), served.SecretAccessKey, served.Token} {
		for _, shown := range []string{page, text, s.stderr.String()} {
			canary.CheckText(t, secret, shown)
		}
	}
}

// Without -status there is no page.
func TestServeNoStatus(t *testing.T) {
	w := newWorld(t).keys()
	s := w.serve()
	url := exported(t, <-s.lines, "AWS_CONTAINER_CREDENTIALS_FULL_URI")
	code, body := get(t, url+"status", "")
	require.Equal(t, 401, code)
	require.NotContains(t, body, "<html")
	s.stop()
	require.Equal(t, 0, <-s.code)
}

// deadline is a response with a deadline.
type deadline struct {
	http.ResponseWriter
	at time.Time
}

func (d *deadline) SetWriteDeadline(at time.Time) error { d.at = at; return nil }

// A client that does not read the page does not keep its connection.
func TestStatusDeadline(t *testing.T) {
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for path, want := range map[string]bool{"/status": true, "/": false} {
		var d deadline
		withStatus(nothing, nothing).ServeHTTP(&d, httptest.NewRequest(http.MethodGet, path, nil))
		require.Equal(t, want, d.at.After(time.Now()), path)
	}
}
