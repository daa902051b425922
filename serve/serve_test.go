package serve_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/serve"
)

const (
	secret = "wJalrXUtnFEMI/hunter4711+KEY"
	token  = "canary-4711-served-token"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// session returns credentials that are valid for an hour after noon.
func session() stschain.Credentials {
	return stschain.Credentials{
		AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: stschain.NewSecret(secret), SessionToken: stschain.NewSecret("session+" + secret),
		Expires: noon.Add(time.Hour), AccountID: "123456789012", Origin: "test",
	}
}

// providing returns a provider of these credentials.
func providing(c stschain.Credentials) stschain.Provider {
	return stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return c, nil })
}

func at(now time.Time) *clock.Mock {
	c := clock.NewMock()
	c.Set(now)
	return c
}

// handler serves p at noon.
func handler(p stschain.Provider) *serve.Handler {
	return &serve.Handler{Credentials: p, Token: stschain.NewSecret(token), Clock: at(noon)}
}

// request returns one that a Handler accepts.
func request() *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Host, r.RemoteAddr = "127.0.0.1:8080", "127.0.0.1:50000"
	r.Header.Set("Authorization", token)
	return r
}

// do returns the response to a request, and checks what is true for every response.
func do(t *testing.T, h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	require.Empty(t, w.Header().Get("Access-Control-Allow-Origin"))
	if w.Code != http.StatusOK {
		require.GreaterOrEqual(t, w.Code, 400)
		var refused map[string]string
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &refused))
		require.Len(t, refused, 2)
		require.NotEmpty(t, refused["code"])
		require.NotEmpty(t, refused["message"])
		for _, c := range []string{secret, token} {
			canary.CheckText(t, c, fmt.Sprint(w.Body, w.Header()))
		}
	}
	return w
}

func code(w *httptest.ResponseRecorder) string {
	var refused struct{ Code string }
	json.Unmarshal(w.Body.Bytes(), &refused)
	return fmt.Sprint(w.Code, " ", refused.Code)
}

func TestResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := handler(providing(session()))
		testResponse(t, h)
		synctest.Wait() // for the cache, whose fields are read while they are printed
		for _, s := range []string{secret, token} {
			canary.Check(t, s, h, h.Token)
		}
	})
}

func testResponse(t *testing.T, h *serve.Handler) {
	w := do(t, h, request())
	require.Equal(t, http.StatusOK, w.Code)
	require.JSONEq(t, `{"AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"`+secret+`","Token":"session+`+secret+
		`","Expiration":"2026-11-21T13:00:00Z","AccountId":"123456789012"}`, w.Body.String())
}

func TestExpiration(t *testing.T) {
	for name, test := range map[string]struct {
		expires time.Time
		want    string // "": refused
	}{
		"never":                    {time.Time{}, "2026-11-21T13:00:00Z"},
		"beyond RFC 3339":          {time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), "2026-11-21T13:00:00Z"},
		"far":                      {time.Date(9999, 12, 31, 23, 59, 59, 5, time.UTC), "9999-12-31T23:59:59Z"},
		"in another zone":          {time.Date(2026, 11, 21, 15, 0, 0, 0, time.FixedZone("", 3600)), "2026-11-21T14:00:00Z"},
		"rounded down":             {noon.Add(2*time.Minute - 1), "2026-11-21T12:01:59Z"},
		"in a second":              {noon.Add(time.Second), "2026-11-21T12:00:01Z"},
		"within this second":       {noon.Add(time.Second - 1), ""},
		"now":                      {noon, ""},
		"past":                     {noon.Add(-time.Hour), ""},
		"before the time of Unix":  {time.Unix(-1, 0), ""},
		"just after the zero time": {time.Time{}.Add(1), ""},
	} {
		c := session()
		c.Expires = test.expires
		w := do(t, handler(providing(c)), request())
		if test.want == "" {
			require.Equal(t, "503 Failed", code(w), name)
			continue
		}
		require.Equal(t, http.StatusOK, w.Code, name)
		require.Contains(t, w.Body.String(), `"Expiration":"`+test.want+`"`, name)
	}
}

// SDKs require Token and Expiration.
func TestLongLivedKeys(t *testing.T) {
	w := do(t, handler(stschain.Static("AKIDEXAMPLE", secret, "")), request())
	require.JSONEq(t, `{"AccessKeyId":"AKIDEXAMPLE","SecretAccessKey":"`+secret+`","Token":"","Expiration":"2026-11-21T13:00:00Z"}`, w.Body.String())
}

// Expired credentials that a Cache serves to this program are not served to others.
func TestStaleCredentials(t *testing.T) {
	now := at(noon)
	var down atomic.Bool
	h := handler(&stschain.Cache{MaxStale: 24 * time.Hour, Clock: now, Provider: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		if down.Load() {
			return stschain.Credentials{}, errors.New("down")
		}
		return session(), nil
	})})
	h.Clock = now
	require.Equal(t, http.StatusOK, do(t, h, request()).Code)
	down.Store(true)
	now.Add(time.Hour - time.Second)
	require.Equal(t, http.StatusOK, do(t, h, request()).Code, "valid for another second")
	now.Add(time.Second)
	stale, err := h.Credentials.Retrieve(t.Context())
	require.NoError(t, err)
	require.True(t, stale.ExpiredAt(now.Now()))
	require.Equal(t, "503 Failed", code(do(t, h, request())))
}

func TestRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		change func(r *http.Request)
		want   string
	}{
		"wrong token":               {func(r *http.Request) { r.Header.Set("Authorization", token+"x") }, "401 Unauthorized"},
		"first part of the token":   {func(r *http.Request) { r.Header.Set("Authorization", token[:5]) }, "401 Unauthorized"},
		"Bearer":                    {func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }, "401 Unauthorized"},
		"empty token":               {func(r *http.Request) { r.Header.Set("Authorization", "") }, "401 Unauthorized"},
		"no token":                  {func(r *http.Request) { r.Header.Del("Authorization") }, "401 Unauthorized"},
		"two tokens":                {func(r *http.Request) { r.Header.Add("Authorization", token) }, "401 Unauthorized"},
		"token in the query":        {func(r *http.Request) { r.Header.Del("Authorization"); r.URL.RawQuery = "Authorization=" + token }, "401 Unauthorized"},
		"Host of a page":            {func(r *http.Request) { r.Host = "rebound.example" }, "403 HostNotAllowed"},
		"Host with our port":        {func(r *http.Request) { r.Host = "rebound.example:8080" }, "403 HostNotAllowed"},
		"Host below localhost":      {func(r *http.Request) { r.Host = "localhost.rebound.example" }, "403 HostNotAllowed"},
		"Host above localhost":      {func(r *http.Request) { r.Host = "page.localhost" }, "403 HostNotAllowed"},
		"Host with our prefix":      {func(r *http.Request) { r.Host = "127.0.0.1.rebound.example" }, "403 HostNotAllowed"},
		"Host with a user":          {func(r *http.Request) { r.Host = "localhost@rebound.example" }, "403 HostNotAllowed"},
		"Host of the network":       {func(r *http.Request) { r.Host = "192.168.1.5" }, "403 HostNotAllowed"},
		"Host of IMDS":              {func(r *http.Request) { r.Host = "169.254.169.254" }, "403 HostNotAllowed"},
		"any Host":                  {func(r *http.Request) { r.Host = "0.0.0.0" }, "403 HostNotAllowed"},
		"no Host":                   {func(r *http.Request) { r.Host = "" }, "403 HostNotAllowed"},
		"X-Forwarded-For, empty":    {func(r *http.Request) { r.Header["X-Forwarded-For"] = nil }, "403 Forwarded"},
		"x-forwarded-host":          {func(r *http.Request) { r.Header["x-forwarded-host"] = []string{"localhost"} }, "403 Forwarded"},
		"absolute URL":              {func(r *http.Request) { r.URL.Scheme, r.URL.Host = "http", "127.0.0.1" }, "403 Forwarded"},
		"Origin":                    {func(r *http.Request) { r.Header.Set("Origin", "http://localhost") }, "403 Browser"},
		"Origin of a file":          {func(r *http.Request) { r.Header.Set("Origin", "null") }, "403 Browser"},
		"Sec-Fetch-Site":            {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "none") }, "403 Browser"},
		"Sec-Fetch-Mode":            {func(r *http.Request) { r.Header.Set("Sec-Fetch-Mode", "navigate") }, "403 Browser"},
		"peer on the network":       {func(r *http.Request) { r.RemoteAddr = "192.168.1.5:50000" }, "403 ForeignPeer"},
		"peer by IPv6":              {func(r *http.Request) { r.RemoteAddr = "[2001:db8::1]:50000" }, "403 ForeignPeer"},
		"peer on the link":          {func(r *http.Request) { r.RemoteAddr = "[fe80::1%eth0]:50000" }, "403 ForeignPeer"},
		"peer as an agent":          {func(r *http.Request) { r.RemoteAddr = "169.254.170.2:50000" }, "403 ForeignPeer"},
		"peer mapped to IPv6":       {func(r *http.Request) { r.RemoteAddr = "[::ffff:192.168.1.5]:50000" }, "403 ForeignPeer"},
		"peer unknown":              {func(r *http.Request) { r.RemoteAddr = "@" }, "403 ForeignPeer"},
		"peer with a name":          {func(r *http.Request) { r.RemoteAddr = "localhost:50000" }, "403 ForeignPeer"},
		"POST":                      {func(r *http.Request) { r.Method = "POST" }, "405 MethodNotAllowed"},
		"HEAD":                      {func(r *http.Request) { r.Method = "HEAD" }, "405 MethodNotAllowed"},
		"a preflight without token": {func(r *http.Request) { r.Method = "OPTIONS"; r.Header = http.Header{} }, "405 MethodNotAllowed"},
	} {
		t.Run(name, func(t *testing.T) {
			h := handler(stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
				t.Error("the provider was called")
				return session(), nil
			}))
			var errs []error
			h.OnError = func(err error) { errs = append(errs, err) }
			r := request()
			test.change(r)
			w := do(t, h, r)
			require.Equal(t, test.want, code(w))
			require.Len(t, errs, 1)
			require.ErrorContains(t, errs[0], test.want)
			require.Equal(t, test.want == "405 MethodNotAllowed", w.Header().Get("Allow") == "GET")
			canary.Check(t, secret, errs[0], h)
			canary.Check(t, token, errs[0], h)
		})
	}
}

// A request with a header that any proxy adds is refused, whatever its value.
func TestProxyHeaders(t *testing.T) {
	h := handler(providing(session()))
	for _, name := range []string{
		"Forwarded", "Via", "Max-Forwards", "Proxy-Connection", "Proxy-Authorization", "CDN-Loop",
		"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded", "X-ForwardedFor", "X_Forwarded_For", "x-forwarded-port",
		"X-Original-Forwarded-For", "X-Original-Host", "X-Real-IP", "X-Client-IP", "True-Client-IP", "X-Cluster-Client-IP", "Client-IP",
		"X-Envoy-Expected-Rq-Timeout-Ms", "X-Envoy-Internal", "CF-Connecting-IP", "CF-Ray", "Fly-Client-IP", "Fastly-Client-IP",
		"CloudFront-Viewer-Address", "X-Azure-ClientIP", "X-ARR-SSL", "X-ProxyUser-Ip", "WL-Proxy-Client-IP",
	} {
		for _, value := range []string{"", "127.0.0.1"} {
			r := request()
			r.Header[name] = []string{value}
			require.Equal(t, "403 Forwarded", code(do(t, h, r)), "%s: %q", name, value)
		}
	}
	for _, name := range []string{"Accept", "Connection", "User-Agent", "Traceparent", "X-Amzn-Trace-Id", "X-Request-Id", "Amz-Sdk-Request", "Viable", "Forward"} {
		r := request()
		r.Header[name] = []string{"1"}
		require.Equal(t, http.StatusOK, do(t, h, r).Code, "%s: SDKs and their HTTP clients send it", name)
	}
}

func TestAllowed(t *testing.T) {
	docker := []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16"), netip.MustParsePrefix("fd00:1::/64")}
	for name, test := range map[string]struct {
		hosts          []string
		peers          []netip.Prefix
		host, from, to string
		want           int
	}{
		"localhost":                {host: "localhost", want: 200},
		"localhost, in capitals":   {host: "LocalHost:80", want: 200},
		"another loopback address": {host: "127.1.2.3:80", from: "127.9.9.9:1", want: 200},
		"IPv6":                     {host: "[::1]:80", from: "[::1]:1", want: 200},
		"IPv6 without a port":      {host: "[::1]", from: "[::1]:1", want: 200},
		"IPv4 in IPv6":             {host: "127.0.0.1", from: "[::ffff:127.0.0.1]:1", want: 200},
		"ECS's address":            {host: "169.254.170.2", from: "169.254.170.2:50000", to: "169.254.170.2:80", want: 200},
		"EKS's address":            {host: "169.254.170.23", from: "169.254.170.23:50000", to: "169.254.170.23:80", want: 200},
		"EKS's address by IPv6":    {host: "[fd00:ec2::23]", from: "[fd00:ec2::23]:50000", to: "[fd00:ec2::23]:80", want: 200},
		"another as ECS's address": {host: "169.254.170.2", from: "169.254.170.2:50000", to: "127.0.0.1:80", want: 403},
		"itself on the network":    {from: "192.168.1.5:50000", to: "192.168.1.5:80", want: 403},
		"a name that is set":       {hosts: []string{"creds.internal", "[::1]"}, host: "Creds.internal:99", want: 200},
		"an address that is set":   {hosts: []string{"creds.internal", "[::1]"}, host: "[::1]:99", want: 200},
		"localhost, not set":       {hosts: []string{"creds.internal"}, host: "localhost", want: 403},
		"a name below":             {hosts: []string{"creds.internal"}, host: "a.creds.internal", want: 403},
		"a container":              {peers: docker, from: "172.17.0.9:1", want: 200},
		"a container by IPv6":      {peers: docker, from: "[fd00:1::9]:1", want: 200},
		"another container":        {peers: docker, from: "172.18.0.9:1", want: 403},
		"this machine, with peers": {peers: docker, want: 200},
		"an empty prefix":          {peers: []netip.Prefix{{}}, from: "172.17.0.9:1", want: 403},
	} {
		h := handler(providing(session()))
		h.Hosts, h.Peers = test.hosts, test.peers
		r := request()
		if test.host != "" {
			r.Host = test.host
		}
		if test.from != "" {
			r.RemoteAddr = test.from
		}
		if test.to != "" {
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(test.to))))
		}
		require.Equal(t, test.want, do(t, h, r).Code, name)
	}
}

func TestNotConfigured(t *testing.T) {
	for want, h := range map[string]*serve.Handler{
		"Handler.Credentials is missing":   {Token: stschain.NewSecret(token)},
		"Handler.Token is missing":         {Credentials: providing(session())},
		"Handler.Token has":                {Credentials: providing(session()), Token: stschain.NewSecret(token + "\n")},
		`"localhost:80" is not a host`:     {Credentials: providing(session()), Token: stschain.NewSecret(token), Hosts: []string{"localhost:80"}},
		`"" is not a host`:                 {Credentials: providing(session()), Token: stschain.NewSecret(token), Hosts: []string{""}},
		`"http://localhost" is not a host`: {Credentials: providing(session()), Token: stschain.NewSecret(token), Hosts: []string{"http://localhost"}},
	} {
		var got error
		h.OnError = func(err error) { got = err }
		r := request()
		if len(h.Hosts) > 0 {
			r.Host = h.Hosts[0]
		}
		require.NotEqual(t, http.StatusOK, do(t, h, r).Code, want)
		r = request()
		r.Header["Authorization"] = []string{h.Token.Reveal()}
		w := do(t, h, r)
		require.NotEqual(t, http.StatusOK, w.Code, want)
		if len(h.Hosts) == 0 {
			require.Equal(t, "500 NotConfigured", code(w), want)
			require.ErrorContains(t, got, want)
		}
		require.ErrorContains(t, serve.Serve(t.Context(), listener(t), h), want)
	}
}

// Clients get one of a few codes, and only OnError gets the reason.
func TestProviderFails(t *testing.T) {
	incomplete, garbled := session(), session()
	incomplete.SecretAccessKey = stschain.Secret{}
	garbled.SessionToken = stschain.NewSecret("\xff" + secret)
	leaking := fmt.Errorf("of %+v: %#v", session(), session())
	failing := func(err error) stschain.ProviderFunc {
		return func(context.Context) (stschain.Credentials, error) { return stschain.Credentials{}, err }
	}
	const inside = "arn:aws:iam::123456789012:role/behind"
	for name, test := range map[string]struct {
		provider stschain.Provider
		want     string
	}{
		"fails":           {failing(errors.New(inside)), "503 Failed"},
		"is refused":      {failing(fmt.Errorf("%w: %s", stschain.ErrPermanent, inside)), "403 Refused"},
		"is not there":    {failing(stschain.Unavailable("%s", inside)), "404 NoCredentials"},
		"lacks a base":    {failing(fmt.Errorf("role: %w", stschain.Unavailable("%s", inside))), "503 Failed"},
		"has timed out":   {failing(fmt.Errorf("%s: %w", inside, context.DeadlineExceeded)), "503 Failed"},
		"returns nothing": {providing(stschain.Credentials{}), "503 Failed"},
		"returns a part":  {providing(incomplete), "503 Failed"},
		"returns bytes":   {providing(garbled), "503 Failed"},
		"panics":          {stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { panic(inside) }), "503 Failed"},
		"exits":           {stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { runtime.Goexit(); panic(nil) }), "503 Failed"},
		"leaks":           {failing(leaking), "503 Failed"},
		"panics, leaks":   {stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { panic(session()) }), "503 Failed"},
		"is nil":          {stschain.ProviderFunc(nil), "503 Failed"},
	} {
		h := handler(test.provider)
		var got error
		h.OnError = func(err error) { got = err }
		w := do(t, h, request())
		require.Equal(t, test.want, code(w), name)
		require.NotContains(t, w.Body.String(), inside, name)
		require.ErrorContains(t, got, `serve: "127.0.0.1:50000": refused with `+test.want, name)
		if strings.Contains("fails is refused is not there lacks a base has timed out panics", name) {
			require.ErrorContains(t, got, inside, name)
		}
		canary.Check(t, secret, got)
		canary.Check(t, token, got)
		h.OnError = nil
		require.Equal(t, test.want, code(do(t, h, request())), name)
	}
}

// The token of another server is not repeated.
func TestForeignTokenIsNotRepeated(t *testing.T) {
	const foreign = "canary-4711-of-another-server"
	var got error
	h := handler(providing(session()))
	h.OnError = func(err error) { got = err }
	r := request()
	r.Header.Set("Authorization", foreign)
	r.Header.Set("Cookie", foreign)
	r.URL.RawQuery = "token=" + foreign
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusUnauthorized, w.Code)
	canary.Check(t, foreign, got, h)
	canary.CheckText(t, foreign, fmt.Sprint(w.Header())+w.Body.String())
}

// The error of OnError wraps that of the provider.
func TestOnErrorUnwraps(t *testing.T) {
	cause := errors.New("no agent")
	h := handler(stschain.NewChain(stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{}, stschain.Unavailable("vault: %w", cause)
	})))
	var got error
	h.OnError = func(err error) { got = err }
	require.Equal(t, "404 NoCredentials", code(do(t, h, request())))
	chain, ok := errors.AsType[*stschain.ChainError](got)
	require.True(t, ok && chain.Unavailable())
	require.ErrorIs(t, chain.Attempts[0].Err, cause)

	h = handler(stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return stschain.Credentials{}, cause }))
	h.OnError = func(err error) { got = err }
	do(t, h, request())
	require.ErrorIs(t, got, cause)
}

func TestHangingProvider(t *testing.T) {
	for _, timeout := range []time.Duration{0, 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			h := handler(stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
				<-release // ignores its context
				return session(), nil
			}))
			h.Timeout = timeout
			began := time.Now()
			require.Equal(t, "504 Timeout", code(do(t, h, request())))
			if timeout == 0 {
				require.LessOrEqual(t, time.Since(began), 30*time.Second)
			} else {
				require.Equal(t, timeout, time.Since(began))
			}

			// The client gives up earlier.
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began = time.Now()
			require.NotEqual(t, http.StatusOK, do(t, h, request().WithContext(ctx)).Code)
			require.LessOrEqual(t, time.Since(began), time.Second)

			close(release) // the next client gets the result of the first one's call
			synctest.Wait()
			if timeout > 0 {
				require.Equal(t, http.StatusOK, do(t, h, request()).Code)
			}
		})
	}
}

// The Cache of a caller is used as it is, and another provider is cached once.
// Reports: aws-sdk-go-v2#3233.
func TestCached(t *testing.T) {
	var calls atomic.Int32
	counting := stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		calls.Add(1)
		return session(), nil
	})
	now := at(noon)
	shared := &stschain.Cache{Provider: counting, Clock: now}
	for _, p := range []stschain.Provider{shared, counting} {
		calls.Store(0)
		h := handler(p)
		for range 5 {
			require.Equal(t, http.StatusOK, do(t, h, request()).Code)
		}
		require.EqualValues(t, 1, calls.Load())
	}
	require.EqualValues(t, 1, shared.Status().Attempts)

	// Invalidate takes effect, so there is no other cache in between.
	h := handler(shared)
	require.Equal(t, http.StatusOK, do(t, h, request()).Code)
	now.Add(time.Minute)
	shared.Invalidate(session())
	require.Equal(t, http.StatusOK, do(t, h, request()).Code)
	require.EqualValues(t, 2, shared.Status().Attempts)
}
