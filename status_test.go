package stschain_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// Dashboards show the words.
func TestWords(t *testing.T) {
	for phase, want := range map[stschain.Phase]string{
		stschain.Empty: "empty", stschain.Fresh: "fresh", stschain.Advisory: "advisory", stschain.Mandatory: "mandatory", stschain.Expired: "expired", 9: "Phase(9)",
	} {
		require.Equal(t, want, phase.String())
	}
	for outcome, want := range map[stschain.Outcome]string{
		stschain.NotCalled: "not called", stschain.Succeeded: "succeeded", stschain.NotConfigured: "not configured", stschain.Failed: "failed", stschain.PromptRequired: "needs prompt", 9: "Outcome(9)",
	} {
		require.Equal(t, want, outcome.String())
	}
}

// Each phase is seen from outside as the credentials grow old and nobody renews them.
func TestEachPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, calls := time.Now(), 0
		c := &stschain.Cache{Provider: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			if calls++; calls > 1 {
				return stschain.Credentials{}, errDown
			}
			return stschain.Credentials{AccessKeyID: "AKID", SecretAccessKey: stschain.NewSecret("s"), Expires: began.Add(15 * time.Minute)}, nil
		})}
		require.Equal(t, stschain.Empty, c.Status().Phase)
		_, err := c.Retrieve(t.Context())
		require.NoError(t, err)
		for _, step := range []struct {
			at   time.Duration
			want stschain.Phase
		}{{time.Minute, stschain.Fresh}, {11 * time.Minute, stschain.Advisory}, {14*time.Minute + 30*time.Second, stschain.Mandatory}, {15 * time.Minute, stschain.Expired}} {
			<-time.After(time.Until(began.Add(step.at)))
			require.Equal(t, step.want, c.Status().Phase, step.at)
		}
	})
}
