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

// A cache that cannot tell what is behind it refreshes in the background, and nobody is asked for
// an MFA code then: only when somebody waits.
func TestNobodyIsAskedInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ststest.NewTest(t)
		user := srv.User()
		srv.AddMFA(ststest.MFA{Serial: serial, Codes: []string{"123456", "234567"}})
		p := over(srv, user)
		p.SerialNumber = serial
		var asked atomic.Int32
		next := codes("123456", "234567")
		p.MFAToken = func(ctx context.Context, serial string) (stschain.Secret, error) {
			asked.Add(1)
			return next(ctx, serial)
		}
		cache := &stschain.Cache{Provider: stschain.ProviderFunc(p.Retrieve)}
		first, err := cache.Retrieve(t.Context())
		require.NoError(t, err)
		<-time.After(55 * time.Minute) // of the bubble: the advisory window
		held, err := cache.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, first.AccessKeyID, held.AccessKeyID)
		synctest.Wait()
		require.ErrorContains(t, cache.Status().Err, "no MFA code for")
		require.EqualValues(t, 1, asked.Load())
		<-time.After(time.Hour)
		renewed, err := cache.Retrieve(t.Context())
		require.NoError(t, err)
		require.NotEqual(t, first.AccessKeyID, renewed.AccessKeyID)
		require.EqualValues(t, 2, asked.Load())
	})
}
