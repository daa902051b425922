package sigv4

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/signature"
)

// normalize brings req into the form that every service interprets in the same way;
// see the package comment. It replaces the URL of req instead of changing it.
func normalize(req *http.Request, s3 bool) error {
	u := req.URL
	if sent := hostOf(req); wireHost(u.Scheme, sent) != sent {
		req.Host = wireHost(u.Scheme, sent)
	}
	query, err := wireQuery(u.RawQuery)
	if err != nil {
		return err
	}
	path := u.RawPath
	if s3 && signature.Escape(u.Path, "/") != u.EscapedPath() {
		path = signature.Escape(u.Path, "/")
	}
	if query != u.RawQuery || path != u.RawPath {
		changed := *u
		changed.RawQuery, changed.RawPath = query, path
		req.URL = &changed
	}
	return nil
}

// hostOf returns the Host header that will be sent.
func hostOf(req *http.Request) string { return cmp.Or(req.Host, req.URL.Host) }

// wireHost removes what some clients send and others do not: the port that the
// scheme implies, and the zone of an IPv6 address (RFC 6874).
func wireHost(scheme, host string) string {
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	if before, zone, ok := strings.Cut(host, "%"); ok && strings.HasPrefix(host, "[") {
		if _, port, ok := strings.Cut(zone, "]"); ok {
			host = before + "]" + port
		}
	}
	return host
}

// wireQuery escapes what RFC 3986 does not allow in a query, and what only some
// servers read as a space ("+") or as a separator (";").
func wireQuery(q string) (string, error) {
	const same = "!$&'()*,=:@/?"
	if signature.IsEscaped(q, same) {
		return q, nil
	}
	if strings.ContainsFunc(q, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", errors.New("sigv4: the query contains a control character")
	}
	if _, err := url.PathUnescape(q); err != nil {
		return "", errors.New(`sigv4: the query contains a "%" that does not start an escape; write a literal one as %25`)
	}
	return signature.Escape(strings.ReplaceAll(q, "+", "%20"), "%"+same), nil
}

// isPayloadHash accepts a hash in hex, and the constants that S3 accepts instead of one.
func isPayloadHash(s string) bool {
	if strings.HasPrefix(s, UnsignedPayload) || strings.HasPrefix(s, "STREAMING-") {
		return redact.Visible(s)
	}
	hex := len(s) == 2*sha256.Size
	for i := 0; i < len(s); i++ { // all of it: which characters are digits cannot be predicted
		hex = isHex[s[i]] && hex
	}
	return hex
}

var isHex = func() (is [256]bool) {
	for _, c := range []byte("0123456789abcdef") {
		is[c] = true
	}
	return is
}()
