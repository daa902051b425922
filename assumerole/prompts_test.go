package assumerole_test

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

// A background refresh does not prompt for an MFA code; the next caller that waits does.
func TestBackgroundRefreshDoesNotPrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ststest.NewTest(t)
		srv.AddMFA(ststest.MFA{Serial: serial, Codes: []string{"123456", "234567"}})
		var prompts atomic.Int32
		next := codes("123456", "234567")
		p := withMFA(srv, func(ctx context.Context, serial string) (stschain.Secret, error) {
			prompts.Add(1)
			return next(ctx, serial)
		})
		cache := &stschain.Cache{Provider: stschain.ProviderFunc(p.Retrieve)} // which hides what p is
		first, err := cache.Retrieve(t.Context())
		require.NoError(t, err)
		<-time.After(55 * time.Minute) // the advisory window, on synctest's clock
		cached, err := cache.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, first.AccessKeyID, cached.AccessKeyID)
		synctest.Wait()
		require.ErrorContains(t, cache.Status().Err, "no MFA code for "+serial)
		require.ErrorIs(t, cache.Status().Err, stschain.ErrPrompt)
		require.EqualValues(t, 1, prompts.Load())
		<-time.After(time.Hour)
		renewed, err := cache.Retrieve(t.Context())
		require.NoError(t, err)
		require.NotEqual(t, first.AccessKeyID, renewed.AccessKeyID)
		require.EqualValues(t, 2, prompts.Load())
	})
}
