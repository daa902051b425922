package sigv4

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/wire"
)

// Transport is an http.RoundTripper that signs each request with current
// credentials and sends it through Base. It is safe for concurrent use and never
// changes the caller's request.
//
// # Bodies
//
// A body is hashed before it is sent, so it is read twice or buffered: one with
// GetBody (http.NewRequest sets it for bytes and strings) or one that can seek (a
// file) is read twice in constant memory; any other is buffered, up to MaxBody.
// http.NewRequest hides that an io.SectionReader can seek: set GetBody for it.
// Small ones are buffered too. A bytes.Reader that http.NewRequest got is hashed
// and sent without a copy: do not change its bytes meanwhile. The length is then known and sent as
// Content-Length. A body that differs from its ContentLength, or has another length
// when it is sent, is an error before its end is sent; one with other content is
// refused by the service, which compares the same hash. Hashing ends with the
// request's context.
//
// # Refused requests
//
//   - Plain http to hosts other than loopback, without AllowHTTP.
//   - A redirect to another scheme, host or port. An http.Client sends it through
//     its transport again, which would sign it for another origin and disclose the
//     session token.
//   - A host that Hosts does not list.
//   - A request that is already signed, or whose URL has a user name.
//   - A request that would not arrive as it was signed, such as one whose Connection header names signed headers.
//   - UnsignedPayload without TLS, and more than 1,000 headers to sign.
//
// # Rejected tokens
//
// If the service rejects the session token (by codes such as ExpiredToken, in
// responses 400, 401 and 403), the credentials that were used are invalidated.
// If others are then available, and the body can be sent again, the request is
// sent once more with them.
//
// # Clock skew
//
// If the service rejects the date (by codes such as RequestTimeTooSkewed) and its
// Date header differs from this process's clock by more than 4 minutes and at most
// 24 hours, the request is signed with the date of the service and sent once more.
// The difference is used for later requests to that host, and for no other host.
//
// Of a response that may reject a request, at most 64 KiB are read ahead, for at most 2 s. Other responses are not read.
//
// Response.Request is the caller's request, not the signed one, which contains a session token.
type Transport struct {
	Service     string            // required without Scope: the signing name, such as "s3"
	Region      string            // required without Scope: a name, such as "eu-west-1"
	Credentials stschain.Provider // required without CredentialsFor; called through stschain.Cached

	// CredentialsFor returns whose credentials sign a request, such as those of the
	// tenant that it is for: often the Provider of a stschain.Pool. It is called once
	// for a request, after Hosts was checked, and must not change it. Its error is the
	// error of the request; nil without an error is an error too. Set it or
	// Credentials, not both.
	CredentialsFor func(*http.Request) (stschain.CachedProvider, error)

	// Scope returns the scope of a request, for a client that calls several services.
	// If it is set, Service and Region are not used. It is called once for a request,
	// after Hosts was checked, and must not change it. Its error, or a missing field
	// of its result, is the error of the request. A host does not determine the
	// service and the region in general: return an error for hosts that it does not know.
	Scope func(*http.Request) (Scope, error)

	// Base sends the signed requests; nil is http.DefaultTransport.
	Base http.RoundTripper

	// Hosts lists the hosts that may receive a signed request; nil: any host. Set it
	// where URLs come from users. An entry is a host ("api.example.com") or its
	// subdomains ("*.example.com", without example.com itself). Without a port it
	// means the default port of the scheme; write other ports: "localhost:9000". The
	// Host field of a request does not matter: what counts is where it is sent.
	Hosts []string

	// AllowHTTP permits plain http to hosts other than loopback. The session token
	// and everything else are then visible to anyone on the network path.
	AllowHTTP bool

	SignedHeaders []string // as in Signer
	MaxBody       int64    // bytes buffered of a body that can be read only once; 0: 10 MiB, negative: none

	// UnsignedPayload excludes bodies from the signature, where the service allows it
	// (S3 does). Only TLS then protects them, so it needs https. They are not read
	// before they are sent, except for S3 those of unknown length, which are buffered up to MaxBody.
	UnsignedPayload bool

	Clock stschain.Clock // nil: the system clock. Also for the cache over Credentials, unless that is a CachedProvider

	once   sync.Once
	signer Signer // of this service and region; with Scope, each request has its own
	creds  stschain.CachedProvider
	clocks clocks
}

// RoundTrip signs and sends req. Errors of Base are returned as they are; those
// of this package start with "sigv4:" and contain neither secrets nor signed URLs.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	to, body, keys, err := t.prepare(req)
	if err != nil {
		return nil, err
	}
	defer body.release()
	if req.Context().Done() != nil && body.streams() {
		defer context.AfterFunc(req.Context(), body.stop)()
	}
	host, replayed := target(req.URL), accepted
	for {
		d := t.date(host)
		resp, err := t.send(req, to, body, keys.Credentials, d)
		if err != nil {
			return nil, err
		}
		why := t.verdict(resp, host, d)
		if why == accepted || why&replayed != 0 { // each once
			return resp, nil
		}
		replayed |= why
		if why == rejectedToken {
			keys.of.Invalidate(keys.Credentials)
		}
		if !body.again() || why == rejectedToken && !keys.replace(req.Context()) {
			return resp, nil
		}
		resp.Body.Close()
	}
}

// prepare runs the steps before the signature: it refuses the request, or
// returns what it is signed with. It closes the body of a request that it
// refuses.
func (t *Transport) prepare(req *http.Request) (to service, b *body, k keys, err error) {
	t.once.Do(t.setUp)
	if to, err = t.check(req, false); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return to, nil, k, err
	}
	if b, err = t.newBody(req, to); err != nil {
		return to, nil, k, err
	}
	if k, err = t.retrieve(req, to); err != nil {
		b.release()
	}
	return to, b, k, err
}

// keys are credentials and the cache that they are from.
type keys struct {
	stschain.Credentials
	of stschain.CachedProvider
}

func (t *Transport) retrieve(req *http.Request, to service) (k keys, err error) {
	if k.of, err = t.provider(req); err == nil {
		k.Credentials, err = k.of.Retrieve(req.Context())
	}
	if err == nil && to.S3Session && k.SessionToken.IsZero() {
		err = errors.New("a session of S3 Express has a session token, and these credentials have none")
	}
	if err != nil {
		return keys{}, fmt.Errorf("sigv4: no credentials for %s%s: %w", to.Service, to.place(), err)
	}
	return k, nil
}

// provider returns whose credentials sign req.
func (t *Transport) provider(req *http.Request) (stschain.CachedProvider, error) {
	if t.CredentialsFor == nil {
		return t.creds, nil
	}
	p, err := t.CredentialsFor(req)
	if p == nil && err == nil {
		err = errors.New("CredentialsFor returned none")
	}
	return p, err
}

// CloseIdleConnections closes those of Base. http.Client's method of that name calls it.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.base().(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// Providers returns the cache over Credentials, for reports such as stschain.Explain.
func (t *Transport) Providers() []stschain.Provider {
	t.once.Do(t.setUp)
	if t.creds == nil {
		return nil
	}
	return []stschain.Provider{t.creds}
}

func (t *Transport) setUp() {
	t.signer.Service, t.signer.Region, t.signer.SignedHeaders = t.Service, t.Region, t.SignedHeaders
	if t.Credentials != nil {
		t.creds = wire.Cached(t.Credentials, t.Clock)
	}
}

func (t *Transport) base() http.RoundTripper { return cmp.Or(t.Base, http.DefaultTransport) }

// send signs a copy of req and sends it.
func (t *Transport) send(req *http.Request, to service, b *body, creds stschain.Credentials, d date) (*http.Response, error) {
	signed := shallow(req)
	signed.GetBody = nil
	b.frame(signed)
	if req.Body != nil {
		var err error
		if signed.Body, err = b.open(); err != nil {
			return nil, err
		}
		if b.again() {
			signed.GetBody = b.open // for Base, if an idle connection turns out to be closed
		}
	}
	if err := t.signer.sign(to, signed, b.hash, creds, d.signed()); err != nil {
		if signed.Body != nil {
			signed.Body.Close()
		}
		return nil, err
	}
	resp, err := t.base().RoundTrip(signed)
	if err = b.outcome(req.Context(), resp, err); err != nil {
		return nil, err
	}
	resp.Request = req
	return resp, nil
}

// outcome returns the error of sending the body. If the body failed, that is the
// error, and a server may have responded to a part of it. If ctx ended, that is the
// error, and not what closing the body caused.
func (b *body) outcome(ctx context.Context, resp *http.Response, err error) error {
	if fault := b.fault.Load(); fault != nil {
		if err == nil {
			resp.Body.Close()
		}
		err = *fault
	}
	ended := ctx.Err()
	if err == nil || ended == nil || b.last.Load() == nil || errors.Is(err, ended) || errors.Is(err, context.Cause(ctx)) {
		return err
	}
	return fmt.Errorf("sigv4: sending the body: %w", system.ContextErr(ctx))
}
