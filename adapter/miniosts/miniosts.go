// Package miniosts connects stschain with minio-go, both ways:
//
//   - [CredentialsProvider] provides a minio-go client with the credentials of a stschain.Provider:
//     an assumed role, a chain, a shared *stschain.Cache
//   - [Provider] is a stschain.Provider over credentials of minio-go, as the base of a role
//     or the last provider of a chain
//
// It is a separate module, so programs without minio-go do not link it.
//
// # A minio-go client with our cache
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
// credentials.Credentials caches credentials until its provider reports that they have
// expired. It then retrieves under a lock on which all other callers wait, regardless
// of their contexts. A CredentialsProvider always reports that they have expired, so
// minio-go calls it for each request, and it returns immediately from our cache, which
// refreshes in the background: no caller waits on that lock for a refresh. If our cache
// itself has to wait, callers wait under the lock: for the first credentials, after an
// expiry, and for at most five seconds in the last minute before one. To bound the
// first wait by a context, retrieve from the cache once before the first request:
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

// CredentialsProvider is a credentials.Provider of minio-go over a stschain.Provider;
// pass it to credentials.New for minio.Options.Creds. It is safe for concurrent use.
// Do not change its fields after first use, and do not copy it.
type CredentialsProvider struct {
	Credentials stschain.Provider // required; called through stschain.Cached

	once  sync.Once
	cache stschain.CachedProvider
}

// RetrieveWithCredContext returns the credentials of the cache over Credentials, and waits
// only if that does, until cc.Context ends. minio-go detaches that context from the
// caller's while it retrieves, so the Timeout of the cache applies. Client and
// Endpoint of cc are not used: the provider has its own. Nil is an empty CredContext.
func (p *CredentialsProvider) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	if p.Credentials == nil {
		return credentials.Value{}, errors.New("miniosts: CredentialsProvider.Credentials is required")
	}
	ctx := context.Background()
	if cc != nil && cc.Context != nil {
		ctx = cc.Context
	}
	creds, err := p.cached().Retrieve(ctx)
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

// IsExpired is always true, so that minio-go calls our cache for each request,
// which alone decides what is cached, and for how long. The real expiry is
// credentials.Value.Expiration.
func (p *CredentialsProvider) IsExpired() bool { return true }

// String returns the name of Credentials.
func (p *CredentialsProvider) String() string {
	if s, ok := p.Credentials.(fmt.Stringer); ok {
		return s.String()
	}
	return "miniosts.CredentialsProvider"
}

func (p *CredentialsProvider) cached() stschain.CachedProvider {
	p.once.Do(func() { p.cache = stschain.Cached(p.Credentials) })
	return p.cache
}
