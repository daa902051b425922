package sigv4

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/stschain-go/stschain/internal/signature"
)

// removeOwn removes what an earlier signing left, and reports whether the
// caller asks for X-Amz-Content-Sha256 by having it.
func removeOwn(h http.Header) (contentHash bool) {
	for name := range h {
		switch http.CanonicalHeaderKey(name) {
		case "X-Amz-Content-Sha256":
			contentHash = true
			delete(h, name)
		case "Authorization", "X-Amz-Date", "X-Amz-Security-Token":
			delete(h, name)
		}
	}
	return contentHash
}

// fields appends the headers of a settled request that are signed, in order.
// host is a place for the host.
func (s *Signer) fields(dst []signature.Field, req *http.Request, host []string) ([]signature.Field, error) {
	host[0] = hostOf(req)
	dst = append(dst, signature.Field{Name: "host", Values: host})
	if s.names("Content-Length") {
		if n, ok := sentLength(req); ok {
			dst = append(dst, signature.Field{Name: "content-length", Values: []string{strconv.FormatInt(n, 10)}})
		}
	}
	for name, values := range req.Header {
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
	signature.SortFields(dst)
	for i := range dst[1:] {
		if strings.EqualFold(dst[i].Name, dst[i+1].Name) {
			return nil, fmt.Errorf("sigv4: the request has the header %s twice, as %s and as %s; keep one",
				http.CanonicalHeaderKey(dst[i].Name), dst[i].Name, dst[i+1].Name)
		}
	}
	return dst, nil
}

// signs reports whether a header of the request is signed. It is a rule of what
// is signed, so that a header which a proxy adds cannot break the signature.
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
	for _, n := range s.SignedHeaders {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// isUnstable reports whether net/http, the next hop or instrumentation changes a
// header after it was signed. To name one in SignedHeaders is an error.
func isUnstable(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade", // hop by hop: RFC 9110, section 7.6.1
		"Authorization", "Accept-Encoding", "Expect", "User-Agent",
		"Forwarded", "Via", "X-Real-Ip",
		"Baggage", "B3", "Sentry-Trace", "Traceparent", "Tracestate", "Uber-Trace-Id",
		"X-Amzn-Trace-Id", "X-Cloud-Trace-Context":
		return true
	}
	for _, prefix := range []string{"X-Forwarded-", "X-B3-", "X-Datadog-", "Ot-Tracer-", "Uberctx-"} {
		if hasPrefixFold(name, prefix) {
			return true
		}
	}
	return false
}

// mayChange reports whether browsers, proxies, CDNs, service meshes or tracing are
// known to add, change or remove a header of this name. "*" leaves these out;
// SignedHeaders may name those that are not unstable as well.
func mayChange(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Alt-Used", "Cookie", "Dnt", "Early-Data", "Grpc-Timeout", "Http2-Settings", "Max-Forwards", "Priority",
		"Save-Data", "Sw8", "Upgrade-Insecure-Requests", "Warning", "X-Request-Start":
		return true
	}
	lower := strings.ToLower(name)
	for _, suffix := range []string{"client-ip", "connecting-ip", "remote-ip", "request-id"} {
		if strings.HasSuffix(lower, suffix) {
			return true
		}
	}
	vendor, _, _ := strings.Cut(strings.TrimPrefix(lower, "x-"), "-")
	switch vendor {
	case "akamai", "azure", "cdn", "cf", "cloudfront", "dynatrace", "elastic", "envoy", "fastly", "honeycomb",
		"instana", "istio", "newrelic", "original", "pinpoint", "sec":
		return true
	}
	for word := range strings.SplitSeq(lower, "-") {
		switch word {
		case "correlation", "forwarded", "proxy", "span", "trace", "traceparent", "tracestate", "tracing":
			return true
		}
	}
	return isUnstable(name)
}

func hasTab(v string) bool { return strings.IndexByte(v, '\t') >= 0 }

func hasText(v string) bool { return strings.TrimSpace(v) != "" }

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// sentLength is the Content-Length that net/http will send, if it sends one.
func sentLength(req *http.Request) (n int64, ok bool) {
	if len(req.TransferEncoding) > 0 {
		return 0, false
	}
	if req.Body != nil && req.Body != http.NoBody {
		return req.ContentLength, req.ContentLength > 0
	}
	switch req.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		return 0, true
	}
	return 0, false
}
