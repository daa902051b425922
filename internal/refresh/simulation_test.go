package refresh_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/refresh"
)

var (
	simYears = flag.Uint64("sim.years", 20, "how many virtual years TestSimulation simulates, each with a seed of its own")
	simFirst = flag.Uint64("sim.first", 1, "the seed of the first year")
	simSeed  = flag.Uint64("sim.seed", 0, "the only seed to simulate, and what happened last if it fails; 0: all")
)

// TestSimulation simulates years of one cache each, whose source and callers misbehave in a hundred ways.
// What must hold is in model. A year that fails prints its seed, and -sim.seed then what happened last:
//
//	go test -run TestSimulation ./internal/refresh -sim.seed 4711
//	go test -run TestSimulation ./internal/refresh -sim.years 100000 -timeout 0 -v
func TestSimulation(t *testing.T) {
	first, years := *simFirst, *simYears
	if *simSeed != 0 {
		first, years = *simSeed, 1
	}
	began := time.Now()
	var next, failed, calls, attempts atomic.Uint64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < years && failed.Load() < 10; i = next.Add(1) - 1 {
				y := newYear(first + i)
				y.replay = *simSeed != 0
				if err := y.live(); err != nil {
					failed.Add(1)
					t.Errorf("%sseed %d, %v into the year, fault %v: %v\ncfg %+v\nstate %+v\nnow %d",
						strings.Join(y.trace, ""), first+i, y.m.age, y.fault, err, y.m.cfg, y.m.state, y.m.now)
				}
				calls.Add(y.calls)
				attempts.Add(y.attempts)
			}
		})
	}
	workers.Wait()
	took := time.Since(began)
	t.Logf("%d years from seed %d: %d calls, %d attempts, %d failed, %v, %.0f years a second",
		years, first, calls.Load(), attempts.Load(), failed.Load(), took.Round(time.Millisecond), float64(years)/took.Seconds())
}

// A seed decides everything: what it replays is what failed.
func TestSimulationReplays(t *testing.T) {
	a, b := newYear(1), newYear(1)
	require.NoError(t, a.live())
	require.NoError(t, b.live())
	require.Equal(t, a.m, b.m)
	require.Equal(t, a.attempts, b.attempts)
}

type fault int

const (
	none         fault = iota
	outage             // each attempt fails
	refusing           // each fails for good
	hanging            // every second attempt takes its whole Timeout, and half of their calls longer
	prompts            // each attempt needs a prompt
	endless            // entries that do not expire
	expired            // entries that arrive expired
	short              // entries that live up to a minute; from here on some attempts fail as well, and some entries are rejected
	brief              // up to two seconds
	again              // the cached entry
	longer             // the cached ID, each time with a little more life
	noLonger           // another ID with the same end
	rejecting          // a service rejects every second entry as it comes
	clockAhead         // by hours, and back at the end
	clockBack          // by hours, for good
	clockNoticed       // set again and again, and the engine notices
	mixed              // each attempt has another fault, and the clock is set again and again
	faults             // how many there are
)

func (f fault) String() string {
	return [...]string{"none", "outage", "refusing", "hanging", "prompts", "endless", "expired", "short", "brief", "again", "longer",
		"no longer", "rejecting", "clock ahead", "clock back", "clock noticed", "mixed"}[f]
}

// year is one virtual year of one cache.
type year struct {
	m   model
	rnd *rand.Rand

	fault    fault
	life     time.Duration // of what the source returns
	finishes time.Duration // age at which the attempt in flight ends
	unblocks time.Duration // age at which the last call that hangs returns
	healthy  time.Duration // age at which the last fault ended
	dense    bool          // callers call every second during this fault, not only when something may happen

	replay bool
	trace  []string // the last events of a replay

	calls, attempts uint64
	hour            time.Duration // age at which the present hour began
	inHour          int           // attempts in it
	early           int           // those while the entry was good
}

func newYear(seed uint64) *year {
	rnd := rand.New(rand.NewPCG(seed, 0))
	y := &year{rnd: rnd}
	y.life = 15*time.Minute + y.upTo(12*time.Hour-15*time.Minute)
	cfg := refresh.Config{FailFast: rnd.IntN(4) == 0}
	switch rnd.IntN(4) {
	case 0:
		cfg.MaxStale = y.upTo(6 * time.Hour)
	case 1:
		cfg.Advisory, cfg.Mandatory = y.upTo(3*time.Hour), y.upTo(10*time.Minute)
	case 2:
		cfg.MaxStale, cfg.Advisory = y.upTo(time.Hour), y.upTo(time.Minute)
	}
	y.m = newModel(cfg, 1_800_000_000e9)
	return y
}

// upTo returns a duration in (0, d].
func (y *year) upTo(d time.Duration) time.Duration { return 1 + time.Duration(y.rnd.Int64N(int64(d))) }

func (y *year) oneIn(n int) bool { return y.rnd.IntN(n) == 0 }

func (y *year) draw() [2]float64 { return [2]float64{y.rnd.Float64(), y.rnd.Float64()} }

// note adds a line to the trace of a replay.
func (y *year) note(what string, detail any) {
	const most = 30
	if !y.replay {
		return
	}
	y.trace = append(y.trace[max(0, len(y.trace)-most):], fmt.Sprintf("%v, clock %d, %v: %s %+v\n", y.m.age, y.m.now, y.fault, what, detail))
}

// live goes through a year of a hundred faults, with a while between them in which nothing is wrong.
func (y *year) live() error {
	const chapters, length = 100, 365 * 24 * time.Hour / 100
	for i := range chapters {
		if i > 0 || y.oneIn(2) { // in every second year, something is wrong from the beginning
			if err := y.until(y.m.age + y.upTo(12*time.Hour)); err != nil {
				return err
			}
		}
		if err := y.setFault(fault(1 + y.rnd.IntN(int(faults)-1))); err != nil {
			return err
		}
		if err := y.until(y.m.age + y.upTo(y.upTo(4*time.Hour))); err != nil {
			return err
		}
		if err := y.endFault(); err != nil {
			return err
		}
		if err := y.until(time.Duration(i+1) * length); err != nil {
			return err
		}
	}
	return nil
}

func (y *year) setFault(f fault) error {
	y.fault, y.dense = f, y.oneIn(32)
	switch f {
	case clockAhead:
		return y.m.setClock(5*time.Hour, false)
	case clockBack:
		return y.m.setClock(-y.upTo(5*time.Hour), false)
	}
	return nil
}

// endFault ends the fault. Healthy is only what comes after an attempt in flight and after calls that hang.
func (y *year) endFault() error {
	ahead := y.fault == clockAhead
	y.fault = none
	y.healthy = max(y.m.age, y.finishes, y.unblocks)
	if ahead {
		return y.m.setClock(-5*time.Hour, false)
	}
	return nil
}

// until lets callers call until an age.
func (y *year) until(end time.Duration) error {
	for y.m.age < end {
		if err := y.pass(y.pause()); err != nil {
			return err
		}
		if err := y.call(); err != nil {
			return err
		}
	}
	return nil
}

// pause is the time to the next call. Where callers would be served anyway, most of them are left out.
func (y *year) pause() time.Duration {
	quiet := refresh.Span(y.m.now, y.m.until)
	next := refresh.Span(y.m.now, refresh.Next(y.m.state, y.m.now))
	fine, few := y.fault == none && y.m.age-y.healthy > 15*time.Minute, 4
	if fine {
		few = 32
	}
	switch {
	case y.dense && y.fault != none:
		return y.upTo(2 * time.Second)
	case y.oneIn(4) && next > 1 && next < 12*time.Hour:
		return next - time.Duration(y.rnd.IntN(2)) // exactly then, or 1 ns before
	case y.m.now >= y.m.from && quiet > 10*time.Second && !y.oneIn(few):
		return y.upTo(min(quiet, 12*time.Hour) + 5*time.Second)
	case fine:
		return y.upTo(time.Minute)
	case y.fault == none:
		return y.upTo(5 * time.Second)
	}
	return y.upTo(2 * time.Second)
}

// pass lets time pass. An attempt ends in it.
func (y *year) pass(d time.Duration) error {
	to := y.m.age + d
	if y.m.state.InFlight && y.finishes <= to {
		y.m.wait(max(y.finishes-y.m.age, 0))
		if err := y.finish(); err != nil {
			return err
		}
	}
	y.m.wait(max(to-y.m.age, 0))
	y.m.blocked = y.m.age < y.unblocks && !y.m.state.InFlight
	return nil
}

// call is one caller.
func (y *year) call() error {
	var need refresh.Need
	if y.fault != none || y.oneIn(64) {
		switch y.rnd.IntN(64) {
		case 0, 1, 2:
			need.AtLeast = y.upTo(y.life)
		case 3:
			need.AtLeast = y.upTo(13 * time.Hour)
		case 4, 5, 6, 7, 8, 9:
			need.NoPrompt = true
		}
	}
	if err := y.disturb(); err != nil {
		return err
	}
	y.calls++
	inFlight, good := y.m.state.InFlight, y.m.servable() && !y.m.rejected
	d, err := y.m.call(need)
	if y.replay {
		y.note("call", []any{need, d})
	}
	if err != nil {
		return err
	}
	if y.m.state.InFlight && !inFlight {
		y.begun(good)
	}
	if y.fault == none && y.healthy < y.m.age {
		if err := y.m.checkRecovered(d, need, y.m.age-y.healthy); err != nil {
			return err
		}
	}
	return y.checkPace()
}

// disturb is what happens apart from callers and attempts.
func (y *year) disturb() error {
	if y.fault >= short && y.oneIn(16) {
		y.note("rejection", "")
		if err := y.m.reject(); err != nil {
			return err
		}
	}
	if y.fault < clockNoticed || !y.oneIn(8) {
		return nil
	}
	d := y.upTo(y.upTo(y.upTo(5 * time.Hour))) // most are small
	if y.oneIn(2) {
		d = -d
	}
	noticed := y.fault == clockNoticed || y.oneIn(2)
	if y.replay {
		y.note("clock set, noticed or not", []any{d, noticed})
	}
	return y.m.setClock(d, noticed)
}

// begun draws how long the attempt takes that has begun.
func (y *year) begun(good bool) {
	y.attempts++
	y.inHour++
	if good {
		y.early++
	}
	took := y.upTo(700 * time.Millisecond)
	switch {
	case y.fault == hanging && y.oneIn(2):
		took = maxTimeout
		if y.oneIn(2) {
			y.unblocks = y.m.age + took + y.upTo(20*time.Minute)
		}
	case y.fault == prompts && !y.m.noPrompt:
		took = y.upTo(4 * time.Minute)
	}
	y.finishes = y.m.age + took
}

// finish ends the attempt in flight.
func (y *year) finish() error {
	f := y.fault
	if f == mixed {
		f = fault(y.rnd.IntN(int(mixed)))
	}
	if f >= short && y.oneIn(4) {
		f = fault(y.rnd.IntN(int(prompts) + 1))
	}
	if y.replay {
		y.note("the attempt ends with", f)
	}
	life := y.life
	switch f {
	case outage, hanging:
		return y.m.fail(refresh.Transient, y.draw())
	case refusing:
		return y.m.fail(refresh.Permanent, y.draw())
	case prompts:
		if y.m.noPrompt {
			return y.m.fail(refresh.NoPrompt, y.draw())
		}
		if y.oneIn(3) {
			return y.m.fail(refresh.PromptFailed, y.draw())
		}
	case expired:
		life = -y.upTo(time.Minute)
	case short:
		life = y.upTo(time.Minute)
	case brief:
		life = y.upTo(2 * time.Second)
	}
	e := refresh.Entry{ID: "a", Expires: y.m.now + int64(life)}
	if y.m.entry.ID == "a" {
		e.ID = "b"
	}
	if y.m.holding() {
		switch f {
		case again:
			e = y.m.entry
		case longer:
			e = refresh.Entry{ID: y.m.entry.ID, Expires: refresh.Plus(y.m.entry.Expires, y.upTo(10*time.Minute))}
		case noLonger:
			e.Expires = y.m.entry.Expires
		}
	}
	if f == endless {
		e.Expires = refresh.Never
	}
	if err := y.m.succeed(e, y.draw()); err != nil || f != rejecting || y.oneIn(2) {
		return err
	}
	return y.m.reject()
}

// checkPace bounds the attempts of each hour: few while the entry is good.
func (y *year) checkPace() error {
	if y.m.age-y.hour < time.Hour {
		return nil
	}
	inHour, early := y.inHour, y.early
	y.hour, y.inHour, y.early = y.m.age, 0, 0
	most := 300 + int(y.m.cfg.Mandatory/(2*time.Second)) // in the mandatory window they come 1 to 5 s apart
	if y.m.cfg.FailFast || y.fault >= short || y.fault == prompts {
		most = 2000
	}
	if inHour > 3600 || early > most {
		return fmt.Errorf("%d attempts in an hour, %d of them while the entry was good", inHour, early)
	}
	return nil
}
