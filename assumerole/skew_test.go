package assumerole_test

import (
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// If the server's clock is off, a cache keeps a session exactly as long as it is valid, and so does the
// base of a role chain.
// Reports: aws-sdk-go-v2#1952, aws-sdk-net#3864, aws-sdk-js-v3#353.
func TestClockSkew(t *testing.T) {
	for name, skew := range map[string]time.Duration{
		"agree": 0, "10 min ahead": 10 * time.Minute, "10 min behind": -10 * time.Minute, "an hour ahead": time.Hour, "an hour behind": -time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			fake := clock.NewMock()
			start := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
			fake.Set(start)
			srv := ststest.NewTest(t)
			srv.AllowRefusals() // of what is signed before the first response
			srv.Clock = fake
			srv.FailAll(ststest.Skew(skew))
			hop := over(srv, srv.User())
			hop.Duration = 15 * time.Minute
			second := over(srv, hop)
			second.Duration = 15 * time.Minute
			last := &stschain.Cache{Clock: fake, Provider: second}

			first, err := last.Retrieve(t.Context())
			require.NoError(t, err)
			require.WithinDuration(t, start.Add(15*time.Minute), first.Expires, 2*time.Second)
			require.False(t, first.Expires.After(start.Add(15*time.Minute)), "never later than at STS")
			calls := len(srv.Calls())

			fake.Set(start.Add(8 * time.Minute)) // before the advisory window, however wide
			again, err := last.Retrieve(t.Context())
			require.NoError(t, err)
			require.Equal(t, first, again)
			require.Len(t, srv.Calls(), calls, "not refreshed early")

			// Expired credentials are not returned. Each hop is one call, whose signature is right at once.
			fake.Set(start.Add(15 * time.Minute))
			renewed, err := last.Retrieve(t.Context())
			require.NoError(t, err)
			require.NotEqual(t, first.AccessKeyID, renewed.AccessKeyID)
			require.WithinDuration(t, start.Add(30*time.Minute), renewed.Expires, 2*time.Second)
			require.Len(t, srv.Calls(), calls+2)

			// And they work.
			identity := &stsquery.Client{Credentials: stschain.ProviderFunc(last.Retrieve), Region: "eu-west-1", HTTPClient: srv.Client(), Clock: fake}
			_, err = identity.GetCallerIdentity(t.Context())
			require.NoError(t, err)
		})
	}
}
