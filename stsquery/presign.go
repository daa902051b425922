package stsquery

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

// Presign is a request to be made by somebody else.
type PresignInput struct {
	Input    Input         // of a signed operation
	Region   string        // empty: the client's. For a client with an Endpoint it is that of the signature alone
	Header   http.Header   // sent, and therefore signed, besides Host: x-k8s-aws-id, for one
	Duration time.Duration // of the signature: whole seconds, up to 7 days. 0: 15 min, which is all that STS accepts
}

// Presigned is a request that whoever has it can make, with a GET.
type Presigned struct {
	URL     stschain.Secret // as good as a credential until it expires
	Header  http.Header     // to be sent along, Host among them
	Expires time.Time       // of the signature or of the credentials that made it, whichever is earlier; on this process's clock
}

const stsPresignedLife = 15 * time.Minute

// Presign makes a URL that calls an operation as the client's credentials, and
// sends nothing. It is a proof of identity if the operation is
// GetCallerIdentity.
//
// The URL dies with the credentials. Where it must live for its whole Life, ask
// the cache that is the client's Credentials for credentials that do, before:
// [stschain.Cache.RetrieveFor]. STS accepts a signature for 15 minutes, whatever
// Life says, and at endpoints of AWS Expires is no later than that.
func (c *Client) Presign(ctx context.Context, r PresignInput) (Presigned, error) {
	if r.Input == nil {
		return Presigned{}, &Error{Operation: "Presign", Err: invalidf("Input is missing")}
	}
	signed, err := c.presign(ctx, r)
	if err != nil {
		return Presigned{}, &Error{Operation: r.Input.operation().name, Err: fmt.Errorf("cannot be presigned: %w", err)}
	}
	return signed, nil
}

func (c *Client) presign(ctx context.Context, r PresignInput) (Presigned, error) {
	op := r.Input.operation()
	if op.unsigned {
		return Presigned{}, invalidf("the operation is not signed at all")
	}
	prepared, err := c.prepare(r.Input, r.Region)
	if err != nil {
		return Presigned{}, err
	}
	life := r.Duration
	if life == 0 {
		life = stsPresignedLife
	}
	creds, err := c.credentials(ctx, op)
	if err != nil {
		return Presigned{}, err
	}

	target := prepared.to.url
	if target.RawQuery != "" {
		target.RawQuery += "&"
	}
	target.RawQuery += string(prepared.query.form)
	req := &http.Request{Method: http.MethodGet, URL: &target, Host: target.Host, Header: r.Header}
	signer := c.signer
	if r.Region != "" {
		signer = newSigner(prepared.to)
	}
	d := c.date()
	url, header, err := signer.Presign(req, sigv4.PayloadHash(nil), creds, d.signed(), life)
	if err != nil {
		return Presigned{}, err
	}
	for name := range r.Header {
		key := http.CanonicalHeaderKey(name)
		if _, ok := header[key]; !ok || key == "Host" {
			return Presigned{}, invalidf("Header has %s, which is empty, or not the caller's to set, or changes on the way", quote(name))
		}
	}
	if prepared.to.aws {
		life = min(life, stsPresignedLife)
	}
	expires := d.sent.Add(life)
	if !creds.Expires.IsZero() && creds.Expires.Before(expires) {
		expires = creds.Expires
	}
	return Presigned{URL: url, Header: header, Expires: expires}, nil
}
