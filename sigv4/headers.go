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

// fields appends what is signed of a settled request, in order. host is a place
// for the host.
func (s *Signer) fields(dst []signature.Field, req *http.Request, host []string) ([]signature.Field, error) {
	host[0] = hostOf(req)
	dst = append(dst, signature.Field{Name: "host", Values: host})
	if s.asks("Content-Length") {
		if n, ok := sentLength(req); ok {
			dst = append(dst, signature.Field{Name: "content-length", Values: []string{strconv.FormatInt(n, 10)}})
		}
	}
	for name, values := range req.Header {
		if len(values) == 0 || !s.signs(name, values) {
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
			return nil, fmt.Errorf("sigv4: the request has the header %s twice, written %s and %s",
				http.CanonicalHeaderKey(dst[i].Name), dst[i].Name, dst[i+1].Name)
		}
	}
	return dst, nil
}

func hasTab(v string) bool { return strings.IndexByte(v, '\t') >= 0 }

func hasText(v string) bool { return strings.TrimSpace(v) != "" }

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// signs reports whether a header of the request is signed.
func (s *Signer) signs(name string, values []string) bool {
	switch {
	case hasPrefixFold(name, "X-Amz-"):
		return true
	case strings.EqualFold(name, "Host"), strings.EqualFold(name, "Content-Length"):
		return false // net/http sends others than these
	case strings.EqualFold(name, "Content-Type"), s.asks(name):
		return slices.ContainsFunc(values, hasText)
	case s.asks("*"):
		return !isUnstable(name) && slices.ContainsFunc(values, hasText)
	}
	return false
}

// asks reports whether SignedHeaders names a header.
func (s *Signer) asks(name string) bool {
	for _, asked := range s.SignedHeaders {
		if strings.EqualFold(asked, name) {
			return true
		}
	}
	return false
}

// isUnstable reports whether a header may be changed, added or removed after
// signing, by net/http, by a proxy or by instrumentation.
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
