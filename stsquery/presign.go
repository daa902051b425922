package stsquery

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
	"github.com/stschain-go/stschain/sigv4"
)

// PresignInput is the input of [Client.Presign].
type PresignInput struct {
	Input    Input         // of a signed operation
	Region   string        // empty: the client's. For a client with an Endpoint, only the signature uses it
	Header   http.Header   // to be sent, and therefore signed, in addition to Host, such as x-k8s-aws-id
	Duration time.Duration // of the signature: whole seconds, up to 7 days. 0: 15 min, the most that STS accepts
}

// Presigned is a signed GET request, to be sent by another process.
type Presigned struct {
	URL     stschain.Secret // as good as a credential until it expires
	Header  http.Header     // to be sent with it; includes Host
	Expires time.Time       // when the signature or the credentials expire, whichever is earlier; on this process's clock
}

const maxSTSDuration = 15 * time.Minute

// Presign makes a URL that calls an operation with the client's credentials, and
// sends nothing. A presigned GetCallerIdentity is a proof of identity.
//
// The URL expires with the credentials. For credentials that are valid for all of
// Duration, call RetrieveFor of [Client.Cache] first. STS accepts a signature for 15
// minutes whatever Duration is, so at endpoints of AWS Expires is no later than that.
func (c *Client) Presign(ctx context.Context, in PresignInput) (Presigned, error) {
	if in.Input == nil {
		return Presigned{}, &Error{Operation: "Presign", Err: invalidf("Input is missing")}
	}
	signed, err := c.presign(ctx, in)
	if err != nil {
		return Presigned{}, &Error{Operation: in.Input.operation().name, Err: fmt.Errorf("cannot be presigned: %w", err)}
	}
	return signed, nil
}

func (c *Client) presign(ctx context.Context, in PresignInput) (Presigned, error) {
	op := in.Input.operation()
	if op.unsigned {
		return Presigned{}, invalidf("the operation is not signed")
	}
	c.setUp()
	to, err := c.home, c.homeErr
	if in.Region != "" {
		to, err = c.resolve(in.Region)
	}
	r, err := c.prepare(in.Input, to, err)
	if err != nil {
		return Presigned{}, err
	}
	target := r.to.url
	if t := wire.TargetOf(ctx); t != nil {
		*t = wire.Target{URL: &target, Region: r.to.signingRegion, Service: r.to.signingName, Ahead: c.date().used}
		return Presigned{}, nil
	}
	creds, err := c.credentials(ctx, op)
	if err != nil {
		return Presigned{}, err
	}
	if target.RawQuery != "" {
		target.RawQuery += "&"
	}
	target.RawQuery += string(r.query.form)
	req := &http.Request{Method: http.MethodGet, URL: &target, Host: target.Host, Header: in.Header}
	signer := r.to.signer
	if r.to.regionSet != nil {
		one := *r.to
		one.regionSet = nil
		signer = newSigner(&one)
	}
	duration := cmp.Or(in.Duration, maxSTSDuration)
	d := c.date()
	url, header, err := signer.Presign(req, sigv4.PayloadHash(nil), creds, d.signed(), duration)
	if err != nil {
		return Presigned{}, err
	}
	for name := range in.Header {
		key := http.CanonicalHeaderKey(name)
		if _, ok := header[key]; !ok || key == "Host" {
			return Presigned{}, invalidf("Header has %s, which is empty, reserved, or changed by proxies", quote(name))
		}
	}
	if r.to.aws {
		duration = min(duration, maxSTSDuration)
	}
	expires := d.sent.Add(duration)
	if !creds.Expires.IsZero() && creds.Expires.Before(expires) {
		expires = creds.Expires
	}
	return Presigned{URL: url, Header: header, Expires: expires}, nil
}
