// Package statuspage shows the state of caches and pools on a page, for browsers, and as JSON, for scripts.
//
//	page := &statuspage.Handler{
//		Providers: []statuspage.Provider{{Name: "backup", Provider: credentials}},
//		Pools:     []statuspage.Pool{statuspage.NewPool("tenants", pool, func(id TenantID) string { return id.String() })},
//	}
//	http.Handle("/status", page)
//
// It shows, of each [stschain.Cache] of a provider and below it, the phase, the origin and the access key ID of the
// credentials, when they expire, when they are refreshed next, the last error, and counters. Of a pool it shows totals and
// the hundred keys that need attention most; the parameter q selects keys that contain a text. It shows no secret, calls no
// provider, and changes nothing.
//
// A page is one HTML document without script and without other resources, and its Content-Security-Policy allows none.
// It does not reload itself.
//
// # Access
//
// Names of roles and errors are no secrets, but they help an attacker. A Handler therefore refuses
//
//   - peers that are not on this machine, except Peers
//   - a Host that is not this machine's, except Hosts: otherwise a web page whose host name now resolves to 127.0.0.1 could
//     read it (DNS rebinding)
//   - requests with a header that proxies add
//   - requests of a browser that a page of another site caused
//   - methods other than GET and HEAD
//
// It does not protect against other programs and users of this machine: put it behind a handler that authenticates users
// if there are any.
//
// # JSON
//
// With the parameter format=json, the response is an object with version 1. Members may be added to it; if one is removed or
// gets another meaning, the version changes. Times are RFC 3339; a member that is zero is missing. The text of an
// error is not part of the format.
package statuspage

import (
	"net/http"
	"net/netip"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/guard"
)

// Handler serves the page. Do not change its fields after first use.
type Handler struct {
	Title     string     // "": AWS credentials
	Providers []Provider // in this order
	Pools     []Pool     // in this order

	Hosts []string       // the allowed values of the Host header, without ports; nil: localhost and loopback addresses
	Peers []netip.Prefix // allowed in addition to this machine; nil: none
	Clock stschain.Clock // nil: the system clock
}

// Provider is a provider whose caches are shown.
type Provider struct {
	Name     string            // for the page
	Provider stschain.Provider // its caches, and those below it, are found through stschain.Parent
	Events   *Events           // of its cache; nil: there is no timeline
}

// ServeHTTP responds with the page, or with the JSON.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, value := range map[string]string{
		"Content-Security-Policy":      policy(),
		"Cross-Origin-Resource-Policy": "same-origin",
		"Referrer-Policy":              "no-referrer",
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Cache-Control":                "no-store",
	} {
		w.Header().Set(name, value)
	}
	if status, why := h.refuse(r); status != 0 {
		if status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", "GET, HEAD")
		}
		http.Error(w, why, status)
		return
	}
	query := r.URL.Query()
	s := h.state(r.Context(), query.Get("q"))
	if query.Get("format") == "json" {
		sendJSON(w, s)
		return
	}
	sendPage(w, h.title(), s)
}

// refuse returns the status and the reason of a refusal; 0: none.
func (h *Handler) refuse(r *http.Request) (status int, why string) {
	switch {
	case !guard.Near(r, h.Peers):
		return http.StatusForbidden, "the status is shown on this machine only"
	case guard.Forwarded(r):
		return http.StatusForbidden, "the status is not shown through a proxy: connect directly"
	case !guard.Serves(r.Host, h.Hosts):
		return http.StatusForbidden, "the status is not shown under this host name: use 127.0.0.1 or localhost"
	case guard.CrossSite(r):
		return http.StatusForbidden, "the status is not shown to pages of other sites: enter its address"
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return http.StatusMethodNotAllowed, "use GET"
	}
	return 0, ""
}

func (h *Handler) title() string {
	if h.Title == "" {
		return "AWS credentials"
	}
	return h.Title
}
