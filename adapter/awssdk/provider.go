package awssdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// Provider is a stschain.Provider over a provider of the SDK. It does not cache: retrieve repeatedly through
// stschain.Cached. It is safe for concurrent use if the SDK's provider is. Do not change its fields after
// first use, and do not copy it.
//
// # Which provider to use
//
// Use the SDK's provider itself, if possible. A provider that package config resolved is wrapped in an
// aws.CredentialsCache, which returns cached credentials until they expire. A second call of Provider requests new
// ones, so if the aws.CredentialsCache returns the same credentials twice, Provider invalidates them there and
// retrieves again. Clients of the SDK with the same aws.CredentialsCache then wait for that refresh, and fail if
// it fails: use a [CredentialsProvider] over our cache for them instead. Two limits of an aws.CredentialsCache
// remain: a provider that hangs in it blocks it forever, and one that panics in it ends the process.
//
// A provider that prompts the user, as stscreds does with a TokenProvider, must
// call stschain.Prompt with its context before it prompts: otherwise a
// stschain.Cache also calls it in background refreshes.
//
// # Errors
//
// Errors of the SDK are wrapped. It is stschain.ErrPermanent for the error codes
// for which stsquery.Error is, and for the UnauthorizedException of a login that ended.
// No error is Unavailable: the SDK does not distinguish credentials that are not configured
// from a failure, so a chain stops here, and the Provider must be the last of a chain. This
// also applies to a [CredentialsProvider] as Provider.
type Provider struct {
	Provider aws.CredentialsProvider // required

	last atomic.Pointer[string] // the access key ID that it returned last
}

// Retrieve calls the SDK's provider. Expires is that of the SDK, which an
// aws.CredentialsCache reduces by its ExpiryWindow. A nil ctx is
// context.Background().
func (p *Provider) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	if p.Provider == nil {
		return stschain.Credentials{}, errors.New("awssdk: Provider.Provider is required")
	}
	if ctx == nil {
		ctx = context.Background()
	}
	if err := ctx.Err(); err != nil {
		return stschain.Credentials{}, fmt.Errorf("awssdk: %s not called: %w", p, err)
	}
	if ours, ok := p.Provider.(*CredentialsProvider); ok {
		creds, err := ours.retrieve(ctx)
		if err != nil {
			return stschain.Credentials{}, fmt.Errorf("awssdk: %s: %w", p, err)
		}
		return creds, nil
	}
	theirs, err := p.Provider.Retrieve(ctx)
	if cache, ok := p.Provider.(*aws.CredentialsCache); ok && err == nil && p.repeats(theirs) {
		cache.Invalidate()
		theirs, err = cache.Retrieve(ctx)
	}
	if err != nil {
		return stschain.Credentials{}, p.failed(err)
	}
	p.last.Store(&theirs.AccessKeyID)
	return p.convert(theirs)
}

// repeats reports whether the credentials are those of the previous call.
func (p *Provider) repeats(theirs aws.Credentials) bool {
	last := p.last.Load()
	return last != nil && *last == theirs.AccessKeyID
}

func (p *Provider) convert(theirs aws.Credentials) (stschain.Credentials, error) {
	creds := stschain.Credentials{
		AccessKeyID:     theirs.AccessKeyID,
		SecretAccessKey: stschain.NewSecret(theirs.SecretAccessKey),
		SessionToken:    stschain.NewSecret(theirs.SessionToken),
		AccountID:       theirs.AccountID,
		Origin:          theirs.Source,
	}
	if creds.Origin == "" {
		creds.Origin = p.String()
	}
	switch {
	case !theirs.HasKeys():
		return stschain.Credentials{}, fmt.Errorf("awssdk: %s returned no keys and no error", p)
	case !theirs.CanExpire: // Expires is not set then
	case theirs.Expires.IsZero():
		return stschain.Credentials{}, fmt.Errorf("awssdk: %s returned credentials that can expire, without the time", p)
	case theirs.Expires.Equal(longAgo()):
		return stschain.Credentials{}, fmt.Errorf("awssdk: %s returned the credentials of an awssdk.CredentialsProvider, which hides the expiry: use its Credentials, or set its TellExpiry", p)
	default:
		creds.Expires = theirs.Expires
	}
	return creds, nil
}

// Invalidate invalidates rejected credentials in the cache of a [CredentialsProvider]. Providers of the SDK cannot
// invalidate particular credentials.
func (p *Provider) Invalidate(rejected stschain.Credentials) {
	if ours, ok := p.Provider.(*CredentialsProvider); ok && ours.Credentials != nil {
		ours.cached().Invalidate(rejected)
	}
}

// Identity returns that of the Credentials of a [CredentialsProvider]. For a provider of the SDK it returns an
// error: its settings are not known.
func (p *Provider) Identity(ctx context.Context) (stschain.Identity, error) {
	ours, ok := p.Provider.(*CredentialsProvider)
	if !ok || ours.Credentials == nil {
		return stschain.Identity{}, stschain.Permanent(fmt.Errorf("awssdk: %s has no identity: the SDK does not say what decides its credentials. Use a provider of stschain", p))
	}
	i, err := (&stschain.Cache{Provider: ours.Credentials}).Identity(ctx)
	if err != nil {
		return stschain.Identity{}, fmt.Errorf("awssdk: %s: %w", p, err)
	}
	return i, nil
}

// String names the SDK's provider by its type.
func (p *Provider) String() string {
	return "aws-sdk-go-v2 " + strings.TrimPrefix(fmt.Sprintf("%T", p.Provider), "*")
}

// Format prints String for every verb of fmt: the SDK's own types print their secrets.
func (p *Provider) Format(f fmt.State, _ rune) { io.WriteString(f, p.String()) }

// MarshalText does the same for encoders and loggers.
func (p *Provider) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// failed wraps an error of the SDK, and marks it if it is permanent.
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
