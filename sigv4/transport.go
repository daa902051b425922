package sigv4

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// Transport is an http.RoundTripper that signs each request with the credentials
// of that moment and sends it through Base. It is safe for concurrent use and never
// changes the caller's request.
//
// # Bodies
//
// A body is hashed before it is sent, so it is read twice or kept: one with GetBody
// (http.NewRequest sets it for bytes and strings) or one that can seek (a file) is
// read twice in constant memory, any other is kept, up to MaxBody. Small ones are
// always kept. The length is then known and sent as Content-Length. A body that
// differs from its ContentLength, or has another length when it is sent, is an error
// before its end is sent; one with other content is for the service to refuse, which
// compares the same hash. Hashing ends with the request's context.
//
// # What is refused
//
//   - Plain http to hosts other than loopback, without AllowHTTP.
//   - A redirect to another scheme, host or port. An http.Client sends it through
//     its transport again, which would sign it for another origin and disclose the
//     session token.
//   - A host that Hosts does not list.
//   - A request that is already signed, or whose URL has a user name.
//   - A request that would not arrive as it was signed, as one whose Connection
//     header names signed headers.
//   - UnsignedPayload without TLS, and over 1,000 headers to sign.
//
// # Rejected tokens
//
// If the service rejects the session token (by codes such as ExpiredToken, in
// responses 400, 401 and 403), the credentials that were used are invalidated. If
// there are others then, and the body can be sent again, the request is sent once
// more with them.
//
// # Clock skew
//
// If the service rejects the date (by codes such as RequestTimeTooSkewed) and its
// Date header differs from this process's clock by more than 4 minutes and at most
// 24 hours, the request is signed with the date of the service and sent once more.
// The difference is used for later requests to that host, and for no other host.
//
// Of a response that may reject a request, at most 64 KiB are read ahead, for at most
// 2 s; of other responses nothing is.
//
// The Response has the caller's request as its Request, and not the signed one,
// which contains a session token.
type Transport struct {
	Service     string            // required without Scope: the signing name, as "s3"
	Region      string            // required without Scope: a name, as "eu-west-1"
	Credentials stschain.Provider // required; called through stschain.Cached

	// Scope returns the service and the region that a request is signed for, where
	// one client calls several; nil is Service and Region, which are not used if it
	// is set. It is called once for a request, after Hosts was checked, and must not
	// change it. Its error, or an empty result, is the error of the request. Service
	// and region do not follow from a host in general: it should know the hosts that
	// it is for, and return an error for others.
	Scope func(*http.Request) (service, region string, err error)

	// Base sends the signed requests; nil is http.DefaultTransport.
	Base http.RoundTripper

	// Hosts are those that may receive a signed request; nil is whatever the caller
	// addresses. Set it where URLs come from users. An entry is a host
	// ("api.example.com") or all below one ("*.example.com", without example.com
	// itself). Without a port it stands for the default port of the scheme; others
	// are written: "localhost:9000". The Host field of a request does not matter
	// here: what counts is where it is sent.
	Hosts []string

	// AllowHTTP permits plain http to hosts other than loopback. The session token
	// and everything else are then visible to anyone on the network path.
	AllowHTTP bool

	SignedHeaders []string // as in Signer
	MaxBody       int64    // bytes kept of a body that can be read only once; 0: 10 MiB, negative: none

	// UnsignedPayload leaves bodies out of the signature, where the service allows
	// it (S3 does). TLS is then what protects them, so it needs https. They are sent
	// as they come, except at S3 those of unknown length, which are kept up to MaxBody.
	UnsignedPayload bool

	Clock stschain.Clock // nil: the system clock. Also for the cache over Credentials, unless that is a CachedProvider

	once   sync.Once
	signer Signer // for its keys; each request has a scope
	creds  stschain.CachedProvider
	clocks clocks
}

// RoundTrip signs and sends req. Errors of Base are returned as they are; those
// of this package start with "sigv4:" and contain neither secrets nor signed URLs.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	t.once.Do(t.setUp)
	to, err := t.check(req, false)
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	body, err := t.newBody(req, to)
	if err != nil {
		return nil, err
	}
	defer body.release()
	if req.Context().Done() != nil {
		defer context.AfterFunc(req.Context(), body.stop)()
	}
	creds, err := t.retrieve(req.Context(), to)
	if err != nil {
		return nil, err
	}
	host, tried := hostKey(req.URL), accepted
	for {
		d := t.date(host)
		resp, err := t.send(req, to, body, creds, d)
		if err != nil {
			return nil, err
		}
		why := t.judge(resp, host, d)
		if why == accepted || why&tried != 0 { // each once
			return resp, nil
		}
		tried |= why
		if why == rejectedToken {
			t.creds.Invalidate(creds)
		}
		if !body.again() {
			return resp, nil
		}
		if why == rejectedToken {
			next, ok := t.replacement(req.Context(), creds)
			if !ok {
				return resp, nil
			}
			creds = next
		}
		resp.Body.Close()
	}
}

func (t *Transport) retrieve(ctx context.Context, to scope) (stschain.Credentials, error) {
	creds, err := t.creds.Retrieve(ctx)
	if err != nil {
		return creds, fmt.Errorf("sigv4: no credentials for %s in %s: %w", to.service, to.region, err)
	}
	return creds, nil
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
	t.signer.SignedHeaders = t.SignedHeaders
	if t.Credentials == nil {
		return
	}
	t.creds = wire.Cached(t.Credentials, t.Clock)
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
func (t *Transport) send(req *http.Request, to scope, body *body, creds stschain.Credentials, d date) (*http.Response, error) {
	signed := shallow(req)
	signed.GetBody = nil
	body.frame(signed)
	if req.Body != nil {
		b, err := body.open()
		if err != nil {
			return nil, err
		}
		signed.Body = b
		if body.again() {
			signed.GetBody = body.open // for Base, when a connection that it kept turns out to be closed
		}
	}
	if err := t.signer.sign(to, signed, body.hash, creds, d.signed()); err != nil {
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

// outcome is what Base returned, unless the body failed: then a server may have
// responded to a part of it only. The end of
// ctx comes before the error that closing the body caused.
func (b *body) outcome(ctx context.Context, resp *http.Response, err error) (*http.Response, error) {
	fault := b.fault.Load()
	switch {
	case err == nil && fault == nil:
		return resp, nil
	case err == nil:
		resp.Body.Close()
		err = *fault
	case fault != nil:
		err = *fault
	}
	if b.last.Load() != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) && !errors.Is(err, context.Cause(ctx)) {
		err = ended(ctx, "sending")
	}
	return nil, err
}
