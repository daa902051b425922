// Package proof generates presigned AWS identity tokens, for EKS, Vault, Google Cloud and other verifiers,
// and IAM authentication tokens for databases, caches and brokers.
//
//	cluster := &proof.EKS{
//		Client:  &stsquery.Client{Credentials: role, Region: "eu-west-1"},
//		Cluster: "production",
//	}
//	token, err := cluster.Token(ctx)
//
// All tokens except those of [WebIdentity] are signatures that are made locally; only the source of the
// credentials may make requests:
//
//   - [EKS], [Vault], [GCP] and [CallerIdentity] sign a call of STS's GetCallerIdentity. The verifier sends
//     it, and STS returns the identity of the signer.
//   - [RDS], [DSQL], [ElastiCache], [MemoryDB] and [MSK] presign a connection to the service.
//   - [WebIdentity] requests a JWT from STS and keeps it fresh.
//
// Make one value of a type and get a token from it for each connection.
//
// # Audience
//
// A verifier could present a token to another verifier and impersonate the caller. So a token names its
// audience wherever the protocol supports that, the name is signed, and a missing audience is an error.
//
// # Lifetime
//
// A signature is valid only as long as the credentials that made it, whatever date it carries.
// [Token].Expires therefore is the end of the token or of the credentials, whichever comes first. The
// field MinLife of each type says what happens if the cached credentials expire before the token would:
//
//   - 0: they are refreshed first. If that fails, if it takes longer than 5 s, or if the new ones expire too
//     soon as well, the token ends with the best credentials there are. The user is not prompted for a
//     longer token.
//   - more: they are refreshed only if they are not valid for MinLife, and if the new ones are not either,
//     the result is an error. A small MinLife avoids refreshes; the full lifetime of the token refuses
//     shorter ones.
//
// With MinLife 0, a source is not refreshed early if its last credentials were not valid for a token's
// lifetime even when they came. A source whose credentials are valid hardly longer than that is refreshed
// for nearly every token: set MinLife for it.
//
// # Errors
//
// Errors for a missing or invalid field name it, and are [stschain.ErrPermanent]. Errors are never
// Unavailable, and contain neither secrets nor tokens.
package proof

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/sigv4"
)

// Token is an identity or authentication token, in the format of its verifier.
type Token struct {
	Value   stschain.Secret // as sensitive as a credential until it expires
	Expires time.Time       // on this process's clock
}

const (
	signatureLife = 15 * time.Minute // of a call of STS, and of most connections
	patience      = 5 * time.Second  // for credentials that are valid longer, while there are some
)

// signer is the state that a type of this package keeps between its tokens.
type signer struct {
	once  sync.Once
	cache stschain.CachedProvider
	sigv4 sigv4.Signer
}

// terms say how a token is to be signed.
type terms struct {
	life    time.Duration // of the token
	minLife time.Duration // as the caller set it; 0: as long as possible
	clock   stschain.Clock
	skew    time.Duration // by how much the verifier's clock is ahead
}

// signing is what a token is signed with, when, and until when it is valid.
type signing struct {
	creds   stschain.Credentials
	at      time.Time // on the verifier's clock
	expires time.Time // on ours
}

// begin retrieves what a token is signed with.
func (s *signer) begin(ctx context.Context, t terms) (signing, error) {
	switch {
	case t.minLife < 0:
		return signing{}, stschain.Permanent(fmt.Errorf("MinLife is %v, and must not be negative", t.minLife))
	case t.minLife > t.life:
		return signing{}, stschain.Permanent(fmt.Errorf("MinLife is %v, and the token is never valid longer than %v", t.minLife, t.life))
	}
	creds, err := credentials(ctx, s.cache, t)
	if err != nil {
		return signing{}, fmt.Errorf("no credentials to sign with: %w", err)
	}
	now := system.Now(t.clock)
	if creds.ExpiredAt(now) { // a cache may serve them for a while, but verifiers refuse them
		return signing{}, fmt.Errorf("the credentials from %s expired at %s, and so would the token have",
			creds.Origin, creds.Expires.UTC().Format(time.RFC3339))
	}
	at := now.Add(t.skew).Truncate(time.Second) // signatures are dated in whole seconds
	expires := at.Add(t.life - t.skew)
	if !creds.Expires.IsZero() && creds.Expires.Before(expires) {
		expires = creds.Expires
	}
	return signing{creds, at, expires}, nil
}

// credentials retrieves those that are valid long enough, or the best there are.
func credentials(ctx context.Context, cache stschain.CachedProvider, t terms) (stschain.Credentials, error) {
	if t.minLife > 0 {
		return cache.RetrieveFor(ctx, t.minLife)
	}
	patient := time.Now().Add(patience) // the cache may wait as well, in the last minute of a lifetime
	cached, err := cache.Retrieve(ctx)
	if err != nil || !cached.ExpiredAt(system.Now(t.clock).Add(t.life)) {
		return cached, err
	}
	ctx, cancel := context.WithDeadline(ctx, patient)
	defer cancel()
	// Valid credentials are no reason to prompt the user.
	if longer, err := cache.RetrieveFor(stschain.WithoutPrompt(ctx), t.life); err == nil {
		return longer, nil
	}
	// They may have been refreshed all the same, though not for long enough.
	if fresh, err := cache.Retrieve(ctx); err == nil {
		return fresh, nil
	}
	return cached, nil
}

// presign signs a GET without a body, in its query.
func (s *signer) presign(req *http.Request, by signing, life time.Duration) (string, http.Header, error) {
	url, header, err := s.sigv4.Presign(req, sigv4.PayloadHash(nil), by.creds, by.at, life)
	return url.Reveal(), header, err
}
