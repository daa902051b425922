package proof

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/stsquery"
)

// WebIdentity gets JWTs that prove the caller's identity, with STS's GetWebIdentityToken,
// for services outside AWS that trust the account's issuer. It caches the token and
// refreshes it by the rules of a [stschain.Cache]: before it expires, in the
// background, once for all callers.
//
// It is safe for concurrent use. Do not change its fields after first use, and do not copy it.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html
type WebIdentity struct {
	Client   *stsquery.Client // required; the identity is that of its Credentials. Not at the global endpoint
	Audience []string         // required: the audiences of the token, 1 to 10

	Algorithm string         // RS256 or ES384. Empty: RS256, which every verifier supports
	Duration  time.Duration  // 1 minute to 1 hour; less if the credentials expire before. 0: 5 minutes
	Tags      []stsquery.Tag // become claims; at most 50

	MinLife time.Duration        // the minimum remaining lifetime of a returned token; at most Duration less 5 s. 0: any valid token
	OnEvent func(stschain.Event) // nil: none. See stschain.Cache

	issued issued
}

const (
	webIdentityLife  = 5 * time.Minute // STS's default
	webIdentityLeast = time.Minute
	webIdentityMost  = time.Hour
)

// Token returns the cached token, or waits for a new one.
func (w *WebIdentity) Token(ctx context.Context) (_ Token, err error) {
	defer flow.Wrap(&err, "proof", "no web identity token")
	if err := w.check(); err != nil {
		return Token{}, err
	}
	return w.issued.token(ctx, w, w.MinLife)
}

// Invalidate reports that a service rejected a token. If it is the cached one, the
// next call gets another one.
func (w *WebIdentity) Invalidate(rejected Token) {
	if w.check() == nil {
		w.issued.reject(w, rejected)
	}
}

func (w *WebIdentity) issuer() *issuer {
	return &issuer{"web identity token", w.issue, w.Client.Providers, w.Client.Clock, w.OnEvent}
}

func (w *WebIdentity) issue(ctx context.Context) (Token, error) {
	duration, err := w.duration(ctx)
	if err != nil {
		return Token{}, err
	}
	out, err := w.Client.GetWebIdentityToken(ctx, stsquery.GetWebIdentityTokenInput{
		Audience:         w.Audience,
		SigningAlgorithm: cmp.Or(w.Algorithm, "RS256"),
		Duration:         duration,
		Tags:             w.Tags,
	})
	if err != nil {
		return Token{}, err
	}
	return Token{out.WebIdentityToken, out.Expires}, nil
}

// duration is the Duration of the request: STS returns no token that outlives the credentials.
func (w *WebIdentity) duration(ctx context.Context) (time.Duration, error) {
	duration := cmp.Or(w.Duration, webIdentityLife)
	cache := w.Client.Cache()
	if cache == nil {
		return duration, nil // the client's error reports what is missing
	}
	t := terms{life: duration + trip, clock: w.Client.Clock}
	creds, err := credentials(ctx, cache, t)
	if err != nil {
		return 0, fmt.Errorf("no credentials to sign with: %w", err)
	}
	if now := system.Now(t.clock); creds.ExpiredAt(now.Add(t.life)) {
		duration = (creds.Expires.Sub(now) - trip).Truncate(time.Second)
	}
	if duration < webIdentityLeast {
		return 0, fmt.Errorf("the credentials from %s expire at %s, too early for a token of the minimum duration, %v",
			creds.Origin, creds.Expires.UTC().Format(time.RFC3339), webIdentityLeast)
	}
	return duration, nil
}

func (w *WebIdentity) check() error {
	switch {
	case w.Client == nil:
		return flow.Missing("Client")
	case len(w.Audience) == 0 || slices.Contains(w.Audience, ""):
		return stschain.Permanent(errors.New("Audience is missing: a token without it could be used anywhere"))
	case w.Duration != 0 && (w.Duration < webIdentityLeast || w.Duration > webIdentityMost):
		return stschain.Permanent(fmt.Errorf("Duration is %v, and %v to %v are allowed", w.Duration, webIdentityLeast, webIdentityMost))
	}
	return checkMinLife(w.MinLife, cmp.Or(w.Duration, webIdentityLife))
}
