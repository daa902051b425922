package stschain_test

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// A failed refresh does not discard valid credentials, as that of minio-go and of the default handler of the SDK does
// (aws-sdk-go#4937, aws-sdk-go-v2#2481, aws-sdk-js-v3#3402).
func TestCacheFailureServesCached(t *testing.T) {
	for source, failure := range map[string]string{"fails": "down", "refuses": "refused"} {
		src := script(t, &stschain.Cache{}, "get key-1; source "+source, "3600x get key-1, pass 1s", "fail "+failure, "error "+failure)
		var minutes []float64 // 45:00, then 5 min apart until half of what is left to 59:00 is less
		for _, at := range src.at[1:4] {
			minutes = append(minutes, at.Sub(src.at[0]).Minutes())
		}
		require.Equal(t, []float64{45, 50, 54.5}, minutes)
		require.Less(t, src.count(), 90, "attempts in the last minutes are a second apart")
		require.Greater(t, src.count(), 60, "attempts go on until the end")
	}
}

func TestCacheRecoversInTheLastSecond(t *testing.T) {
	script(t, &stschain.Cache{}, "life 10m; get key-1; source fails; 594x pass 1s, get key-1; source works; 5x pass 1s, get any; get other than key-1")
}

// Errors are remembered while nothing can be served (kubernetes#99328, eks-pod-identity-agent#50, aws-sdk-ruby#3308).
func TestCacheRemembersErrors(t *testing.T) {
	for _, tt := range []struct {
		name, before, source, failure string
		backoff                       time.Duration
	}{
		{"first failure", "", "fails", "down", 100 * time.Millisecond},
		{"first refusal", "", "refuses", "refused", time.Second},
		{"expired", "get key-1; pass 1h; ", "fails", "down", time.Second},
		{"expired and refused", "get key-1; pass 1h; ", "refuses", "refused", time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := script(t, &stschain.Cache{}, tt.before+"source "+tt.source, "100x fail "+tt.failure, "pass "+(tt.backoff-1).String(), "fail "+tt.failure,
				"pass 1ns", "fail "+tt.failure)
			at := src.at[len(src.at)-2:]
			require.Equal(t, tt.backoff, at[1].Sub(at[0]))
			require.Len(t, src.at, 2+min(1, len(tt.before)))
		})
	}
}

// Expired credentials are served for MaxStale, and no longer (spinifex#995, aws-sdk-ruby#3308, aws-sdk-js-v3#3402).
func TestCacheMaxStale(t *testing.T) {
	script(t, &stschain.Cache{MaxStale: 30 * time.Minute}, "get key-1; source fails; 61x pass 1m, get key-1; stale 1; phase expired; error down",
		"28x pass 1m, get key-1; pass 1m; fail down; source works; pass 5s; get other than key-1; error none")
}

// RetrieveFor never returns expired credentials, not even for the refresh that it began.
func TestCacheMaxStaleRetrieveFor(t *testing.T) {
	script(t, &stschain.Cache{MaxStale: time.Hour}, "get key-1; source fails; pass 1h; for 1ns fail for another 0s, 1ns are required, and the last refresh failed: the source is down; calls 2; get key-1")
}

// MaxStale bridges outages and not refusals, until new credentials are received (spinifex#995).
func TestCacheMaxStaleEndsWithARefusal(t *testing.T) {
	script(t, &stschain.Cache{MaxStale: math.MaxInt64}, "get key-1; source refuses; pass 1h; fail refused")
}

func TestCacheMaxStaleAfterARefusal(t *testing.T) {
	script(t, &stschain.Cache{MaxStale: 24 * time.Hour}, "get key-1; source refuses; pass 59m; get key-1; source fails; pass 5m; fail down",
		"source works; pass 5s; get key-4; source fails; pass 1h; get key-4")
}

// If the source hangs, callers wait for expired credentials that can be served no longer than for valid ones.
func TestCacheMaxStaleHang(t *testing.T) {
	script(t, &stschain.Cache{MaxStale: 24 * time.Hour}, "get key-1; source fails; pass 1h; get key-1; source hangs; pass 10m; get key-1 in 5s; get key-1")
}

func TestCacheFailFast(t *testing.T) {
	script(t, &stschain.Cache{FailFast: true}, "takes 1s; source fails; 9x fail down", // the first failure is not remembered
		"calls 2; pass 100ms; fail down; calls 3; pass 100ms; source works; get key-4 in 1s",
		"source refuses; pass 50m; get key-4; pass 1s; fail refused; calls 5", // although key-4 is valid
		"source works; pass 1s; get key-6 in 1s",                              // after the pause, the caller waits in any phase
		"source refuses; pass 50m; get key-6; pass 2s; within 1ms fail deadline")
}

// A refusal that RetrieveFor caused is returned to callers of Retrieve too.
func TestCacheFailFastFromRetrieveFor(t *testing.T) {
	script(t, &stschain.Cache{FailFast: true}, "get key-1; source refuses; pass 30m; get key-1; for 59m fail refused; fail refused; calls 2")
}

// If the source works again, and returns the credentials that are cached already, no caller gets the error from before.
// Found by TestExplore: retrieve, ok, boundary, boundary, retrieve, permanent, boundary, retrieve, same.
func TestCacheFailFastEndsWithTheSameCredentials(t *testing.T) {
	script(t, &stschain.Cache{FailFast: true}, "source returns key-1; get key-1; source refuses; pass 50m; get key-1; pass 0; fail refused",
		"source returns key-1; pass 1s; 10x get key-1, pass 1s; calls 3")
}

// Status reports when credentials were received last, and counts the attempts after which expired ones were served.
func TestStatusRefreshedAndStale(t *testing.T) {
	c := &stschain.Cache{MaxStale: time.Hour}
	require.True(t, c.Status().Refreshed.IsZero())
	src := script(t, c, "get key-1; source fails; pass 50m; get key-1; pass 0; failures 1; stale 0; pass 15m; get key-1; stale 1; pass 1h; fail down; stale 1")
	require.True(t, c.Status().Refreshed.Equal(src.at[0]))
}

// If the call of the provider outlives its context, valid credentials are served, and at most two calls run.
func TestCacheAbandonedCallsWithCredentials(t *testing.T) {
	script(t, &stschain.Cache{Timeout: time.Second}, "get key-1; source ignores its context; pass 45m; 840x get key-1, pass 1s; most 2")
}

// A call that outlives Timeout is abandoned, and its result is dropped (smithy-rs#2086).
func TestCacheAbandonsACall(t *testing.T) {
	script(t, &stschain.Cache{Timeout: 10 * time.Second}, "source ignores its context; fail deadline in 10.1s; source works; pass 1s; get key-2; most 2; pass 20m; get key-2")
}

// A fleet that an outage hit in one second does not come back in one (aws-sdk-js#692, aws-cli#7194).
func TestCacheFleetComesBackSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seconds := map[time.Duration]bool{}
		for range 400 {
			src := &source{life: 12 * time.Hour}
			c := &stschain.Cache{Provider: src}
			requireGet(t, c, "key-1")
			pass(time.Second)
			src.does = "fails"
			rejectKey(c, "key-1")
			requireGet(t, c, "key-1")
			backoff := time.Until(c.Status().Next)
			require.True(t, backoff >= 300*time.Second && backoff <= 600*time.Second, "%v", backoff)
			seconds[backoff.Truncate(time.Second)] = true
		}
		require.Greater(t, len(seconds), 100)
	})
}
