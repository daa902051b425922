package stschain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stschain-go/stschain/internal/refresh"
	"github.com/stschain-go/stschain/internal/system"
)

// Cache keeps the credentials of a provider and refreshes them before they
// expire. While they are valid, no caller waits for more than 5 s, and no caller gets
// an error because a refresh failed.
//
// Cached credentials go through phases that depend on their remaining lifetime:
//
//   - Fresh: they are returned immediately.
//   - Advisory (the last 5 minutes of a lifetime of up to 20 minutes, the last
//     15 of one of less than 90, the last 60 of a longer one): they are returned
//     immediately, and the first caller begins a background refresh.
//   - Mandatory (the last minute): callers wait for the refresh, but at most
//     5 s, and not at all after an attempt has failed or hung.
//   - Expired: callers wait for the refresh until their context ends.
//
// If a refresh fails, the cached credentials are still served until they
// expire. The next attempt follows after 5 to 10 minutes, or sooner if less
// than twice that remains. Concurrent callers share one attempt, which
// continues even if they give up.
//
// These are the rules that the AWS SDKs agreed on in 2026, with safer
// defaults. The SDKs serve expired credentials without limit (set MaxStale for
// that), and return a permanent failure immediately even if the cached
// credentials are valid (set FailFast).
//
// A Cache needs no Close: between calls it runs no goroutine, except to deliver
// events. Credentials expire by the wall clock, which advances while a laptop
// sleeps, or by the monotonic clock if the wall clock was set back. In a
// process restored from a memory snapshot both may be wrong until a service
// rejects the credentials; see Invalidate.
//
// Do not change the fields after first use, and do not copy a Cache.
type Cache struct {
	Provider        Provider      // required
	AdvisoryWindow  time.Duration // 0: by lifetime, see above. At most three quarters of the lifetime
	MandatoryWindow time.Duration // 0: 60 s. At most a quarter of the advisory window
	MaxStale        time.Duration // how long past their expiry credentials are served while the source is down; 0: never
	FailFast        bool          // true: return a permanent error immediately; false: serve the cached credentials until they expire
	Timeout         time.Duration // of one refresh; 0: 30 s, or 5 min if the provider prompts, see Prompt
	Clock           Clock         // nil: the system clock
	OnEvent         func(Event)   // nil: none. Called in order, on a separate goroutine; while it blocks, at most 1,024 events are queued

	snapshot atomic.Pointer[snapshot] // read by the lock-free path of Retrieve, replaced under the lock; nil: nothing is cached
	waits    atomic.Uint64
	member   member // of a Pool; nil: of none

	// No user code runs under the lock, except Clock.Now.
	mu       sync.Mutex
	state    refresh.State
	rare     *rare    // nil: as if it were zero
	inFlight *attempt // nil: none
	running  *attempt // the newest whose call of the provider has not returned; nil: none
	name     string   // of the provider, when it was last called

	attempts uint64
}

// rare is what most of many idle caches do not need.
type rare struct {
	failures
	events eventQueue
	random func() float64 // nil: rand.Float64
}

// failures are those of the attempts of a Cache.
type failures struct {
	last         error // nil: the last attempt succeeded
	count, stale uint64
}

// cached is what the provider returned, and when.
type cached struct {
	_ [0]func() // nothing compares it, so no code for that is needed

	received time.Time
	creds    Credentials
}

// snapshot is immutable. Retrieve returns its credentials at times in [from, until). It contains them, because
// the time of a garbage collection depends on the number of objects.
type snapshot struct {
	from, until int64
	at          int64 // received, on the wall clock
	cached
}

// CachedProvider is a provider that caches what it retrieved, such as a
// [*Cache]. A parameter of this type rules out an uncached flow, which would
// call its service for each request.
type CachedProvider interface {
	Provider
	Invalidator

	// RetrieveFor returns credentials that are valid for at least this long.
	RetrieveFor(ctx context.Context, atLeast time.Duration) (Credentials, error)
}

// Cached returns p itself if it is a [CachedProvider], and otherwise a new
// [Cache] of p with default settings. Call it once and keep the result.
func Cached(p Provider) CachedProvider {
	if c, ok := p.(CachedProvider); ok {
		return c
	}
	return &Cache{Provider: p}
}

// Retrieve returns cached credentials, or waits for new ones if none
// are valid. It returns the errors of the provider or, if ctx ends while no valid
// credentials are cached, an error that wraps ctx.Err() and context.Cause(ctx).
//
// A refresh has the values of the context of the caller that began it, but
// neither its deadline nor its cancellation: Timeout bounds it. An httptrace in
// that context sees everything that sources send, including bearer tokens.
func (c *Cache) Retrieve(ctx context.Context) (Credentials, error) {
	if s := c.snapshot.Load(); s != nil {
		t := c.time()
		// The last condition is a cheap version of lag.
		if now := refresh.Nanos(t); now >= s.from && now < s.until && t.Sub(s.received)-time.Duration(now-s.at) < time.Second {
			return s.creds, nil
		}
	}
	return c.retrieve(ctx, 0)
}

// RetrieveFor returns credentials that are valid for at least this long. It refreshes
// first if the cached ones are not, and returns an error immediately if the last ones
// that the provider returned had a shorter lifetime, unless the provider is a [CachedProvider]
// itself and may have better ones. Use it for presigned URLs and
// tokens, which expire with the credentials that signed them.
func (c *Cache) RetrieveFor(ctx context.Context, atLeast time.Duration) (Credentials, error) {
	return c.retrieve(ctx, atLeast)
}

func (c *Cache) retrieve(ctx context.Context, atLeast time.Duration) (Credentials, error) {
	if err := c.check(); err != nil {
		return Credentials{}, Permanent(err)
	}
	for {
		d, err := c.decide(ctx, atLeast)
		if err == nil && d.Action == refresh.Wait {
			d.creds, err = c.wait(ctx, atLeast, d)
		}
		if err != errDecideAgain {
			return d.creds, err
		}
	}
}

var (
	errDecideAgain = errors.New("stschain: the caller decides again")
	errCycle       = errors.New("its provider retrieves from the cache that calls it")
)

// Invalidate reports that a service rejected credentials. If they have the access key ID of
// the cached ones, the next call waits for a refresh, and
// returns the rejected ones only if that fails. A refresh that returns the same ones counts
// as failed. A backoff stays in effect, and a caller that rejects all credentials causes at
// most one refresh every 1 to 5 s. If the provider is an [Invalidator], the rejection is
// passed on.
func (c *Cache) Invalidate(rejected Credentials) {
	c.mu.Lock()
	if c.state.Holding() && !c.state.Rejected && c.state.Entry.ID == rejected.AccessKeyID {
		k := c.rebase()
		c.state = refresh.Reject(c.state, refresh.Nanos(k.received))
		c.publish(&k)
		c.emit(&Event{Kind: Invalidated, Origin: k.creds.Origin, Err: c.backoffError()})
	}
	c.mu.Unlock()
	if i, ok := c.Provider.(Invalidator); ok {
		i.Invalidate(rejected)
	}
}

// Providers returns the cached provider.
func (c *Cache) Providers() []Provider { return []Provider{c.Provider} }

// String returns the name of the cached provider.
func (c *Cache) String() string { return name(c.Provider) }

// check returns what is missing or invalid in the configuration.
func (c *Cache) check() error {
	switch {
	case c.Provider == nil:
		return errors.New("stschain: Cache.Provider is required")
	case c.AdvisoryWindow < 0, c.MandatoryWindow < 0, c.MaxStale < 0, c.Timeout < 0:
		return fmt.Errorf("stschain: a Cache's durations must not be negative: AdvisoryWindow %v, MandatoryWindow %v, MaxStale %v, Timeout %v",
			c.AdvisoryWindow, c.MandatoryWindow, c.MaxStale, c.Timeout)
	}
	return nil
}

func (c *Cache) config() refresh.Config {
	cfg := refresh.Config{Advisory: c.AdvisoryWindow, Mandatory: c.MandatoryWindow, MaxStale: c.MaxStale, FailFast: c.FailFast}
	if c.member != nil {
		cfg.Spread, cfg.Refusal = true, poolRefusal
	}
	return cfg
}

func (c *Cache) time() time.Time { return system.Now(c.Clock) }

// lag returns how far the wall clock fell behind the monotonic one since the
// credentials were received, because it was set back; 0 if that is less than a
// second. A Clock without monotonic readings has no lag.
func (k *cached) lag(t time.Time) time.Duration {
	lag := t.Sub(k.received) - t.Round(0).Sub(k.received.Round(0))
	if lag < time.Second {
		return 0
	}
	return lag
}

// The callers of the methods below hold the lock.

// now returns the time by the clock that advanced further since the credentials
// were received, so that they expire at the earlier of the two ends, and how
// far the wall clock lags behind it.
func (c *Cache) now() (int64, time.Duration) {
	t := c.time()
	var lag time.Duration
	if s := c.snapshot.Load(); s != nil {
		lag = s.lag(t)
	}
	return refresh.Nanos(t) + int64(lag), lag
}

// credentials returns the cached ones. Their expiry is on the wall clock as it is set now.
func (c *Cache) credentials(lag time.Duration) Credentials {
	s := c.snapshot.Load()
	if s == nil {
		return Credentials{}
	}
	creds := s.creds
	if !creds.Expires.IsZero() {
		creds.Expires = creds.Expires.Add(-lag)
	}
	return creds
}

// rebase moves the state onto the wall clock as it is set now, and returns what to publish with it.
func (c *Cache) rebase() cached {
	_, lag := c.now()
	c.state = refresh.Shift(c.state, -lag)
	return cached{received: c.time(), creds: c.credentials(lag)}
}

// backoffError returns an error if a backoff delays the refresh of the rejected
// credentials, and nil if the next call refreshes them.
func (c *Cache) backoffError() error {
	now, lag := c.now()
	next := nextOf(c.state, now, lag)
	if next.IsZero() {
		return nil
	}
	return fmt.Errorf("stschain: the rejected credentials are returned until the next refresh, which backs off until %s", next.UTC().Format(time.RFC3339Nano))
}

// failed returns the failures so far.
func (c *Cache) failed() failures {
	if c.rare == nil {
		return failures{}
	}
	return c.rare.failures
}

// needed returns c.rare, which it makes if there is none.
func (c *Cache) needed() *rare {
	if c.rare == nil {
		c.rare = new(rare)
	}
	return c.rare
}

// publish replaces the snapshot.
func (c *Cache) publish(k *cached) {
	from, until := refresh.Quiet(c.config(), c.state)
	c.snapshot.Store(&snapshot{from, until, refresh.Nanos(k.received), *k})
}

// republish replaces the snapshot after a change of the state.
func (c *Cache) republish() {
	if s := c.snapshot.Load(); s != nil {
		c.publish(&s.cached)
	}
}

// knownName returns the name that the provider had when it was last called: its String is not called under the lock.
func (c *Cache) knownName() string { return cmp.Or(c.name, typeName(c.Provider)) }

// draws returns random numbers for jitter.
func (c *Cache) draws() [2]float64 {
	random := rand.Float64
	if c.rare != nil && c.rare.random != nil {
		random = c.rare.random
	}
	return [2]float64{random(), random()}
}
