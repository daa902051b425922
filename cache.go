package stschain

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/stschain-go/stschain/internal/unattended"
)

// Cache keeps the credentials of a provider and refreshes them before they
// expire. While they are good no caller waits for a refresh, and no caller gets
// an error because one failed.
//
// Held credentials go through phases, by what is left of their life:
//
//   - Fresh: they are returned at once.
//   - Advisory, the last 5, 15 or 60 minutes by how long they live: they are
//     returned at once to everybody, and the first caller starts a refresh in
//     the background.
//   - Mandatory, the last minute: callers wait for the refresh, but at most 5 s,
//     and not at all once a try has failed or hung.
//   - Expired: callers wait for the refresh, until their context ends.
//
// A refresh that fails leaves the held credentials in service until they
// expire. The next try comes after 5 to 10 minutes, or sooner where less than
// twice that is left. Many callers share one refresh; it belongs to none of them
// and goes on when they leave.
//
// These are the rules that the AWS SDKs agreed on in 2026, with defaults turned
// towards safety: the SDKs serve expired credentials without a limit (MaxStale
// does, with one) and raise a permanent refusal at once although the credentials
// in hand still work (FailFast does).
//
// A Cache needs no closing: nothing of it runs unless somebody calls, but for the
// events that are still to be handed out. It decides by the wall clock, so it notices expiry after a laptop slept. Its
// fields are not changed after first use, and it is not copied.
type Cache struct {
	Provider        Provider      // required
	AdvisoryWindow  time.Duration // 0: by lifetime, see above. At most three quarters of the lifetime
	MandatoryWindow time.Duration // 0: 60 s. At most a quarter of the advisory window
	MaxStale        time.Duration // how long past their expiry credentials are served while the source is down; 0: never
	FailFast        bool          // true: a permanent failure is raised at once, as the AWS SDKs do; false: when the held credentials expire
	Interactive     bool          // a person answers (an MFA prompt): never asked by a refresh that nobody waits for
	Timeout         time.Duration // bound on one refresh; 0: 30 s, or 5 min if a person answers, here or in a provider below (see Parent)
	Clock           Clock         // nil: the real one
	OnEvent         func(Event)   // nil: none. Called in order on a goroutine of its own; one that blocks misses what comes after 1024 events

	view    atomic.Pointer[view] // what most calls need to know; made by publish
	flying  atomic.Bool          // a background refresh flies; owned by the goroutine that set it
	flights singleflight.Group
	waits   atomic.Uint64
	events  eventQueue
	random  func() float64 // nil: rand.Float64

	mu sync.Mutex
	state
}

// view lets a call decide without a lock.
type view struct {
	creds       Credentials
	from, until int64 // between these, nothing is to be done
	serve       int64 // from until to here the credentials are served while a try runs in the background
}

// Cached returns p itself if it is a *Cache, and otherwise a new Cache over it
// with every default. If p says that a person answers its requests, by a method
// Interactive() bool, the cache is Interactive.
//
// A holder of a provider calls it once and keeps the result.
func Cached(p Provider) *Cache {
	if c, ok := p.(*Cache); ok {
		return c
	}
	return &Cache{Provider: p, Interactive: interactive(p)}
}

func interactive(p Provider) bool {
	if c, ok := p.(*Cache); ok {
		return c.Interactive
	}
	i, ok := p.(interface{ Interactive() bool })
	return ok && i.Interactive()
}

// interactiveBelow looks for a person among the providers that p asks. Since they
// might go in circles, it looks at most at so many.
func interactiveBelow(p Provider, most *int) bool {
	parent, ok := p.(Parent)
	if !ok {
		return false
	}
	for _, below := range parent.Providers() {
		if *most--; *most < 0 {
			return false
		}
		if interactive(below) || interactiveBelow(below, most) {
			return true
		}
	}
	return false
}

// Retrieve returns held credentials, or waits for new ones if there are none
// that are good. Its errors are those of the provider, and ctx's: one that wraps
// ctx.Err() and context.Cause(ctx), and only if nothing good is held.
//
// The refresh that a caller starts keeps the values of its context, but not its
// end: it is bounded by Timeout alone. An httptrace among these values sees what
// sources send, bearer tokens included.
func (c *Cache) Retrieve(ctx context.Context) (Credentials, error) {
	if c == nil {
		return Credentials{}, c.check()
	}
	if v := c.view.Load(); v != nil {
		now := c.now()
		if now >= v.from && now < v.until {
			return v.creds, nil
		}
		if now >= v.from && now < v.serve {
			c.tryInBackground(ctx)
			return v.creds, nil
		}
	}
	return c.retrieve(ctx, 0)
}

// RetrieveFor returns credentials that live for atLeast from now on, refreshing
// first if the held ones do not. If what the provider gave last did not live
// that long even when it came, it refuses at once and says so. It is for what
// cannot outlive the credentials it was signed with: presigned URLs and tokens.
func (c *Cache) RetrieveFor(ctx context.Context, atLeast time.Duration) (Credentials, error) {
	return c.retrieve(ctx, atLeast)
}

// retrieve is the slow path: it looks at the state under the lock, and waits for
// a flight if it must.
func (c *Cache) retrieve(ctx context.Context, atLeast time.Duration) (Credentials, error) {
	if err := c.check(); err != nil {
		return Credentials{}, err
	}
	for {
		c.mu.Lock()
		now := c.now()
		v := c.judge(now, atLeast)
		landed := c.landed
		held := c.held
		c.mu.Unlock()

		switch v.do {
		case serve:
			return held, nil
		case serveAndTry:
			c.tryInBackground(ctx)
			return held, nil
		case refuse:
			return Credentials{}, v.err
		}
		if ctx.Err() != nil || c.Interactive && unattended.Is(ctx) {
			return c.leave(ctx, atLeast)
		}
		c.waits.Add(1)
		flight := c.flights.DoChan("", c.flight(ctx, atLeast))
		var impatient <-chan time.Time
		if v.patience > 0 {
			t := time.NewTimer(v.patience)
			defer t.Stop()
			impatient = t.C
		}
		select {
		case r := <-flight:
			o := r.Val.(outcome)
			if o.landing <= landed {
				continue // it had landed before we came, or there was nothing left to do
			}
			switch {
			case errors.Is(o.err, unattended.Err) && unattended.Is(ctx):
				return c.leave(ctx, atLeast)
			case errors.Is(o.err, unattended.Err) && o.unattended:
				continue // here is somebody who waits
			case o.err != nil:
				return Credentials{}, o.err
			}
			if atLeast > 0 {
				continue // whether these live long enough is for judge to say
			}
			return o.creds, nil
		case <-impatient:
			// The held credentials were good when we began to wait; judge
			// knows whether they still are.
		case <-ctx.Done():
			return c.leave(ctx, atLeast)
		}
	}
}

// leave is what a caller gets who does not wait, because their context ended or
// because nobody is there whom a person could answer: the held credentials as
// long as nothing speaks against them.
func (c *Cache) leave(ctx context.Context, atLeast time.Duration) (Credentials, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if atLeast <= 0 && c.good(c.now()) {
		return c.held, nil
	}
	if ctx.Err() == nil {
		return Credentials{}, fmt.Errorf("stschain: %s asks a person, and %w", name(c.Provider), unattended.Err)
	}
	return Credentials{}, fmt.Errorf("stschain: waiting for credentials from %s: %w", name(c.Provider), ended(ctx))
}

// tryInBackground starts a refresh that nobody waits for, unless one flies.
func (c *Cache) tryInBackground(ctx context.Context) {
	if c.Interactive || c.flying.Load() || !c.flying.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer c.flying.Store(false)
		c.flights.Do("", c.flight(unattended.Context(ctx), 0))
	}()
}

// Invalidate tells the cache that a service rejected credentials. If they are
// the held ones, by their access key ID, the next call waits for a refresh, and
// gets the old ones only if that fails. An answer that brings the rejected ones
// again is a failed refresh. A pause between tries is not cut short, and a caller
// that rejects every answer causes a refresh every 1 to 5 s at most. If the
// provider is an [Invalidator] it is told too.
func (c *Cache) Invalidate(rejected Credentials) {
	c.mu.Lock()
	if c.holding() && !c.rejected && c.held.AccessKeyID == rejected.AccessKeyID {
		c.reject(c.now())
		c.publish()
		c.emit(Event{Kind: Invalidated, Source: c.held.Source})
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

// check finds what is missing or makes no sense.
func (c *Cache) check() error {
	switch {
	case c == nil:
		return errors.New("stschain: the Cache is nil")
	case c.Provider == nil:
		return errors.New("stschain: Cache.Provider is required")
	case c.AdvisoryWindow < 0, c.MandatoryWindow < 0, c.MaxStale < 0, c.Timeout < 0:
		return fmt.Errorf("stschain: a Cache's durations must not be negative: AdvisoryWindow %v, MandatoryWindow %v, MaxStale %v, Timeout %v",
			c.AdvisoryWindow, c.MandatoryWindow, c.MaxStale, c.Timeout)
	}
	return nil
}

func (c *Cache) now() int64 {
	if c.Clock == nil {
		return time.Now().UnixNano()
	}
	return nanos(c.Clock.Now())
}

func (c *Cache) draw() float64 {
	if c.random == nil {
		return rand.Float64()
	}
	return c.random()
}
