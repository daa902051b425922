package saml_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/ststest"
)

// An assertion that needs a user who signs in is not called for in the background, whatever is between the cache
// and the provider: only when a caller waits.
func TestNoSignInInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ststest.NewTest(t)
		p := with(srv, stschain.Secret{})
		var asked atomic.Int32
		p.Assertion = func(ctx context.Context) (stschain.Secret, error) {
			if err := stschain.Prompt(ctx); err != nil {
				return stschain.Secret{}, err
			}
			asked.Add(1)
			return srv.Assertion(forRoles(backup)), nil
		}
		cache := &stschain.Cache{Provider: stschain.ProviderFunc(p.Retrieve)}
		first, err := cache.Retrieve(t.Context())
		require.NoError(t, err)
		<-time.After(55 * time.Minute) // of the bubble: the advisory window
		held, err := cache.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, first.AccessKeyID, held.AccessKeyID)
		synctest.Wait()
		require.ErrorIs(t, cache.Status().Err, stschain.ErrPrompt)
		require.EqualValues(t, 1, asked.Load())
		<-time.After(time.Hour)
		renewed, err := cache.Retrieve(t.Context())
		require.NoError(t, err)
		require.NotEqual(t, first.AccessKeyID, renewed.AccessKeyID)
		require.EqualValues(t, 2, asked.Load())
	})
}
