package sigv4

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
)

// Transport is an http.RoundTripper that signs each request with credentials as
// they are at that moment, and sends it through Base. It is safe for concurrent
// use; the caller's request is never changed.
//
// # Bodies
//
// The body is hashed before the request goes out, so it is read twice or kept:
// a body with GetBody (every http.NewRequest over bytes or a string has it) or
// one that can seek (a file) is read twice in constant memory, another one is
// kept, up to MaxBody. Small ones are always kept. Content-Length is then known
// and sent; one that is wrong is an error. What is sent is checked against the
// hash, and a body that changed in between fails the request before its end is
// sent. Hashing ends when the request's context does.
//
// # What is refused
//
//   - A redirect to another scheme, host or port: http.Client sends it through
//     its transport again, which would sign it for a stranger and hand it the
//     session token.
//   - A host that Hosts does not list.
//   - A request that is signed already, or whose URL has a user name.
//   - UnsignedPayload without TLS.
//
// # Rejected tokens
//
// If the service answers 400, 401 or 403 with the code ExpiredToken,
// ExpiredTokenException or InvalidToken, the credentials that were used are
// invalidated. If the source then has others, and the body can be sent again,
// the request is sent once more with them. At most 64 KiB of such an answer are
// read ahead, and of other answers nothing.
//
// The Response names the caller's request as its Request, not the signed one,
// which holds a session token.
type Transport struct {
	Service string            // required: the signing name, as "s3"
	Region  string            // required: one host label, as "eu-west-1"
	Source  stschain.Provider // required; asked through stschain.Cached

	// Base sends the signed requests; nil is http.DefaultTransport.
	Base http.RoundTripper

	// Hosts are those that may get a signed request; nil is whatever the caller
	// addresses. Set it where the URL comes from users. An entry is a host
	// ("api.example.com") or all below one ("*.example.com", not example.com
	// itself). Without a port it stands for the default port of the scheme;
	// others are written: "localhost:9000". The Host field of a request does
	// not matter here: what counts is where it is sent.
	Hosts []string

	SignedHeaders []string // as in Signer
	MaxBody       int64    // bytes kept of a body that can be read only once; 0: 10 MiB, negative: none

	// UnsignedPayload leaves bodies out of the signature, where the service
	// allows that (S3 does). TLS is then what protects them, so it needs https.
	UnsignedPayload bool

	Clock stschain.Clock // nil: the real one. Also for the cache over Source, unless Source is a *Cache

	once   sync.Once
	signer Signer
	creds  *stschain.Cache
}

// RoundTrip signs and sends req. Errors of Base are returned as they are; those
// of this package start with "sigv4:" and hold neither secrets nor signed URLs.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	t.once.Do(t.setUp)
	if err := t.check(req); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	body, err := t.prepare(req)
	if err != nil {
		return nil, err
	}
	defer body.release()
	if body.stop != nil && req.Context().Done() != nil {
		defer context.AfterFunc(req.Context(), body.stop)() // net/http would wait for a Read that blocks
	}
	creds, err := t.creds.Retrieve(req.Context())
	if err != nil {
		return nil, fmt.Errorf("sigv4: no credentials for %s in %s: %w", t.Service, t.Region, err)
	}
	resp, err := t.send(req, body, creds)
	if err != nil || !rejectsToken(resp) {
		return resp, err
	}
	return t.replay(req, body, creds, resp)
}

// CloseIdleConnections closes those of Base, for http.Client's method of that name.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.base().(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func (t *Transport) setUp() {
	t.signer.Service, t.signer.Region, t.signer.SignedHeaders = t.Service, t.Region, t.SignedHeaders
	if t.Source == nil {
		return
	}
	t.creds = stschain.Cached(t.Source)
	if _, shared := t.Source.(*stschain.Cache); !shared && t.Clock != nil {
		t.creds.Clock = t.Clock
	}
}

func (t *Transport) base() http.RoundTripper {
	if t.Base != nil {
		return t.Base
	}
	return http.DefaultTransport
}

func (t *Transport) now() time.Time {
	if t.Clock != nil {
		return t.Clock.Now()
	}
	return time.Now()
}

// send signs a copy of req and sends it.
func (t *Transport) send(req *http.Request, body *payload, creds stschain.Credentials) (*http.Response, error) {
	signed := shallow(req)
	signed.GetBody = nil
	if body.open != nil {
		b, err := body.open()
		if err != nil {
			return nil, err
		}
		signed.Body = b
		if !body.once {
			signed.GetBody = body.open // for Base, when a kept connection turns out to be dead
		}
	} else if req.Body != nil {
		signed.Body = http.NoBody
	}
	if len(req.Trailer) == 0 { // those need chunks
		signed.ContentLength = body.size
	}
	if err := t.signer.Sign(signed, body.hash, creds, t.now()); err != nil {
		if signed.Body != nil {
			signed.Body.Close()
		}
		return nil, err
	}
	resp, err := t.base().RoundTrip(signed)
	if resp, err = body.outcome(req.Context(), resp, err); err != nil {
		return nil, err
	}
	resp.Request = req
	return resp, nil
}

// check refuses what must not be signed, before anything is read.
func (t *Transport) check(req *http.Request) error {
	if t.Source == nil {
		return errors.New("sigv4: Source is missing")
	}
	if err := t.signer.checkFields(); err != nil {
		return err
	}
	if err := checkURL(req); err != nil {
		return err
	}
	u := req.URL
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("sigv4: scheme %q: only https and http are signed", u.Scheme)
	case u.Scheme != "https" && t.UnsignedPayload:
		return errors.New("sigv4: UnsignedPayload needs https: nothing else protects the body")
	case t.Hosts != nil && !t.allows(u):
		return fmt.Errorf("sigv4: host %q is not among Hosts", u.Host)
	}
	for name := range req.Header {
		if strings.EqualFold(name, "Authorization") {
			return errors.New("sigv4: the request is signed already: it has Authorization")
		}
	}
	if req.Response != nil {
		return checkRedirect(req)
	}
	return nil
}

// checkRedirect lets a redirect pass that stays where it was.
func checkRedirect(req *http.Request) error {
	before := req.Response.Request
	if before == nil || before.URL == nil {
		return errors.New("sigv4: refused to sign a redirect: the request before it is not known")
	}
	from, to := origin(before.URL), origin(req.URL)
	if from != to {
		return fmt.Errorf("sigv4: refused to sign a redirect from %s to %s: it would hand the signature to another party", from, to)
	}
	return nil
}

// origin is scheme, host and port, without a default port.
func origin(u *url.URL) string { return u.Scheme + "://" + target(u) }

// target is the host with its port, unless that is the default one.
func target(u *url.URL) string { return strings.ToLower(wireHost(u.Scheme, u.Host)) }

func (t *Transport) allows(u *url.URL) bool {
	host := target(u)
	for _, h := range t.Hosts {
		h = strings.ToLower(wireHost(u.Scheme, h))
		if h == host {
			return true
		}
		if below, ok := strings.CutPrefix(h, "*."); ok && len(host) > len(below)+1 && strings.HasSuffix(host, "."+below) {
			return true
		}
	}
	return false
}
