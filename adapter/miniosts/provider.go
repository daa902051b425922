package miniosts

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// Provider is a stschain.Provider over credentials of minio-go. Like every
// provider it holds nothing itself: whoever asks it repeatedly asks through
// stschain.Cached. It is safe for concurrent use. Its fields are not changed after
// first use, and it is not copied.
//
// # The cache of minio-go
//
// credentials.Credentials answer with what they hold for four fifths of its life
// or more. So when they answer the same a second time, Provider expires them and
// asks again: it is asked because others are wanted. A client of minio-go that uses
// the same credentials.Credentials then waits for that refresh, and if it fails it
// fails: give it a [CredentialsProvider] over our cache instead. They are asked
// under a lock, so a minio-go provider that hangs lets nobody ask again before it returns.
//
// # Errors
//
// What minio-go reports is wrapped. An error response of STS is stschain.ErrPermanent for
// the codes for which stsquery.Error is. No error is Unavailable: a chain stops here. Where
// minio-go finds nothing, and where its Chain met only errors, which it does not
// report, it answers with anonymous credentials: that is an error here.
type Provider struct {
	Provider *credentials.Credentials // required: credentials.NewIAM(""), credentials.New(provider)

	Client   *http.Client // for providers of minio-go that have none; nil: theirs
	Endpoint string       // of STS, for providers of minio-go that have none: "https://minio.example:9000"

	mu    sync.Mutex
	given string // the access key ID of the last answer
}

// Retrieve calls the provider of minio-go. The providers of minio-go look at ctx while they talk
// to a server. A nil ctx is context.Background().
func (p *Provider) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	if p.Provider == nil {
		return stschain.Credentials{}, errors.New("miniosts: Provider.Provider is required")
	}
	if ctx == nil {
		ctx = context.Background()
	}
	if err := ctx.Err(); err != nil {
		return stschain.Credentials{}, fmt.Errorf("miniosts: %s were not asked: %w", p, err)
	}
	answer, err := p.ask(&credentials.CredContext{Client: p.Client, Endpoint: p.Endpoint, Context: ctx})
	if err != nil {
		return stschain.Credentials{}, p.failed(err)
	}
	if answer.AccessKeyID == "" || answer.SecretAccessKey == "" || answer.SignerType.IsAnonymous() {
		return stschain.Credentials{}, fmt.Errorf("miniosts: %s answered with anonymous credentials: they found none, or a chain of theirs hides why", p)
	}
	return stschain.Credentials{
		AccessKeyID:     answer.AccessKeyID,
		SecretAccessKey: stschain.NewSecret(answer.SecretAccessKey),
		SessionToken:    stschain.NewSecret(answer.SessionToken),
		Expires:         answer.Expiration,
		Origin:          p.String(),
	}, nil
}

// ask gets credentials that the provider has not returned before, if there is one.
func (p *Provider) ask(cc *credentials.CredContext) (credentials.Value, error) {
	answer, err := p.Provider.GetWithContext(cc)
	if err == nil && p.gave(answer.AccessKeyID) {
		p.Provider.Expire()
		answer, err = p.Provider.GetWithContext(cc)
	}
	if err == nil {
		p.give(answer.AccessKeyID)
	}
	return answer, err
}

func (p *Provider) gave(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return id != "" && p.given == id
}

func (p *Provider) give(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.given = id
}

// String is how reports call the credentials: they do not tell where they are from.
func (p *Provider) String() string { return "credentials of minio-go" }

// failed says who failed, and whether asking again can help.
func (p *Provider) failed(err error) error {
	var sts credentials.ErrorResponse
	if !errors.As(err, &sts) {
		return fmt.Errorf("miniosts: %s: %w", p, err)
	}
	code := sts.STSError.Code // which their text leaves out
	err = fmt.Errorf("miniosts: %s: %s: %w", p, code, err)
	if errors.Is(&stsquery.Error{Code: code}, stschain.ErrPermanent) {
		return stschain.Permanent(err)
	}
	return err
}
