package stschain_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/stschain-go/stschain"
)

// setting is a way to configure the cache that is explored, and its surroundings.
type setting struct {
	name     string
	maxStale time.Duration
	failFast bool
	prompts  bool // the provider calls Prompt
	mock     bool // the Clock has no monotonic readings, like that of benbjohnson/clock
}

var settings = []setting{
	{name: "plain"},
	{name: "stale", maxStale: 10 * time.Minute},
	{name: "failfast", failFast: true},
	{name: "prompts", prompts: true},
	{name: "mock", mock: true},
}

const (
	worldLife = time.Hour
	worldSet  = worldLife / 2 // by how much the clock is set
	quietCall = "retrieve-quiet"
)

// world is a cache, its provider, its callers, and a simple model of what the cache must hold.
type world struct {
	setting
	c     *stschain.Cache
	start time.Time

	mu         sync.Mutex
	violations []string
	off        time.Duration // of the wall clock
	sets       map[string]bool
	calls      []*worldCall // that have not returned

	results  chan worldResult // of the provider, which waits for them
	healthy  bool             // it returns credentials at once
	serial   int
	running  int // its calls
	attempts int
	ended    time.Time // when its last call did

	cached    stschain.Credentials
	cachedOff time.Duration // of the wall clock when they came
	previous  string        // the key ID before
	rejected  bool
	failed    bool      // the last attempt
	failures  int       // since they came
	tried     bool      // one of these came after the rejection
	refused   bool      // one of these was not transient
	raised    bool      // with FailFast: the last one was permanent
	quiet     bool      // the last attempt needed a prompt, and could not prompt
	disturb   time.Time // when the clock was last set
}

type worldResult struct {
	creds stschain.Credentials
	err   error
}

// worldCall is a call of the cache.
type worldCall struct {
	name     string
	atLeast  time.Duration
	began    time.Time
	before   stschain.Status
	key      string // cached when it began
	attempts int    // until then
	cancel   context.CancelFunc
	gaveUp   bool

	done   bool
	creds  stschain.Credentials
	err    error
	waited time.Duration
	hung   bool          // an attempt had for 5 s, when it returned
	left   time.Duration // of the cached credentials when it returned
}

func newWorld(s setting) *world {
	w := &world{setting: s, start: time.Now(), sets: map[string]bool{}, results: make(chan worldResult)}
	w.c = &stschain.Cache{Provider: w, Clock: w, MaxStale: s.maxStale, FailFast: s.failFast}
	w.c.SetRandom(func() float64 { return 0.5 })
	return w
}

func (w *world) bad(format string, args ...any) {
	w.violations = append(w.violations, fmt.Sprintf(format, args...))
}

// Now is the time by a wall clock that is set, and a monotonic clock that is not.
func (w *world) Now() time.Time {
	passed := time.Since(w.start)
	t := (&twoClocks{wall: passed + w.off, mono: passed}).Now()
	if w.mock {
		return t.Round(0)
	}
	return t
}

// pass lets time go by. The lock orders what the test did before what a timer wakes, for the race detector.
func (w *world) pass(d time.Duration) {
	func() {
		w.mu.Lock()
		defer w.mu.Unlock()
	}()
	pass(d)
}

// lag is by how much the wall clock was set back since the credentials came.
func (w *world) lag() time.Duration {
	if w.mock || w.cached.AccessKeyID == "" {
		return 0
	}
	return max(w.cachedOff-w.off, 0)
}

// left is how long the cached credentials live: until the earlier of the ends by both clocks.
func (w *world) left() time.Duration {
	switch {
	case w.cached.AccessKeyID == "":
		return math.MinInt64
	case w.cached.Expires.IsZero():
		return math.MaxInt64
	}
	return w.expires().Sub(w.Now().Round(0))
}

// expires is when, on the wall clock as it is now.
func (w *world) expires() time.Time {
	if w.cached.Expires.IsZero() {
		return time.Time{}
	}
	return w.cached.Expires.Add(-w.lag())
}

// Retrieve is the provider. It returns the next result, or the error of its context.
func (w *world) Retrieve(ctx context.Context) (creds stschain.Credentials, err error) {
	if w.begin(); w.prompts {
		err = stschain.Prompt(ctx)
	}
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.running--
		w.ended = time.Now()
	}()
	w.mu.Lock()
	healthy := w.healthy
	w.mu.Unlock()
	switch {
	case err != nil:
		w.learn(worldResult{err: err})
		return creds, err
	case healthy:
		a := worldResult{creds: w.newCredentials(worldLife)}
		w.learn(a)
		return a.creds, nil
	}
	select {
	case a := <-w.results: // the model has learned it
		return a.creds, a.err
	case <-ctx.Done():
		w.learn(worldResult{err: ctx.Err()})
		return creds, ctx.Err()
	}
}

func (w *world) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running++; w.running > 1 {
		w.bad("two calls of the provider at once")
	}
	least := time.Second
	switch empty := w.cached.AccessKeyID == ""; {
	case w.attempts == 0, w.quiet && !w.c.Inside().Quiet, w.disturb.After(w.ended), !w.failed && w.left() <= 0: // those that came have expired meanwhile
		least = 0
	case empty && w.failFast && w.failures == 1: // the AWS SDKs do not remember it
		least = 0
	case empty:
		least = 100 * time.Millisecond
	}
	if since := time.Since(w.ended); since < least {
		w.bad("the provider is called %v after its last call returned", since)
	}
	w.attempts++
}

func (w *world) newCredentials(life time.Duration) stschain.Credentials {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.serial++
	c := stschain.Credentials{AccessKeyID: fmt.Sprintf("key-%d", w.serial), SecretAccessKey: stschain.NewSecret("s"), Origin: "world"}
	if life > 0 {
		c.Expires = w.Now().Round(0).Add(life)
	}
	return c
}

// learn takes a result of the provider into the model.
func (w *world) learn(a worldResult) {
	w.mu.Lock()
	defer w.mu.Unlock()
	same := a.creds.AccessKeyID == w.cached.AccessKeyID
	expired := !a.creds.Expires.IsZero() && !a.creds.Expires.After(w.Now().Round(0))
	w.quiet = errors.Is(a.err, stschain.ErrPrompt) && w.c.Inside().Quiet
	switch {
	case w.quiet: // it is not a failure
		w.failed = false
	case a.err != nil, expired, same && w.rejected:
		w.failed, w.tried, w.failures = true, true, w.failures+1
		permanent := errors.Is(a.err, stschain.ErrPermanent)
		w.refused = w.refused || permanent || errors.Is(a.err, stschain.ErrPrompt)
		w.raised = w.failFast && permanent
	default:
		if !same {
			w.previous, w.rejected, w.refused, w.failures = w.cached.AccessKeyID, false, false, 0
		}
		w.failed, w.raised, w.cached, w.cachedOff = false, false, a.creds, w.off
	}
}

// do lets something happen, and looks at all that can be seen.
func (w *world) do(e worldEvent) {
	e.do(w)
	synctest.Wait()
	w.settle()
	s := w.c.Status()
	switch left := w.left(); {
	case s.AccessKeyID != w.cached.AccessKeyID:
		w.bad("Status has %q, %q is cached", s.AccessKeyID, w.cached.AccessKeyID)
	case !s.Expires.Equal(w.expires()):
		w.bad("Status.Expires is %v, %v is right", s.Expires, w.expires())
	case s.Rejected != w.rejected:
		w.bad("Status.Rejected is %v", s.Rejected)
	case s.Refreshing != (w.running > 0):
		w.bad("Status.Refreshing is %v, with %d calls of the provider", s.Refreshing, w.running)
	case s.Phase == stschain.Empty != (w.cached.AccessKeyID == ""), s.Phase == stschain.Expired != (left <= 0 && w.cached.AccessKeyID != ""):
		w.bad("Status.Phase is %v, with %v left", s.Phase, left)
	}
}

// call begins a call of the cache.
func (w *world) call(ctx context.Context, name string, atLeast time.Duration) *worldCall {
	ctx, cancel := context.WithCancel(ctx)
	m := &worldCall{name: name, atLeast: atLeast, began: time.Now(), before: w.c.Status(), key: w.cached.AccessKeyID,
		attempts: w.attempts, cancel: cancel, gaveUp: ctx.Err() != nil}
	w.calls = append(w.calls, m)
	go func() {
		if atLeast > 0 {
			m.creds, m.err = w.c.RetrieveFor(ctx, atLeast)
		} else {
			m.creds, m.err = w.c.Retrieve(ctx)
		}
		hung := w.c.Inside().Elapsed >= 5*time.Second
		w.mu.Lock()
		defer w.mu.Unlock()
		m.done, m.waited, m.hung, m.left = true, time.Since(m.began), hung, w.left()
	}()
	synctest.Wait()
	w.checkBegun(m)
	return m
}

// checkBegun looks at a call that has just begun, and what Status said before.
func (w *world) checkBegun(m *worldCall) {
	if m.atLeast > 0 || m.gaveUp {
		return
	}
	s, started := m.before, w.attempts > m.attempts
	if started && m.done && w.running > 0 && w.prompts {
		w.bad("an attempt prompts, and no caller waits for it")
	}
	due := s.Phase != stschain.Fresh || s.Rejected
	switch {
	case started && !s.Next.IsZero():
		w.bad("Status.Next was in %v, and a call began an attempt at once", s.Next.Sub(w.Now().Round(0)))
	case !started && s.Next.IsZero() && !s.Refreshing && due && (m.name != quietCall || !w.quiet):
		w.bad("Status.Next was zero, phase %v, rejected %v, and a call began no attempt", s.Phase, s.Rejected)
	case m.done || s.Rejected || w.raised:
	case s.Phase == stschain.Fresh, s.Phase == stschain.Advisory:
		w.bad("a call waits in the phase %v", s.Phase)
	case s.Phase == stschain.Mandatory && s.Err != nil && !errors.Is(s.Err, stschain.ErrPrompt):
		w.bad("a call waits in the mandatory window, after an attempt failed")
	}
}

// settle looks at the calls that have returned, and at those that have not.
func (w *world) settle() {
	w.calls = slices.DeleteFunc(w.calls, func(m *worldCall) bool {
		if m.done {
			m.cancel()
			w.check(m)
			return true
		}
		waits := time.Since(m.began)
		if waits > 5*time.Second && m.atLeast == 0 && m.key == w.cached.AccessKeyID && w.left() > 0 && !w.raised && !w.disturb.After(m.began) {
			w.bad("%s waits for %v, with valid credentials cached", m.name, waits)
		}
		if waits > 2*w.timeout() { // an attempt that cannot prompt, and one of its own
			w.bad("%s waits for %v", m.name, waits)
		}
		if m.gaveUp {
			w.bad("%s gave up and waits", m.name)
		}
		return false
	})
}

func (w *world) timeout() time.Duration {
	if w.prompts {
		return 5 * time.Minute
	}
	return 30 * time.Second
}

// check looks at what a call returned.
func (w *world) check(m *worldCall) {
	stale := m.left > -w.maxStale && w.failures > 0 && !w.refused
	rejectedToo := w.rejected && m.before.Rejected && !w.tried && !w.quiet && m.before.Next.IsZero() && !m.hung
	switch {
	case m.err == nil && m.creds.AccessKeyID == "", m.err != nil && m.creds != (stschain.Credentials{}):
		w.bad("%s returned the credentials %q and the error %v", m.name, m.creds.AccessKeyID, m.err)
	case m.err == nil && !w.healthy && (m.creds.AccessKeyID != w.cached.AccessKeyID || !m.creds.Expires.Equal(w.expires())):
		w.bad("%s returned %s until %v, cached is %s until %v", m.name, m.creds.AccessKeyID, m.creds.Expires, w.cached.AccessKeyID, w.expires())
	case m.err == nil && m.left <= 0 && !stale:
		w.bad("%s returned credentials that expired %v before", m.name, -m.left)
	case m.err == nil && m.atLeast > 0 && m.left < m.atLeast:
		w.bad("%s returned credentials that live for %v", m.name, m.left)
	case m.err == nil && rejectedToo:
		w.bad("%s returned rejected credentials, and no attempt failed since", m.name)
	case w.quiet && m.name != quietCall && errors.Is(m.err, stschain.ErrPrompt):
		w.bad("%s can prompt, and returned %q", m.name, m.err)
	case m.err != nil && stale && m.left <= 0 && m.atLeast == 0 && !m.gaveUp && !w.raised && !errors.Is(m.err, stschain.ErrPrompt):
		w.bad("%s returned %q, with stale credentials cached", m.name, m.err)
	case m.err == nil, m.left <= 0, w.raised, w.rejected && (m.gaveUp || errors.Is(m.err, stschain.ErrPrompt)):
	case m.atLeast == 0, m.left >= m.atLeast && !w.rejected && !m.gaveUp:
		w.bad("%s returned %q, with credentials cached that live for %v", m.name, m.err, m.left)
	}
}

// recovers lets the faults stop: the provider works from now on, and is called every 30 s.
func (w *world) recovers() {
	w.mu.Lock()
	w.healthy = true
	pending := w.running > 0
	w.mu.Unlock()
	if pending {
		w.returns(worldResult{creds: w.newCredentials(worldLife)})
	}
	w.pass(5 * time.Second) // an error is remembered so long, and a call waits so long
	w.settle()
	attempts := w.attempts
	const longestBackoff = 10 * time.Minute
	for end := time.Now().Add(longestBackoff + time.Minute); time.Now().Before(end); w.pass(30 * time.Second) {
		w.recovered()
	}
	if s := w.c.Status(); w.prompts && s.Phase != stschain.Fresh { // no attempt prompts before a caller waits
		if w.pass(w.left() - time.Second); w.c.Inside().State.Settled { // then none waits before they expire
			w.pass(time.Second)
		}
	}
	w.recovered()
	if s := w.c.Status(); s.Phase != stschain.Fresh || s.Rejected {
		w.bad("11 minutes after the faults stopped: phase %v, rejected %v, next attempt at %v of %v", s.Phase, s.Rejected, s.Next, w.Now())
	}
	if n := w.attempts - attempts; n > 10 || n > 3 && !w.prompts { // those that need a prompt go on until one is possible
		w.bad("%d attempts in 11 minutes after the faults stopped", n)
	}
}

// recovered calls the cache once. The provider works.
func (w *world) recovered() {
	m := w.call(context.Background(), "a call after the faults stopped", 0)
	if m.waited > 0 || !m.done {
		w.bad("after the faults stopped, a call waits")
	}
	if m.err != nil {
		w.bad("after the faults stopped, a call returns %q", m.err)
	}
	w.settle()
}

// end lets all goroutines of the bubble end.
func (w *world) end() {
	for _, m := range w.calls {
		m.cancel()
	}
	w.mu.Lock()
	w.healthy = true
	pending := w.running > 0
	w.mu.Unlock()
	if pending {
		w.returns(worldResult{err: errDown})
	}
}
