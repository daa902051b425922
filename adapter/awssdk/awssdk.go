// Package awssdk connects stschain with the AWS SDK for Go v2, both ways:
//
//   - [CredentialsProvider] gives an SDK client the credentials of one of our
//     providers: an assumed role, a chain, a shared *stschain.Cache
//   - [Provider] makes a credentials provider of the SDK one of ours: the base of
//     a role, the last link of a chain
//
// It is a module of its own, so that programs without the SDK do not link it.
//
// # An SDK client on our cache
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
// package config puts an aws.CredentialsCache around every provider that it is
// given. That cache holds an answer until its Expires, and asks nobody before:
// a refresh in the background would never begin, and every request that met the
// expiry would wait. Therefore the answers of a CredentialsProvider say that they
// have expired. Nothing that signs looks at that, and the SDK's cache asks again
// for each request, which costs a few microseconds, or half of one where it is not
// there. What is held, and for how long, is decided by the stschain.Cache alone.
//
// Code that reads Expires or calls Expired needs the truth instead: see
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

// CredentialsProvider is an aws.CredentialsProvider over a provider of ours. It
// is safe for concurrent use. Its fields are not changed after first use, and it
// is not copied.
type CredentialsProvider struct {
	Credentials stschain.Provider // required; asked through stschain.Cached

	// TellExpiry makes answers say when the credentials really end, for code
	// that reads it. An aws.CredentialsCache over the provider would hold them
	// until then, past every window of ours: set the provider as
	// aws.Config.Credentials, and not by config.WithCredentialsProvider.
	TellExpiry bool

	once  sync.Once
	cache stschain.CachedProvider
}

// Retrieve returns what the cache over Credentials holds, and waits only where that
// does. CanExpire and Expires say that the answer is not to be held; see
// TellExpiry. A nil ctx is context.Background().
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

// String names the provider behind.
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
	return p.held().Retrieve(ctx)
}

func (p *CredentialsProvider) held() stschain.CachedProvider {
	p.once.Do(func() { p.cache = stschain.Cached(p.Credentials) })
	return p.cache
}

// longAgo is the Expires of an answer that nobody may hold. It is not the zero
// time, which some read as never.
func longAgo() time.Time { return time.Unix(0, 0) }
