package howto_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// The first region does not respond, and then returns errors.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := ststest.NewTest(t)
		base := fake.User()
		sts := &stsquery.Client{
			Credentials: base, Region: "eu-west-1",
			FallbackRegions: []string{"eu-central-1", "eu-north-1"},
		}
		role := &assumerole.Provider{Client: sts, RoleARN: "arn:aws:iam::123456789012:role/backup", SessionName: "nightly"}
		sts.HTTPClient = fake.Client()

		var note string
		fake.FailNext(ststest.Hang())
		cache := &stschain.Cache{Provider: role, OnEvent: func(e stschain.Event) {
			if e.Kind == stschain.Refreshed {
				note = e.Note
			}
		}}
		_, err := cache.Retrieve(t.Context())
		require.NoError(t, err)
		synctest.Wait() // for OnEvent
		require.Equal(t, "STS at sts.eu-west-1.amazonaws.com failed: no response within 10s: context deadline exceeded; used sts.eu-central-1.amazonaws.com", note)

		sts.AttemptTimeout = 3 * time.Second
		fake.FailNext(ststest.Refuse(http.StatusServiceUnavailable, "ServiceUnavailable", ""))
		_, err = role.Retrieve(context.Background())
		require.NoError(t, err)
	})
	chain := &source.Default{FallbackRegions: []string{"eu-central-1", "us-east-1"}}
	require.NotNil(t, chain)
}
