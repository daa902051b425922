package sigv4_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/ststest"
)

// visit sends a presigned request.
func visit(t *testing.T, h http.Handler, method string, p sigv4.Presigned, body string) int {
	t.Helper()
	req := newRequest(t, method, p.URL.Reveal(), strings.NewReader(body))
	req.Header = p.Header
	resp := do(t, ststest.InProcess(h).RoundTrip, req)
	return resp.StatusCode
}

func TestTransportPresign(t *testing.T) {
	mock := clock.NewMock()
	mock.Set(now)
	srv := ststest.NewTest(t)
	srv.Clock = mock
	srv.AllowRefusals()
	keys := temporary
	keys.Expires = now.Add(40 * time.Minute)
	srv.AddKeys("arn:aws:iam::123456789012:user/ada", keys)
	source := stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return keys, nil })
	for _, c := range []struct {
		service, method, signed, sent string
		life                          time.Duration
		want                          int
	}{
		{"s3", "GET", "", "", time.Minute, 200},
		{"s3", "PUT", "", "any body", time.Minute, 200},
		{"s3", "PUT", "this body", "this body", time.Minute, 200},
		{"s3", "PUT", "this body", "that body", time.Minute, 400},
		{"execute-api", "GET", "", "", 39 * time.Minute, 200},
		{"execute-api", "POST", "{}", "{}", time.Hour, 200},
		{"execute-api", "POST", "{}", "[]", time.Hour, 403},
		{"execute-api", "POST", "", "any body", time.Hour, 403},
	} {
		mock.Set(now)
		h := srv.Protect(c.service, "eu-west-1", nil)
		tr := &sigv4.Transport{Service: c.service, Region: "eu-west-1", Credentials: source, Clock: mock, SignedHeaders: []string{"X-Tenant"}, Base: discard{}}
		req := newRequest(t, c.method, "https://h.example/a+b c?x=1", nil)
		if c.signed != "" {
			body := newStream(c.signed)
			defer func() { require.EqualValues(t, 1, body.closed.Load()) }()
			req = newRequest(t, c.method, "https://h.example/a+b c?x=1", body)
		}
		req.Header.Set("X-Tenant", "7")
		before := req.Header.Clone()
		p, err := tr.Presign(req, c.life)
		require.NoError(t, err)
		require.Equal(t, before, req.Header)
		require.Equal(t, http.Header{"Host": {"h.example"}, "X-Tenant": {"7"}}, p.Header)
		require.Equal(t, now.Add(min(c.life, 40*time.Minute)), p.Expires)
		require.Equal(t, c.want, visit(t, h, c.method, p, c.sent), c)
		mock.Set(p.Expires.Add(-time.Second))
		require.Equal(t, c.want, visit(t, h, c.method, p, c.sent), c)
		mock.Set(p.Expires.Add(time.Second))
		require.NotEqual(t, 200, visit(t, h, c.method, p, c.sent), c)
	}
}

// A URL is dated by the clock of the host that will read it; Expires is on ours.
func TestTransportPresignOfASkewedHost(t *testing.T) {
	ours, theirs := clock.NewMock(), clock.NewMock()
	ours.Set(now)
	theirs.Set(now.Add(-2 * time.Hour))
	srv := ststest.NewTest(t)
	srv.Clock = theirs
	srv.AllowRefusals("RequestTimeTooSkewed")
	h := srv.Protect("s3", "eu-west-1", nil)
	tr := &sigv4.Transport{Service: "s3", Region: "eu-west-1", Credentials: srv.User(), Clock: ours, Base: ststest.InProcess(h)}
	do(t, tr.RoundTrip, newRequest(t, "GET", "https://bucket.example/", nil))
	p, err := tr.Presign(newRequest(t, "GET", "https://bucket.example/key", nil), time.Minute)
	require.NoError(t, err)
	require.Equal(t, now.Add(time.Minute), p.Expires)
	require.Equal(t, 200, visit(t, h, "GET", p, ""))
	p, err = tr.Presign(newRequest(t, "GET", "https://other.example/key", nil), time.Minute)
	require.NoError(t, err)
	require.NotEqual(t, 200, visit(t, h, "GET", p, ""))
}

// A large file is hashed and not kept.
func TestTransportPresignOfAFile(t *testing.T) {
	srv := ststest.NewTest(t)
	api := httptest.NewServer(srv.Protect("execute-api", "eu-west-1", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })))
	defer api.Close()
	tr := &sigv4.Transport{Service: "execute-api", Region: "eu-west-1", Credentials: srv.User(), MaxBody: -1}
	p, err := tr.Presign(newRequest(t, "PUT", api.URL, openFile(t, text(large))), time.Minute)
	require.NoError(t, err)
	require.Equal(t, 200, visit(t, srv.Protect("execute-api", "eu-west-1", nil), "PUT", p, text(large)))

	body := newSeekable(text(large))
	_, err = tr.Presign(newRequest(t, "PUT", api.URL, body), time.Minute)
	require.NoError(t, err)
	require.EqualValues(t, 1, body.closed.Load())
}
