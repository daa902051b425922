// Package serve gives the credentials of a Provider to other programs on this machine,
// in the two ways that every AWS SDK can take them.
//
// # The container protocol
//
// A [Handler] is what the agent of ECS or EKS is to a container. A program finds it by two
// variables:
//
//	AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:PORT/
//	AWS_CONTAINER_AUTHORIZATION_TOKEN=TOKEN
//
// [Listen] and [Serve] run it on a loopback address, with a token by [NewToken]. It answers
// at any path: give an http.ServeMux several Handlers, each with its own token, to serve
// several identities.
//
// Whoever holds the token gets the credentials, and the token goes in the clear; both are
// for this machine only. A Handler therefore refuses
//
//   - peers that are not on this machine
//   - a Host that is not this machine's: a web page whose name now resolves to 127.0.0.1
//     could otherwise ask
//   - what a proxy passed on (X-Forwarded-For, Forwarded, Via): the peer is then not who asks
//   - what a browser sends (Origin, Sec-Fetch-*), and Node's fetch with it; the SDKs do not use that
//   - another token, compared in constant time, and other methods than GET
//
// It does not protect against other programs of the same user, who can read the variables
// of a process and thereby the token.
//
// # Names in containers
//
// SDKs speak http only to loopback, 169.254.170.2, 169.254.170.23 and [fd00:ec2::23], and
// many take no name but localhost; that of a neighbouring container is refused before
// anything is sent. Containers that share a network namespace, as those of a pod do, use
// 127.0.0.1. For others put the server into a network of 169.254.170.0/24 at the address
// 169.254.170.2, and name that network in [Handler.Peers].
//
// # credential_process
//
// [WriteProcess] prints credentials as the credential_process of a profile does; a program
// that does so is its call and an exit with 1 where it fails.
//
// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
// and feature-process-credentials.html beside it.
package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// Handler answers requests of the container protocol with the credentials of a Provider.
//
// The Provider is asked through a cache, so that many clients are one call of it. A
// client gets what is held, with the true end of its life, and asks again when that
// nears; by then the cache has others. Credentials that never expire are served with an
// Expiration one hour ahead, since most SDKs refuse an answer without one: it tells them
// to ask again, and does not end the keys. Credentials that have expired are never
// served, also where a Cache with MaxStale has them.
//
// Its errors are JSON, {"code": "...", "message": "..."}. They do not tell why the
// Provider failed, since that names the identities that it goes through; OnError does.
//
//	401  the token is another, or missing
//	403  the request is not to be trusted, or ErrPermanent: the source refuses
//	404  the Provider is not configured: its error is Unavailable
//	405  the method is not GET
//	500  a field of the Handler is missing or wrong
//	503  the source failed, and asking again may help
//	504  the source did not answer within Timeout
//
// Fields are not changed after first use, and a Handler is not copied.
type Handler struct {
	Credentials stschain.Provider // required; asked through stschain.Cached
	Token       stschain.Secret   // required: what the header Authorization must say, word for word. NewToken makes one

	// Hosts are what the header Host may say, without ports; any port will do. nil: localhost,
	// 127.0.0.0/8, [::1], and the agents' addresses 169.254.170.2, 169.254.170.23 and [fd00:ec2::23].
	Hosts []string

	// Peers may ask besides this machine: the network of containers, for example. What they are
	// sent can be read on the way. nil: nobody.
	Peers []netip.Prefix

	Timeout time.Duration  // on the wait for credentials; 0: 30 s. Many SDKs wait for 1 or 2 s, and then ask again: the refresh goes on
	Clock   stschain.Clock // nil: the real one. Also for the cache over Provider, unless Provider is a *Cache

	// OnError is told of each request that got no credentials, and why. nil: nobody. It is called
	// before the answer is sent, for many requests at once. The error holds no token; it wraps
	// the Provider's as that is.
	OnError func(error)

	once  sync.Once
	creds stschain.CachedProvider
}

const defaultTimeout = 30 * time.Second

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, refused := h.answer(r)
	if refused != nil {
		if h.OnError != nil {
			h.OnError(fmt.Errorf("serve: %.100q: %w", r.RemoteAddr, refused))
		}
		refused.send(w)
		return
	}
	send(w, http.StatusOK, body)
}

// answer is the body for a request that may have credentials.
func (h *Handler) answer(r *http.Request) ([]byte, *refusal) {
	if refused := h.guard(r); refused != nil {
		return nil, refused
	}
	if err := h.check(); err != nil {
		return nil, &refusal{http.StatusInternalServerError, "NotConfigured", "the server is not set up", err}
	}
	if !sameToken(r.Header["Authorization"], h.Token) {
		return nil, errToken
	}
	timeout := h.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	creds, err := h.cache().Retrieve(ctx)
	if err != nil {
		return nil, failed(ctx, err)
	}
	body, err := containerDocument(creds, h.now())
	if err != nil {
		return nil, failed(ctx, err)
	}
	return body, nil
}

// check finds what is missing or cannot work.
func (h *Handler) check() error {
	token := h.Token.Reveal()
	switch {
	case h.Credentials == nil:
		return errors.New("Handler.Credentials is required")
	case token == "":
		return errors.New("Handler.Token is required; NewToken makes one")
	case token != strings.TrimSpace(token), strings.ContainsFunc(token, func(r rune) bool { return r < ' ' || r > '~' }):
		return errors.New("Handler.Token has spaces around it, line breaks or other characters that no header can carry")
	}
	for _, host := range h.Hosts {
		if name, ok := hostname(host); !ok || name != strings.Trim(host, "[]") {
			return fmt.Errorf("Handler.Hosts: %q is no host without a port", host)
		}
	}
	return nil
}

func (h *Handler) cache() stschain.CachedProvider {
	h.once.Do(func() {
		h.creds = wire.Cached(h.Credentials, h.Clock)
	})
	return h.creds
}

func (h *Handler) now() time.Time {
	if h.Clock == nil {
		return time.Now()
	}
	return h.Clock.Now()
}
