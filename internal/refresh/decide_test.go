package refresh_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/refresh"
)

var (
	serve   = refresh.Decision{Action: refresh.Serve}
	renew   = refresh.Decision{Action: refresh.ServeAndRefresh}
	wait    = refresh.Decision{Action: refresh.Wait} // as long as it takes
	wait5s  = refresh.Decision{Action: refresh.Wait, Patience: 5 * second}
	refused = refuse(refresh.LastFailed)

	plain    = refresh.Need{}
	noPrompt = refresh.Need{NoPrompt: true}
	blocked  = refresh.Need{Blocked: true}

	defaults = refresh.Config{}
	failFast = refresh.Config{FailFast: true}
	stale10  = refresh.Config{MaxStale: 10 * minute}
)

func refuse(r refresh.Reason) refresh.Decision {
	return refresh.Decision{Action: refresh.Refuse, Reason: r}
}

func atLeast(d time.Duration) refresh.Need { return refresh.Need{AtLeast: d} }

type decideTest struct {
	name string
	cfg  refresh.Config
	past []past
	at   time.Duration
	need refresh.Need
	want refresh.Decision
}

func run(t *testing.T, tests []decideTest) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := refresh.Decide(tt.cfg, after(tt.cfg, tt.past...), start+int64(tt.at), tt.need)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestDecideWindows(t *testing.T) {
	run(t, []decideTest{
		{"empty: callers wait", defaults, nil, 0, plain, wait},
		{"fresh", defaults, hourOld(), 45*minute - 1, plain, serve},
		{"advisory begins", defaults, hourOld(), 45 * minute, plain, renew},
		{"advisory, an attempt in flight", defaults, hourOld(begun(45 * minute)), 50 * minute, plain, serve},
		{"advisory ends", defaults, hourOld(), 59*minute - 1, plain, renew},
		{"mandatory begins", defaults, hourOld(), 59 * minute, plain, wait5s},
		{"mandatory ends", defaults, hourOld(), 60*minute - 1, plain, wait5s},
		{"expired", defaults, hourOld(), 60 * minute, plain, wait},
		{"configured advisory window", refresh.Config{Advisory: 30 * minute}, hourOld(), 30 * minute, plain, renew},
		{"configured mandatory window", refresh.Config{Mandatory: 2 * minute}, hourOld(), 58 * minute, plain, wait5s},
		{"jitter widens the advisory window", defaults, []past{came(0, "a", time.Hour).drawing(0.5, 0)}, 45*minute - 112500*ms, plain, renew},
		{"not before", defaults, []past{came(0, "a", time.Hour).drawing(0.5, 0)}, 45*minute - 112500*ms - 1, plain, serve},
	})
}

func TestDecidePatience(t *testing.T) {
	elapsed := func(d time.Duration) refresh.Need { return refresh.Need{Elapsed: d} }
	left := func(d time.Duration) refresh.Decision { return refresh.Decision{Action: refresh.Wait, Patience: d} }
	inFlight := hourOld(begun(59 * minute))
	run(t, []decideTest{
		{"the attempt has just begun", defaults, inFlight, 59 * minute, elapsed(0), wait5s},
		{"it began 2 s ago", defaults, inFlight, 59*minute + 2*second, elapsed(2 * second), left(3 * second)},
		{"1 ns before it hangs", defaults, inFlight, 59*minute + 5*second - 1, elapsed(5*second - 1), left(1)},
		{"it hangs", defaults, inFlight, 59*minute + 5*second, elapsed(5 * second), serve},
		{"it hangs, and the entry expired", defaults, inFlight, 60 * minute, elapsed(time.Minute), wait},
		{"it hangs, and nothing is cached", defaults, []past{begun(0)}, time.Minute, elapsed(time.Minute), wait},
		{"it hangs, and the entry is stale", stale10, hourOld(failed(60*minute, refresh.Transient), begun(65*minute)), 66 * minute, elapsed(time.Minute), serve},
		{"none is in flight", defaults, hourOld(), 59 * minute, elapsed(time.Minute), wait5s},
	})
}

func TestDecideAfterFailure(t *testing.T) {
	down, no := refresh.Transient, refresh.Permanent
	run(t, []decideTest{
		{"the entry is served", defaults, hourOld(failed(45*minute, down)), 45 * minute, plain, serve},
		{"a permanent one too", defaults, hourOld(failed(45*minute, no)), 45 * minute, plain, serve},
		{"before the backoff ends", defaults, hourOld(failed(45*minute, down)), 50*minute - 1, plain, serve},
		{"after the backoff", defaults, hourOld(failed(45*minute, down)), 50 * minute, plain, renew},
		{"no caller waits in the mandatory window", defaults, hourOld(failed(58*minute, down)), 59 * minute, plain, renew},
		{"not to the last nanosecond", defaults, hourOld(failed(58*minute, down)), 60*minute - 1, plain, renew},
		{"expired: callers wait", defaults, hourOld(failed(58*minute, down)), 60 * minute, plain, wait},
		{"expired: the error is remembered", defaults, hourOld(failed(60*minute, down)), 60*minute + second - 1, plain, refused},
		{"expired: for a second at least", defaults, hourOld(failed(60*minute, down)), 60*minute + second, plain, wait},
		{"the entry expires during the backoff", defaults, hourOld(failed(60*minute-1, down)), 60 * minute, plain, refused},
		{"nothing cached: remembered", defaults, []past{failed(0, down)}, 100*ms - 1, plain, refused},
		{"nothing cached: for 100 ms at least", defaults, []past{failed(0, down)}, 100 * ms, plain, wait},
		{"nothing cached, permanent: remembered", defaults, []past{failed(0, no)}, second - 1, plain, refused},
		{"nothing cached, permanent: for a second at least", defaults, []past{failed(0, no)}, second, plain, wait},
		{"nothing cached, in flight: remembered", defaults, []past{failed(0, down), begun(0)}, 1, plain, refused},
		{"success ends it", defaults, hourOld(failed(58*minute, down), came(59*minute, "b", time.Hour)), 118*minute - 1, plain, renew},
		{"success: callers wait again", defaults, hourOld(failed(58*minute, down), came(59*minute, "b", time.Hour)), 118 * minute, plain, wait5s},
	})
}

func TestDecideFailFast(t *testing.T) {
	down, no := refresh.Transient, refresh.Permanent
	run(t, []decideTest{
		{"a permanent failure is returned at once", failFast, hourOld(failed(50*minute, no)), 50 * minute, plain, refused},
		{"for a second at least", failFast, hourOld(failed(50*minute, no)), 50*minute + second - 1, plain, refused},
		{"then callers wait, in any phase", failFast, hourOld(failed(10*minute, no)), 10*minute + second, plain, wait},
		{"whatever life they need", failFast, hourOld(failed(50*minute, no)), 50 * minute, atLeast(second), refused},
		{"whether or not they can prompt", failFast, hourOld(failed(50*minute, no)), 50 * minute, noPrompt, refused},
		{"a transient one is not", failFast, hourOld(failed(50*minute, down)), 50 * minute, plain, serve},
		{"a transient one ends it", failFast, hourOld(failed(50*minute, no), failed(51*minute, down)), 51 * minute, plain, serve},
		{"success ends it", failFast, hourOld(failed(50*minute, no), came(51*minute, "b", time.Hour)), 51 * minute, plain, serve},
		{"the cached ID ends it", failFast, hourOld(failed(50*minute, no), came(51*minute, "a", 9*minute)), 51 * minute, plain, serve},
		{"not a prompt that was needed", failFast, hourOld(failed(50*minute, no), failed(51*minute, refresh.NoPrompt)), 51 * minute, noPrompt, refused},
		{"which is remembered as briefly", failFast, hourOld(failed(10*minute, no), failed(11*minute, refresh.NoPrompt)), 11*minute + second, noPrompt, wait},
		{"nothing cached: the first transient failure is not remembered", failFast, []past{failed(0, down)}, 0, plain, wait},
		{"nothing cached: the second is", failFast, []past{failed(0, down), failed(second, down)}, second + 100*ms - 1, plain, refused},
		{"nothing cached: for 100 ms at least", failFast, []past{failed(0, down), failed(second, down)}, second + 100*ms, plain, wait},
		{"nothing cached: a permanent one is", failFast, []past{failed(0, no)}, second - 1, plain, refused},
		{"nothing cached: a prompt that failed is not", failFast, []past{failed(0, refresh.PromptFailed)}, 0, plain, wait},
		{"nothing cached: a prompt that was needed does not count", failFast, []past{failed(0, refresh.NoPrompt), failed(second, down)}, second, plain, wait},
		{"expired: even the first is remembered", failFast, hourOld(failed(60*minute, down)), 60*minute + second - 1, plain, refused},
	})
}

func TestDecideMaxStale(t *testing.T) {
	down, no, failedPrompt, needed := refresh.Transient, refresh.Permanent, refresh.PromptFailed, refresh.NoPrompt
	run(t, []decideTest{
		{"not before an attempt failed", stale10, hourOld(), 60 * minute, plain, wait},
		{"after an outage", stale10, hourOld(failed(60*minute, down)), 60 * minute, plain, serve},
		{"after one before the end", stale10, hourOld(failed(50*minute, down)), 60 * minute, plain, wait5s},
		{"in the backoff, half of what is left", stale10, hourOld(failed(60*minute, down)), 64*minute + 30*second - 1, plain, serve},
		{"then callers wait, but 5 s", stale10, hourOld(failed(60*minute, down)), 64*minute + 30*second, plain, wait5s},
		{"it ends", stale10, hourOld(failed(70*minute-500*ms, down)), 70*minute - 1, plain, serve},
		{"it has ended", stale10, hourOld(failed(70*minute-500*ms, down)), 70 * minute, plain, refused},
		{"it has ended, and no backoff is on", stale10, hourOld(failed(60*minute, down)), 70 * minute, plain, wait},
		{"not after a refusal", stale10, hourOld(failed(60*minute, no)), 60 * minute, plain, refused},
		{"not after a refusal and an outage", stale10, hourOld(failed(59*minute, no), failed(60*minute, down)), 60 * minute, plain, refused},
		{"again once an entry came", stale10, hourOld(failed(59*minute, no), came(60*minute, "b", minute), failed(61*minute, down)), 61 * minute, plain, serve},
		{"not after the cached ID", stale10, hourOld(failed(58*minute, no), came(59*minute, "a", minute), failed(60*minute, down)), 60 * minute, plain, refused},
		{"not after a prompt that failed", stale10, hourOld(failed(60*minute, failedPrompt)), 60 * minute, plain, refused},
		{"not after a prompt that was needed", stale10, hourOld(failed(60*minute, needed)), 60 * minute, noPrompt, refused},
		{"0: never", defaults, hourOld(failed(60*minute, down)), 60 * minute, plain, refused},
		{"for ever", refresh.Config{MaxStale: math.MaxInt64}, hourOld(failed(9000*time.Hour, down)), 9000 * time.Hour, plain, serve},
		{"not for callers that need more", stale10, hourOld(failed(60*minute, down)), 60 * minute, atLeast(1), refuse(refresh.TooShortFailed)},
	})
}

// A shared tier returns what is cached already while another process renews it.
func TestDecideGainedNothing(t *testing.T) {
	run(t, []decideTest{
		{"the cached ID, then a quarter of what is left", defaults, hourOld(came(59*minute, "a", minute)), 59*minute + 15*second - 1, plain, serve},
		{"and callers wait again", defaults, hourOld(came(59*minute, "a", minute)), 59*minute + 15*second, plain, wait5s},
		{"at least a second", defaults, hourOld(came(60*minute-2*second, "a", 2*second)), 60*minute - second - 1, plain, serve},
		{"and no more then", defaults, hourOld(came(60*minute-2*second, "a", 2*second)), 60*minute - second, plain, wait5s},
		{"at most a minute", defaults, hourOld(came(45*minute, "a", 15*minute)), 46*minute - 1, plain, serve},
		{"and no longer", defaults, hourOld(came(45*minute, "a", 15*minute)), 46 * minute, plain, renew},
		{"the pause ends with the entry", defaults, hourOld(came(60*minute-500*ms, "a", 500*ms)), 60 * minute, plain, wait},
		{"no more life under another ID: no caller waits", defaults, hourOld(came(59*minute, "b", minute)), 59*minute + 15*second, plain, renew},
		{"nor if it is less", defaults, hourOld(came(50*minute, "b", 4*minute)), 54*minute - second, plain, renew},
		{"more life under the cached ID", defaults, hourOld(came(59*minute, "a", time.Hour)), 59*minute + second, plain, serve},
		{"its windows stay", defaults, hourOld(came(59*minute, "a", 6*time.Hour)), 59*minute + 6*time.Hour - 15*minute - 1, plain, serve},
		{"more life, but due at once: a pause", defaults, hourOld(came(58*minute, "a", 4*minute)), 59*minute - 1, plain, serve},
		{"and then a refresh", defaults, hourOld(came(58*minute, "a", 4*minute)), 59 * minute, plain, renew},
	})
}

func TestDecideRejected(t *testing.T) {
	down, no := refresh.Transient, refresh.Permanent
	again := hourOld(rejected(10*minute), came(11*minute, "b", time.Hour).drawing(0, 0.5), rejected(11*minute)) // paced to 3 s
	run(t, []decideTest{
		{"callers wait in any phase", defaults, hourOld(rejected(10 * minute)), 10 * minute, plain, wait5s},
		{"expired", defaults, hourOld(rejected(10 * minute)), 60 * minute, plain, wait},
		{"the refresh failed: the entry is better than nothing", defaults, hourOld(rejected(10*minute), failed(11*minute, down)), 16*minute - 1, plain, serve},
		{"no caller waits for the next attempt", defaults, hourOld(rejected(10*minute), failed(11*minute, down)), 16 * minute, plain, renew},
		{"a backoff is not cut short", defaults, hourOld(failed(45*minute, down), rejected(46*minute)), 50*minute - 1, plain, serve},
		{"after it callers wait, though an attempt failed", defaults, hourOld(failed(45*minute, down), rejected(46*minute)), 50 * minute, plain, wait5s},
		{"the pause after a success is not cut short", defaults, hourOld(rejected(0)), second - 1, plain, serve},
		{"for a second", defaults, hourOld(rejected(0)), second, plain, wait5s},
		{"it is over with another entry", defaults, hourOld(rejected(10*minute), came(11*minute, "b", time.Hour)), 11 * minute, plain, serve},
		{"which may live shorter", defaults, hourOld(rejected(10*minute), came(11*minute, "b", 30*minute)), 40 * minute, plain, wait5s},
		{"rejected again: paced", defaults, again, 11*minute + 3*second - 1, plain, serve},
		{"for 1 to 5 s", defaults, again, 11*minute + 3*second, plain, wait5s},
		{"not after that", defaults, hourOld(rejected(10*minute), came(11*minute, "b", time.Hour).drawing(0, 0.5), rejected(11*minute+3*second)), 11*minute + 3*second, plain, wait5s},
		{"the pace ends with the entry", defaults, hourOld(rejected(10*minute), came(11*minute, "b", 2*second).drawing(0, 0.5), rejected(11*minute)), 11*minute + 2*second, plain, wait},
		{"a longer backoff goes on", defaults, append(again[:3:3], failed(11*minute, down), rejected(11*minute)), 16*minute - 1, plain, serve},
		{"a backoff after expiry goes on", defaults,
			hourOld(rejected(10*minute), came(11*minute, "b", 100*ms).drawing(0, 1), failed(11*minute+second, down), rejected(11*minute+second)), 11*minute + 2*second - 1, plain, refused},
		{"the pace was on a clock that went back", defaults,
			hourOld(rejected(40*minute), came(41*minute, "b", 30*second), came(20*minute, "c", time.Hour), rejected(20*minute)), 20*minute + 5*second, plain, wait5s},
		{"FailFast goes first", failFast, hourOld(rejected(10*minute), failed(11*minute, no)), 11 * minute, plain, refused},
		{"callers that need more", defaults, hourOld(rejected(10 * minute)), 10 * minute, atLeast(55 * minute), wait},
	})
}

// ErrPrompt binds only callers that cannot prompt, if it is of an attempt that could not.
func TestDecidePrompt(t *testing.T) {
	down, needed, failedPrompt := refresh.Transient, refresh.NoPrompt, refresh.PromptFailed
	late := hourOld(failed(59*minute-second, needed).drawing(0, 1)) // backs off for 5 s, into the mandatory window
	run(t, []decideTest{
		{"advisory: served", defaults, hourOld(failed(45*minute, needed)), 45 * minute, plain, serve},
		{"before the backoff ends", defaults, hourOld(failed(45*minute, needed)), 50*minute - 1, plain, serve},
		{"tried again in the background", defaults, hourOld(failed(45*minute, needed)), 50 * minute, plain, renew},
		{"the next caller in the mandatory window waits", defaults, late, 59 * minute, plain, wait5s},
		{"not before it", defaults, late, 59*minute - 1, plain, serve},
		{"not if it cannot prompt", defaults, late, 59 * minute, noPrompt, serve},
		{"after the backoff it waits too", defaults, late, 59*minute + 4*second, noPrompt, wait5s},
		{"not if another attempt failed: no caller waits then", defaults, hourOld(failed(58*minute, down), failed(58*minute+50*second, needed)), 59 * minute, plain, renew},
		{"nothing cached", defaults, []past{failed(0, needed)}, 0, plain, wait},
		{"nothing cached, cannot prompt", defaults, []past{failed(0, needed)}, 100*ms - 1, noPrompt, refused},
		{"nothing cached, cannot prompt, later", defaults, []past{failed(0, needed)}, 100 * ms, noPrompt, wait},
		{"expired", defaults, hourOld(failed(60*minute, needed)), 60 * minute, plain, wait},
		{"expired, cannot prompt", defaults, hourOld(failed(60*minute, needed)), 60*minute + second - 1, noPrompt, refused},
		{"expired, cannot prompt, later", defaults, hourOld(failed(60*minute, needed)), 60*minute + second, noPrompt, wait},
		{"stale: the caller waits 5 s", stale10, hourOld(failed(60*minute, down), failed(65*minute, needed)), 65 * minute, plain, wait5s},
		{"stale, cannot prompt", stale10, hourOld(failed(60*minute, down), failed(65*minute, needed)), 65 * minute, noPrompt, serve},
		{"rejected", defaults, hourOld(rejected(10*minute), failed(11*minute, needed)), 11 * minute, plain, wait5s},
		{"rejected, cannot prompt", defaults, hourOld(rejected(10*minute), failed(11*minute, needed)), 16*minute - 1, noPrompt, serve},
		{"rejected after a failure", defaults, hourOld(rejected(10*minute), failed(11*minute, down), failed(16*minute, needed)), 16 * minute, plain, wait5s},
		{"rejected later", defaults, hourOld(failed(45*minute, needed), rejected(46*minute)), 46 * minute, noPrompt, wait5s},
		{"rejected at once: a second", defaults, hourOld(failed(45*minute, needed), rejected(45*minute)), 45*minute + second - 1, noPrompt, serve},
		{"rejected at once, can prompt", defaults, hourOld(failed(45*minute, needed), rejected(45*minute)), 45 * minute, plain, wait5s},
		{"FailFast", failFast, hourOld(failed(50*minute, refresh.Permanent), failed(51*minute, needed)), 51 * minute, plain, wait},
		{"too short", defaults, hourOld(failed(45*minute, needed)), 45 * minute, atLeast(30 * minute), wait},
		{"too short, cannot prompt", defaults, hourOld(failed(45*minute, needed)), 45 * minute, refresh.Need{AtLeast: 30 * minute, NoPrompt: true}, refuse(refresh.TooShortFailed)},
		{"a prompt that failed binds all", defaults, hourOld(failed(59*minute, failedPrompt)), 59 * minute, plain, serve},
		{"like any failure", defaults, hourOld(failed(58*minute, failedPrompt)), 59 * minute, plain, renew},
		{"success ends it", defaults, hourOld(failed(45*minute, needed), came(46*minute, "a", 14*minute)), 46 * minute, atLeast(30 * minute), refuse(refresh.TooShortJustCame)},
	})
}

func TestDecideAtLeast(t *testing.T) {
	down := refresh.Transient
	run(t, []decideTest{
		{"exactly", defaults, hourOld(), 30 * minute, atLeast(30 * minute), serve},
		{"1 ns too short", defaults, hourOld(), 30*minute + 1, atLeast(30 * minute), wait},
		{"long enough, and due", defaults, hourOld(), 45 * minute, atLeast(15 * minute), renew},
		{"in flight, and too short", defaults, hourOld(begun(45 * minute)), 50 * minute, atLeast(15 * minute), wait},
		{"longer than the source's entries live", defaults, hourOld(), 45*minute - 1, atLeast(time.Hour + 1), refuse(refresh.TooShort)},
		{"a source that caches may return more", defaults, hourOld(), 45*minute - 1, refresh.Need{AtLeast: time.Hour + 1, Tiered: true}, wait},
		{"the source may return more once it is due", defaults, hourOld(), 45 * minute, atLeast(time.Hour + 1), wait},
		{"as long as they live, just now", defaults, hourOld(), second - 1, atLeast(time.Hour), refuse(refresh.TooShortJustCame)},
		{"a second later", defaults, hourOld(), second, atLeast(time.Hour), wait},
		{"failed just now", defaults, hourOld(failed(45*minute, down)), 50*minute - 1, atLeast(30 * minute), refuse(refresh.TooShortFailed)},
		{"after that backoff", defaults, hourOld(failed(45*minute, down)), 50 * minute, atLeast(30 * minute), wait},
		{"the cached ID keeps its lifetime", defaults, hourOld(came(50*minute, "a", 10*minute)), 51 * minute, atLeast(time.Hour), wait},
		{"does not expire", defaults, []past{came(0, "a", refresh.Never)}, minute, atLeast(math.MaxInt64), serve},
		{"longer than the scale", defaults, hourOld(), minute, atLeast(math.MaxInt64), refuse(refresh.TooShort)},
	})
}

func TestDecideBlocked(t *testing.T) {
	down, no := refresh.Transient, refresh.Permanent
	none := refuse(refresh.Blocked)
	run(t, []decideTest{
		{"empty", defaults, nil, 0, blocked, none},
		{"empty, an attempt in flight", defaults, []past{begun(0)}, 0, blocked, wait},
		{"empty, failed just now", defaults, []past{failed(0, down)}, 0, blocked, refused},
		{"fresh", defaults, hourOld(), minute, blocked, serve},
		{"advisory", defaults, hourOld(), 45 * minute, blocked, serve},
		{"mandatory", defaults, hourOld(), 59 * minute, blocked, serve},
		{"mandatory, an attempt in flight", defaults, hourOld(begun(59 * minute)), 59 * minute, blocked, wait5s},
		{"expired", defaults, hourOld(), 60 * minute, blocked, none},
		{"stale", stale10, hourOld(failed(60*minute, down)), 65 * minute, blocked, serve},
		{"stale too long", stale10, hourOld(failed(60*minute, down)), 70 * minute, blocked, none},
		{"rejected", defaults, hourOld(rejected(10 * minute)), 10 * minute, blocked, serve},
		{"FailFast", failFast, hourOld(failed(50*minute, no)), 51 * minute, blocked, none},
		{"too short", defaults, hourOld(), 30 * minute, refresh.Need{AtLeast: 31 * minute, Blocked: true}, none},
		{"long enough", defaults, hourOld(), 59 * minute, refresh.Need{AtLeast: minute, Blocked: true}, serve},
	})
}

func TestDecideNeverExpiring(t *testing.T) {
	static := func(then ...past) []past { return append([]past{came(0, "a", refresh.Never)}, then...) }
	run(t, []decideTest{
		{"15 min", defaults, static(), 15*minute - 1, plain, serve},
		{"then it may have rotated", defaults, static(), 15 * minute, plain, renew},
		{"callers never wait", defaults, static(), 9000 * time.Hour, plain, renew},
		{"it has not rotated", defaults, static(came(15*minute, "a", refresh.Never)), 30*minute - 1, plain, serve},
		{"looked at again", defaults, static(came(15*minute, "a", refresh.Never)), 30 * minute, plain, renew},
		{"failed", defaults, static(failed(15*minute, refresh.Transient)), 20*minute - 1, plain, serve},
		{"failed, after the backoff", defaults, static(failed(15*minute, refresh.Transient)), 20 * minute, plain, renew},
		{"rejected", defaults, static(rejected(minute)), minute, plain, wait5s},
		{"replaced by one that expires: windows as it came", defaults, static(came(15*minute, "b", time.Hour)), 60 * minute, plain, renew},
	})
	farAway := refresh.Expiry(time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC))
	s := refresh.Succeed(defaults, refresh.State{}, refresh.Entry{ID: "a", Expires: farAway}, start, [2]float64{})
	require.Equal(t, serve, refresh.Decide(defaults, s, start+int64(15*minute), plain), "a date beyond the scale is not never")
}

func TestDecideClockBack(t *testing.T) {
	failure := hourOld(failed(46*minute, refresh.Transient)) // backs off until 51
	run(t, []decideTest{
		{"behind the backoff: it is over", defaults, failure, 46*minute - 1, plain, renew},
		{"into the backoff: it goes on", defaults, failure, 46 * minute, plain, serve},
		{"nothing cached", defaults, []past{failed(0, refresh.Permanent)}, -1, plain, wait},
		{"FailFast", failFast, hourOld(failed(46*minute, refresh.Permanent)), 46*minute - 1, plain, wait},
		{"the entry lives longer", defaults, hourOld(), -minute, plain, serve},
	})
}
