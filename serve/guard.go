package serve

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/guard"
)

// guard returns why a request is refused, regardless of its token.
func (h *Handler) guard(r *http.Request) *refusal {
	switch {
	case !guard.Near(r, h.Peers):
		return &refusal{status: http.StatusForbidden, code: "ForeignPeer", message: "credentials are served to programs on this machine only"}
	case guard.Forwarded(r):
		return &refusal{status: http.StatusForbidden, code: "Forwarded", message: "credentials are not served through a proxy: connect directly"}
	case !guard.Serves(r.Host, h.Hosts):
		return &refusal{status: http.StatusForbidden, code: "HostNotAllowed", message: "credentials are not served under this host name: use 127.0.0.1 or localhost",
			err: fmt.Errorf("the Host %.100q is not one of Handler.Hosts", r.Host)}
	case guard.Browser(r):
		return &refusal{status: http.StatusForbidden, code: "Browser", message: "credentials are not served to browsers"}
	case r.Method != http.MethodGet:
		return &refusal{status: http.StatusMethodNotAllowed, code: "MethodNotAllowed", message: "use GET"}
	}
	return nil
}

// sameToken compares hashes, so that its time reveals neither content nor length.
func sameToken(given []string, want stschain.Secret) bool {
	if len(given) != 1 || want.IsZero() {
		return false
	}
	a, b := sha256.Sum256([]byte(given[0])), sha256.Sum256([]byte(want.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
