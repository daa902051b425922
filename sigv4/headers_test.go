package sigv4_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

// signedOf returns the headers that are signed of a request with these headers.
func signedOf(t *testing.T, signedHeaders []string, names ...string) []string {
	t.Helper()
	req := newRequest(t, "GET", "https://h.example/", nil)
	for _, name := range names {
		req.Header[name] = []string{"value"}
	}
	s := &sigv4.Signer{Service: "execute-api", Region: "eu-west-1", SignedHeaders: signedHeaders}
	require.NoError(t, s.Sign(req, sigv4.PayloadHash(nil), creds("AKID"), now))
	_, list, _ := strings.Cut(req.Header.Get("Authorization"), "SignedHeaders=")
	list, _, _ = strings.Cut(list, ",")
	return slices.DeleteFunc(strings.Split(list, ";"), func(name string) bool {
		return slices.Contains([]string{"host", "x-amz-date", "x-amz-security-token"}, name)
	})
}

// What changes the meaning of a request is signed; what is added on the way is not,
// even where SignedHeaders names all headers (grafana#29566).
func TestSignedByRule(t *testing.T) {
	for _, name := range []string{
		"Content-Type", "content-md5", "Range", "If-Match", "If-None-Match", "if-unmodified-since", "If-", "X-Amz-Acl", "x-amz-copy-source", "X-Amz-",
	} {
		require.Equal(t, []string{strings.ToLower(name)}, signedOf(t, nil, name))
		require.Equal(t, []string{strings.ToLower(name)}, signedOf(t, []string{"*"}, name))
	}
	for _, name := range []string{"Accept", "X-Vault-AWS-IAM-Server-ID", "X-K8s-Aws-Id", "X-Tenant", "Date", "Content-Encoding", "X-Shippable"} {
		require.Empty(t, signedOf(t, nil, name))
		require.Equal(t, []string{strings.ToLower(name)}, signedOf(t, []string{"*"}, name))
		require.Equal(t, []string{strings.ToLower(name)}, signedOf(t, []string{name}, name))
	}
	for _, name := range []string{
		"X-Request-ID", "Request-Id", "X-Correlation-ID", "Correlation-Context", "X-Envoy-Attempt-Count", "X-Envoy-Decorator-Operation",
		"CDN-Loop", "X-CDN", "True-Client-IP", "X-Client-IP", "CF-Connecting-IP", "CF-Ray", "Fastly-Client-IP", "X-Cluster-Client-Ip",
		"Max-Forwards", "HTTP2-Settings", "Early-Data", "Priority", "Cookie", "Sec-Fetch-Site",
		"Elastic-Apm-Traceparent", "Grpc-Trace-Bin", "X-NewRelic-ID", "Newrelic", "X-Honeycomb-Trace", "X-Akamai-Edgescape", "X-Original-Url",
		"X-Cloudfront-Viewer", "X-Istio-Attributes",
	} {
		require.Empty(t, signedOf(t, nil, name), name)
		require.Empty(t, signedOf(t, []string{"*"}, name), name)
		require.Equal(t, []string{strings.ToLower(name)}, signedOf(t, []string{name}, name), "by name it can be signed")
	}
}

// A gateway passes on what its clients send: 1 MiB of headers is refused before it
// costs anything (it took 20 s of CPU).
func TestTooManyHeaders(t *testing.T) {
	header := http.Header{}
	for i := range 78_000 {
		header[fmt.Sprintf("X-Amz-Meta-%x", i)] = []string{""}
	}
	tr := &sigv4.Transport{Service: "s3", Region: "eu-west-1", Base: discard{}, Credentials: stschain.Static("AKID", "secret", "")}
	const most = 50 * time.Millisecond
	quickest := time.Hour
	for i := 0; i < 7 || i < 100 && quickest >= most && !raceDetector; i++ { // other tests share the CPU
		body := newStream("unread")
		req := newRequest(t, "PUT", "https://bucket.example/key", body)
		req.Header = header
		start := time.Now()
		_, err := tr.RoundTrip(req)
		quickest = min(quickest, time.Since(start))
		require.ErrorContains(t, err, "sigv4: the request has 78000 headers to sign, more than 1000")
		require.EqualValues(t, 1, body.closed.Load())
	}
	if !raceDetector {
		require.Less(t, quickest, most)
	}

	s := &sigv4.Signer{Service: "s3", Region: "eu-west-1"}
	req := newRequest(t, "GET", "https://bucket.example/key", nil)
	for i := range 1000 {
		req.Header.Set(fmt.Sprint("X-Amz-Meta-", i), "x")
		req.Header.Set(fmt.Sprint("X-Other-", i), "x")
	}
	require.NoError(t, s.Sign(req.Clone(t.Context()), sigv4.PayloadHash(nil), creds("AKID"), now), "unsigned headers do not count")
	connection := req.Clone(t.Context())
	connection.Header.Set("Connection", "X-Amz-Meta-7")
	require.ErrorContains(t, s.Sign(connection, sigv4.PayloadHash(nil), creds("AKID"), now), "the Connection header names X-Amz-Meta-7")
	req.Header.Set("X-Amz-Meta", "x")
	require.ErrorContains(t, s.Sign(req, sigv4.PayloadHash(nil), creds("AKID"), now), "1001 headers to sign")
	_, _, err := s.Presign(req, sigv4.PayloadHash(nil), creds("AKID"), now, time.Minute)
	require.ErrorContains(t, err, "1001 headers to sign")
	for i := range 1000 {
		req.Header.Del(fmt.Sprint("X-Other-", i))
	}
	require.ErrorContains(t, s.Sign(req, sigv4.PayloadHash(nil), creds("AKID"), now), "1001 headers to sign", "no others")
}
