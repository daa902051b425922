// Package awssdk connects stschain with the AWS SDK for Go v2, both ways:
//
//   - [CredentialsProvider] provides an SDK client with the credentials of a stschain.Provider:
//     an assumed role, a chain, a shared *stschain.Cache
//   - [Provider] is a stschain.Provider over a credentials provider of the SDK, as the
//     base of a role or the last provider of a chain
//
// It is a separate module, so programs without the SDK do not link it.
//
// # An SDK client with our cache
//
//	provider := &awssdk.CredentialsProvider{Credentials: role}
//	cfg, err := config.LoadDefaultConfig(ctx, config.WithCredentialsProvider(provider))
//	if err != nil {
//		return err
//	}
//	cfg.APIOptions = append(cfg.APIOptions, provider.RetryRejected) // optional
//	client := s3.NewFromConfig(cfg)
//
// The same works without package config: set the provider as Credentials of an
// aws.Config or of a client's Options.
//
// # The cache of the SDK
//
// Package config wraps every provider in an aws.CredentialsCache. That cache returns
// the same credentials until Expires: a background refresh would never begin, and
// every request at the expiry would wait. So a CredentialsProvider returns credentials
// that are marked as expired. Signers ignore that, and the SDK's cache calls the
// provider for each request, which takes a few microseconds; without the SDK's cache,
// half of one. Only the stschain.Cache decides what is cached, and for how long.
//
// Code that reads Expires or calls Expired needs the real expiry: see
// CredentialsProvider.TellExpiry.
//
// # Compatibility
//
// Before v1 names may still change; each change is in CHANGELOG.md.
package awssdk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/stschain-go/stschain"
)

// CredentialsProvider is an aws.CredentialsProvider over a stschain.Provider. It is
// safe for concurrent use. Do not change its fields after first use, and do not copy it.
type CredentialsProvider struct {
	Credentials stschain.Provider // required; called through stschain.Cached

	// TellExpiry returns the real expiry, for code that reads it. An
	// aws.CredentialsCache over the provider would then cache the credentials
	// until they expire: set the provider as aws.Config.Credentials, not by
	// config.WithCredentialsProvider.
	TellExpiry bool

	once  sync.Once
	cache stschain.CachedProvider
}

// Retrieve returns the credentials of the cache over Credentials, and waits only if
// that does. They are marked as expired, so that other caches do not cache them;
// see TellExpiry. A nil ctx is context.Background().
func (p *CredentialsProvider) Retrieve(ctx context.Context) (aws.Credentials, error) {
	creds, err := p.retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("awssdk: no credentials: %w", err)
	}
	out := aws.Credentials{
		AccessKeyID:     creds.AccessKeyID,
		SecretAccessKey: creds.SecretAccessKey.Reveal(),
		SessionToken:    creds.SessionToken.Reveal(),
		Source:          creds.Origin,
		AccountID:       creds.AccountID,
		CanExpire:       true,
		Expires:         longAgo(),
	}
	if p.TellExpiry {
		out.CanExpire, out.Expires = !creds.Expires.IsZero(), creds.Expires
	}
	return out, nil
}

// String returns the name of Credentials.
func (p *CredentialsProvider) String() string {
	if s, ok := p.Credentials.(fmt.Stringer); ok {
		return s.String()
	}
	return "awssdk.CredentialsProvider"
}

func (p *CredentialsProvider) retrieve(ctx context.Context) (stschain.Credentials, error) {
	if p.Credentials == nil {
		return stschain.Credentials{}, errors.New("CredentialsProvider.Credentials is required")
	}
	if ctx == nil {
		ctx = context.Background()
	}
	return p.cached().Retrieve(ctx)
}

func (p *CredentialsProvider) cached() stschain.CachedProvider {
	p.once.Do(func() { p.cache = stschain.Cached(p.Credentials) })
	return p.cache
}

// longAgo is the Expires of credentials that must not be cached. It is not the zero
// time, which some code reads as never.
func longAgo() time.Time { return time.Unix(0, 0) }
