package serve

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// Headers of requests that are refused, in lower case. A "*" at the end matches any suffix.
var (
	proxyHeaders = []string{
		"forwarded", "x-forwarded*", "x-original-*", "via", "max-forwards", "proxy-*", "x-proxy*", "cdn-loop",
		"x-real-ip", "x-client-ip", "x-cluster-client-ip", "x-remote-ip", "x-remote-addr", "true-client-ip", "client-ip", "wl-proxy-*",
		"x-envoy-*", "cf-*", "cloudfront-*", "fastly-*", "fly-*", "x-azure-*", "x-arr-*", "x-rewrite-url", "x-varnish",
	}
	browserHeaders = []string{"origin", "sec-fetch-*"}
)

// hasAny reports whether a header has one of the listed fields.
func hasAny(header http.Header, list []string) bool {
	for name := range header {
		name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
		if slices.ContainsFunc(list, func(refused string) bool {
			prefix, any := strings.CutSuffix(refused, "*")
			return name == refused || any && strings.HasPrefix(name, prefix)
		}) {
			return true
		}
	}
	return false
}

// guard returns why a request is refused, regardless of its token.
func (h *Handler) guard(r *http.Request) *refusal {
	switch {
	case !h.near(r):
		return &refusal{status: http.StatusForbidden, code: "ForeignPeer", message: "credentials are served to programs on this machine only"}
	case r.URL.IsAbs() || hasAny(r.Header, proxyHeaders):
		return &refusal{status: http.StatusForbidden, code: "Forwarded", message: "credentials are not served through a proxy: connect directly"}
	case !h.serves(r.Host):
		return &refusal{status: http.StatusForbidden, code: "HostNotAllowed", message: "credentials are not served under this host name: use 127.0.0.1 or localhost",
			err: fmt.Errorf("the Host %.100q is not one of Handler.Hosts", r.Host)}
	case hasAny(r.Header, browserHeaders):
		return &refusal{status: http.StatusForbidden, code: "Browser", message: "credentials are not served to browsers"}
	case r.Method != http.MethodGet:
		return &refusal{status: http.StatusMethodNotAllowed, code: "MethodNotAllowed", message: "use GET"}
	}
	return nil
}

// near reports whether a request comes from this machine or from one of the Peers.
func (h *Handler) near(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	addr := peer.Addr().WithZone("").Unmap()
	switch {
	case addr.IsLoopback():
		return true
	case slices.Contains(wire.AgentAddresses(), addr) && addr == local(r):
		return true // an address of this machine, which no other machine can send from
	}
	return slices.ContainsFunc(h.Peers, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// local returns the address at which a request arrived.
func local(r *http.Request) netip.Addr {
	to, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return netip.Addr{}
	}
	addr, _ := netip.ParseAddrPort(to.String())
	return addr.Addr().WithZone("").Unmap()
}

// serves reports whether a Host header is allowed.
func (h *Handler) serves(hostport string) bool {
	host, ok := hostname(hostport)
	if !ok {
		return false
	}
	if len(h.Hosts) > 0 {
		return slices.ContainsFunc(h.Hosts, func(allowed string) bool { return strings.EqualFold(host, strings.Trim(allowed, "[]")) })
	}
	addr, err := netip.ParseAddr(host)
	return wire.IsLoopback(host) || err == nil && slices.Contains(wire.AgentAddresses(), addr)
}

// hostname returns a host without its port and brackets.
func hostname(hostport string) (host string, ok bool) {
	u, err := url.Parse("http://" + hostport)
	if err != nil || u.Host != hostport || u.Hostname() == "" {
		return "", false
	}
	return u.Hostname(), true
}

// sameToken compares hashes, so that its time reveals neither content nor length.
func sameToken(given []string, want stschain.Secret) bool {
	if len(given) != 1 || want.IsZero() {
		return false
	}
	a, b := sha256.Sum256([]byte(given[0])), sha256.Sum256([]byte(want.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
