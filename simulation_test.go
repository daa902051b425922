package stschain_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

var (
	simSeeds = flag.Int("sim.seeds", 4, "how many virtual years TestSimulation lives through")
	simFirst = flag.Uint64("sim.first", 1, "the seed of the first of them; the others follow")
	simSeed  = flag.Uint64("sim.seed", 0, "the one seed that TestSimulation replays; 0: all")
)

// TestSimulation lives through virtual years of a cache whose source misbehaves
// fifty times each, and whose callers do too. What must hold is in year.check; that no
// year hangs or leaks a goroutine its bubble checks. A year that fails prints its seed:
//
//	go test -run TestSimulation . -sim.seed 4711
//	go test -run TestSimulation . -sim.seeds 20000 -timeout 0
//
// aws-sdk-net#4024, aws-sdk-net#3541
func TestSimulation(t *testing.T) {
	before := runtime.NumGoroutine()
	seeds := make(chan uint64)
	go func() {
		defer close(seeds)
		if *simSeed != 0 {
			seeds <- *simSeed
			return
		}
		for i := range *simSeeds {
			seeds <- *simFirst + uint64(i)
		}
	}()
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for seed := range seeds {
				t.Run(fmt.Sprint(seed), func(t *testing.T) {
					late := time.AfterFunc(2*time.Minute, func() { panic(fmt.Sprintf("seed %d hangs", seed)) })
					defer late.Stop()
					synctest.Test(t, func(t *testing.T) {
						y := newYear(seed)
						if err := y.live(func() { late.Reset(2 * time.Minute) }); err != nil {
							t.Errorf("seed %d, %v into the year, %v: %v", seed, y.clk.Now().Sub(simBegin), y.now, err)
						}
					})
				})
			}
		})
	}
	workers.Wait()
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 }, 10*time.Second, time.Millisecond, "goroutines are left") // Eventually has one
}

var simBegin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// fault is what is wrong for a while.
type fault int

const (
	none fault = iota
	outage
	throttled
	hanging
	refusing
	expiredResults
	shortResults // from here on, some attempts fail as well, and some come together with a rejection
	sameResults
	rejecting  // the service rejects all credentials
	clockAhead // by hours, and back at the end
	clockBehind
	impatient // callers are canceled at once, or while the source is called
	faults    // how many there are
)

func (f fault) String() string {
	return [...]string{"nothing wrong", "outage", "throttled", "hanging", "refusing", "expired results", "short results",
		"same results", "rejecting", "clock ahead", "clock behind", "impatient callers"}[f]
}

// year is one virtual year of one cache.
type year struct {
	rnd   *rand.Rand
	clk   *simClock
	cache *stschain.Cache
	life  time.Duration
	short bool // it ends after five faults

	now    fault
	serial int
	last   stschain.Credentials
	under  atomic.Int32 // source calls under way
	calls  int
	broken atomic.Pointer[string] // an invariant that the source saw broken
	cancel func()                 // cancels the caller while the source is called; nil: it stays
	gone   atomic.Bool            // the caller has returned

	mu     sync.Mutex
	others []outcome // of the callers during a call of the source
	busy   int       // how many of them still wait

	refused         bool // since the last credentials there was a permanent failure
	attempts, early int  // in this hour; those while valid credentials were cached
	hourBegan       time.Time
	healthy         time.Time // since when nothing has been wrong
	rejected        string
}

// outcome is what a caller got.
type outcome struct {
	creds  stschain.Credentials
	err    error
	began  time.Time
	waited time.Duration // on the bubble's clock
}

// simClock has only Now.
type simClock struct{ sinceBegin atomic.Int64 }

func (c *simClock) Now() time.Time { return simBegin.Add(time.Duration(c.sinceBegin.Load())) }

func (c *simClock) add(d time.Duration) { c.sinceBegin.Add(int64(d)) }

func newYear(seed uint64) *year {
	y := &year{rnd: rand.New(rand.NewPCG(seed, 0)), clk: &simClock{}, hourBegan: simBegin, healthy: simBegin}
	y.life = 15*time.Minute + time.Duration(y.rnd.Int64N(int64(12*time.Hour-15*time.Minute)))
	y.cache = &stschain.Cache{Provider: y, Clock: y.clk}
	y.cache.FailFast = y.rnd.IntN(4) == 0
	switch y.rnd.IntN(4) {
	case 0:
		y.cache.MaxStale = time.Duration(y.rnd.Int64N(int64(6 * time.Hour)))
	case 1:
		y.cache.AdvisoryWindow = time.Duration(y.rnd.Int64N(int64(3 * time.Hour)))
		y.cache.MandatoryWindow = time.Duration(y.rnd.Int64N(int64(10 * time.Minute)))
	}
	y.cache.SetRandom(y.draw)
	return y
}

// draw is for the cache, which may draw while the source is called.
func (y *year) draw() float64 {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.rnd.Float64()
}

// Retrieve is the source. What it takes passes on the virtual clock.
func (y *year) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	switch {
	case y.under.Add(1) > 1:
		y.breaks("two source calls at once")
	case y.calls%4 == 0: // and not always, for it takes time
		if y.cancel != nil {
			y.cancel()
		}
		if y.now >= shortResults && y.rnd.IntN(8) == 0 {
			y.reject()
		}
		y.crowd()
		if y.cancel != nil && !y.gone.Load() {
			y.breaks("a canceled caller waits")
		}
	}
	defer y.under.Add(-1)
	if ctx.Err() != nil {
		y.breaks("an attempt ended with its caller")
	}
	y.calls++
	y.clk.add(time.Duration(y.serial%7) * 100 * time.Millisecond)
	life, now := y.life, y.now
	if now >= shortResults && y.rnd.IntN(4) == 0 {
		now = outage
	}
	switch now {
	case outage:
		return stschain.Credentials{}, errDown
	case throttled:
		y.clk.add(3 * time.Second) // the client's retries
		return stschain.Credentials{}, errDown
	case hanging:
		began, deaf := time.Now(), y.draw() < 0.25
		<-ctx.Done()
		y.clk.add(time.Since(began))
		if deaf {
			<-time.After(time.Minute)
		}
		return stschain.Credentials{}, ctx.Err()
	case refusing:
		y.refused = true
		return stschain.Credentials{}, errRefused
	case expiredResults:
		life = -time.Minute
	case shortResults:
		life = time.Minute
	case sameResults:
		if y.serial > 0 {
			return y.last, nil
		}
	}
	y.refused = y.refused && life < 0
	y.serial++
	y.last = stschain.Credentials{
		AccessKeyID:     fmt.Sprintf("key-%d", y.serial),
		SecretAccessKey: stschain.NewSecret("s"),
		Expires:         y.clk.Now().Add(life),
	}
	return y.last, nil
}

// breaks notes an invariant that the source saw broken.
func (y *year) breaks(what string) { y.broken.CompareAndSwap(nil, &what) }

// crowd calls while the source is called. It returns when all callers have returned or wait.
func (y *year) crowd() {
	const callers = 3
	y.mu.Lock()
	y.busy += callers
	y.mu.Unlock()
	for range callers {
		go func() {
			a := y.retrieve(context.Background())
			y.mu.Lock()
			defer y.mu.Unlock()
			y.others = append(y.others, a)
			y.busy--
		}()
	}
	synctest.Wait()
}

func (y *year) retrieve(ctx context.Context) outcome {
	a, began := outcome{began: y.clk.Now()}, time.Now()
	a.creds, a.err = y.cache.Retrieve(ctx)
	a.waited = time.Since(began)
	return a
}

// reject has a service reject the cached credentials, if the source returned them last.
func (y *year) reject() {
	if y.last.AccessKeyID == y.cache.Status().AccessKeyID {
		y.rejected = y.last.AccessKeyID
		y.cache.Invalidate(y.last)
	}
}

// settled reports that nothing is under way.
func (y *year) settled() bool {
	y.mu.Lock()
	busy := y.busy
	y.mu.Unlock()
	return busy == 0 && y.under.Load() == 0 && y.cache.Idle() && !y.cache.Status().Refreshing
}

// live goes through the year: fifty faults, one after the other, each after a
// while in which nothing is wrong. There is a call every minute at least,
// and every second or so while something goes on. It notes each fault that it got to.
func (y *year) live(goesOn func()) error {
	const chapters = 50
	for chapter := range chapters {
		goesOn()
		if y.short && chapter == 5 {
			break
		}
		end := simBegin.Add(365 * 24 * time.Hour / chapters * time.Duration(chapter+1))
		wrong := y.clk.Now().Add(time.Duration(y.rnd.Int64N(int64(24 * time.Hour))))
		if err := y.until(wrong, 20*time.Second, time.Minute); err != nil {
			return err
		}
		y.begin(fault(1 + y.rnd.IntN(int(faults)-1)))
		over := y.clk.Now().Add(time.Duration(y.rnd.Int64N(int64(4 * time.Hour))))
		if err := y.until(over, 0, 2*time.Second); err != nil {
			return err
		}
		y.end()
		if err := y.until(y.clk.Now().Add(time.Hour), 0, 10*time.Second); err != nil {
			return err
		}
		if err := y.until(end, 30*time.Second, time.Minute); err != nil {
			return err
		}
	}
	return nil
}

func (y *year) begin(f fault) {
	y.now = f
	switch f {
	case clockAhead:
		y.clk.add(5 * time.Hour)
	case clockBehind:
		y.clk.add(-5 * time.Hour)
	}
}

func (y *year) end() {
	if y.now == clockAhead {
		y.clk.add(-5 * time.Hour)
	}
	y.now = none
	y.healthy = y.clk.Now()
}

// until calls again and again, after pauses of low to high, until an instant.
func (y *year) until(end time.Time, low, high time.Duration) error {
	for y.clk.Now().Before(end) {
		y.clk.add(low + time.Duration(y.rnd.Int64N(int64(high-low))))
		if err := y.call(); err != nil {
			return err
		}
	}
	return nil
}

// call is one caller.
func (y *year) call() error {
	ctx := context.Background()
	if (y.now == impatient || y.now == sameResults) && y.rnd.IntN(20) == 0 {
		y.reject()
	}
	if y.now == impatient {
		c, cancel := context.WithCancel(ctx)
		defer cancel()
		if y.cancel = cancel; y.rnd.IntN(2) == 0 {
			cancel()
		}
		ctx = c
	}
	before, good := y.calls, y.good()
	y.gone.Store(false)
	a := y.retrieve(ctx)
	y.gone.Store(true)
	for pause := time.Millisecond; !y.settled(); pause *= 2 { // what it started ends before anything else happens
		<-time.After(pause)
	}
	y.cancel = nil
	attempts := y.calls - before
	left := a.err != nil && ctx.Err() != nil
	if left && (good && y.good() || !errors.Is(a.err, context.Canceled)) {
		return fmt.Errorf("a canceled caller got: %w", a.err)
	}
	others := y.others
	if y.others = nil; !left {
		others = append(others, a)
	}
	for _, a := range others {
		if err := y.check(a, attempts); err != nil {
			return err
		}
	}
	if good {
		y.early += attempts
	}
	if y.attempts += attempts; y.now == rejecting && a.err == nil {
		y.rejected = a.creds.AccessKeyID
		y.cache.Invalidate(a.creds)
	}
	return y.checkPace(y.clk.Now())
}

// good reports that the cache holds credentials that nothing speaks against.
func (y *year) good() bool {
	s := y.cache.Status()
	return s.Phase != stschain.Empty && s.Phase != stschain.Expired && !s.Rejected
}

// attemptIsMissing reports that the last attempt failed and another one is due; after a clock went back none may be.
func (y *year) attemptIsMissing() bool {
	s := y.cache.Status()
	return s.Err != nil && s.Phase != stschain.Fresh
}

// unexpired reports that the cache holds credentials that have not expired, rejected or not.
func (y *year) unexpired() bool {
	p := y.cache.Status().Phase
	return p != stschain.Empty && p != stschain.Expired
}

// check checks the invariants after each call that was not canceled, by the instant at which it began.
func (y *year) check(a outcome, attempts int) error {
	creds, err, began, now := a.creds, a.err, a.began, y.clk.Now()
	quiet := time.Duration(-1) // how long nothing has been wrong
	if y.now == none {
		quiet = now.Sub(y.healthy)
	}
	switch {
	case y.broken.Load() != nil:
		return errors.New(*y.broken.Load())
	case a.waited > 31*time.Second: // Timeout, and a little
		return fmt.Errorf("a caller waited for %v", a.waited)
	case attempts > 1:
		return fmt.Errorf("one call caused %d attempts", attempts)
	case err == nil && creds.ExpiredAt(began.Add(-y.cache.MaxStale)):
		return fmt.Errorf("got credentials that expired at %v", creds.Expires)
	case err == nil && creds.ExpiredAt(began) && y.refused:
		return errors.New("got stale credentials after a refusal")
	case err != nil && y.unexpired() && !(y.cache.FailFast && errors.Is(err, stschain.ErrPermanent)):
		return fmt.Errorf("got an error while valid credentials are cached: %w", err)
	case err != nil && quiet > 6*time.Second:
		return fmt.Errorf("an error %v after the last fault: %w", quiet, err)
	case err == nil && quiet > 11*time.Minute && creds.AccessKeyID == y.rejected:
		return fmt.Errorf("still serving what was rejected, %v after the last fault", quiet)
	case quiet > 12*time.Minute && quiet < 15*time.Minute && y.attemptIsMissing():
		return fmt.Errorf("no attempt since the last fault, %v ago", quiet)
	}
	return nil
}

// checkPace bounds the attempts of each hour: few while valid credentials are cached.
func (y *year) checkPace(now time.Time) error {
	if d := now.Sub(y.hourBegan); d > 0 && d < time.Hour {
		return nil
	}
	attempts, early := y.attempts, y.early
	y.hourBegan, y.attempts, y.early = now, 0, 0
	most := 120
	if y.now == shortResults || y.now == none {
		most = 300
	}
	most += int(y.cache.MandatoryWindow / (2 * time.Second)) // in it, attempts come 1 to 5 s apart
	if y.cache.FailFast {
		most = 2000 // a refusal is raised at once, and the next attempt is 1 to 5 s later in any phase
	}
	if attempts > 2000 || early > most {
		return fmt.Errorf("%d attempts in an hour, %d of them while valid credentials were cached", attempts, early)
	}
	return nil
}

// A seed decides everything: what it replays is what failed.
func TestSimulationReplays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newYear(1), newYear(1)
		a.short, b.short = true, true
		require.NoError(t, a.live(func() {}))
		require.NoError(t, b.live(func() {}))
		require.Equal(t, a.calls, b.calls)
		require.Equal(t, a.cache.Status(), b.cache.Status())
	})
}
