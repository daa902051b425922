package refresh_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/refresh"
)

// least and most are the ends of what can be drawn.
var least, most = [2]float64{0, 0}, [2]float64{1, 1}

// What is known after each outcome, and how long the backoff is for the least and for the most that is drawn.
func TestFail(t *testing.T) {
	down, no, needed, prompted := refresh.Transient, refresh.Permanent, refresh.NoPrompt, refresh.PromptFailed
	both := refresh.Config{FailFast: true, MaxStale: 10 * minute}
	tests := []struct {
		name        string
		cfg         refresh.Config
		past        []past
		class       refresh.Class
		at          time.Duration
		flags       string
		least, most time.Duration
	}{
		{"empty", defaults, nil, down, 0, "Failed", 100 * ms, second},
		{"empty, permanent", defaults, nil, no, 0, "Failed Refused", second, 5 * second},
		{"empty, a prompt was needed", defaults, nil, needed, 0, "PromptNeeded", 100 * ms, second},
		{"empty, a prompt failed", defaults, nil, prompted, 0, "Failed Refused", 100 * ms, second},
		{"empty, FailFast, the first", failFast, nil, down, 0, "Failed", 0, 0},
		{"empty, FailFast, the second", failFast, []past{failed(0, down)}, down, second, "Failed", 100 * ms, second},
		{"empty, FailFast, after a permanent one", failFast, []past{failed(0, no)}, down, second, "Failed Refused", 100 * ms, second},
		{"empty, FailFast, permanent", failFast, nil, no, 0, "Failed Raised Refused", second, 5 * second},

		{"fresh: 5 to 10 minutes", defaults, []past{came(0, "a", 6*time.Hour)}, down, minute, "Failed Settled", 300 * second, 600 * second},
		{"half of what is left to the mandatory window", defaults, hourOld(), down, 55 * minute, "Failed Settled", 2 * minute, 2 * minute},
		{"half of what is left is enough", defaults, hourOld(), down, 49*minute + 1, "Failed Settled", 5*minute - 1, 5*minute - 1},
		{"at least 1 to 5 s", defaults, hourOld(), down, 59 * minute, "Failed Settled", second, 5 * second},
		{"permanent", defaults, hourOld(), no, 55 * minute, "Failed Refused Settled", 2 * minute, 2 * minute},
		{"a prompt failed", defaults, hourOld(), prompted, 55 * minute, "Failed Refused Settled", 2 * minute, 2 * minute},
		{"a prompt was needed", defaults, hourOld(), needed, 55 * minute, "PromptNeeded", 2 * minute, 2 * minute},
		{"never expires", defaults, []past{came(0, "a", refresh.Never)}, down, 15 * minute, "Failed Settled", 300 * second, 600 * second},
		{"never expires, a prompt was needed", defaults, []past{came(0, "a", refresh.Never)}, needed, 15 * minute, "PromptNeeded", 300 * second, 600 * second},
		{"FailFast", failFast, hourOld(), down, 55 * minute, "Failed Settled", 2 * minute, 2 * minute},
		{"FailFast, permanent", failFast, hourOld(), no, 55 * minute, "Failed Raised Refused Settled", second, 5 * second},
		{"FailFast, permanent, then a prompt was needed", failFast, hourOld(failed(50*minute, no)), needed, 51 * minute, "Failed PromptNeeded Raised Refused", second, 5 * second},

		{"expired", defaults, hourOld(), down, 60 * minute, "Failed Settled", second, 5 * second},
		{"expired, permanent", defaults, hourOld(), no, 60 * minute, "Failed Refused Settled", second, 5 * second},
		{"expired, a prompt was needed", defaults, hourOld(), needed, 60 * minute, "PromptNeeded", second, 5 * second},
		{"stale: half of what is left of that", stale10, hourOld(), down, 60 * minute, "Failed Settled", 270 * second, 270 * second},
		{"stale, permanent", stale10, hourOld(), no, 60 * minute, "Failed Refused Settled", second, 5 * second},
		{"stale, a prompt was needed", stale10, hourOld(failed(60*minute, down)), needed, 65 * minute, "Failed PromptNeeded", second, 5 * second},
		{"stale for too long", stale10, hourOld(), down, 70 * minute, "Failed Settled", second, 5 * second},
		{"FailFast and MaxStale", both, hourOld(), down, 60 * minute, "Failed Settled", 270 * second, 270 * second},
		{"FailFast and MaxStale, permanent", both, hourOld(), no, 60 * minute, "Failed Raised Refused Settled", second, 5 * second},

		{"rejected", defaults, hourOld(rejected(minute)), down, 55 * minute, "Failed Rejected Settled", 2 * minute, 2 * minute},
		{"rejected, a prompt was needed", defaults, hourOld(rejected(minute)), needed, 55 * minute, "PromptNeeded Rejected", 2 * minute, 2 * minute},
		{"failed, then a prompt was needed", defaults, hourOld(failed(50*minute, down)), needed, 55 * minute, "Failed PromptNeeded Settled", 2 * minute, 2 * minute},
		{"a prompt was needed, then it failed", defaults, hourOld(failed(50*minute, needed)), down, 55 * minute, "Failed Settled", 2 * minute, 2 * minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before, now := after(tt.cfg, tt.past...), start+int64(tt.at)
			for draw, want := range map[[2]float64]time.Duration{least: tt.least, most: tt.most} {
				s := refresh.Fail(tt.cfg, refresh.Begin(before), tt.class, now, draw)
				require.Equal(t, tt.flags, flags(s))
				require.Equal(t, want, time.Duration(s.BackoffUntil-now), "draws %v", draw)
				require.Equal(t, now, s.BackoffFrom)
				require.Equal(t, before.Entry, s.Entry, "the entry stays")
			}
		})
	}
}

func TestSucceed(t *testing.T) {
	down, no := refresh.Transient, refresh.Permanent
	tests := []struct {
		name     string
		cfg      refresh.Config
		past     []past
		then     past
		flags    string
		lifetime time.Duration
		windows  time.Duration // advisory
		pause    time.Duration
	}{
		{"empty", defaults, nil, came(0, "a", time.Hour), "", time.Hour, 15 * minute, second},
		{"of a second", defaults, nil, came(0, "a", second), "", second, 750 * ms, second},
		{"the pause ends with the entry", defaults, nil, came(0, "a", 500*ms), "", 500 * ms, 375 * ms, 500 * ms},
		{"another ID", defaults, hourOld(), came(50*minute, "b", 20*minute), "", 20 * minute, 5 * minute, second},
		{"another ID, 1 ns longer", defaults, hourOld(), came(50*minute, "b", 10*minute+1), "", 10*minute + 1, 5 * minute, second},
		{"another ID, no longer", defaults, hourOld(), came(50*minute, "b", 10*minute), "Settled", 10 * minute, 5 * minute, minute},
		{"another ID, no longer, a quarter of what is left", defaults, hourOld(), came(58*minute, "b", 2*minute), "Settled", 2 * minute, 90 * second, 30 * second},
		{"another ID, shorter", defaults, hourOld(), came(50*minute, "b", 8*minute), "Settled", 8 * minute, 5 * minute, minute},
		{"another ID, shorter, for a rejected one", defaults, hourOld(rejected(10 * minute)), came(20*minute, "b", 8*minute), "", 8 * minute, 5 * minute, second},
		{"another ID, after failures", failFast, hourOld(failed(50*minute, no)), came(51*minute, "b", time.Hour), "", time.Hour, 15 * minute, second},
		{"the same ID, longer", defaults, hourOld(), came(50*minute, "a", 6*time.Hour), "", time.Hour, 15 * minute, second},
		{"the same ID, longer, but due", defaults, hourOld(), came(50*minute, "a", 12*minute), "", time.Hour, 15 * minute, minute},
		{"the same ID, longer, due just then", defaults, hourOld(), came(50*minute, "a", 16*minute), "", time.Hour, 15 * minute, second},
		{"the same ID, longer, due 1 ns earlier", defaults, hourOld(), came(50*minute, "a", 16*minute-1), "", time.Hour, 15 * minute, minute},
		{"the same ID, longer, after a failure", defaults, hourOld(failed(50*minute, down)), came(55*minute, "a", time.Hour), "", time.Hour, 15 * minute, second},
		{"the same again", defaults, hourOld(), came(50*minute, "a", 10*minute), "", time.Hour, 15 * minute, minute},
		{"the same again, while fresh", defaults, hourOld(), came(10*minute, "a", 50*minute), "", time.Hour, 15 * minute, minute},
		{"the same again, shorter", defaults, hourOld(), came(50*minute, "a", minute), "", time.Hour, 15 * minute, 15 * second},
		{"the same again is not a success", defaults, hourOld(failed(50*minute, down)), came(55*minute, "a", 5*minute), "Failed Settled", time.Hour, 15 * minute, minute},
		{"the same again after a refusal", failFast, hourOld(failed(50*minute, no)), came(55*minute, "a", 5*minute), "Failed Refused Settled", time.Hour, 15 * minute, minute},
		{"the same again after a prompt was needed", defaults, hourOld(failed(50*minute, refresh.NoPrompt)), came(55*minute, "a", 5*minute), "", time.Hour, 15 * minute, minute},
		{"never expires", defaults, nil, came(0, "a", refresh.Never), "", refresh.Never, 60 * minute, second},
		{"never expires, again", defaults, []past{came(0, "a", refresh.Never), failed(15*minute, down)}, came(20*minute, "a", refresh.Never), "", refresh.Never, 60 * minute, second},
		{"configured", refresh.Config{Advisory: 2 * minute}, nil, came(0, "a", time.Hour), "", time.Hour, 2 * minute, second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := after(tt.cfg, append(tt.past, tt.then)...)
			require.Equal(t, tt.flags, flags(s))
			require.Equal(t, tt.lifetime, s.Lifetime)
			require.Equal(t, tt.windows, s.Windows.Advisory)
			require.Equal(t, tt.then.at, since(s.BackoffFrom))
			require.Equal(t, tt.pause, time.Duration(s.BackoffUntil-s.BackoffFrom))
			require.Equal(t, tt.then.at, since(s.Received))
		})
	}
}

// A service that rejects every entry causes one attempt every 1 to 5 s.
func TestRejectPaces(t *testing.T) {
	for draw, want := range map[float64]time.Duration{0: second, 0.5: 3 * second, 1: 5 * second} {
		s := after(defaults, hourOld(rejected(10*minute), came(11*minute, "b", time.Hour).drawing(1, draw))...)
		require.Equal(t, 11*minute+want, since(s.RejectFrom))
	}
	s := after(defaults, hourOld(rejected(10*minute), came(11*minute, "b", time.Hour), came(12*minute, "c", time.Hour).drawing(1, 1))...)
	require.Equal(t, 11*minute+second, since(s.RejectFrom), "an entry for one that was not rejected does not pace")
	require.Equal(t, "Rejected", flags(refresh.Reject(s, start+int64(13*minute))))
	s = after(defaults, hourOld(rejected(10*minute), came(11*minute, "b", time.Hour), failed(11*minute, refresh.NoPrompt), rejected(11*minute+500*ms))...)
	require.Equal(t, 11*minute+second, since(s.BackoffUntil), "at most one attempt a second")
	require.Equal(t, "PromptNeeded Rejected", flags(s), "the pace ends with the backoff that does not delay callers that can prompt")
}

func TestBegin(t *testing.T) {
	s := after(defaults, hourOld(failed(50*minute, refresh.Transient), begun(55*minute))...)
	require.Equal(t, "Failed InFlight Settled", flags(s))
	require.Equal(t, 50*minute, since(s.BackoffFrom))
}

func TestCheckAndGains(t *testing.T) {
	tests := []struct {
		name    string
		past    []past
		id      string
		expires time.Duration
		at      time.Duration
		problem refresh.Problem
		gains   bool
	}{
		{"empty", nil, "a", 1, 0, refresh.NoProblem, true},
		{"expires now", nil, "a", 0, 0, refresh.ArrivedExpired, true},
		{"expired", nil, "a", -1, 0, refresh.ArrivedExpired, true},
		{"another ID", hourOld(), "b", time.Hour, 0, refresh.NoProblem, true},
		{"the same", hourOld(), "a", time.Hour, 0, refresh.NoProblem, false},
		{"the same, 1 ns longer", hourOld(), "a", time.Hour + 1, 0, refresh.NoProblem, true},
		{"the same, shorter", hourOld(), "a", minute, 0, refresh.NoProblem, false},
		{"the same, never expires", []past{came(0, "a", refresh.Never)}, "a", refresh.Never, 0, refresh.NoProblem, true},
		{"rejected", hourOld(rejected(minute)), "a", 2 * time.Hour, 2 * minute, refresh.RejectedAgain, true},
		{"another for a rejected one", hourOld(rejected(minute)), "b", time.Hour, 2 * minute, refresh.NoProblem, true},
		{"rejected and expired", hourOld(rejected(minute)), "a", minute, 2 * minute, refresh.ArrivedExpired, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, e := after(defaults, tt.past...), refresh.Entry{ID: tt.id, Expires: refresh.Plus(start, tt.expires)}
			require.Equal(t, tt.problem, refresh.Check(s, e, start+int64(tt.at)))
			require.Equal(t, tt.gains, refresh.Gains(s, e))
		})
	}
}

// After Shift everything is as before, so much later.
func TestShift(t *testing.T) {
	const later = 20 * minute
	for _, history := range [][]past{
		nil,
		hourOld(failed(46*minute, refresh.Transient)),
		hourOld(failed(46*minute, refresh.NoPrompt)),
		hourOld(rejected(10*minute), came(10*minute, "b", time.Hour).drawing(0, 1)),
		{came(0, "a", refresh.Never), begun(15 * minute)},
		{came(0, "a", time.Hour), begun(45 * minute)},
	} {
		s := after(stale10, history...)
		shifted := refresh.Shift(s, later)
		require.Equal(t, s, refresh.Shift(shifted, -later))
		for at := -minute; at < 75*minute; at += 500 * ms {
			now, then := start+int64(at), start+int64(at+later)
			for _, need := range []refresh.Need{plain, noPrompt, blocked, atLeast(30 * minute)} {
				require.Equal(t, refresh.Decide(stale10, s, now, need), refresh.Decide(stale10, shifted, then, need), "%v %+v", at, need)
			}
			require.Equal(t, refresh.Shift(refresh.Reject(s, now), later), refresh.Reject(shifted, then), at)
			require.Equal(t, refresh.Phase(s, now), refresh.Phase(shifted, then), at)
			require.Equal(t, refresh.Plus(refresh.Next(s, now), later), refresh.Next(shifted, then), at)
		}
		from, until := refresh.Quiet(stale10, s)
		shiftedFrom, shiftedUntil := refresh.Quiet(stale10, shifted)
		require.Equal(t, refresh.Plus(from, later), shiftedFrom)
		require.Equal(t, refresh.Plus(until, later), shiftedUntil)
	}
	far := refresh.Shift(refresh.State{Entry: refresh.Entry{ID: "a", Expires: refresh.Never - 1}}, math.MaxInt64)
	require.EqualValues(t, refresh.Never, far.Entry.Expires, "within the scale")
}
