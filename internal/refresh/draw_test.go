package refresh_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/refresh"
)

// The first draw decides how long a backoff is, and the second how long it is at least while an entry can be served.
func TestFailDraws(t *testing.T) {
	down, no, needed := refresh.Transient, refresh.Permanent, refresh.NoPrompt
	fresh := []past{came(0, "a", 6*time.Hour)}
	tests := []struct {
		name          string
		cfg           refresh.Config
		past          []past
		class         refresh.Class
		at            time.Duration
		first, second time.Duration // the backoff if only that draw is 1
	}{
		{"empty", defaults, nil, down, 0, second, 100 * ms},
		{"empty, permanent", defaults, nil, no, 0, 5 * second, second},
		{"empty, a prompt was needed", defaults, nil, needed, 0, second, 100 * ms},
		{"fresh", defaults, fresh, down, minute, 600 * second, 300 * second},
		{"fresh, a prompt was needed", defaults, fresh, needed, minute, 600 * second, 300 * second},
		{"the mandatory window", defaults, hourOld(), down, 59 * minute, second, 5 * second},
		{"the mandatory window, a prompt was needed", defaults, hourOld(), needed, 59 * minute, second, 5 * second},
		{"FailFast, then a prompt was needed", failFast, hourOld(failed(50*minute, no)), needed, 51 * minute, 5 * second, second},
		{"expired", defaults, hourOld(), down, 60 * minute, 5 * second, second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, now := after(tt.cfg, tt.past...), start+int64(tt.at)
			for draw, want := range map[[2]float64]time.Duration{{1, 0}: tt.first, {0, 1}: tt.second} {
				require.Equal(t, want, time.Duration(refresh.Fail(tt.cfg, s, tt.class, now, draw).BackoffUntil-now), "draws %v", draw)
			}
		})
	}
}

// Config.Refusal replaces the backoff of a permanent failure only, and only while nothing can be served.
func TestRefusal(t *testing.T) {
	cfg := refresh.Config{Refusal: minute}
	pause := func(s refresh.State, at time.Duration) time.Duration {
		return time.Duration(s.BackoffUntil - start - int64(at))
	}
	for _, history := range [][]past{nil, hourOld()} {
		s := after(cfg, history...)
		for _, want := range []time.Duration{minute, 2 * minute, 4 * minute, 8 * minute, 8 * minute} {
			s = refresh.Fail(cfg, s, refresh.Permanent, start+int64(60*minute), least)
			require.Equal(t, want, pause(s, 60*minute))
		}
		s = refresh.Fail(cfg, s, refresh.Transient, start+int64(60*minute), least)
		require.LessOrEqual(t, pause(s, 60*minute), second, "transient")
		s = after(cfg, append(history, came(61*minute, "b", time.Hour), failed(200*minute, refresh.Permanent))...)
		require.Equal(t, minute, pause(s, 200*minute), "an entry begins the doubling again")
	}
	require.Equal(t, 2*minute, pause(after(cfg, hourOld(failed(55*minute, refresh.Permanent))...), 55*minute), "valid")
	require.Equal(t, second, pause(after(defaults, hourOld(failed(60*minute, refresh.Permanent))...), 60*minute), "not configured")
	require.EqualValues(t, 1, pause(after(refresh.Config{Refusal: 1}, failed(0, refresh.Permanent)), 0), "1 ns is configured")
}

// With Spread, the first refresh is due anywhere in the last three quarters of the lifetime, later ones anywhere in their window.
func TestSpread(t *testing.T) {
	cfg := refresh.Config{Spread: true}
	for draw, want := range map[float64]struct{ first, later time.Duration }{
		0:   {45 * minute, 15 * minute},
		0.5: {23 * minute, 8 * minute},
		1:   {minute, minute},
	} {
		s := after(cfg, came(0, "a", time.Hour).drawing(draw, 0.25))
		require.Equal(t, refresh.Windows{Advisory: want.first, Mandatory: minute}, s.Windows, draw)
		s = after(cfg, came(0, "a", time.Hour), came(50*minute, "b", time.Hour).drawing(draw, 0.25))
		require.Equal(t, refresh.Windows{Advisory: want.later, Mandatory: minute}, s.Windows, draw)
	}
}
