package sigv4_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

// White space in keys comes from reading a file with its line break, or from copying.
// A service would respond SignatureDoesNotMatch (argo-workflows#981, longhorn#811).
func TestMalformedKeys(t *testing.T) {
	type c = stschain.Credentials
	for want, keys := range map[string]func(c *c, space string){
		"sigv4: AccessKeyID contains white space":     func(c *c, space string) { c.AccessKeyID += space },
		"sigv4: SecretAccessKey contains white space": func(c *c, space string) { c.SecretAccessKey = stschain.NewSecret("wJalr" + space + "XUtn") },
		"sigv4: SessionToken contains white space":    func(c *c, space string) { c.SessionToken = stschain.NewSecret("IQoJb3" + space) },
	} {
		for _, space := range []string{"\r\n", " ", "\t", "\v", "\u00a0", "\u2028"} {
			k := creds("AKID")
			keys(&k, space)
			for range 2 { // keys are cached
				s := &sigv4.Signer{Service: "sts", Region: "eu-west-1"}
				req := newRequest(t, "GET", "https://example.com/", nil)
				err := s.Sign(req, sigv4.PayloadHash(nil), k, now)
				require.ErrorContains(t, err, want, "%q", space)
				require.NotContains(t, err.Error(), "wJalr")
				require.Empty(t, req.Header)
				_, _, err = s.Presign(req, sigv4.PayloadHash(nil), k, now, time.Minute)
				require.ErrorContains(t, err, want, "%q", space)
			}
		}
	}
	k := creds("AKIDÉ")
	err := (&sigv4.Signer{Service: "sts", Region: "eu-west-1"}).Sign(newRequest(t, "GET", "https://example.com/", nil), sigv4.PayloadHash(nil), k, now)
	require.ErrorContains(t, err, "sigv4: AccessKeyID contains a character beyond ASCII")
}

// Issues: aws-sdk-go#4322.
func TestWhatIsSigned(t *testing.T) {
	for name, c := range map[string]struct {
		service string
		names   []string
		header  http.Header
		change  func(*http.Request)
		want    string
	}{
		"nothing else": {header: http.Header{
			"User-Agent": {"x"}, "Accept-Encoding": {"gzip"}, "Traceparent": {"00-1"}, "X-Amzn-Trace-Id": {"Root=1"},
			"Connection": {"close"}, "Te": {"trailers"}, "Expect": {"100-continue"}, "Accept": {"*/*"}, "Cookie": {"a=b"},
			"Uber-Trace-Id": {"1"}, "X-Forwarded-For": {"1"}, "Date": {"x"}, "Content-Length": {"4"}, "Host": {"other"},
		}, want: "host;x-amz-date;x-amz-security-token"},
		"all but those": {names: []string{"*"}, header: http.Header{
			"User-Agent": {"x"}, "Accept-Encoding": {"gzip"}, "Traceparent": {"00-1"}, "X-Amzn-Trace-Id": {"Root=1"},
			"Connection": {"close"}, "Te": {"trailers"}, "Expect": {"100-continue"}, "Accept": {"*/*"}, "Cookie": {"a=b"},
			"Uber-Trace-Id": {"1"}, "X-Forwarded-For": {"1"}, "Date": {"x"}, "Content-Length": {"4"}, "Host": {"other"}, "X-Empty": {""},
		}, want: "accept;date;host;x-amz-date;x-amz-security-token"},
		"content type and x-amz": {header: http.Header{"Content-Type": {"a/b"}, "x-amz-meta-A": {"1"}, "X-Amz-Meta-B": {"2", "3"}},
			want: "content-type;host;x-amz-date;x-amz-meta-a;x-amz-meta-b;x-amz-security-token"},
		"empty values": {names: []string{"x-agent-id"}, header: http.Header{"Content-Type": {""}, "X-Agent-Id": {" \t"}, "X-Amz-Empty": {""}, "X-Amz-None": {}},
			want: "host;x-amz-date;x-amz-empty;x-amz-security-token"},
		"by name": {names: []string{"X-K8S-aws-id", "absent"}, header: http.Header{"X-K8s-Aws-Id": {"cluster"}},
			want: "host;x-amz-date;x-amz-security-token;x-k8s-aws-id"},
		"content length": {names: []string{"content-length"},
			change: func(r *http.Request) { r.Method, r.Body, r.ContentLength = "POST", newStream("abcd"), 4 },
			want:   "content-length;host;x-amz-date;x-amz-security-token"},
		"content length of nothing": {names: []string{"content-length"}, change: func(r *http.Request) { r.Method = "PUT" }, want: "content-length;host;x-amz-date;x-amz-security-token"},
		"no content length":         {names: []string{"content-length"}, want: "host;x-amz-date;x-amz-security-token"},
		"unknown content length":    {names: []string{"content-length"}, change: func(r *http.Request) { r.Method, r.Body = "PUT", newStream("abcd") }, want: "host;x-amz-date;x-amz-security-token"},
		"content length of chunks": {names: []string{"content-length"}, change: func(r *http.Request) {
			r.Method, r.Body, r.ContentLength, r.TransferEncoding = "PUT", newStream("abcd"), 4, []string{"chunked"}
		}, want: "host;x-amz-date;x-amz-security-token"},
		"s3":                           {service: "s3", want: "host;x-amz-content-sha256;x-amz-date;x-amz-security-token"},
		"serverless search":            {service: "aoss", want: "host;x-amz-content-sha256;x-amz-date;x-amz-security-token"},
		"content hash where it is":     {header: http.Header{"X-Amz-Content-Sha256": {"stale"}}, want: "host;x-amz-content-sha256;x-amz-date;x-amz-security-token"},
		"content hash in lower case":   {service: "s3", header: http.Header{"x-amz-content-sha256": {"stale"}}, want: "host;x-amz-content-sha256;x-amz-date;x-amz-security-token"},
		"what an earlier signing left": {header: http.Header{"authorization": {"a"}, "Authorization": {"b"}, "X-Amz-Date": {"c"}, "x-amz-security-token": {"d"}}, want: "host;x-amz-date;x-amz-security-token"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.service == "" {
				c.service = "execute-api"
			}
			v := verifierOf(c.service)
			if c.service == "aoss" {
				v.service = "aoss"
			}
			req := newRequest(t, "GET", "https://example.com/a", nil)
			if c.header != nil {
				req.Header = c.header
			}
			hash := sigv4.PayloadHash(nil)
			if c.change != nil {
				c.change(req)
				if req.Body != nil {
					hash = sigv4.PayloadHash([]byte("abcd"))
				}
			}
			s := &sigv4.Signer{Service: c.service, Region: "eu-west-1", SignedHeaders: c.names}
			require.NoError(t, s.Sign(req, hash, creds("AKID"), now))
			r, body, err := sent(req)
			require.NoError(t, err)
			_, signed, err := v.verify(r, body)
			require.NoError(t, err)
			require.Equal(t, c.want, strings.Join(signed, ";"))
		})
	}
}

// Content-Length is signed as net/http sends it.
func TestSignedContentLength(t *testing.T) {
	for _, content := range []string{"a", "ten bytes.", text(1230)} {
		s := &sigv4.Signer{Service: "execute-api", Region: "eu-west-1", SignedHeaders: []string{"Content-Length"}}
		req := newRequest(t, "POST", "https://example.com/", strings.NewReader(content))
		require.NoError(t, s.Sign(req, sigv4.PayloadHash([]byte(content)), creds("AKID"), now))
		require.Contains(t, req.Header.Get("Authorization"), "SignedHeaders=content-length;host;")
		verifierOf("execute-api").requireValid(t, req)
	}
}

// Without a token an earlier one must not stay, and signing again is as if the
// request had never been signed.
func TestSignAgain(t *testing.T) {
	s := &sigv4.Signer{Service: "sts", Region: "eu-west-1"}
	long := creds("AKID")
	long.SessionToken = stschain.Secret{}
	once := newRequest(t, "GET", "https://example.com/", nil)
	require.NoError(t, s.Sign(once, sigv4.PayloadHash(nil), long, now))
	again := newRequest(t, "GET", "https://example.com/", nil)
	require.NoError(t, s.Sign(again, sigv4.PayloadHash(nil), creds("OTHER"), now.Add(-time.Hour)))
	require.NoError(t, s.Sign(again, sigv4.PayloadHash(nil), long, now))
	require.Equal(t, once.Header, again.Header)
	require.NotContains(t, again.Header, "X-Amz-Security-Token")
}

// TestWireForm: what is sent, for what the caller wrote.
func TestWireForm(t *testing.T) {
	for _, c := range []struct{ service, in, host, target string }{
		{"sts", "https://h.example:443/", "h.example", "/"},
		{"sts", "http://h.example:80", "h.example", "/"},
		{"sts", "http://h.example:443/", "h.example:443", "/"},
		{"sts", "https://h.example:8443/", "h.example:8443", "/"},
		{"sts", "http://[fe80::1%25en0]:9000/", "[fe80::1]:9000", "/"},
		{"sts", "http://[::1]:80/", "[::1]", "/"},
		{"sts", "https://h/a//b/../c/./#frag", "h", "/a//b/../c/./"},
		{"sts", "https://h/a+b:c,d%2Fe%20f", "h", "/a+b:c,d%2Fe%20f"},
		{"sts", "https://h/?b=2&a=1&a=0&&c", "h", "/?b=2&a=1&a=0&&c"},
		{"sts", "https://h/?a=b+c&d;e=f%2bg&h=[1] ü\"", "h", "/?a=b%20c&d%3Be=f%2bg&h=%5B1%5D%20%C3%BC%22"},
		{"sts", "https://h/?", "h", "/?"},
		{"s3", "https://h/a+b:c,d e(1)'!*~", "h", "/a%2Bb%3Ac%2Cd%20e%281%29%27%21%2A~"},
		{"s3", "https://h/a//b/../c/./ü", "h", "/a//b/../c/./%C3%BC"},
		{"s3", "https://h/a%2Fb%252Fc%2b", "h", "/a/b%252Fc%2B"},
		{"s3", "https://h/key?acl&prefix=a+b/", "h", "/key?acl&prefix=a%20b/"},
	} {
		v := verifierOf(c.service)
		s := &sigv4.Signer{Service: c.service, Region: "eu-west-1"}
		req := newRequest(t, "GET", c.in, nil)
		given := req.URL
		before := *given
		require.NoError(t, s.Sign(req, sigv4.PayloadHash(nil), creds("AKID"), now), c.in)
		require.Equal(t, before, *given, "the URL may be shared: it is not changed in place")
		r, _, err := sent(req)
		require.NoError(t, err, c.in)
		require.Equal(t, c.host, r.Host, c.in)
		require.Equal(t, c.target, r.RequestURI, c.in)
		_, _, err = v.verify(r, nil)
		require.NoError(t, err, c.in)
	}
}

// Only the address in brackets has a zone.
func TestHostThatLooksLikeAZone(t *testing.T) {
	s := &sigv4.Signer{Service: "sts", Region: "eu-west-1"}
	req := newRequest(t, "GET", "https://h/", nil)
	req.Host = "h%1]:9000"
	require.NoError(t, s.Sign(req, sigv4.PayloadHash(nil), creds("AKID"), now))
	require.Equal(t, "h%1]:9000", req.Host)
}

func TestTabsInSignedHeaders(t *testing.T) {
	s := &sigv4.Signer{Service: "sts", Region: "eu-west-1"}
	values := []string{"a\tb\t c", "d"}
	first := newRequest(t, "GET", "https://example.com/", nil)
	first.Header["X-Amz-Meta"] = []string{"\ta"}
	require.NoError(t, s.Sign(first, sigv4.PayloadHash(nil), creds("AKID"), now))
	require.Equal(t, []string{" a"}, first.Header["X-Amz-Meta"])
	req := newRequest(t, "GET", "https://example.com/", nil)
	req.Header["X-Amz-Meta"] = values
	req.Header["X-Other"] = []string{"a\tb"}
	require.NoError(t, s.Sign(req, sigv4.PayloadHash(nil), creds("AKID"), now))
	r, _, err := sent(req)
	require.NoError(t, err)
	require.Equal(t, []string{"a b  c", "d"}, r.Header["X-Amz-Meta"])
	require.Equal(t, []string{"a\tb"}, r.Header["X-Other"])
	require.Equal(t, []string{"a\tb\t c", "d"}, values, "the slice may be shared: it is not changed in place")
	_, _, err = verifierOf("sts").verify(r, nil)
	require.NoError(t, err)
}
