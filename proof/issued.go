package proof

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// issued keeps a token that a service issues in a [stschain.Cache]. Its credentials are only a wrapper around the
// token, so that tokens do not need a separate kind of cache.
type issued struct {
	once  sync.Once
	cache *stschain.Cache
}

// token returns the cached token, or waits for a new one.
func (t *issued) token(ctx context.Context, by requester, minLife time.Duration) (Token, error) {
	creds, err := t.of(by).RetrieveFor(ctx, minLife)
	if err != nil {
		return Token{}, err
	}
	return Token{creds.SessionToken, creds.Expires}, nil
}

// reject makes the next call get another token, if the rejected one is cached.
func (t *issued) reject(by requester, rejected Token) {
	t.of(by).Invalidate(stschain.Credentials{AccessKeyID: wire.Fingerprint(rejected.Value)})
}

func (t *issued) of(by requester) *stschain.Cache {
	t.once.Do(func() {
		i := by.issuer()
		t.cache = &stschain.Cache{Provider: i, Clock: i.clock, OnEvent: i.onEvent}
	})
	return t.cache
}

// requester is a type whose tokens a service issues.
type requester interface{ issuer() *issuer }

// issuer gets tokens, wrapped as credentials.
type issuer struct {
	name      string // "web identity token"
	issue     func(context.Context) (Token, error)
	providers func() []stschain.Provider // of the credentials that request the token; nil: none
	clock     stschain.Clock
	onEvent   func(stschain.Event)
}

func (i *issuer) String() string { return i.name }

// Providers returns the providers of the credentials whose identity the tokens prove.
func (i *issuer) Providers() []stschain.Provider {
	if i.providers == nil {
		return nil
	}
	return i.providers()
}

func (i *issuer) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	token, err := i.issue(ctx)
	if err != nil {
		return stschain.Credentials{}, err
	}
	return stschain.Credentials{
		AccessKeyID:     wire.Fingerprint(token.Value),
		SecretAccessKey: token.Value,
		SessionToken:    token.Value,
		Expires:         token.Expires,
		Origin:          i.name,
	}, nil
}

// trip is the maximum duration of a request for a token: one that has just arrived has been valid for that long.
const trip = 5 * time.Second

// checkMinLife checks the MinLife of a type whose tokens are valid for life when they are issued.
func checkMinLife(minLife, life time.Duration) error {
	if most := life - trip; minLife < 0 || minLife > most {
		return stschain.Permanent(fmt.Errorf("MinLife is %v, and 0 to %v are allowed, which is the lifetime of a token less %v", minLife, most, trip))
	}
	return nil
}
