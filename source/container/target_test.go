package container_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/source/container"
)

// What is wrong with a URI is an error before any request, and shows nothing of it but the host.
func TestRefusesURIs(t *testing.T) {
	for vars, want := range map[string]string{
		relative + "credentials/" + token:                    "RELATIVE_URI is not a path",
		relative + "@evil.example/" + token:                  "RELATIVE_URI is not a path",
		relative + ".evil.example/" + token:                  "RELATIVE_URI is not a path",
		relative + ":8080/" + token:                          "RELATIVE_URI is not a path",
		relative + "?" + token:                               "RELATIVE_URI is not a path",
		relative + "/%zz" + token:                            "RELATIVE_URI is not a path",
		full + "/credentials/" + token:                       "FULL_URI has no host",
		full + "http:///" + token:                            "FULL_URI has no host",
		full + "localhost:8080/" + token:                     "FULL_URI has no host",
		full + "http://" + token + ":pw@localhost/":          "FULL_URI has a user",
		full + "ftp://localhost/" + token:                    "FULL_URI is not a URI of http or https",
		full + "http://localhost:0/" + token:                 "has an invalid port",
		full + "http://localhost:65536/" + token:             "has an invalid port",
		full + "http://local host/" + token:                  "FULL_URI is not a URI",
		full + "http://169.254.169.254/" + token:             "FULL_URI has 169.254.169.254, and plain http is allowed only to this machine",
		full + "http://[fd00:ec2::254]/" + token:             "FULL_URI has fd00:ec2::254, and plain http",
		full + "http://[::ffff:169.254.169.254]/" + token:    "has ::ffff:169.254.169.254, and plain http",
		full + "http://192.168.1.1:80/" + token:              "has 192.168.1.1, and plain http",
		full + "http://10.0.0.1/" + token:                    "has 10.0.0.1, and plain http",
		full + "http://169.254.170.3/" + token:               "has 169.254.170.3, and plain http",
		full + "http://169.254.170.2.:80/" + token:           "169.254.170.2. is 169.254.169.254",
		full + "http://0.0.0.0/" + token:                     "has 0.0.0.0, and plain http",
		full + "http://[fd00:ec2::23%25eth0]/" + token:       "has fd00:ec2::23%eth0, and plain http",
		full + "http://agent.internal/" + token:              "agent.internal is 169.254.169.254, and plain http",
		full + "http://2852039166/" + token:                  "2852039166 is 169.254.169.254", // the same as a number
		full + "http://0xa9.254.169.254/" + token:            "0xa9.254.169.254 is 169.254.169.254",
		full + "http://localhost.evil.example:8080/" + token: "localhost.evil.example is 169.254.169.254",
	} {
		for kind, transport := range map[string]http.RoundTripper{
			"real": &http.Transport{DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
				t.Errorf("%s: dials %s", vars, address)
				return nil, io.EOF
			}},
			"fake": roundTripper(func(r *http.Request) (*http.Response, error) {
				t.Errorf("%s: request to %s", vars, r.URL)
				return nil, io.EOF
			}),
		} {
			p := &container.Provider{LookupEnv: from(vars), Resolve: addresses("127.0.0.1", "169.254.169.254"), HTTPClient: &http.Client{Transport: transport}}
			_, err := p.Retrieve(t.Context())
			require.ErrorContains(t, err, want, kind)
			require.ErrorContains(t, err, "AWS_CONTAINER_CREDENTIALS_", kind)
			require.ErrorIs(t, err, stschain.ErrPermanent, "%s %s", kind, vars)
			require.False(t, stschain.IsUnavailable(err), "%v", err)
			canary.Check(t, token, err)
		}
	}
}

// Only addresses that were checked are connected to, each in turn, whatever the name resolves
// to a moment later.
func TestDialsWhatItChecked(t *testing.T) {
	port := server(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, document) })
	resolved := 0
	p := &container.Provider{LookupEnv: from(full + "http://agent.internal:" + port + "/"), AttemptTimeout: time.Minute}
	p.Resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
		resolved++
		if host != "agent.internal" || resolved > 1 {
			return addresses("169.254.169.254")(ctx, host)
		}
		return addresses("127.0.0.3", "::ffff:127.0.0.1")(ctx, host) // nothing listens at the first
	}
	_, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, resolved)
	_, err = p.Retrieve(t.Context())
	require.ErrorContains(t, err, "agent.internal is 169.254.169.254")

	// AWS's own agents, by number and by name.
	for uri, resolve := range map[string]string{
		relative + "/x":                          "",
		full + "http://169.254.170.2/x":          "",
		full + "http://169.254.170.23/x":         "",
		full + "http://[fd00:ec2::23]/x":         "",
		full + "http://[::ffff:169.254.170.2]/x": "",
		full + "http://[::1]/x":                  "",
		full + "http://127.255.255.254/x":        "",
		full + "http://agent.internal/x":         "169.254.170.23",
		full + "http://localhost/x":              "::1",
	} {
		var dialled []string
		transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			dialled = append(dialled, address)
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
		}}
		p := &container.Provider{LookupEnv: from(uri), HTTPClient: &http.Client{Transport: transport}}
		p.Resolve = addresses()
		if resolve != "" {
			p.Resolve = addresses(resolve)
		}
		_, err := p.Retrieve(t.Context())
		require.NoError(t, err, uri)
		require.Len(t, dialled, 1)
		if resolve != "" {
			require.Equal(t, net.JoinHostPort(resolve, "80"), dialled[0])
		}
	}
}

// noted is a connection that notes when it is closed.
type noted struct {
	net.Conn
	closed func()
}

func (n noted) Close() error { n.closed(); return n.Conn.Close() }

// Nothing stays open between two calls, which are hours apart.
func TestClosesConnections(t *testing.T) {
	port := server(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, document) })
	closed := make(chan struct{})
	given := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return noted{conn, sync.OnceFunc(func() { close(closed) })}, err
	}}
	_, err := (&container.Provider{LookupEnv: from(full + "http://127.0.0.1:" + port + "/"), HTTPClient: &http.Client{Transport: given}}).Retrieve(t.Context())
	require.NoError(t, err)
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Fatal("the connection stays open")
	}
}

func TestDoesNotResolve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := &net.DNSError{Err: "server misbehaving", Name: "agent.internal"}
		attempts := 0
		for _, transport := range []http.RoundTripper{nil, roundTripper(nil)} {
			p := &container.Provider{LookupEnv: from(full + "http://agent.internal/"), HTTPClient: &http.Client{Transport: transport}}
			p.Resolve = func(context.Context, string) ([]netip.Addr, error) { attempts++; return nil, down }
			_, err := p.Retrieve(t.Context())
			require.ErrorIs(t, err, down)
			require.False(t, stschain.IsUnavailable(err), "%v", err)
			p.Resolve = addresses()
			_, err = p.Retrieve(t.Context())
			require.ErrorContains(t, err, "no such host")
		}
		require.Equal(t, 3+3, attempts)
	})
}

// A name may be anything over https, and anybody there needs a certificate for it.
func TestHTTPS(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, document) }))
	defer srv.Close()
	given := srv.Client() // it dials its server whatever the host
	p := &container.Provider{LookupEnv: from(full + "https://example.com/credentials"), HTTPClient: given}
	p.Resolve = func(context.Context, string) ([]netip.Addr, error) {
		t.Error("the rules are for http")
		return nil, io.EOF
	}
	_, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Nil(t, given.CheckRedirect, "the caller's client is not changed")
}

func TestNoProxyNoRedirect(t *testing.T) {
	elsewhere := server(t, func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") })
	port := server(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:"+elsewhere+"/", http.StatusTemporaryRedirect)
	})
	given := &http.Client{Transport: &http.Transport{Proxy: func(r *http.Request) (*url.URL, error) {
		t.Errorf("a proxy is looked up for %s", r.URL)
		return nil, io.EOF
	}}}
	p := &container.Provider{LookupEnv: from(full+"http://127.0.0.1:"+port+"/", tokenIs+token), HTTPClient: given}
	_, err := p.Retrieve(t.Context())
	require.ErrorContains(t, err, "container: AWS_CONTAINER_CREDENTIALS_FULL_URI at 127.0.0.1:"+port+": returned 307 Temporary Redirect")
	canary.Check(t, token, err)
}

// Whatever the URI, http is spoken only to this machine.
func FuzzURI(f *testing.F) {
	for _, uri := range []string{
		"/credentials", "http://localhost:8080/credentials", "http://169.254.169.254/", "https://example.com/", "http://[::1]:80/", "@evil/", "//evil/",
		"http://[fe80::1%25eth0]/", "http://user@localhost", "http://127.1/", "http://[::ffff:7f00:1]/", "http:localhost", "HTTP://169.254.170.2", ":80/", "\\evil",
	} {
		f.Add(uri, uri)
	}
	local := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"),
		netip.MustParsePrefix("169.254.170.2/32"), netip.MustParsePrefix("169.254.170.23/32"), netip.MustParsePrefix("fd00:ec2::23/128")}
	f.Fuzz(func(t *testing.T, rel, uri string) {
		var host string
		client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			host = r.URL.Hostname()
			if r.URL.Scheme == "https" {
				return reply(200, document), nil
			}
			addr, err := netip.ParseAddr(host)
			if err != nil {
				t.Fatalf("%q and %q: request to %s, which resolves to another host", rel, uri, host)
			}
			for _, p := range local {
				if p.Contains(addr.Unmap().WithZone("")) {
					return reply(200, document), nil
				}
			}
			t.Fatalf("%q and %q: request to %s", rel, uri, host)
			return nil, io.EOF
		})}
		p := &container.Provider{LookupEnv: from(relative+rel, full+uri), Resolve: addresses("192.0.2.1"), HTTPClient: client, MaxAttempts: 1}
		if _, err := p.Retrieve(t.Context()); err == nil && host == "" {
			t.Fatal("credentials from nowhere")
		}
	})
}
