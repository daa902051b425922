package sigv4

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/stschain-go/stschain/internal/signature"
)

// settle brings req into the form that every service reads alike; see the
// package comment. It replaces the URL of req instead of changing it.
func settle(req *http.Request, s3 bool) error {
	u := req.URL
	sent := req.Host
	if sent == "" {
		sent = u.Host
	}
	if host := wireHost(u.Scheme, sent); host != sent {
		req.Host = host
	}
	query, err := wireQuery(u.RawQuery)
	if err != nil {
		return err
	}
	path := u.RawPath
	if s3 {
		if escaped := signature.Escape(u.Path); escaped != u.EscapedPath() {
			path = escaped
		}
	}
	if query != u.RawQuery || path != u.RawPath {
		changed := *u
		changed.RawQuery, changed.RawPath = query, path
		req.URL = &changed
	}
	return nil
}

// hostOf is the Host header that will be sent of a settled request.
func hostOf(req *http.Request) string {
	if req.Host != "" {
		return req.Host
	}
	return req.URL.Host
}

// wireHost removes what some clients send and others do not: the port that the
// scheme implies, and the zone of an IPv6 address (RFC 6874).
func wireHost(scheme, host string) string {
	switch {
	case scheme == "https":
		host = strings.TrimSuffix(host, ":443")
	case scheme == "http":
		host = strings.TrimSuffix(host, ":80")
	}
	if strings.HasPrefix(host, "[") {
		end := strings.LastIndexByte(host, ']')
		if zone := strings.IndexByte(host, '%'); zone > 0 && zone < end {
			host = host[:zone] + host[end:]
		}
	}
	return host
}

// wireQuery escapes what RFC 3986 does not allow in a query, and what only some
// servers read as a space or as a separator.
func wireQuery(q string) (string, error) {
	clean := true
	for i := 0; i < len(q); i++ {
		switch c := q[i]; {
		case c < ' ' || c == 0x7f:
			return "", errors.New("sigv4: the query contains a control character")
		case c != '%':
			clean = clean && isQueryByte(c)
		case i+2 >= len(q) || !signature.IsHex(q[i+1]) || !signature.IsHex(q[i+2]):
			return "", errors.New(`sigv4: the query contains a "%" that does not start an escape; write a literal one as %25`)
		}
	}
	if clean {
		return q, nil
	}
	var b strings.Builder
	for i := 0; i < len(q); i++ {
		switch c := q[i]; {
		case c == '+':
			b.WriteString("%20")
		case c == '%' || isQueryByte(c):
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String(), nil
}

// isQueryByte: RFC 3986, section 3.4, without "+" and ";".
func isQueryByte(c byte) bool {
	return signature.IsUnreserved(c) || strings.IndexByte("!$&'()*,=:@/?", c) >= 0
}

// isPayloadHash accepts a hash in hex, and the names that S3 has in place of one.
func isPayloadHash(s string) bool {
	if strings.HasPrefix(s, UnsignedPayload) || strings.HasPrefix(s, "STREAMING-") {
		return isVisible(s)
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !('0' <= c && c <= '9' || 'a' <= c && c <= 'f') {
			return false
		}
	}
	return len(s) == 64
}

// isVisible reports whether s consists of visible ASCII characters.
func isVisible(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
