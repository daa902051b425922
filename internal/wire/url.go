package wire

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// ParseURL parses a configured endpoint. Without a scheme it is https. Plain http is for loopback, unless
// it is allowed. Its errors continue a sentence that begins with the name of the setting, and show no
// more of the value than the host, since a URL may contain a password.
func ParseURL(s string, allowHTTP bool) (*url.URL, error) {
	if scheme, _, ok := strings.Cut(s, "://"); !ok || strings.ContainsAny(scheme, "/?#@:") {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("is not a URL, such as https://sts.example.com:8443/path")
	}
	host, port := u.Hostname(), u.Port()
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("has the scheme %s; use https or http", quote(u.Scheme))
	case u.User != nil:
		return nil, errors.New("contains a user name or password, which are not sent")
	case u.Fragment != "" || strings.HasSuffix(s, "#"):
		return nil, errors.New("has a fragment (#), which is never sent")
	case strings.EqualFold(host, "https") || strings.EqualFold(host, "http"):
		return nil, errors.New("has a scheme without // after it; it should look like https://sts.example.com:8443/path")
	case !IsHost(host):
		return nil, fmt.Errorf("has the host %s, which is not a host name or IP address", quote(host))
	case !IsPort(port) || strings.HasSuffix(u.Host, ":"):
		return nil, fmt.Errorf("has the port %s; 1 to 65535 are allowed", quote(port))
	case u.Scheme == "http" && !allowHTTP && !IsLoopback(host):
		return nil, fmt.Errorf("is plain http to %s, where the credentials are visible to anyone on the network path: use https, or set AllowHTTP", quote(host))
	}
	if u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		u.Host = strings.TrimSuffix(u.Host, ":"+port)
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

// Endpoint returns a configured endpoint of a service, or else https at its host. A configured one cannot
// be combined with FIPS or dual-stack. Its errors begin with the name of the field.
func Endpoint(field, configured string, allowHTTP, variant bool, host string) (*url.URL, error) {
	switch {
	case configured == "":
		return &url.URL{Scheme: "https", Host: host, Path: "/"}, nil
	case variant:
		return nil, fmt.Errorf("%s is set together with FIPS or DualStack: set it to the endpoint that is FIPS or dual-stack", field)
	}
	u, err := ParseURL(configured, allowHTTP)
	if err != nil {
		return nil, fmt.Errorf("%s %w", field, err)
	}
	return u, nil
}

// Base is [Endpoint] for the field Endpoint of a service whose requests have queries of their own: it cannot have one.
func Base(configured string, allowHTTP, variant bool, host string) (*url.URL, error) {
	u, err := Endpoint("Endpoint", configured, allowHTTP, variant, host)
	if err == nil && (u.RawQuery != "" || u.ForceQuery) {
		err = errors.New("Endpoint has a query, which is not allowed")
	}
	return u, err
}

// Server is a URL without its query, for the field of an identity.
func Server(u *url.URL) string { return u.Scheme + "://" + strings.ToLower(u.Host) + u.EscapedPath() }

// IsLabel reports whether s is one label of a host name, as a region must be before it goes
// into one: letters, digits and inner hyphens, at most 63 (RFC 1123, 2.1).
func IsLabel(s string) bool {
	return s != "" && len(s) <= 63 && s[0] != '-' && s[len(s)-1] != '-' && ConsistsOf(s, "-")
}

// ConsistsOf reports whether s consists of ASCII letters and digits, and of others.
func ConsistsOf(s, others string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !isLetter(r) && !isDigit(r) && !strings.ContainsRune(others, r) }) < 0
}

// IsHost reports whether s is an IP address or the name of a host: labels, in which some private networks use underscores.
func IsHost(s string) bool {
	if ip, err := netip.ParseAddr(s); err == nil {
		zone := ip.Zone() // the name of an interface
		return zone == "" || IsHost(zone)
	}
	label, rest, more := strings.Cut(strings.ReplaceAll(strings.TrimSuffix(s, "."), "_", "x"), ".")
	for ; more && IsLabel(label); label, rest, more = strings.Cut(rest, ".") {
	}
	return IsLabel(label) && len(s) <= 254
}

// IsPort reports whether s is a port from 1 to 65535, or empty.
func IsPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return s == "" || err == nil && n > 0
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

func isLetter(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' }

// quote quotes the start of a configured value.
func quote(s string) string { return strconv.Quote(s[:min(len(s), 64)]) }
