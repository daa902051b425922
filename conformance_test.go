package stschain_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/conformance"
)

type refreshCase struct {
	Documentation string
	Given         struct {
		CachedCredentials               string
		AccessKeyID                     string
		ConfiguredAdvisoryWindowSeconds int
		RefreshBackoffSeconds           float64
	}
	Steps []refreshStep
}

type refreshStep struct {
	Type                string
	Response            string
	LifetimeSeconds     int
	RejectedAccessKeyID string
	Seconds             int
	Expected            struct {
		Result                string
		SourceContacted       bool
		RateLimited           bool
		AdvisoryWindowSeconds *int
	}
}

// TestConformance runs the scenarios that the AWS SDKs share, on a cache that
// is set to behave as they do: FailFast, and MaxStale without a limit.
func TestConformance(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(conformance.Dir(t), "refresh", "credential-refresh-tests.json"))
	require.NoError(t, err)
	var cases []refreshCase
	require.NoError(t, json.Unmarshal(data, &cases))
	require.Len(t, cases, 24)
	t.Run("refresh", func(t *testing.T) {
		for i, tt := range cases {
			t.Run(fmt.Sprintf("%02d", i+1), func(t *testing.T) {
				t.Log(tt.Documentation)
				synctest.Test(t, func(t *testing.T) { runRefreshCase(t, tt) })
			})
		}
	})
}

func runRefreshCase(t *testing.T, tt refreshCase) {
	var calls int
	var creds stschain.Credentials
	var failure error
	c := &stschain.Cache{
		FailFast:       true,
		MaxStale:       math.MaxInt64,
		AdvisoryWindow: time.Duration(tt.Given.ConfiguredAdvisoryWindowSeconds) * time.Second,
		Provider: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			calls++
			return creds, failure
		}),
	}
	c.SetRandom(func() float64 { return max(0, (tt.Given.RefreshBackoffSeconds-300)/300) })

	// The state to start in: an hour's credentials, so much of which has passed.
	passed, hasCreds := map[string]time.Duration{
		"valid": time.Minute, "advisory": 50 * time.Minute, "mandatory": 59*time.Minute + 30*time.Second, "expired": 61 * time.Minute,
	}[tt.Given.CachedCredentials]
	var cachedKey string
	if hasCreds {
		creds = key(0, time.Hour)
		if tt.Given.AccessKeyID != "" {
			creds.AccessKeyID = tt.Given.AccessKeyID
		}
		cachedKey = creds.AccessKeyID
		requireGet(t, c, cachedKey)
		pass(passed)
	}

	for i, step := range tt.Steps {
		switch step.Type {
		case "advanceTime":
			pass(time.Duration(step.Seconds) * time.Second)
			continue
		case "invalidate":
			rejectKey(c, step.RejectedAccessKeyID)
			continue
		}
		require.Equal(t, "getCredentials", step.Type)
		life := time.Duration(step.LifetimeSeconds) * time.Second
		if life == 0 {
			life = time.Hour
		}
		creds, failure = key(i+1, life), nil
		newKey := fmt.Sprintf("new-%d", i)
		creds.AccessKeyID = newKey
		switch step.Response {
		case "error":
			failure = errDown
		case "nonRecoverableError":
			failure = errRefused
		case "staleCredentials":
			creds.Expires = time.Now()
		}
		before := calls
		advisory := c.Status().Phase == stschain.Advisory
		got, err := c.Retrieve(t.Context())
		if advisory && step.Expected.SourceContacted {
			// The refresh runs in the background, so the next caller gets its result.
			synctest.Wait()
			got, err = c.Retrieve(t.Context())
		}
		switch step.Expected.Result {
		case "cachedCredentials":
			require.NoError(t, err)
			require.Equal(t, cachedKey, got.AccessKeyID)
		case "newCredentials":
			require.NoError(t, err)
			require.Equal(t, newKey, got.AccessKeyID)
			cachedKey = newKey
		case "noCredentialsError":
			require.ErrorIs(t, err, errDown)
			require.NotErrorIs(t, err, stschain.ErrPermanent)
		case "nonRecoverableError":
			require.ErrorIs(t, err, errRefused)
		default:
			require.Fail(t, "unknown result", step.Expected.Result)
		}
		status := c.Status()
		require.Equal(t, step.Expected.SourceContacted, calls > before)
		require.Equal(t, step.Expected.RateLimited, !step.Expected.SourceContacted && status.Err != nil &&
			!errors.Is(status.Err, stschain.ErrPermanent) && status.Next.After(time.Now()))
		if want := step.Expected.AdvisoryWindowSeconds; want != nil {
			require.Equal(t, time.Duration(*want)*time.Second, status.AdvisoryWindow)
		}
	}
}
