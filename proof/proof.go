// Package proof generates presigned AWS identity tokens, for EKS, Vault, Google Cloud and other verifiers,
// and IAM authentication tokens for databases, caches and brokers.
//
//	cluster := &proof.EKS{
//		Client:  &stsquery.Client{Credentials: role, Region: "eu-west-1"},
//		Cluster: "production",
//	}
//	token, err := cluster.Token(ctx)
//
// All tokens except those of [WebIdentity], [Bearer] and [TokenExchange] are signatures that are made
// locally; only the source of the credentials may make requests:
//
//   - [EKS], [Vault], [GCP] and [CallerIdentity] sign a call of STS's GetCallerIdentity. The verifier sends
//     it, and STS returns the identity of the signer.
//   - [RDS], [DSQL], [ElastiCache], [MemoryDB], [MSK] and [IoTWebSocket] presign a connection to the service.
//   - [WebIdentity] requests a JWT from STS and refreshes it.
//   - [Bearer] requests an access token for an AWS service from AWS Sign-In, and [TokenExchange] gets one for
//     the JWT of an identity provider, without credentials. Both refresh it. To use one, send it in the header
//     Authorization, or make an oauth2.TokenSource of it with the module adapter/oauth2sts.
//
// Create one value of a type, and call it for a token for each connection.
//
// # Audience
//
// A verifier could present a token to another verifier and impersonate the caller. So a token names its
// audience wherever the protocol supports that, the name is signed, and a missing audience is an error.
//
// # Lifetime
//
// A signature is valid only as long as the credentials that made it, whatever expiry it states.
// Therefore [Token].Expires is the expiry of the token or of the credentials, whichever is earlier. The
// field MinLife of each type says what happens if the cached credentials expire before the token would:
//
//   - 0: they are refreshed first. If that fails, if it takes longer than 5 s, or if the new ones expire
//     too soon as well, the token expires with the best credentials available. The user is not prompted
//     for a longer token.
//   - more than 0: they are refreshed only if they are not valid for MinLife, and if the new ones are
//     not either, the result is an error. A small MinLife avoids refreshes; the full lifetime of the
//     token rules out shorter ones.
//
// With MinLife 0, a source is not refreshed early if its last credentials were
// not valid for a token's lifetime even when they were received. A source whose
// credentials are valid for hardly longer than that is refreshed for nearly
// every token: set MinLife for it.
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
	patience      = 5 * time.Second  // the wait for credentials that are valid longer
)

// signer is the state that the types of this package keep between tokens.
type signer struct {
	once  sync.Once
	cache stschain.CachedProvider
	sigv4 sigv4.Signer
}

// terms describe how a token is signed.
type terms struct {
	life    time.Duration // of the token
	minLife time.Duration // MinLife as configured; 0: as long as possible
	clock   stschain.Clock
	skew    time.Duration // by how much the verifier's clock is ahead
}

// signing has the credentials that sign a token, the time of the signature, and the expiry of the token.
type signing struct {
	creds   stschain.Credentials
	at      time.Time // on the verifier's clock
	expires time.Time // on this process's clock
}

// begin retrieves the credentials that sign a token.
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

// credentials retrieves those that are valid long enough, or the best available.
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
	// They may have been refreshed nevertheless, though not for long enough.
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
