package sigv4_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

func TestTransportFieldErrors(t *testing.T) {
	for want, tr := range map[string]*sigv4.Transport{
		"Credentials is missing": {Service: "s3", Region: "r"},
		"Service is missing":     {Region: "r", Credentials: stschain.Static("a", "b", "")},
		"Region is missing":      {Service: "s3", Credentials: stschain.Static("a", "b", "")},
		`"x.evil.com/"`:          {Service: "s3", Region: "x.evil.com/", Credentials: stschain.Static("a", "b", "")},
		"names Connection":       {Service: "s3", Region: "r", SignedHeaders: []string{"Connection"}, Credentials: stschain.Static("a", "b", "")},
		"no credentials for s3 in r": {Service: "s3", Region: "r", Credentials: stschain.ProviderFunc(
			func(context.Context) (stschain.Credentials, error) { return stschain.Credentials{}, errors.New("none") })},
	} {
		body := newStream("x")
		_, err := tr.RoundTrip(newRequest(t, "PUT", "https://example.com/", body))
		require.ErrorContains(t, err, want)
		require.EqualValues(t, 1, body.closed.Load(), want)
	}
	_, err := (&sigv4.Transport{}).RoundTrip(newRequest(t, "GET", "https://example.com/", nil))
	require.ErrorContains(t, err, "is missing")
}

func TestTransportRefuses(t *testing.T) {
	for want, change := range map[string]func(*http.Request, *sigv4.Transport){
		"has Authorization":             func(r *http.Request, _ *sigv4.Transport) { r.Header["authorization"] = []string{"Bearer x"} },
		"has X-Amz-Signature":           func(r *http.Request, _ *sigv4.Transport) { r.URL.RawQuery = "X-Amz-Signature=1" },
		"has X-Amz-Credential":          func(r *http.Request, _ *sigv4.Transport) { r.URL.RawQuery = "X-Amz-Credential=1" },
		"contains a user name":          func(r *http.Request, _ *sigv4.Transport) { r.URL.User = url.UserPassword("u", "p") },
		`scheme "ftp"`:                  func(r *http.Request, _ *sigv4.Transport) { r.URL.Scheme = "ftp" },
		`scheme ""`:                     func(r *http.Request, _ *sigv4.Transport) { r.URL.Scheme = "" },
		"no URL":                        func(r *http.Request, _ *sigv4.Transport) { r.URL = nil },
		"is opaque":                     func(r *http.Request, _ *sigv4.Transport) { r.URL.Opaque = "//a/b" },
		"UnsignedPayload needs https":   func(r *http.Request, tr *sigv4.Transport) { r.URL.Scheme, tr.UnsignedPayload = "http", true },
		`"example.com" is not in Hosts`: func(_ *http.Request, tr *sigv4.Transport) { tr.Hosts = []string{"example.org"} },
		`host "example.com" is not in `: func(_ *http.Request, tr *sigv4.Transport) { tr.Hosts = []string{} },
		"does not start an escape":      func(r *http.Request, _ *sigv4.Transport) { r.URL.RawQuery = "%" },
	} {
		tr := &sigv4.Transport{
			Service: "s3", Region: "r", Credentials: stschain.Static("a", "b", ""),
			Base: roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("was sent") }),
		}
		body := newStream("x")
		req := newRequest(t, "PUT", "https://example.com/", body)
		change(req, tr)
		_, err := tr.RoundTrip(req)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "sigv4: ")
		require.EqualValues(t, 1, body.closed.Load(), want)
	}
}

// Plain http shows the session token to anyone on the network path (field case B11).
func TestPlainHTTP(t *testing.T) {
	for url, loopback := range map[string]bool{
		"http://127.0.0.1:9000/":        true,
		"http://127.8.9.10/":            true,
		"http://[::1]:9000/":            true,
		"http://LocalHost/":             true,
		"http://[::ffff:127.0.0.1]/":    true,
		"http://minio.internal:9000/":   false,
		"http://10.0.0.7/":              false,
		"http://169.254.170.2/":         false,
		"http://127.0.0.1.example.com/": false,
		"http://localhost.example/":     false,
		"http://0.0.0.0/":               false,
		"https://minio.internal:9000/":  true,
	} {
		for _, allow := range []bool{false, true} {
			sent := false
			tr := &sigv4.Transport{
				Service: "s3", Region: "r", Credentials: stschain.Static("AKID", "b", "canary"), AllowHTTP: allow,
				Base: roundTripper(func(*http.Request) (*http.Response, error) {
					sent = true
					return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
				}),
			}
			body := newStream("x")
			req := newRequest(t, "PUT", url, body)
			req.Host = "localhost" // what counts is where it is sent
			_, err := tr.RoundTrip(req)
			require.Equal(t, loopback || allow, sent, url)
			errSign := tr.SignRequest(newRequest(t, "PUT", url, newStream("x")))
			if sent {
				require.NoError(t, errors.Join(err, errSign), url)
				continue
			}
			require.ErrorContains(t, err, "over plain http, where anyone on the network path can read the session token; use https, or set Transport.AllowHTTP")
			require.EqualError(t, errSign, err.Error())
			require.EqualValues(t, 1, body.closed.Load())
		}
	}
}

// A client of a ReverseProxy names headers in Connection, and ReverseProxy removes
// them after Director has signed them (toolhive#5835, field case B15).
func TestConnectionNamesWhatIsSigned(t *testing.T) {
	for connection, refused := range map[string]string{
		"X-Amz-Security-Token":         "X-Amz-Security-Token",
		"close, x-amz-content-sha256":  "x-amz-content-sha256",
		"keep-alive,\tAuthorization ,": "Authorization",
		"X-Tenant":                     "X-Tenant",
		"Content-Type":                 "Content-Type",
		"close":                        "",
		"keep-alive, Upgrade":          "",
		"X-Unsigned, X-Absent, Te":     "",
	} {
		req := newRequest(t, "GET", "https://example.com/", nil)
		req.Header = http.Header{"Connection": {"Te", connection}, "X-Tenant": {"7"}, "X-Unsigned": {"1"}, "Content-Type": {"text/plain"}, "Te": {"trailers"}}
		tr := &sigv4.Transport{Service: "s3", Region: "r", Credentials: stschain.Static("AKID", "b", ""), SignedHeaders: []string{"X-Tenant"}, Base: discard{}}
		_, err := tr.RoundTrip(req)
		errSign := tr.SignRequest(req)
		if refused == "" {
			require.NoError(t, errors.Join(err, errSign), connection)
			continue
		}
		require.ErrorContains(t, err, "sigv4: the Connection header names "+refused+", which the next hop would then remove")
		require.EqualError(t, errSign, err.Error())
	}
	for _, inDirector := range []bool{true, false} {
		s := newService(t, plain, nil, "AKID")
		tr := s.transport()
		proxy := &httputil.ReverseProxy{ErrorLog: quiet}
		if inDirector {
			//lint:ignore SA1019 that is what this test is about
			proxy.Director = func(r *http.Request) {
				r.URL.Scheme, r.URL.Host, r.Host = "http", mustParse(t, s.URL).Host, ""
				if err := tr.SignRequest(r); err == nil {
					t.Error("signed what ReverseProxy removes")
				}
			}
		} else {
			proxy.Rewrite = func(r *httputil.ProxyRequest) { r.SetURL(mustParse(t, s.URL)) }
			proxy.Transport = tr
		}
		req := httptest.NewRequest("GET", "/", nil)
		req.Header.Set("Connection", "X-Amz-Date")
		w := httptest.NewRecorder()
		proxy.ServeHTTP(w, req)
		require.Equal(t, !inDirector, w.Code == 200)
	}
}

func TestHosts(t *testing.T) {
	for _, c := range []struct {
		entry, url string
		want       bool
	}{
		{"example.com", "https://example.com/", true},
		{"Example.com", "https://EXAMPLE.com:443/", true},
		{"example.com:443", "https://example.com/", true},
		{"example.com:443", "http://example.com/", false},
		{"example.com", "http://example.com:80/", true},
		{"example.com", "https://example.com:8443/", false},
		{"example.com:8443", "https://example.com:8443/", true},
		{"example.com", "https://a.example.com/", false},
		{"example.com", "https://example.com.evil.org/", false},
		{"example.com", "https://evil-example.com/", false},
		{"*.example.com", "https://a.example.com/", true},
		{"*.example.com", "https://a.b.example.com/", true},
		{"*.example.com", "https://example.com/", false},
		{"*.example.com", "https://.example.com/", false},
		{"*.example.com", "https://evilexample.com/", false},
		{"*.example.com", "https://a.example.com:8443/", false},
		{"*.example.com:8443", "https://a.example.com:8443/", true},
		{"*", "https://example.com/", false},
		{"*.", "https://example.com/", false},
		{"", "https://example.com/", false},
		{"[::1]:9000", "http://[::1]:9000/", true},
	} {
		sent := false
		tr := &sigv4.Transport{
			Service: "s3", Region: "r", Credentials: stschain.Static("a", "b", ""), Hosts: []string{c.entry}, AllowHTTP: true,
			Base: roundTripper(func(*http.Request) (*http.Response, error) { sent = true; return nil, errors.New("sent") }),
		}
		req := newRequest(t, "GET", c.url, nil)
		req.Host = "example.com" // what is addressed counts, not what the request says
		_, err := tr.RoundTrip(req)
		require.Error(t, err)
		require.Equal(t, c.want, sent, "%s for %s", c.entry, c.url)
	}
}

// An http.Client sends redirects through its transport again.
func TestRedirects(t *testing.T) {
	other := newService(t, plain, nil, "AKID")
	secure := newService(t, withTLS, nil, "AKID")
	var to string
	s := newService(t, plain, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/leave":
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		case "/stay":
			http.Redirect(w, r, "/there", http.StatusTemporaryRedirect)
		case "/see":
			http.Redirect(w, r, "/there", http.StatusSeeOther)
		case "/twice":
			http.Redirect(w, r, "/leave", http.StatusFound)
		}
	}, "AKID")
	_, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
	client := &http.Client{Transport: s.transport()}
	for _, path := range []string{"/leave", "/twice"} {
		for _, to = range []string{
			other.URL + "/",               // another port
			secure.URL + "/",              // another scheme, and port
			"https://127.0.0.1:" + port,   // another scheme
			"http://localhost:" + port,    // another name
			"http://127.0.0.1.evil.test/", // another host
		} {
			_, err := client.Post(s.URL+path, "text/plain", strings.NewReader("secret"))
			require.ErrorContains(t, err, "sigv4: refused to sign a redirect from "+s.URL+" to "+strings.TrimSuffix(to, "/"))
		}
	}
	require.Empty(t, other.arrivals())
	require.Empty(t, secure.arrivals())

	for _, path := range []string{"/stay", "/see"} {
		resp, err := client.Post(s.URL+path, "text/plain", strings.NewReader("hi"))
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, 200, resp.StatusCode)
	}
	for _, a := range s.arrivals() {
		require.NoError(t, a.err)
	}

	req := newRequest(t, "GET", s.URL, nil)
	req.Response = &http.Response{}
	_, err := client.Transport.RoundTrip(req)
	require.ErrorContains(t, err, "the request that led to it is unknown")
}
