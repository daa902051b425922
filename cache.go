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
)

// Cache keeps the credentials of a provider and refreshes them before they
// expire. While they are valid no caller waits for long, and no caller gets
// an error because a refresh failed.
//
// Cached credentials go through phases, by their remaining life:
//
//   - Fresh: they are returned at once.
//   - Advisory, the last 5, 15 or 60 minutes by how long they live: they are
//     returned at once, and the first caller starts a refresh in the background.
//   - Mandatory, the last minute: callers wait for the refresh, but at most 5 s,
//     and not at all once an attempt has failed or hung.
//   - Expired: callers wait for the refresh, until their context ends.
//
// A refresh that fails leaves the cached credentials in service until they
// expire. The next attempt comes after 5 to 10 minutes, or sooner where less than
// twice that is left. Concurrent callers share one attempt. It belongs to none of them
// and goes on when they give up.
//
// These are the rules that the AWS SDKs agreed on in 2026, with safer
// defaults: the SDKs serve expired credentials without a limit (MaxStale
// does, with one) and return a permanent failure at once although the cached
// credentials are valid (FailFast does).
//
// A Cache needs no Close: it runs no goroutine between calls, except one that hands out
// events. Credentials expire by the wall clock, so after a laptop slept they have expired,
// or by the monotonic clock if the wall clock was set back. If a process is restored from a snapshot of
// its memory, both may be wrong: then only the rejection by a service helps, see Invalidate.
//
// The fields are not changed after first use, and a Cache is not copied.
type Cache struct {
	Provider        Provider      // required
	AdvisoryWindow  time.Duration // 0: by lifetime, see above. At most three quarters of the lifetime
	MandatoryWindow time.Duration // 0: 60 s. At most a quarter of the advisory window
	MaxStale        time.Duration // how long past their expiry credentials are served while the source is down; 0: never
	FailFast        bool          // true: a permanent failure is returned at once, as the AWS SDKs do; false: when the cached credentials expire
	Timeout         time.Duration // of one refresh; 0: 30 s, or 5 min if the provider prompts, see Prompt
	Clock           Clock         // nil: the real one
	OnEvent         func(Event)   // nil: none. Called in order on a goroutine of its own; while it blocks, at most 1024 events are kept for it

	snapshot atomic.Pointer[snapshot] // what the lock-free path of Retrieve reads
	waits    atomic.Uint64
	events   eventQueue
	random   func() float64 // nil: rand.Float64

	// No code of others runs under the lock, except Clock.Now.
	mu      sync.Mutex
	state   refresh.State
	cached  *cached  // nil: the provider has not returned any
	err     error    // of the last attempt; nil if it succeeded
	flight  *attempt // in flight
	running *attempt // the last one whose call of the provider has not returned; before it, earlier ones
	name    string   // of the provider, when it was last called

	attempts, failures, stale uint64
}

// cached is what the provider returned, and when.
type cached struct {
	creds    Credentials
	received time.Time
}

// snapshot says from when until when the cached credentials are returned without looking further.
type snapshot struct {
	*cached
	from, until int64
	at          int64 // received, on the wall clock
}

// CachedProvider is a provider that keeps what it retrieved, such as a [*Cache]. A holder that takes
// one cannot be given a bare flow, which would call its service for each request.
type CachedProvider interface {
	Provider
	Invalidator

	// RetrieveFor returns credentials that live for atLeast from now on.
	RetrieveFor(ctx context.Context, atLeast time.Duration) (Credentials, error)
}

// Cached returns p itself if it is a [CachedProvider], and otherwise a new [Cache] over it
// with every default.
//
// A holder of a provider calls it once and keeps the result.
func Cached(p Provider) CachedProvider {
	if c, ok := p.(CachedProvider); ok {
		return c
	}
	return &Cache{Provider: p}
}

// Retrieve returns cached credentials, or waits for new ones if there are none
// that are valid. Its errors are those of the provider, and ctx's: one that wraps
// ctx.Err() and context.Cause(ctx), and only if no valid credentials are cached.
//
// The refresh that a caller starts keeps the values of its context, but not its
// end: it is bounded by Timeout alone. An httptrace among these values sees what
// sources send, bearer tokens included.
func (c *Cache) Retrieve(ctx context.Context) (Credentials, error) {
	if c == nil {
		return Credentials{}, Permanent(c.check())
	}
	if s := c.snapshot.Load(); s != nil {
		t := c.time()
		// The last condition is a cheap form of lag.
		if now := refresh.Nanos(t); now >= s.from && now < s.until && t.Sub(s.received)-time.Duration(now-s.at) < time.Second {
			return s.creds, nil
		}
	}
	return c.retrieve(ctx, 0)
}

// RetrieveFor returns credentials that live for atLeast from now on, refreshing
// first if the cached ones do not. If those that the provider returned last did not live
// that long when they came, it is an error at once. It is for what
// cannot outlive the credentials it was signed with: presigned URLs and tokens.
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
		if err != errAgain {
			return d.creds, err
		}
	}
}

var (
	errAgain  = errors.New("stschain: the caller decides again")
	errCircle = errors.New("its provider retrieves from the cache that calls it")
)

// Invalidate tells the cache that a service rejected credentials. If they are
// the cached ones, by their access key ID, the next call waits for a refresh, and
// gets the old ones only if that fails. A refresh that returns the rejected ones
// again has failed. A backoff is not cut short, and a caller
// that rejects whatever it gets causes one refresh every 1 to 5 s at most. If the
// provider is an [Invalidator] it is told too.
func (c *Cache) Invalidate(rejected Credentials) {
	c.mu.Lock()
	if c.state.Holding() && !c.state.Rejected && c.cached.creds.AccessKeyID == rejected.AccessKeyID {
		c.rebase()
		now, _ := c.now()
		c.state = refresh.Reject(c.state, now)
		c.publish()
		c.emit(Event{Kind: Invalidated, Origin: c.cached.creds.Origin, Err: c.heldBack()})
	}
	c.mu.Unlock()
	if i, ok := c.Provider.(Invalidator); ok {
		i.Invalidate(rejected)
	}
}

// Providers returns the provider behind the cache.
func (c *Cache) Providers() []Provider { return []Provider{c.Provider} }

// String is the name of the provider behind the cache.
func (c *Cache) String() string { return name(c.Provider) }

// check finds what is missing or invalid.
func (c *Cache) check() error {
	switch {
	case c == nil || c.Provider == nil:
		return errors.New("stschain: Cache.Provider is required")
	case c.AdvisoryWindow < 0, c.MandatoryWindow < 0, c.MaxStale < 0, c.Timeout < 0:
		return fmt.Errorf("stschain: a Cache's durations must not be negative: AdvisoryWindow %v, MandatoryWindow %v, MaxStale %v, Timeout %v",
			c.AdvisoryWindow, c.MandatoryWindow, c.MaxStale, c.Timeout)
	}
	return nil
}

func (c *Cache) config() refresh.Config {
	return refresh.Config{Advisory: c.AdvisoryWindow, Mandatory: c.MandatoryWindow, MaxStale: c.MaxStale, FailFast: c.FailFast}
}

func (c *Cache) time() time.Time {
	if c.Clock == nil {
		return time.Now()
	}
	return c.Clock.Now()
}

// lag is by how much the wall clock fell behind the monotonic one since the credentials came, if
// that is a second or more: it was set back. A Clock without monotonic readings has none.
func (k *cached) lag(t time.Time) time.Duration {
	if k == nil {
		return 0
	}
	lag := t.Sub(k.received) - t.Round(0).Sub(k.received.Round(0))
	if lag < time.Second {
		return 0
	}
	return lag
}

// The lock is held in all that follows and takes no lock.

// now is the instant by the clock that went on more since the credentials came, so that they expire at the
// earlier of both ends, and by how much the wall clock lags behind it.
func (c *Cache) now() (int64, time.Duration) {
	t := c.time()
	lag := c.cached.lag(t)
	return refresh.Nanos(t) + int64(lag), lag
}

// credentials are the cached ones. Their end is on the wall clock as it is now.
func (c *Cache) credentials(lag time.Duration) Credentials {
	if !c.state.Holding() {
		return Credentials{}
	}
	creds := c.cached.creds
	if lag > 0 && !creds.Expires.IsZero() {
		creds.Expires = creds.Expires.Add(-lag)
	}
	return creds
}

// rebase moves what is known onto the wall clock as it is now.
func (c *Cache) rebase() {
	if c.cached != nil {
		_, lag := c.now()
		c.state = refresh.Shift(c.state, -lag)
		c.cached = &cached{c.credentials(lag), c.time()}
	}
}

// heldBack returns why the rejected credentials are still returned, and nil if the next call refreshes them.
func (c *Cache) heldBack() error {
	now, lag := c.now()
	next := nextOf(c.state, now, lag)
	if next.IsZero() {
		return nil
	}
	return fmt.Errorf("stschain: the rejected credentials are returned until the next refresh, which backs off until %s", next.UTC().Format(time.RFC3339Nano))
}

// publish makes the snapshot from the state.
func (c *Cache) publish() {
	if c.cached != nil {
		from, until := refresh.Quiet(c.config(), c.state)
		c.snapshot.Store(&snapshot{c.cached, from, until, refresh.Nanos(c.cached.received)})
	}
}

// knownName is the provider's name when it was last called, since its String is not called under the lock.
func (c *Cache) knownName() string { return cmp.Or(c.name, fmt.Sprintf("%T", c.Provider)) }

// draws are for jitter.
func (c *Cache) draws() [2]float64 {
	if c.random == nil {
		return [2]float64{rand.Float64(), rand.Float64()}
	}
	return [2]float64{c.random(), c.random()}
}
