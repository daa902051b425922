package miniosts

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// Provider is a stschain.Provider over credentials of minio-go. It does not cache: retrieve
// repeatedly through stschain.Cached. It is safe for concurrent use. Do not change its
// fields after first use, and do not copy it.
//
// # The cache of minio-go
//
// credentials.Credentials returns the same credentials for at least four fifths of their
// lifetime. A second call of Provider requests new ones, so if they are the same, Provider
// expires them there and retrieves again. A client of minio-go with the same
// credentials.Credentials then waits for that refresh, and fails if it fails: use a
// [CredentialsProvider] over our cache for it instead. minio-go retrieves under a lock, so
// a provider that hangs blocks all later calls until it returns.
//
// # Errors
//
// Errors of minio-go are wrapped. An error response of STS is stschain.ErrPermanent for
// the codes for which stsquery.Error is. No error is Unavailable: a chain stops here.
// If minio-go finds no credentials, or its Chain gets only errors, which it does not
// report, it returns anonymous credentials: that is an error here.
type Provider struct {
	Provider *credentials.Credentials // required: credentials.NewIAM(""), credentials.New(provider)

	Client   *http.Client // for providers of minio-go that have none; nil: theirs
	Endpoint string       // of STS, for providers of minio-go that have none: "https://minio.example:9000"

	last atomic.Pointer[string] // the access key ID that it returned last
}

// Retrieve calls the provider of minio-go. The providers of minio-go honor ctx while they call a
// server. A nil ctx is context.Background().
func (p *Provider) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	if p.Provider == nil {
		return stschain.Credentials{}, errors.New("miniosts: Provider.Provider is required")
	}
	if ctx == nil {
		ctx = context.Background()
	}
	if err := ctx.Err(); err != nil {
		return stschain.Credentials{}, fmt.Errorf("miniosts: %s not called: %w", p, err)
	}
	value, err := p.retrieve(&credentials.CredContext{Client: p.Client, Endpoint: p.Endpoint, Context: ctx})
	if err != nil {
		return stschain.Credentials{}, p.failed(err)
	}
	if value.AccessKeyID == "" || value.SecretAccessKey == "" || value.SignerType.IsAnonymous() {
		return stschain.Credentials{}, fmt.Errorf("miniosts: %s are anonymous: minio-go found none, or its chain hides the error", p)
	}
	return stschain.Credentials{
		AccessKeyID:     value.AccessKeyID,
		SecretAccessKey: stschain.NewSecret(value.SecretAccessKey),
		SessionToken:    stschain.NewSecret(value.SessionToken),
		Expires:         value.Expiration,
		Origin:          p.String(),
	}, nil
}

// retrieve returns credentials other than those of the previous call, if there are any.
func (p *Provider) retrieve(cc *credentials.CredContext) (credentials.Value, error) {
	value, err := p.Provider.GetWithContext(cc)
	if last := p.last.Load(); err == nil && last != nil && *last == value.AccessKeyID {
		p.Provider.Expire()
		value, err = p.Provider.GetWithContext(cc)
	}
	p.last.Store(&value.AccessKeyID)
	return value, err
}

// Identity returns an error: minio-go does not say what decides its credentials.
func (p *Provider) Identity(context.Context) (stschain.Identity, error) {
	return stschain.Identity{}, stschain.Permanent(fmt.Errorf("miniosts: %s have no identity: minio-go does not say what decides them. Use a provider of stschain", p))
}

// String is the name in reports: minio-go does not report the origin of credentials.
func (p *Provider) String() string { return "credentials of minio-go" }

// failed wraps an error of minio-go, and marks it if it is permanent.
func (p *Provider) failed(err error) error {
	var sts credentials.ErrorResponse
	if !errors.As(err, &sts) {
		return fmt.Errorf("miniosts: %s: %w", p, err)
	}
	code := sts.STSError.Code // which its text omits
	err = fmt.Errorf("miniosts: %s: %s: %w", p, code, err)
	if errors.Is(&stsquery.Error{Code: code}, stschain.ErrPermanent) {
		return stschain.Permanent(err)
	}
	return err
}
