package sigv4

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/stschain-go/stschain/internal/signature"
)

// fields appends the headers of a normalized request that are signed, and removes those of an earlier signature.
// hashed reports whether X-Amz-Content-Sha256 was one of these: then the new signature covers it too.
func (s *Signer) fields(dst []signature.Field, req *http.Request) (_ []signature.Field, hashed bool, _ error) {
	regionSet, ofRegions := "", false // its name, as the request has it
	if n, ok := sentLength(req); ok && s.names("Content-Length") {
		dst = append(dst, signature.Field{Name: "content-length", Values: []string{strconv.FormatInt(n, 10)}})
	}
	for name, values := range req.Header {
		if isOfSignature(name) {
			switch http.CanonicalHeaderKey(name) {
			case "X-Amz-Content-Sha256":
				hashed = true
			case "X-Amz-Region-Set":
				regionSet = name
				continue
			case "Authorization":
				ofRegions = len(values) > 0 && strings.HasPrefix(values[0], regionScheme)
			}
			delete(req.Header, name)
			continue
		}
		if !s.signs(name, values) {
			continue
		}
		if slices.ContainsFunc(values, hasTab) {
			values = slices.Clone(values)
			for i := range values {
				values[i] = strings.ReplaceAll(values[i], "\t", " ")
			}
			req.Header[name] = values
		}
		dst = append(dst, signature.Field{Name: name, Values: values})
	}
	if regionSet != "" && !ofRegions {
		return nil, false, errRegionSet
	}
	if regionSet != "" {
		delete(req.Header, regionSet)
	}
	return dst, hashed, nil
}

// isOfSignature reports whether signing sets the header of this name.
func isOfSignature(name string) bool {
	switch len(name) { // most names have another length
	case len("X-Amz-Date"), len("Authorization"), len("X-Amz-Region-Set"), len("X-Amz-Security-Token"), len(s3SessionToken): // and X-Amz-Content-Sha256
		return slices.Contains(ofSignature, http.CanonicalHeaderKey(name))
	}
	return false
}

var ofSignature = []string{"Authorization", "X-Amz-Content-Sha256", "X-Amz-Date", "X-Amz-Region-Set", "X-Amz-Security-Token", s3SessionToken}

// s3SessionToken is the header with the token of a session of S3 Express.
const s3SessionToken = "X-Amz-S3session-Token"

// sortFields sorts the headers that are signed, and refuses two that differ only in case.
func sortFields(fields []signature.Field) error {
	signature.SortFields(fields)
	for i := range fields[1:] {
		if a, b := fields[i].Name, fields[i+1].Name; len(a) == len(b) && strings.EqualFold(a, b) {
			return fmt.Errorf("sigv4: the request has the header %s twice, as %s and as %s; keep one", http.CanonicalHeaderKey(a), a, b)
		}
	}
	return nil
}

// signs reports whether a header of the request is signed. The rule lists what
// is signed, not what is skipped, so that a header added by a proxy cannot
// break the signature.
func (s *Signer) signs(name string, values []string) bool {
	switch {
	case len(values) == 0:
		return false
	case hasPrefixFold(name, "X-Amz-"):
		return true
	case strings.EqualFold(name, "Host"), strings.EqualFold(name, "Content-Length"):
		return false // net/http takes these from fields of the request
	case strings.EqualFold(name, "Content-Type"), strings.EqualFold(name, "Content-Md5"),
		strings.EqualFold(name, "Range"), hasPrefixFold(name, "If-"),
		s.names(name), s.names("*") && !mayChange(name):
		return slices.ContainsFunc(values, hasText)
	}
	return false
}

// names reports whether SignedHeaders names a header.
func (s *Signer) names(name string) bool {
	return slices.ContainsFunc(s.SignedHeaders, func(n string) bool { return strings.EqualFold(n, name) })
}

// Headers that net/http, the next hop or instrumentation changes after they were
// signed. Naming one in SignedHeaders is an error.
var (
	unstable = []string{
		"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade", // hop by hop: RFC 9110, section 7.6.1
		"Authorization", "Accept-Encoding", "Expect", "User-Agent",
		"Forwarded", "Via", "X-Real-Ip",
		"Baggage", "B3", "Sentry-Trace", "Traceparent", "Tracestate", "Uber-Trace-Id",
		"X-Amzn-Trace-Id", "X-Cloud-Trace-Context",
	}
	unstablePrefixes = []string{"X-Forwarded-", "X-B3-", "X-Datadog-", "Ot-Tracer-", "Uberctx-"}
)

// Headers that browsers, proxies, CDNs, service meshes or tracing are known to add,
// change or remove. "*" excludes these; SignedHeaders may name them.
var (
	changing = []string{
		"alt-used", "cookie", "dnt", "early-data", "grpc-timeout", "http2-settings", "max-forwards", "priority",
		"save-data", "sw8", "upgrade-insecure-requests", "warning", "x-request-start",
	}
	changingSuffixes = []string{"client-ip", "connecting-ip", "remote-ip", "request-id"}
	changingVendors  = []string{
		"akamai", "azure", "cdn", "cf", "cloudfront", "dynatrace", "elastic", "envoy", "fastly", "honeycomb",
		"instana", "istio", "newrelic", "original", "pinpoint", "sec",
	}
	changingWords = []string{"correlation", "forwarded", "proxy", "span", "trace", "traceparent", "tracestate", "tracing"}
)

func isUnstable(name string) bool {
	return slices.Contains(unstable, http.CanonicalHeaderKey(name)) ||
		slices.ContainsFunc(unstablePrefixes, func(prefix string) bool { return hasPrefixFold(name, prefix) })
}

func mayChange(name string) bool {
	if isUnstable(name) {
		return true
	}
	name = strings.ToLower(name)
	words := strings.Split(strings.TrimPrefix(name, "x-"), "-")
	return slices.Contains(changing, name) || slices.Contains(changingVendors, words[0]) ||
		slices.ContainsFunc(changingSuffixes, func(suffix string) bool { return strings.HasSuffix(name, suffix) }) ||
		slices.ContainsFunc(words, func(word string) bool { return slices.Contains(changingWords, word) })
}

func hasTab(v string) bool { return strings.IndexByte(v, '\t') >= 0 }

func hasText(v string) bool { return strings.TrimSpace(v) != "" }

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// sentLength returns the Content-Length that net/http will send, if it sends one.
func sentLength(req *http.Request) (n int64, ok bool) {
	switch {
	case len(req.TransferEncoding) > 0:
		return 0, false
	case req.Body != nil && req.Body != http.NoBody:
		return req.ContentLength, req.ContentLength > 0
	}
	return 0, req.Method == http.MethodPost || req.Method == http.MethodPut || req.Method == http.MethodPatch
}
