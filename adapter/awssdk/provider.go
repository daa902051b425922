package awssdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// Provider is a stschain.Provider over one of the SDK. Like every provider it
// holds nothing itself: whoever asks it repeatedly asks through stschain.Cached.
// It is safe for concurrent use if the SDK's is. Its fields are not changed after
// first use, and it is not copied.
//
// # What to give it
//
// The SDK's provider itself, where it is at hand. What package config resolved
// lies behind an aws.CredentialsCache, which answers with what it holds up to its
// end. So when that answers the same a second time, Provider has it forget and
// asks again: it is asked because others are wanted. If the SDK's clients use the
// same aws.CredentialsCache, they then wait for that refresh, and if it fails they
// fail: give them a [CredentialsProvider] over our cache instead. Two weaknesses of
// an aws.CredentialsCache stay: a provider that hangs in it hangs for good, and
// one that panics in it ends the process.
//
// A provider that prompts the user, as stscreds does with a TokenProvider, calls
// stschain.Prompt with the context it is given before it prompts: otherwise a stschain.Cache
// calls it in the background like any other.
//
// # Errors
//
// What the SDK reports is wrapped. It is stschain.ErrPermanent for the error codes
// for which stsquery.Error is, and for the UnauthorizedException of a login that ended.
// No error is Unavailable: the SDK does not distinguish credentials that are not configured
// from a failure, so a chain stops here, and in a chain the Provider belongs at the end. That
// is so for a [CredentialsProvider] as Provider too.
type Provider struct {
	Provider aws.CredentialsProvider // required

	mu    sync.Mutex
	given string // the access key ID of the last answer
}

// Retrieve calls the SDK's provider. Expires is what the SDK says; an ExpiryWindow of an
// aws.CredentialsCache comes off it. A nil ctx is context.Background().
func (p *Provider) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	if p.Provider == nil {
		return stschain.Credentials{}, errors.New("awssdk: Provider.Provider is required")
	}
	if ctx == nil {
		ctx = context.Background()
	}
	if err := ctx.Err(); err != nil {
		return stschain.Credentials{}, fmt.Errorf("awssdk: %s was not asked: %w", p, err)
	}
	if ours, ok := p.Provider.(*CredentialsProvider); ok {
		creds, err := ours.retrieve(ctx)
		if err != nil {
			return stschain.Credentials{}, fmt.Errorf("awssdk: %s: %w", p, err)
		}
		return creds, nil
	}
	answer, err := p.ask(ctx)
	if err != nil {
		return stschain.Credentials{}, p.failed(err)
	}
	return p.convert(answer)
}

// ask gets an answer that an aws.CredentialsCache has not given before, if there is one.
func (p *Provider) ask(ctx context.Context) (aws.Credentials, error) {
	answer, err := p.Provider.Retrieve(ctx)
	if cache, ok := p.Provider.(*aws.CredentialsCache); ok && err == nil && p.gave(answer.AccessKeyID) {
		cache.Invalidate()
		answer, err = p.Provider.Retrieve(ctx)
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

func (p *Provider) convert(answer aws.Credentials) (stschain.Credentials, error) {
	creds := stschain.Credentials{
		AccessKeyID:     answer.AccessKeyID,
		SecretAccessKey: stschain.NewSecret(answer.SecretAccessKey),
		SessionToken:    stschain.NewSecret(answer.SessionToken),
		AccountID:       answer.AccountID,
		Origin:          answer.Source,
	}
	if creds.Origin == "" {
		creds.Origin = p.String()
	}
	switch {
	case !answer.HasKeys():
		return stschain.Credentials{}, fmt.Errorf("awssdk: %s answered without keys and without an error", p)
	case !answer.CanExpire: // and Expires is not to be read
	case answer.Expires.IsZero():
		return stschain.Credentials{}, fmt.Errorf("awssdk: %s answered with credentials that can expire, and does not say when", p)
	case answer.Expires.Equal(longAgo()):
		return stschain.Credentials{}, fmt.Errorf("awssdk: %s answered as an awssdk.CredentialsProvider does, which tells no expiry: use its Source, or set its TellExpiry", p)
	default:
		creds.Expires = answer.Expires
	}
	return creds, nil
}

// Invalidate tells a stschain.Cache behind the SDK's provider that a service rejected
// credentials. Others of the SDK have nothing that could be told.
func (p *Provider) Invalidate(rejected stschain.Credentials) {
	if ours, ok := p.Provider.(*CredentialsProvider); ok && ours.Credentials != nil {
		ours.held().Invalidate(rejected)
	}
}

// String names the SDK's provider by its type.
func (p *Provider) String() string {
	return "aws-sdk-go-v2 " + strings.TrimPrefix(fmt.Sprintf("%T", p.Provider), "*")
}

// Format answers every verb of fmt with what String returns: the SDK's own types
// show their secrets.
func (p *Provider) Format(f fmt.State, _ rune) { io.WriteString(f, p.String()) }

// MarshalText does the same for encoders and loggers.
func (p *Provider) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// failed says who failed, and whether asking again can help.
func (p *Provider) failed(err error) error {
	err = fmt.Errorf("awssdk: %s: %w", p, err)
	var api smithy.APIError
	if errors.As(err, &api) && permanent(api.ErrorCode()) {
		return stschain.Permanent(err)
	}
	return err
}

func permanent(code string) bool {
	return code == "UnauthorizedException" || errors.Is(&stsquery.Error{Code: code}, stschain.ErrPermanent)
}
