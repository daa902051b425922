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

// guard tells why a request is not to be trusted, whatever token it has.
func (h *Handler) guard(r *http.Request) *refusal {
	passedOn, browser := origin(r.Header)
	switch {
	case !h.near(r):
		return &refusal{status: http.StatusForbidden, code: "ForeignPeer", message: "credentials are given to programs on this machine only"}
	case r.URL.IsAbs() || passedOn:
		return &refusal{status: http.StatusForbidden, code: "Forwarded", message: "credentials are not given through a proxy: ask directly"}
	case !h.serves(r.Host):
		return &refusal{status: http.StatusForbidden, code: "HostNotAllowed",
			message: "credentials are not given under this name: ask for 127.0.0.1 or localhost",
			err:     fmt.Errorf("its Host, %.100q, is not among Handler.Hosts", r.Host)}
	case browser:
		return &refusal{status: http.StatusForbidden, code: "Browser", message: "credentials are not given to browsers"}
	case r.Method != http.MethodGet:
		return &refusal{status: http.StatusMethodNotAllowed, code: "MethodNotAllowed", message: "ask with GET"}
	}
	return nil
}

// near reports whether a request comes from this machine, or from one of Peers.
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
		return true // an address of this machine, which no other can send from
	}
	return slices.ContainsFunc(h.Peers, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// local is the address that a request came to.
func local(r *http.Request) netip.Addr {
	to, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return netip.Addr{}
	}
	addr, _ := netip.ParseAddrPort(to.String())
	return addr.Addr().WithZone("").Unmap()
}

// serves reports whether a header Host is one of ours.
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

// hostname is a host without its port and brackets.
func hostname(hostport string) (host string, ok bool) {
	u, err := url.Parse("http://" + hostport)
	if err != nil || u.Host != hostport || u.Hostname() == "" {
		return "", false
	}
	return u.Hostname(), true
}

// origin tells from its header whether a request was passed on, and whether it is a browser's.
func origin(header http.Header) (passedOn, browser bool) {
	for name := range header {
		switch name = strings.ToLower(name); {
		case strings.HasPrefix(name, "x-forwarded"), name == "forwarded", name == "via", name == "x-real-ip":
			passedOn = true
		case name == "origin", strings.HasPrefix(name, "sec-fetch-"):
			browser = true
		}
	}
	return passedOn, browser
}

// sameToken compares hashes, so that the time it takes tells neither content nor length.
func sameToken(given []string, want stschain.Secret) bool {
	if len(given) != 1 || want.IsZero() {
		return false
	}
	a, b := sha256.Sum256([]byte(given[0])), sha256.Sum256([]byte(want.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
