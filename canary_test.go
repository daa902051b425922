package stschain_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
)

// What a chain tells of those that it asked shows nothing of what they held, nor does a cache that
// is rejected, late or left.
func TestNothingOfAChainShowsSecrets(t *testing.T) { synctest.Test(t, testChainCanary) }

func testChainCanary(t *testing.T) {
	const secret = "Canary/secret+key=4711"
	creds := stschain.Credentials{
		AccessKeyID: "AKIDEXAMPLE", Origin: "test", Expires: time.Now().Add(20 * time.Minute),
		SecretAccessKey: stschain.NewSecret(secret), SessionToken: stschain.NewSecret(secret),
	}
	absent := stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return creds, stschain.Unavailable("with %+v in hand", creds)
	})
	inner := stschain.NewChain(absent, stschain.Static("", "", ""))
	chain := stschain.NewChain(absent, inner, stschain.Cached(absent))
	_, err := chain.Retrieve(t.Context())
	none, ok := errors.AsType[*stschain.ChainError](err)
	require.True(t, ok)
	require.Len(t, none.Attempts, 3)
	synctest.Wait()
	canary.Check(t, secret, err, none, *none, none.Attempts, none.Attempts[0], chain, inner)

	next := func() (stschain.Credentials, error) { return creds, nil }
	var events []any
	cache := &stschain.Cache{
		Provider: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return next() }),
		OnEvent:  func(e stschain.Event) { events = append(events, e, &e) },
	}
	_, err = cache.Retrieve(t.Context())
	require.NoError(t, err)
	next = func() (stschain.Credentials, error) { panic(fmt.Errorf("with %v", creds)) }
	<-time.After(10 * time.Second) // of the bubble: no two tries are closer
	cache.Invalidate(creds)
	_, err = cache.Retrieve(t.Context())
	require.NoError(t, err, "they are served, since there are no others")
	synctest.Wait()
	status := cache.Status()
	require.True(t, status.Rejected)
	require.ErrorContains(t, status.Err, "panicked")
	canary.Check(t, secret, status, &status, status.Err)
	require.NotEmpty(t, events)
	canary.Check(t, secret, events...)
	canary.Check(t, secret, cache)
}
