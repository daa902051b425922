package sigv4_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

// What cannot be signed, must not be signed or would not arrive as it was signed is
// refused by every way to sign, without showing a secret (VictoriaMetrics#10933).
func TestRefuses(t *testing.T) {
	type (
		T = *sigv4.Transport
		R = *http.Request
	)
	keys := func(change func(*stschain.Credentials)) stschain.Provider {
		c := secret
		change(&c)
		return stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return c, nil })
	}
	scope := func(service, region string, err error) func(*http.Request) (sigv4.Scope, error) {
		return func(*http.Request) (sigv4.Scope, error) { return sigv4.Scope{Service: service, Region: region}, err }
	}
	none := errors.New("none today")
	for want, change := range map[string]func(T, R){
		"Credentials is missing": func(tr T, _ R) { tr.Credentials = nil },
		"Service is missing":     func(tr T, _ R) { tr.Service = "" },
		`Service "a/b" is not`:   func(tr T, _ R) { tr.Service = "a/b" },
		`S3Session is set for service "s3"`: func(tr T, _ R) {
			tr.Scope = func(*http.Request) (sigv4.Scope, error) {
				return sigv4.Scope{Service: "s3", Region: "r", S3Session: true}, nil
			}
		},
		"Region is missing":              func(tr T, _ R) { tr.Region = "" },
		`"x.evil.com/" is not a valid`:   func(tr T, _ R) { tr.Region = "x.evil.com/" },
		`"a b" is not a valid`:           func(tr T, _ R) { tr.Region = "a b" },
		"SignedHeaders names Connection": func(tr T, _ R) { tr.SignedHeaders = []string{"Connection"} },
		"names traceparent":              func(tr T, _ R) { tr.SignedHeaders = []string{"traceparent"} },
		"names x-b3-traceid":             func(tr T, _ R) { tr.SignedHeaders = []string{"x-b3-traceid"} },
		"names User-Agent":               func(tr T, _ R) { tr.SignedHeaders = []string{"User-Agent"} },

		`Scope returned service "" and region "r" for host "example.com"`: func(tr T, _ R) { tr.Scope = scope("", "r", nil) },
		`returned service "s3" and region "" for host "example.com"`:      func(tr T, _ R) { tr.Scope = scope("s3", "", nil) },
		`no scope for host "example.com": none today`:                     func(tr T, _ R) { tr.Scope = scope("s3", "r", none) },
		`Region "x/y" is not a valid region name`:                         func(tr T, _ R) { tr.Scope = scope("s3", "x/y", nil) },

		"already signed: it has Authorization": func(_ T, r R) { r.Header["authorization"] = []string{"Bearer " + secretKey} },
		"it has Authorization": func(_ T, r R) {
			r.Header["Authorization"] = []string{"AWS4-HMAC-SHA256 a", "b"}
		},
		"its query has X-Amz-Signature":  func(_ T, r R) { r.URL.RawQuery = "X%2DAmz-Signature=" + secretKey },
		"its query has X-Amz-Date":       func(_ T, r R) { r.URL.RawQuery = "%58-Amz-Date=" + token },
		"its query has x-amz-credential": func(_ T, r R) { r.URL.RawQuery = "a&x-amz-credential=" + token },
		"its query has X-Amz-Expires":    func(_ T, r R) { r.URL.RawQuery = "X-Amz-Expires=60" },
		"does not start an escape":       func(_ T, r R) { r.URL.RawQuery = "a=" + secretKey + "%" },
		"contains a control character":   func(_ T, r R) { r.URL.RawQuery = "a=" + token + "\n" },
		"the query contains a control":   func(_ T, r R) { r.URL.RawQuery = "a=" + token + "\x7f" },
		"contains a user name":           func(_ T, r R) { r.URL.User = url.UserPassword("u", secretKey) },
		"no URL":                         func(_ T, r R) { r.URL = nil },
		"no host":                        func(_ T, r R) { r.URL.Host, r.Host = "", "" },
		"is opaque":                      func(_ T, r R) { r.URL.Opaque = "//a/b" },
		"in punycode":                    func(_ T, r R) { r.Host = "bücher.example" },
		"the host contains":              func(_ T, r R) { r.URL.Host = "h/x y" },
		"header X-Amz-Meta-A twice": func(_ T, r R) {
			r.Header["X-Amz-Meta-A"], r.Header["x-amz-meta-a"] = []string{"1"}, []string{"2"}
		},

		`scheme "ftp"`:                  func(_ T, r R) { r.URL.Scheme = "ftp" },
		`scheme ""`:                     func(_ T, r R) { r.URL.Scheme = "" },
		"UnsignedPayload needs https":   func(tr T, r R) { r.URL.Scheme, tr.UnsignedPayload = "http", true },
		"over plain http":               func(_ T, r R) { r.URL.Scheme = "http" },
		`"example.com" is not in Hosts`: func(tr T, r R) { tr.Hosts, r.URL.RawQuery = []string{"example.org"}, "t="+token },
		`host "example.com" is not in `: func(tr T, _ R) { tr.Hosts = []string{} },
		"refused to sign a redirect from https://other to https://example.com": func(_ T, r R) {
			r.Response = &http.Response{Request: newRequest(t, "GET", "https://other/?X-Amz-Signature="+secretKey, nil)}
		},
		"the request that led to it is unknown": func(_ T, r R) { r.Response = &http.Response{} },

		"no credentials for s3 in eu-west-1: none today": func(tr T, _ R) {
			tr.Credentials = stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return secret, none })
		},
		"AccessKeyID contains white space": func(tr T, _ R) {
			tr.Credentials = keys(func(c *stschain.Credentials) { c.AccessKeyID = "AKID\r\n" })
		},
		"SessionToken contains white space": func(tr T, _ R) {
			tr.Credentials = keys(func(c *stschain.Credentials) { c.SessionToken = stschain.NewSecret(token + "\n") })
		},
	} {
		for name, send := range map[string]func(T, R) error{
			"RoundTrip":   func(tr T, r R) error { _, err := tr.RoundTrip(r); return err },
			"SignRequest": func(tr T, r R) error { return tr.SignRequest(r) },
			"Presign": func(tr T, r R) error {
				p, err := tr.Presign(r, time.Minute)
				require.Zero(t, p)
				return err
			},
		} {
			tr := &sigv4.Transport{Service: "s3", Region: "eu-west-1", Clock: fixedClock(now), Credentials: keys(func(*stschain.Credentials) {})}
			tr.Base = roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("was sent") })
			body := newStream("hello")
			req := newRequest(t, "PUT", "https://example.com/", body)
			change(tr, req)
			before := req.Header.Clone()
			err := send(tr, req)
			require.ErrorContains(t, err, want, name)
			require.ErrorContains(t, err, "sigv4: ", name)
			require.Equal(t, before, req.Header, name)
			if name == "SignRequest" {
				content, err := io.ReadAll(req.Body)
				require.NoError(t, err)
				require.Equal(t, "hello", string(content), "the body is complete: %s", want)
			} else {
				require.EqualValues(t, 1, body.closed.Load(), "%s: %s", name, want)
			}
			checkCanary(t, err)
		}
	}
}

// What only a Signer can get wrong.
func TestSignerRefuses(t *testing.T) {
	empty := sigv4.PayloadHash(nil)
	s := &sigv4.Signer{Service: "s3", Region: "eu-west-1"}
	req := newRequest(t, "GET", "https://example.com/", nil)
	for _, hash := range []string{empty, "not valid either"} {
		require.ErrorContains(t, new(sigv4.Signer).Sign(req, hash, secret, now), "Service is missing")
	}
	_, _, err := new(sigv4.Signer).Presign(req, empty, secret, now, time.Minute)
	require.ErrorContains(t, err, "Service is missing")
	for _, c := range []stschain.Credentials{{SecretAccessKey: secret.SecretAccessKey}, {AccessKeyID: "AKID"}} {
		require.ErrorContains(t, s.Sign(req, empty, c, now), "lack AccessKeyID or SecretAccessKey")
	}
	for _, hash := range []string{"", "x", secretKey, strings.ToUpper(empty), empty[1:], "g" + empty[1:], "UNSIGNED-PAYLOAD\n"} {
		err := s.Sign(req, hash, secret, now)
		require.ErrorContains(t, err, "payload hash")
		checkCanary(t, err)
	}
	require.ErrorContains(t, s.Sign(req, empty, secret, time.Time{}), "time to sign at")
	require.Empty(t, req.Header)
	for _, life := range []time.Duration{0, -time.Second, time.Second - 1, time.Second + 1, 7*24*time.Hour + time.Second} {
		_, _, err := s.Presign(req, empty, secret, now, life)
		require.ErrorContains(t, err, "whole seconds")
	}
	for _, life := range []time.Duration{time.Second, 7 * 24 * time.Hour} {
		_, _, err := s.Presign(req, empty, secret, now, life)
		require.NoError(t, err)
	}
}

// Plain http shows the session token to anyone on the network path .
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
// them after Director has signed them (toolhive#5835).
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
}
