// Package serve serves the credentials of a Provider to other programs on this machine, in the two ways
// that every AWS SDK supports.
//
// # The container protocol
//
// A [Handler] does what the ECS or EKS agent does for a container. Two variables configure a program to use it:
//
//	AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:PORT/
//	AWS_CONTAINER_AUTHORIZATION_TOKEN=TOKEN
//
// [Listen] and [Serve] run it on a loopback address, with a token from
// [NewToken]. It responds on any path: to serve several identities, register
// several Handlers with an http.ServeMux, each with its own token.
//
// A program with the token gets the credentials, and the token is sent in the clear; both are for this
// machine only. A Handler therefore refuses
//
//   - peers that are not on this machine
//   - a Host that is not this machine's: otherwise a web page whose host name now resolves to 127.0.0.1
//     could send a request (DNS rebinding)
//   - requests with a header that proxies add (X-Forwarded-*, Forwarded, Via, X-Real-IP, X-Envoy-*,
//     CF-Connecting-IP, ...): the peer is then not the client
//   - requests with a header that browsers add (Origin, Sec-Fetch-*); Node's fetch adds them too, but the
//     SDKs do not use it
//   - a wrong token, compared in constant time, and methods other than GET
//
// It does not protect against other programs of the same user, which can read the variables of a process
// and thereby the token. A proxy on this machine that adds no header, such as nginx with a plain
// proxy_pass, cannot be detected: do not put one in front of a Handler.
//
// # Names in containers
//
// SDKs use http only with loopback, 169.254.170.2, 169.254.170.23 and
// [fd00:ec2::23], and many accept no host name except localhost; they refuse
// that of a neighboring container before a request is sent. Containers that
// share a network namespace, such as those of a pod, use 127.0.0.1. For others
// put the server into a network 169.254.170.0/24 at the address 169.254.170.2,
// and add that network to [Handler.Peers].
//
// # credential_process
//
// [WriteProcess] prints credentials as the credential_process of a profile
// does. Such a program consists of that call, and an exit with code 1 if it
// fails.
//
// Sources: https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
// and https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/guard"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/wire"
)

// Handler serves the credentials of a Provider with the container protocol.
//
// The Provider is called through a cache, so that many clients cause one call. A client gets the cached
// credentials with their true expiry, and calls again shortly before; by then the cache has new ones.
// Credentials that never expire are served with an Expiration one hour ahead, since most SDKs refuse a
// response without one: it makes them call again; the keys themselves do not expire. Expired credentials are never
// served, even if a Cache with MaxStale has them.
//
// Its errors are JSON, {"code": "...", "message": "..."}. They do not include
// the Provider's error, which names identities; OnError gets it.
//
//	401  the token is wrong or missing
//	403  the request is not trusted, or ErrPermanent: the source refuses
//	404  the Provider is not configured: its error is Unavailable
//	405  the method is not GET
//	500  a field of the Handler is missing or invalid
//	503  the source failed, and another attempt may help
//	504  the source did not respond within Timeout
//
// Do not change the fields after first use, and do not copy a Handler.
type Handler struct {
	Credentials stschain.Provider // required; called through stschain.Cached
	Token       stschain.Secret   // required: the exact value of the Authorization header. NewToken makes one

	// Hosts are the allowed values of the Host header, without ports; any port is allowed. nil: localhost,
	// 127.0.0.0/8, [::1], and the agents' addresses 169.254.170.2, 169.254.170.23 and [fd00:ec2::23].
	Hosts []string

	// Peers are allowed in addition to this machine, such as a network of containers. Credentials sent to them
	// are then visible on the network path. nil: none.
	Peers []netip.Prefix

	Timeout time.Duration  // on the wait for credentials; 0: 30 s. Many SDKs wait for 1 or 2 s and then call again: the refresh continues
	Clock   stschain.Clock // nil: the system clock. Also for the cache over Credentials, unless that is a CachedProvider

	// OnError is called for each request that got no credentials, with the reason. nil: not called. It is called
	// before the response is sent, concurrently for concurrent requests. The error does not contain the token;
	// it wraps the error of Credentials.
	OnError func(error)

	once  sync.Once
	cache stschain.CachedProvider
}

const defaultTimeout = 30 * time.Second

// ServeHTTP responds to a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, refused := h.respond(r)
	if refused == nil {
		send(w, http.StatusOK, body)
		return
	}
	if h.OnError != nil {
		h.OnError(fmt.Errorf("serve: %.100q: %w", r.RemoteAddr, refused))
	}
	refused.send(w)
}

// respond returns the credentials as a document, or why the request is refused.
func (h *Handler) respond(r *http.Request) ([]byte, *refusal) {
	if refused := h.guard(r); refused != nil {
		return nil, refused
	}
	if err := h.check(); err != nil {
		return nil, &refusal{http.StatusInternalServerError, "NotConfigured", "the server is not configured", err}
	}
	if !sameToken(r.Header["Authorization"], h.Token) {
		return nil, &refusal{status: http.StatusUnauthorized, code: "Unauthorized", message: "the Authorization header is not the token of this server"}
	}
	h.once.Do(func() { h.cache = wire.Cached(h.Credentials, h.Clock) })
	ctx, cancel := context.WithTimeout(r.Context(), cmp.Or(max(h.Timeout, 0), defaultTimeout))
	defer cancel()
	var body []byte
	creds, err := h.cache.Retrieve(ctx)
	if err == nil {
		body, err = containerDocument(creds, system.Now(h.Clock))
	}
	if err != nil {
		return nil, failed(ctx, err)
	}
	return body, nil
}

// check returns an error for a field that is missing or invalid.
func (h *Handler) check() error {
	token := h.Token.Reveal()
	switch {
	case h.Credentials == nil:
		return errors.New("Handler.Credentials is missing")
	case token == "":
		return errors.New("Handler.Token is missing; NewToken makes one")
	case token != strings.TrimSpace(token), strings.ContainsFunc(token, func(r rune) bool { return r < ' ' || r > '~' }):
		return errors.New("Handler.Token has spaces around it, or contains characters that are not valid in a header")
	}
	for _, host := range h.Hosts {
		if name, ok := guard.Hostname(host); !ok || name != strings.Trim(host, "[]") {
			return fmt.Errorf("Handler.Hosts: %q is not a host without a port", host)
		}
	}
	return nil
}
