// Package guard decides which requests to a server on this machine are trusted: those of programs on the machine, under
// its own name, that no proxy has forwarded and no web page has caused.
package guard

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

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

// Forwarded reports whether a proxy sent the request: the peer is then not the client.
func Forwarded(r *http.Request) bool { return r.URL.IsAbs() || hasAny(r.Header, proxyHeaders) }

// Browser reports whether a browser sent the request.
func Browser(r *http.Request) bool { return hasAny(r.Header, browserHeaders) }

// CrossSite reports whether a browser sent the request because of a page of another site.
// A request that the user typed, or that a page of the server caused, is not one.
func CrossSite(r *http.Request) bool {
	for name, values := range r.Header {
		switch strings.ReplaceAll(strings.ToLower(name), "_", "-") {
		case "origin":
			return true // browsers send it with a GET only for scripts of other sites
		case "sec-fetch-site":
			if len(values) != 1 || values[0] != "none" && values[0] != "same-origin" {
				return true
			}
		}
	}
	return false
}

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

// Near reports whether a request comes from this machine or from one of the peers.
func Near(r *http.Request, peers []netip.Prefix) bool {
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
	return slices.ContainsFunc(peers, func(p netip.Prefix) bool { return p.Contains(addr) })
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

// Serves reports whether a Host header is one of hosts, or, if there are none, of this machine.
func Serves(hostport string, hosts []string) bool {
	host, ok := Hostname(hostport)
	if !ok {
		return false
	}
	if len(hosts) > 0 {
		return slices.ContainsFunc(hosts, func(allowed string) bool { return strings.EqualFold(host, strings.Trim(allowed, "[]")) })
	}
	addr, err := netip.ParseAddr(host)
	return wire.IsLoopback(host) || err == nil && slices.Contains(wire.AgentAddresses(), addr)
}

// Hostname returns a host without its port and brackets.
func Hostname(hostport string) (host string, ok bool) {
	u, err := url.Parse("http://" + hostport)
	if err != nil || u.Host != hostport || u.Hostname() == "" {
		return "", false
	}
	return u.Hostname(), true
}
