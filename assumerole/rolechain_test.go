package assumerole_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/ststest"
)

// A chain of three hops costs one STS call per hop and lifetime: a refresh of the last role does not go
// back to the first. Only the very first caller waits.
// Reports: minio-go#1321, aws-sdk-cpp#1684.
func TestRoleChainSteadyState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		srv := ststest.NewTest(t)
		hops := []struct {
			arn      string
			lifetime time.Duration
			window   time.Duration // advisory, before jitter widens it by a quarter at most
		}{
			{"arn:aws:iam::111111111111:role/hub", 12 * time.Hour, time.Hour},
			{"arn:aws:iam::222222222222:role/stage", time.Hour, 15 * time.Minute},
			{"arn:aws:iam::333333333333:role/backup", 15 * time.Minute, 5 * time.Minute},
		}
		var base stschain.Provider = srv.User()
		for _, h := range hops {
			p := over(srv, base)
			p.RoleARN, p.Duration = h.arn, h.lifetime
			base = p
		}
		last := &stschain.Cache{Provider: base}

		calls := func() map[string]int {
			n := map[string]int{}
			for _, c := range srv.Calls() {
				n[c.Form.Get("RoleArn")]++
			}
			return n
		}
		for began := time.Now(); time.Since(began) < day; <-time.After(time.Minute) {
			_, err := last.Retrieve(t.Context())
			require.NoError(t, err)
			synctest.Wait() // for background refreshes
		}
		for _, h := range hops {
			got := calls()[h.arn]
			soonest := h.lifetime - h.window - h.window/4
			require.LessOrEqual(t, got, 1+int(day/soonest), h.arn)
			require.GreaterOrEqual(t, got, int(day/h.lifetime), h.arn)
		}
		require.Less(t, srv.Count("AssumeRole"), 3*calls()[hops[2].arn]/2, "three calls for each refresh of the last role would be twice as many")
		require.EqualValues(t, 1, last.Status().Waits)
	})
}
