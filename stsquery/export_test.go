package stsquery

import (
	"context"
	"net/http"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

type decoder func(result) error

func (d decoder) decode(r result) error { return d(r) }

// Resolved is what resolve finds.
type Resolved struct {
	URL, SigningRegion, SigningName string
	AWS                             bool
}

func (c *Client) Resolve(region string) (Resolved, error) {
	e, err := c.resolve(region)
	if err != nil {
		return Resolved{}, err
	}
	return Resolved{e.url.String(), e.signingRegion, e.signingName, e.aws}, nil
}

// Form is how an input is encoded.
func Form(in Input) string {
	q := newQuery(in.operation().name)
	in.encode(&q)
	return string(q.form)
}

func Escape(s string) string { return string(appendEscaped(nil, s)) }

func (r Retry) Delay(n int, throttling bool, random float64, requested time.Duration) time.Duration {
	class := transient
	if throttling {
		class = throttled
	}
	return r.backoff(class).Delay(n, random, requested)
}

// Skew is by how much the client takes the server's clock to be ahead.
func (c *Client) Skew() time.Duration     { return time.Duration(c.skew.Load()) }
func (c *Client) SetSkew(d time.Duration) { c.skew.Store(int64(d)) }

// Limiter is the rate limiter of the adaptive mode.
type Limiter struct{ l limiter }

func (l *Limiter) Take(now time.Time) time.Duration        { return l.l.take(now) }
func (l *Limiter) Give()                                   { l.l.give() }
func (l *Limiter) Learn(now time.Time, throttled bool)     { l.l.learn(now, throttled) }
func (l *Limiter) Rates() (measured, fill, tokens float64) { return l.l.measured, l.l.rate, l.l.tokens }

var Cubic = cubic

func RetryAfter(h http.Header) time.Duration { return wire.RetryAfter(h) }

// Drain sets the tokens in the quota.
func (c *Client) Drain(n int) { c.quota.spent = quotaSize - n }

// Tokens is what the quota has.
func (c *Client) Tokens() int { return quotaSize - c.quota.spent }

// Decode decodes the body of a response to an operation.
func Decode(body []byte, operation string, out output) error {
	root, err := parseXML(body)
	if err != nil {
		return err
	}
	r, err := resultOf(root, operation, 0)
	if err != nil {
		return err
	}
	return out.decode(r)
}

// CertificateInput is the input of MinIO's AssumeRoleWithCertificate, whose responses are among the
// recorded ones.
type CertificateInput struct{}

func (CertificateInput) operation() operation {
	return operation{name: "AssumeRoleWithCertificate", unsigned: true}
}
func (CertificateInput) check(*rules)  {}
func (CertificateInput) encode(*query) {}

// CallWithCertificate calls it.
func (c *Client) CallWithCertificate(ctx context.Context) (creds stschain.Credentials, requestID string, err error) {
	err = c.call(ctx, CertificateInput{}, decoder(func(r result) (err error) {
		requestID = r.requestID
		creds, err = r.credentials()
		return err
	}))
	return creds, requestID, err
}

// Outputs returns a new output of each operation.
func Outputs() map[string]output {
	return map[string]output{
		"AssumeRole":                 new(AssumeRoleOutput),
		"AssumeRoleWithSAML":         new(AssumeRoleWithSAMLOutput),
		"AssumeRoleWithWebIdentity":  new(AssumeRoleWithWebIdentityOutput),
		"AssumeRoot":                 new(AssumeRootOutput),
		"DecodeAuthorizationMessage": new(DecodeAuthorizationMessageOutput),
		"GetAccessKeyInfo":           new(GetAccessKeyInfoOutput),
		"GetCallerIdentity":          new(GetCallerIdentityOutput),
		"GetDelegatedAccessToken":    new(GetDelegatedAccessTokenOutput),
		"GetFederationToken":         new(GetFederationTokenOutput),
		"GetSessionToken":            new(GetSessionTokenOutput),
		"GetWebIdentityToken":        new(GetWebIdentityTokenOutput),
	}
}

var IsJSON = isJSON
