package ststest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// This file implements Signature Version 4 as described in the AWS documentation: canonical request, string to sign, key.

// param is a query parameter, decoded.
type param struct{ key, value string }

// target returns the path and the query of a request as they were on the wire.
func target(r *http.Request) (path, query string) {
	uri := r.RequestURI
	if uri == "" {
		uri = r.URL.RequestURI()
	}
	if _, rest, absolute := strings.Cut(uri, "://"); absolute && !strings.HasPrefix(uri, "/") {
		if i := strings.IndexAny(rest, "/?"); i >= 0 {
			uri = rest[i:]
		} else {
			uri = "/"
		}
	}
	path, query, _ = strings.Cut(uri, "?")
	return path, query
}

func parseQuery(raw string) ([]param, error) {
	var params []param
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		key, value, _ := strings.Cut(part, "=")
		k, err := unescape(strings.ReplaceAll(key, "+", " "))
		if err != nil {
			return nil, err
		}
		v, err := unescape(strings.ReplaceAll(value, "+", " "))
		if err != nil {
			return nil, err
		}
		params = append(params, param{k, v})
	}
	return params, nil
}

// canonicalQuery omits the signature and the given parameters.
func canonicalQuery(query []param, without ...string) string {
	var pairs []param
	for _, p := range query {
		if p.key != "X-Amz-Signature" && !slices.Contains(without, p.key) {
			pairs = append(pairs, param{escape(p.key), escape(p.value)})
		}
	}
	slices.SortFunc(pairs, func(a, b param) int {
		if c := strings.Compare(a.key, b.key); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	var out strings.Builder
	for i, p := range pairs {
		if i > 0 {
			out.WriteByte('&')
		}
		out.WriteString(p.key + "=" + p.value)
	}
	return out.String()
}

// canonicalPath is the wire's path, escaped once more than on the wire; for S3
// exactly once.
func canonicalPath(path string, single, keep bool) (string, error) {
	segments := strings.Split(path, "/")
	if !keep {
		segments = normalized(segments)
	}
	for i, segment := range segments {
		if single {
			var err error
			if segment, err = unescape(segment); err != nil {
				return "", err
			}
		}
		segments[i] = escape(segment)
	}
	if p := strings.Join(segments, "/"); p != "" {
		return p, nil
	}
	return "/", nil
}

// normalized resolves dot segments and drops empty ones, except the last, which is a trailing slash.
func normalized(segments []string) []string {
	out := []string{""}
	for _, segment := range segments {
		switch segment {
		case "", ".":
		case "..":
			if len(out) > 1 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, segment)
		}
	}
	if segments[len(segments)-1] == "" || len(out) == 1 {
		out = append(out, "")
	}
	return out
}

// canonicalHeaders fails for a signed header that the request does not have.
func canonicalHeaders(r *http.Request, signed []string) (string, error) {
	var out strings.Builder
	for _, name := range signed {
		values := slices.Clone(r.Header.Values(name))
		if name == "host" { // net/http keeps it elsewhere
			values = []string{r.Host}
		}
		if len(values) == 0 {
			return "", fmt.Errorf("the signed header %q is not in the request", name)
		}
		for i, v := range values {
			values[i] = squeeze(v)
		}
		out.WriteString(name + ":" + strings.Join(values, ",") + "\n")
	}
	return out.String(), nil
}

// squeeze trims a header value and replaces each run of spaces with one.
func squeeze(v string) string {
	v = strings.Trim(v, " \t")
	for strings.Contains(v, "  ") {
		v = strings.ReplaceAll(v, "  ", " ")
	}
	return v
}

func stringToSign(c *claim, canonical string) string {
	return c.algorithm + "\n" + c.at.Format(amzDate) + "\n" + c.scope() + "\n" + hexHash([]byte(canonical))
}

func signature(secret string, c *claim, toSign string) string {
	key := []byte("AWS4" + secret)
	for _, part := range []string{c.date, c.region, c.service, terminator, toSign} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}

func hexHash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// escape percent-encodes every byte that is not unreserved in RFC 3986.
func escape(s string) string {
	const digits = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(s) {
		switch b := s[i]; {
		case 'A' <= b && b <= 'Z', 'a' <= b && b <= 'z', '0' <= b && b <= '9', b == '-', b == '.', b == '_', b == '~':
			out.WriteByte(b)
		default:
			out.Write([]byte{'%', digits[b>>4], digits[b&15]})
		}
	}
	return out.String()
}

func unescape(s string) (string, error) {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			out.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", errors.New("a percent sign is not followed by two digits")
		}
		b, err := hex.DecodeString(s[i+1 : i+3])
		if err != nil {
			return "", errors.New("a percent sign is not followed by two hexadecimal digits")
		}
		out.WriteByte(b[0])
		i += 2
	}
	return out.String(), nil
}
