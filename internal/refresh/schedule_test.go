package refresh_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/refresh"
)

const (
	always = time.Duration(refresh.Always)
	never  = time.Duration(refresh.Never)
)

func TestNext(t *testing.T) {
	down, no, needed := refresh.Transient, refresh.Permanent, refresh.NoPrompt
	tests := []struct {
		name string
		cfg  refresh.Config
		past []past
		at   time.Duration
		want time.Duration
	}{
		{"empty", defaults, nil, 0, always},
		{"empty, failed", defaults, []past{failed(0, down)}, 0, 100 * ms},
		{"empty, later", defaults, []past{failed(0, down)}, 100 * ms, always},
		{"empty, a prompt was needed", defaults, []past{failed(0, needed)}, 0, always},
		{"fresh", defaults, hourOld(), minute, 45 * minute},
		{"due in 1 ns", defaults, hourOld(), 45*minute - 1, 45 * minute},
		{"due", defaults, hourOld(), 45 * minute, always},
		{"failed", defaults, hourOld(failed(45*minute, down)), 45 * minute, 50 * minute},
		{"failed while fresh", defaults, hourOld(failed(10*minute, down)), 10 * minute, 45 * minute},
		{"failed, later", defaults, hourOld(failed(45*minute, down)), 50 * minute, always},
		{"the same again", defaults, hourOld(came(45*minute, "a", 15*minute)), 45 * minute, 46 * minute},
		{"a prompt was needed", defaults, hourOld(failed(45*minute, needed)), 45 * minute, 50 * minute},
		{"a prompt was needed, up to the mandatory window", defaults, hourOld(failed(59*minute-second, needed).drawing(0, 1)), 59*minute - second, 59 * minute},
		{"a prompt was needed, in it", defaults, hourOld(failed(59*minute-second, needed).drawing(0, 1)), 59 * minute, always},
		{"a prompt was needed, rejected", defaults, hourOld(rejected(minute), failed(2*minute, needed)), 2 * minute, always},
		{"a prompt was needed while fresh", defaults, hourOld(failed(10*minute, needed)), 10 * minute, 45 * minute},
		{"rejected", defaults, hourOld(rejected(minute)), minute, always},
		{"rejected in a backoff", defaults, hourOld(failed(45*minute, down), rejected(46*minute)), 46 * minute, 50 * minute},
		{"FailFast", failFast, hourOld(failed(10*minute, no)), 10 * minute, 10*minute + second},
		{"FailFast, later", failFast, hourOld(failed(10*minute, no)), 10*minute + second, always},
		{"expired", defaults, hourOld(), 60 * minute, always},
		{"expired, failed", defaults, hourOld(failed(60*minute, down)), 60 * minute, 60*minute + second},
		{"never expires", defaults, []past{came(0, "a", refresh.Never)}, minute, 15 * minute},
		{"the clock went back behind the backoff", defaults, hourOld(failed(46*minute, down)), 46*minute - 1, always},
		{"and the entry is fresh again", defaults, hourOld(failed(46*minute, down)), 44 * minute, 45 * minute},
		{"and is due in the backoff", defaults, hourOld(failed(44*minute, down)), 43 * minute, 49 * minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := refresh.Next(after(tt.cfg, tt.past...), start+int64(tt.at))
			require.Equal(t, tt.want, since(got))
		})
	}
}

func TestQuiet(t *testing.T) {
	down, no, needed := refresh.Transient, refresh.Permanent, refresh.NoPrompt
	tests := []struct {
		name        string
		cfg         refresh.Config
		past        []past
		from, until time.Duration
	}{
		{"empty", defaults, nil, never, never},
		{"empty, failed", defaults, []past{failed(0, down)}, never, never},
		{"fresh", defaults, hourOld(), always, 45 * minute},
		{"advisory, in flight", defaults, hourOld(begun(45 * minute)), always, 59 * minute},
		{"advisory, in flight after a failure", defaults, hourOld(failed(45*minute, down), begun(50*minute)), always, 60 * minute},
		{"failed", defaults, hourOld(failed(45*minute, down)), 45 * minute, 50 * minute},
		{"failed just before the end", defaults, hourOld(failed(60*minute-1, down)), 60*minute - 1, 60 * minute},
		{"failed while fresh", defaults, hourOld(failed(10*minute, down)), always, 45 * minute},
		{"failed while fresh, up to when it is due", defaults, hourOld(failed(40*minute, down)), always, 45 * minute},
		{"stale", stale10, hourOld(failed(60*minute, down)), 60 * minute, 64*minute + 30*second},
		{"stale, up to the end of that", stale10, hourOld(failed(70*minute-500*ms, down)), 70*minute - 500*ms, 70 * minute},
		{"stale, a prompt was needed: not for those that can", stale10, hourOld(failed(60*minute, down), failed(65*minute, needed)), 65 * minute, 59 * minute},
		{"a prompt was needed: up to the mandatory window", defaults, hourOld(failed(59*minute-second, needed).drawing(0, 1)), 59*minute - second, 59 * minute},
		{"a prompt was needed", defaults, hourOld(failed(45*minute, needed)), 45 * minute, 50 * minute},
		{"the same again in the mandatory window", defaults, hourOld(came(59*minute, "a", minute)), 59 * minute, 59*minute + 15*second},
		{"rejected in a backoff", defaults, hourOld(failed(45*minute, down), rejected(46*minute)), 45 * minute, 50 * minute},
		{"FailFast", failFast, hourOld(failed(10*minute, no)), never, never},
		{"FailFast, transient", failFast, hourOld(failed(45*minute, down)), 45 * minute, 50 * minute},
		{"never expires", defaults, []past{came(0, "a", refresh.Never)}, always, 15 * minute},
		{"never expires, in flight", defaults, []past{came(0, "a", refresh.Never), begun(15 * minute)}, always, never},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			from, until := refresh.Quiet(tt.cfg, after(tt.cfg, tt.past...))
			require.Equal(t, tt.from, since(from))
			require.Equal(t, tt.until, since(until))
		})
	}
	_, until := refresh.Quiet(defaults, after(defaults, hourOld(rejected(10*minute))...))
	require.Less(t, since(until), 10*minute, "nothing is quiet after a rejection")
}

func TestPhase(t *testing.T) {
	forever := []past{came(0, "a", refresh.Never)}
	tests := []struct {
		name  string
		past  []past
		at    time.Duration
		phase int
		good  bool
	}{
		{"empty", nil, 0, refresh.Empty, false},
		{"fresh", hourOld(), 45*minute - 1, refresh.Fresh, true},
		{"advisory begins", hourOld(), 45 * minute, refresh.Advisory, true},
		{"advisory ends", hourOld(), 59*minute - 1, refresh.Advisory, true},
		{"mandatory begins", hourOld(), 59 * minute, refresh.Mandatory, true},
		{"mandatory ends", hourOld(), 60*minute - 1, refresh.Mandatory, true},
		{"expired", hourOld(), 60 * minute, refresh.Expired, false},
		{"never expires", forever, 9000 * time.Hour, refresh.Fresh, true},
		{"failed", hourOld(failed(50*minute, refresh.Transient)), 50 * minute, refresh.Advisory, true},
		{"rejected", hourOld(rejected(minute)), minute, refresh.Fresh, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := after(defaults, tt.past...)
			require.Equal(t, tt.phase, refresh.Phase(s, start+int64(tt.at)))
			require.Equal(t, tt.good, s.Good(start+int64(tt.at)))
		})
	}
	raised := after(failFast, hourOld(failed(minute, refresh.Permanent))...)
	require.False(t, raised.Good(start+int64(minute)), "FailFast")
}

func TestExpiry(t *testing.T) {
	const limit = refresh.Never - 1
	require.EqualValues(t, refresh.Never, refresh.Expiry(time.Time{}))
	require.EqualValues(t, 1, refresh.Expiry(time.Unix(0, 1)))
	require.EqualValues(t, limit, refresh.Expiry(time.Unix(0, refresh.Never)))
	require.EqualValues(t, limit, refresh.Expiry(time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)))
	require.EqualValues(t, refresh.Always, refresh.Expiry(time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC)))
}
