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

	"golang.org/x/sync/singleflight"

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

// decision is what a caller does. If it waits, it has joined a flight.
type decision struct {
	refresh.Decision
	creds   Credentials // to return
	flight  *attempt
	landing <-chan singleflight.Result
	joined  bool // another caller began it
}

// decide says what the caller does at this moment. It begins an attempt if one is wanted and none is in
// flight. A caller that would wait for an attempt that waits for it, or whose context has ended, joins none.
func (c *Cache) decide(ctx context.Context, atLeast time.Duration) (decision, error) {
	quiet, above, stays := cannotPrompt(ctx), attemptOf(ctx), ctx.Err() == nil && !c.above(ctx)
	c.mu.Lock()
	now, lag := c.now()
	need := refresh.Need{AtLeast: atLeast, NoPrompt: quiet, Blocked: c.blocked()}
	if c.flight != nil {
		need.Elapsed = time.Since(c.flight.began)
	}
	d := decision{Decision: refresh.Decide(c.config(), c.state, now, need), creds: c.credentials(lag)}
	background := d.Action == refresh.ServeAndRefresh
	if waits := d.Action == refresh.Wait && stays; waits || background {
		if d.joined = c.flight != nil; !d.joined {
			c.begin(ctx, above, quiet || background)
		}
		a := c.flight
		d.flight, d.landing = a, a.callers.DoChan("", func() (any, error) { return c.run(a), nil })
		if waits {
			c.waits.Add(1)
		}
	}
	running, longest := c.unreturned()
	refused := refusal{d.Reason, d.creds.Origin, time.Duration(c.state.Entry.Expires - now), c.state.Lifetime, c.err, running, longest}
	c.mu.Unlock()
	if d.Action == refresh.Refuse {
		return decision{}, refused.error(atLeast)
	}
	return d, nil
}

// above reports whether ctx is that of an attempt of c, or of one that such an attempt waits for.
func (c *Cache) above(ctx context.Context) bool {
	a := attemptOf(ctx)
	for a != nil && a.cache != c {
		a = a.above
	}
	return a != nil
}

// begin begins an attempt. The lock is held, as it is for all that follows and takes no lock.
func (c *Cache) begin(ctx context.Context, above *attempt, quiet bool) {
	c.flight = newAttempt(ctx, c, above, quiet)
	c.flight.earlier, c.running = c.running, c.flight
	c.state = refresh.Begin(c.state)
	c.attempts++
	c.publish()
}

// blocked reports that no attempt may begin: the calls of earlier ones have outlived them and still
// run. Beside one of these, one attempt may run. There is no third before the first has run for 15
// minutes, and then one more for each 15 minutes.
func (c *Cache) blocked() bool {
	n, longest := c.unreturned()
	return c.flight == nil && n >= 2+int(longest/(15*time.Minute))
}

// unreturned is how many calls of the provider have not returned, and how long the oldest has run.
func (c *Cache) unreturned() (n int, longest time.Duration) {
	for a := c.running; a != nil; a = a.earlier {
		n, longest = n+1, time.Since(a.began)
	}
	return n, longest
}

// wait waits for a flight. The error is errAgain if the caller is to decide again.
func (c *Cache) wait(ctx context.Context, atLeast time.Duration, d decision) (creds Credentials, err error) {
	if d.flight == nil {
		return c.giveUp(atLeast, cmp.Or(ended(ctx), errCircle))
	}
	if d.joined {
		_, end := Step{Kind: StepRefresh, Provider: c, Joined: true}.Start(ctx)
		defer func() { end(creds, err) }()
	}
	var impatient <-chan time.Time
	if d.Patience > 0 {
		t := time.NewTimer(d.Patience)
		defer t.Stop()
		impatient = t.C
	}
	for prompted := d.flight.prompted; ; {
		select {
		case r := <-d.landing:
			switch o := r.Val.(outcome); {
			case o.noPrompt && cannotPrompt(ctx):
				return c.giveUp(atLeast, o.err)
			case o.noPrompt, o.err == nil && atLeast > 0: // its own attempt may prompt; do they live that long?
				return creds, errAgain
			default:
				return o.creds, o.err
			}
		case <-prompted:
			if err := Prompt(ctx); err != nil { // which gives more time to the attempts that wait for this one
				return c.giveUp(atLeast, err)
			}
			prompted = nil
		case <-impatient:
			return creds, errAgain // the cached ones may have expired meanwhile
		case <-ctx.Done():
			return c.giveUp(atLeast, ended(ctx))
		}
	}
}

// giveUp is for a caller that does not wait for a refresh: it gets the cached credentials if nothing
// speaks against them.
func (c *Cache) giveUp(atLeast time.Duration, reason error) (Credentials, error) {
	c.mu.Lock()
	now, lag := c.now()
	good, creds, name := c.state.Good(now), c.credentials(lag), c.knownName()
	c.mu.Unlock()
	if good && atLeast <= 0 {
		return creds, nil
	}
	return Credentials{}, fmt.Errorf("stschain: waiting for credentials from %s: %w", name, reason)
}

// refusal is why a caller gets neither credentials nor a wait.
type refusal struct {
	reason   refresh.Reason
	origin   string
	left     time.Duration // of the cached credentials
	lifetime time.Duration // that they had when they came
	last     error
	running  int           // calls that have not returned
	longest  time.Duration // of these
}

func (r refusal) error(atLeast time.Duration) error {
	switch live := fmt.Sprintf("stschain: credentials from %s live for", r.origin); r.reason {
	case refresh.TooShort:
		return fmt.Errorf("%s %v, and %v are required: require less, or configure a longer duration", live, r.lifetime, atLeast)
	case refresh.TooShortFailed:
		return fmt.Errorf("%s another %v, %v are required, and the last refresh failed: %w", live, r.left, atLeast, r.last)
	case refresh.TooShortJustCame:
		return fmt.Errorf("%s another %v, %v are required, and they were refreshed just now", live, r.left, atLeast)
	case refresh.Blocked:
		return fmt.Errorf("stschain: %d earlier calls of the provider have not returned, the oldest after %v: no further one is made; the last failure: %w", r.running, r.longest.Round(time.Second), r.last)
	}
	return r.last
}

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
		c.emit(Event{Kind: Invalidated, Origin: c.cached.creds.Origin})
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
