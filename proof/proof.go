// Package proof makes statements of identity that others verify: tokens that say
// who the caller is in AWS, for Kubernetes, Vault, Google Cloud and the like, and
// those that databases, caches and brokers take for a password.
//
//	cluster := &proof.EKS{
//		Client:  &stsquery.Client{Credentials: role, Region: "eu-west-1"},
//		Cluster: "production",
//	}
//	token, err := cluster.Token(ctx)
//
// All but [WebIdentity] are signatures made here, without asking anybody but the
// source of the credentials:
//
//   - [EKS], [Vault], [GCP] and [CallerIdentity] sign a call of STS's
//     GetCallerIdentity that the verifier makes, and STS answers it with who signed.
//   - [RDS], [DSQL], [ElastiCache], [MemoryDB] and [MSK] presign a connection to the
//     service.
//   - [WebIdentity] asks STS for a JWT and keeps it fresh.
//
// Make one value of a type and ask it for a token whenever one is needed: each
// connection can have its own.
//
// # Audience
//
// Whoever gets a statement could show it to somebody else and pass for the caller.
// So it names who it is for wherever its protocol can say that, the name is part of
// what is signed, and to leave it out is an error.
//
// # How long a token lives
//
// A signature dies with the credentials that made it, whatever date it carries.
// [Token].Expires therefore is the end of the token or of the credentials, whichever
// comes first. The field MinLife of each type says what happens if the credentials
// in hand end before the token would:
//
//   - 0: they are refreshed first. If that fails, if it takes longer than 5 s, or if
//     fresh ones end too soon as well, the token ends with the best there are. A
//     person, for an MFA code, is not asked for the sake of a longer token.
//   - more: they are refreshed only if they do not live for MinLife, and if fresh ones
//     do not either, there is no token. A small MinLife avoids refreshes; the full life
//     of the token refuses what is cut short.
//
// Where MinLife is 0, a source is not refreshed early if what it gave last did not live
// as long as the token even when it came. One whose credentials live hardly longer than
// that is refreshed for nearly every token: set MinLife there.
//
// # Errors
//
// They say which field is missing or wrong, and are [stschain.ErrPermanent] then.
// They are never Unavailable, and hold neither secrets nor tokens.
package proof

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

// Token is a statement of identity, in the form that its verifier takes.
type Token struct {
	Value   stschain.Secret // as good as a credential until it expires
	Expires time.Time       // on this process's clock
}

const (
	signatureLife = 15 * time.Minute // of a call of STS, and of most connections
	patience      = 5 * time.Second  // for credentials that live longer, while there are some
)

// signer is what a type of this package keeps between its tokens.
type signer struct {
	once  sync.Once
	cache stschain.CachedProvider
	sigv4 sigv4.Signer
}

// terms are how a statement is to be signed.
type terms struct {
	life    time.Duration // of the statement
	minLife time.Duration // as the caller set it; 0: as long as can be
	clock   stschain.Clock
	skew    time.Duration // by how much the verifier's clock is ahead
}

// signing is one act of signing: who, when, and until when it counts.
type signing struct {
	creds   stschain.Credentials
	at      time.Time // on the verifier's clock
	expires time.Time // on ours
}

// begin gets what a statement is signed with.
func (s *signer) begin(ctx context.Context, t terms) (signing, error) {
	switch {
	case t.minLife < 0:
		return signing{}, stschain.Permanent(fmt.Errorf("MinLife is %v, and must not be negative", t.minLife))
	case t.minLife > t.life:
		return signing{}, stschain.Permanent(fmt.Errorf("MinLife is %v, and the token never lives longer than %v", t.minLife, t.life))
	}
	creds, err := credentials(ctx, s.cache, t)
	if err != nil {
		return signing{}, fmt.Errorf("no credentials to sign with: %w", err)
	}
	now := t.now()
	if creds.ExpiredAt(now) { // a cache may serve them for a while, but nobody will believe them
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

// credentials gets those that live long enough, or the best there are.
func credentials(ctx context.Context, cache stschain.CachedProvider, t terms) (stschain.Credentials, error) {
	if t.minLife > 0 {
		return cache.RetrieveFor(ctx, t.minLife)
	}
	patient := time.Now().Add(patience) // the cache may have us wait as well, in the last minute of a life
	held, err := cache.Retrieve(ctx)
	if err != nil || !held.ExpiredAt(t.now().Add(t.life)) {
		return held, err
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
	return held, nil
}

func (t terms) now() time.Time {
	if t.clock == nil {
		return time.Now()
	}
	return t.clock.Now()
}

// presign signs a GET without a body, in its query.
func (s *signer) presign(req *http.Request, by signing, life time.Duration) (string, http.Header, error) {
	url, header, err := s.sigv4.Presign(req, sigv4.PayloadHash(nil), by.creds, by.at, life)
	return url.Reveal(), header, err
}
