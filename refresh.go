package stschain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/stschain-go/stschain/internal/refresh"
)

// grace is how long a provider has, after its context ended, to return an error that says where it was stuck.
const grace = 100 * time.Millisecond

// result is what a provider returned.
type result struct {
	_ [0]func() // nothing compares it, so no code for that is needed

	creds Credentials
	err   error
	class refresh.Class // of err
	note  string        // see Note

	throttled bool // err is ErrThrottled
}

// outcome is what the callers that wait for an attempt return.
type outcome struct {
	_ [0]func() // nothing compares it, so no code for that is needed

	creds    Credentials
	err      error
	noPrompt bool // a prompt was needed, and the attempt could not prompt
}

// run calls the provider, for singleflight. It returns when the call does, or after the attempt's deadline.
func (c *Cache) run(a *attempt) outcome {
	began := c.time()
	called := new(result) // the call may still write it when within has returned
	err := within(a, c.Provider, func() {
		defer c.returned(a)
		*called = c.call(a)
	})
	r := result{err: err}
	if err == nil {
		r = *called
	}
	late := a.Err()
	a.timer.Stop()
	a.end(context.Canceled)
	o := c.land(a, r, late, c.time().Sub(began))
	if c.member != nil {
		c.member.leave(a, r, o)
	}
	return o
}

// land ends an attempt that returned r, or was late.
func (c *Cache) land(a *attempt, r result, late error, took time.Duration) outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	draws := c.draws()
	c.inFlight = nil
	if late != nil && (r.err == late || IsUnavailable(r.err)) {
		r = result{err: fmt.Errorf("stschain: %s did not return within %v: %w", c.knownName(), a.timeout(), late)}
	}
	return c.finish(r, took, draws)
}

// call calls the provider. It runs on a separate goroutine, because methods of the provider may block or panic.
func (c *Cache) call(a *attempt) (r result) {
	if c.member != nil {
		if r.err = c.member.enter(a); r.err != nil {
			return r
		}
	}
	n := name(c.Provider)
	c.mu.Lock()
	if c.inFlight == a { // otherwise String outlived the attempt
		if c.name != n { // otherwise it shares the text of the cached origin
			c.name = n
		}
		c.emit(&Event{Kind: RefreshStarted, Origin: n})
	}
	c.mu.Unlock()
	ctx, end := Step{Kind: StepRefresh, Name: n, Provider: c}.Start(a)
	defer func() { end(r.creds, r.err) }()
	r.creds, r.err = c.retrieveProvider(ctx, a.atLeast)
	r.note = a.notes.String()
	if err := r.creds.complete(); err != nil && r.err == nil {
		r.err = fmt.Errorf("stschain: %s returned %w", n, err)
	}
	r.class, r.throttled = classify(r.err, a.quiet), errors.Is(r.err, ErrThrottled)
	return r
}

// retrieveProvider passes on to a provider that caches how long the credentials of the caller that began the attempt must be
// valid. If they cannot be, it may have others that are better than the cached ones.
func (c *Cache) retrieveProvider(ctx context.Context, atLeast time.Duration) (Credentials, error) {
	if p, ok := c.Provider.(CachedProvider); ok && atLeast > 0 {
		if creds, err := p.RetrieveFor(ctx, atLeast); err == nil {
			return creds, nil
		}
	}
	return c.Provider.Retrieve(ctx)
}

func classify(err error, quiet bool) refresh.Class {
	switch {
	case quiet && errors.Is(err, ErrPrompt):
		return refresh.NoPrompt
	case errors.Is(err, ErrPrompt):
		return refresh.PromptFailed
	case errors.Is(err, ErrPermanent):
		return refresh.Permanent
	}
	return refresh.Transient
}

// returned records that the call of an attempt has returned.
func (c *Cache) returned(a *attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := &c.running
	for *at != a {
		at = &(*at).earlier
	}
	*at, a.earlier = a.earlier, nil
}

// finish applies the result of an attempt to the state.
func (c *Cache) finish(r result, took time.Duration, draws [2]float64) outcome {
	if r.err == nil {
		r.err = c.accept(r, took, draws)
	}
	if r.err != nil {
		if c.state.Holding() && IsUnavailable(r.err) { // a chain must not fall through to another identity
			r.err = fmt.Errorf("stschain: %s is not configured anymore: %w", c.knownName(), r.err)
		}
		now, _ := c.now()
		c.state = refresh.Fail(c.config(), c.state, r.class, now, draws)
		failed := &c.needed().failures
		if failed.last = r.err; r.class != refresh.NoPrompt {
			failed.count++
		}
		c.republish()
		c.emit(&Event{Kind: RefreshFailed, Origin: c.knownName(), Took: took, Err: r.err})
	}
	now, lag := c.now()
	switch noPrompt := r.class == refresh.NoPrompt; {
	case r.err != nil && (noPrompt || c.state.Raised || now >= c.state.End(c.config())):
		return outcome{err: r.err, noPrompt: noPrompt}
	case r.err != nil && now >= c.state.Entry.Expires:
		c.rare.stale++
		c.emit(&Event{Kind: ServingStale, Origin: c.snapshot.Load().creds.Origin, Err: r.err})
	}
	return outcome{creds: c.credentials(lag)}
}

// accept caches complete credentials, or returns why they cannot be used.
func (c *Cache) accept(r result, took time.Duration, draws [2]float64) error {
	t, creds := c.time(), r.creds
	now := refresh.Nanos(t)
	c.compact(&creds)
	entry := refresh.Entry{ID: creds.AccessKeyID, Expires: refresh.Expiry(creds.Expires)}
	switch refresh.Check(c.state, entry, now) {
	case refresh.ArrivedExpired:
		return fmt.Errorf("stschain: %s returned credentials that expired at %s: check the clock of this machine, or what the source caches",
			c.knownName(), creds.Expires.UTC().Format(time.RFC3339))
	case refresh.RejectedAgain:
		return fmt.Errorf("stschain: %s returned %s again, which a service rejected", c.knownName(), creds.AccessKeyID)
	}
	creds.Expires = creds.Expires.Round(0) // on the wall clock
	c.rebase()
	gains := refresh.Gains(c.state, entry)
	c.state = refresh.Succeed(c.config(), c.state, entry, now, draws)
	c.publish(&cached{received: t, creds: creds})
	if !gains {
		return nil
	}
	if c.rare != nil {
		c.rare.last = nil
	}
	c.emit(&Event{Kind: Refreshed, Origin: creds.Origin, Took: took, Note: r.note})
	return nil
}

// compact sets the origin of creds, and copies their texts into one allocation: the time of a garbage collection depends on
// the number of objects, and a text may be a part of a large response.
func (c *Cache) compact(creds *Credentials) {
	n := c.knownName()
	creds.Origin = cmp.Or(creds.Origin, n)
	texts := creds.AccessKeyID + creds.AccountID + creds.Origin
	for _, s := range []*string{&creds.AccessKeyID, &creds.AccountID, &creds.Origin} {
		*s, texts = texts[:len(*s)], texts[len(*s):]
	}
	if n == creds.Origin {
		c.name = creds.Origin
	}
}

// bounded returns the value of f, which calls p, on a separate goroutine. It returns an error if f panics or
// calls runtime.Goexit, or if ctx ends first; then f may still run.
func bounded[T any](ctx context.Context, p Provider, f func() T) (value T, err error) {
	returned := new(T) // f may still write it when bounded has returned
	if err = within(ctx, p, func() { *returned = f() }); err == nil {
		value = *returned
	}
	return value, err
}

func within(ctx context.Context, p Provider, f func()) error {
	results := make(chan error, 1)
	go func() {
		err := fmt.Errorf("stschain: %T called runtime.Goexit", p)
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("stschain: %T panicked at %s: %v", p, panicSite(), v)
			}
			results <- err
		}()
		f()
		err = nil
	}()
	select {
	case err := <-results:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-results:
		return err
	case <-time.After(grace):
		return ctx.Err()
	}
}

// panicSite returns the file and line that panicked. Call it in a deferred function.
func panicSite() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if !more || !strings.HasPrefix(f.Function, "runtime.") {
			return fmt.Sprintf("%s:%d", f.File, f.Line)
		}
	}
}

// emit queues an event. The caller has the lock.
func (c *Cache) emit(e *Event) {
	now, lag := c.now()
	e.Time = timeOf(now - int64(lag))
	e.Expires = c.credentials(lag).Expires
	e.Next = nextOf(c.state, now, lag)
	if c.OnEvent != nil {
		f, event := c.OnEvent, *e // so that e is on the heap only here
		c.needed().events.push(func() { f(event) })
	}
	if c.member != nil {
		c.member.observe(*e)
	}
}

// nextOf returns the earliest next attempt; zero: at the next call, or none is planned.
func nextOf(s refresh.State, now int64, lag time.Duration) time.Time {
	next := refresh.Next(s, now)
	if next == refresh.Always || next == refresh.Never {
		return time.Time{}
	}
	return timeOf(next - int64(lag))
}

func timeOf(nanos int64) time.Time { return time.Unix(0, nanos) }
