// Package miniosts connects stschain with minio-go, both ways:
//
//   - [CredentialsProvider] gives a minio-go client the credentials of one of our
//     providers: an assumed role, a chain, a shared *stschain.Cache
//   - [Provider] makes credentials of minio-go one of our providers: the base of a
//     role, the last link of a chain
//
// It is a module of its own, so that programs without minio-go do not link it.
//
// # A minio-go client on our cache
//
//	provider := &miniosts.CredentialsProvider{Credentials: role}
//	client, err := minio.New("s3.eu-west-1.amazonaws.com", &minio.Options{
//		Creds:     credentials.New(provider),
//		Secure:    true,
//		Transport: provider.RetryRejected(nil), // optional
//	})
//
// # The cache of minio-go
//
// credentials.Credentials holds an answer until its provider says that it has
// expired, and asks for the next one under a lock on which all other callers wait,
// whatever their contexts say. A CredentialsProvider always says so, which makes
// minio-go ask for each request, and answers at once from our cache, which refreshes
// in the background: nobody waits on that lock for a refresh. Where our cache itself
// has callers wait, they do so under it: for the first credentials, for those after
// an expiry, and at most five seconds in the last minute of a life. A program that
// wants to bound the first wait by a context asks the cache once before it starts:
//
//	cache := stschain.Cached(role)
//	if _, err := cache.Retrieve(ctx); err != nil {
//		return err
//	}
//	provider := &miniosts.CredentialsProvider{Credentials: cache}
//
// # Compatibility
//
// Before v1 names may still change; each change is in CHANGELOG.md.
package miniosts

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/stschain-go/stschain"
)

// CredentialsProvider is a credentials.Provider of minio-go over a provider of
// ours; credentials.New makes of it what minio.Options.Creds wants. It is safe
// for concurrent use. Its fields are not changed after first use, and it is not
// copied.
type CredentialsProvider struct {
	Credentials stschain.Provider // required; asked through stschain.Cached

	once  sync.Once
	cache stschain.CachedProvider
}

// RetrieveWithCredContext returns what the cache over Credentials holds, and waits only
// where that does. It waits no longer than cc.Context, which minio-go detaches
// from the caller's while it retrieves: then the Timeout of the cache is the bound.
// Client and Endpoint of cc are not used: the provider has its own. Nil is an empty
// CredContext.
func (p *CredentialsProvider) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	if p.Credentials == nil {
		return credentials.Value{}, errors.New("miniosts: CredentialsProvider.Credentials is required")
	}
	ctx := context.Background()
	if cc != nil && cc.Context != nil {
		ctx = cc.Context
	}
	creds, err := p.held().Retrieve(ctx)
	if err != nil {
		return credentials.Value{}, fmt.Errorf("miniosts: no credentials: %w", err)
	}
	return credentials.Value{
		AccessKeyID:     creds.AccessKeyID,
		SecretAccessKey: creds.SecretAccessKey.Reveal(),
		SessionToken:    creds.SessionToken.Reveal(),
		Expiration:      creds.Expires,
		SignerType:      credentials.SignatureV4,
	}, nil
}

// Retrieve is RetrieveWithCredContext without a context, for older callers.
func (p *CredentialsProvider) Retrieve() (credentials.Value, error) {
	return p.RetrieveWithCredContext(nil)
}

// IsExpired is always true: what is held, and for how long, is decided by our cache,
// so it is to be asked each time. When the credentials end is told by
// credentials.Value.Expiration.
func (p *CredentialsProvider) IsExpired() bool { return true }

// String names the provider behind.
func (p *CredentialsProvider) String() string {
	if s, ok := p.Credentials.(fmt.Stringer); ok {
		return s.String()
	}
	return "miniosts.CredentialsProvider"
}

func (p *CredentialsProvider) held() stschain.CachedProvider {
	p.once.Do(func() { p.cache = stschain.Cached(p.Credentials) })
	return p.cache
}
