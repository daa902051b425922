package sso_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/sso"
	"github.com/stschain-go/stschain/ststest"
)

// center is a machine without tokens, and an IAM Identity Center that verifies what it receives.
type center struct {
	*sso.Login
	sts    *ststest.Server
	portal *ststest.Portal
	dir    string

	mu      sync.Mutex
	rewrite func(*http.Request) *http.Response // instead of the service, unless it returns nil
	sent    []string                           // paths and times since the first request
	bodies  []string                           // of requests and responses, and tokens in headers: they have the secrets
	began   time.Time
}

func newCenter(t *testing.T) *center {
	srv := ststest.NewTest(t)
	c := &center{sts: srv, portal: srv.AddIdentityCenter(ststest.IdentityCenter{StartURL: startURL}), dir: filepath.Join(t.TempDir(), ".aws", "sso", "cache")}
	c.Login = &sso.Login{Session: "work", StartURL: startURL, Region: "eu-west-1", CacheDir: c.dir, HTTPClient: &http.Client{Transport: c}}
	return c
}

func (c *center) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(readerOf(r.Body))
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	c.mu.Lock()
	if c.began.IsZero() {
		c.began = time.Now()
	}
	c.sent = append(c.sent, r.URL.Path+" "+time.Since(c.began).Truncate(time.Second).String())
	c.bodies = append(c.bodies, string(body), r.Header.Get("X-Amz-Sso_bearer_token"))
	rewrite := c.rewrite
	c.mu.Unlock()
	var resp *http.Response
	if rewrite != nil {
		resp = rewrite(r)
	}
	if resp == nil {
		if resp, err = ststest.InProcess(c.sts).RoundTrip(r); err != nil {
			return nil, err
		}
	}
	if resp.StatusCode == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	content, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(strings.NewReader(string(content)))
	c.mu.Lock()
	c.bodies = append(c.bodies, string(content))
	c.mu.Unlock()
	return resp, nil
}

func readerOf(body io.Reader) io.Reader {
	if body == nil {
		return strings.NewReader("")
	}
	return body
}

// respond is a response of a service.
func respond(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

// secrets are the values of the members of requests and responses that must not be shown, and the tokens.
func (c *center) secrets() (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, body := range c.bodies {
		var doc map[string]any
		if json.Unmarshal([]byte(body), &doc) != nil {
			if body != "" && !strings.ContainsAny(body, "{<\n") {
				all = append(all, body)
			}
			continue
		}
		for _, name := range []string{"clientSecret", "deviceCode", "code", "codeVerifier", "accessToken", "refreshToken"} {
			if text, ok := doc[name].(string); ok {
				all = append(all, text)
			}
		}
	}
	return all
}

func (c *center) requests() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	sent := c.sent
	c.sent = nil
	return sent
}

// file reads a file in the directory.
func (c *center) file(t *testing.T, name string) object {
	path := filepath.Join(c.dir, name)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	var doc object
	require.NoError(t, json.Unmarshal(content, &doc))
	return doc
}

// retrieve returns credentials with the token, as a profile of the session does.
func (c *center) retrieve(t *testing.T) (stschain.Credentials, error) {
	return (&sso.Provider{
		Session: c.Session, StartURL: startURL, Region: c.Region, AccountID: "123456789012", RoleName: "Developer",
		CacheDir: c.dir, HTTPClient: c.HTTPClient, Clock: c.Clock,
	}).Retrieve(t.Context())
}

// open is a browser that is sent to a page, and follows the redirect to this machine. It returns the page there.
func (c *center) open(t *testing.T, page string) *http.Response {
	back := c.visit(t, page)
	resp, err := http.Get(back.String())
	require.NoError(t, err)
	resp.Body.Close()
	return resp
}

// visit returns the URL that the browser is redirected to.
func (c *center) visit(t *testing.T, page string) *url.URL {
	resp, err := c.HTTPClient.Transport.RoundTrip(must(http.NewRequest(http.MethodGet, page, nil)))
	require.NoError(t, err)
	require.Equal(t, http.StatusFound, resp.StatusCode)
	back, err := resp.Location()
	require.NoError(t, err)
	return back
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// silence is a listener without connections, for a synctest bubble.
type silence chan struct{}

func (s silence) Accept() (net.Conn, error) { <-s; return nil, net.ErrClosed }
func (s silence) Close() error {
	select {
	case <-s:
	default:
		close(s)
	}
	return nil
}
func (s silence) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4711} }
