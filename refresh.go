package stschain

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"time"

	"github.com/stschain-go/stschain/internal/unattended"
)

const (
	defaultTimeout     = 30 * time.Second
	interactiveTimeout = 5 * time.Minute
	lastWords          = 100 * time.Millisecond // for a provider to say where it was stuck
)

// outcome is what a flight brought to those who wait for it.
type outcome struct {
	landing    uint64 // its number; 0: the provider was not asked, look again
	creds      Credentials
	err        error
	unattended bool // it began when nobody waited
}

// flight returns one try, for singleflight to run.
func (c *Cache) flight(ctx context.Context, atLeast time.Duration) func() (any, error) {
	return func() (any, error) {
		if !c.takeOff(atLeast) {
			return outcome{}, nil
		}
		began := c.now()
		creds, err := c.ask(ctx)
		o := c.land(creds, err, began)
		o.unattended = unattended.Is(ctx)
		return o, nil
	}
}

// takeOff reports whether a try is still wanted: another one may have landed
// since this one was called for.
func (c *Cache) takeOff(atLeast time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if do := c.judge(c.now(), atLeast).do; do != wait && do != serveAndTry {
		return false
	}
	c.tries++
	c.trying = time.Now()
	c.emit(Event{Kind: RefreshStarted, Source: name(c.Provider)})
	return true
}

// land takes what a try brought into the state as it is now.
func (c *Cache) land(creds Credentials, err error, began int64) outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	c.trying = time.Time{}
	c.landed++
	if err == nil {
		err = c.accept(creds, now)
	}
	if c.holding() && IsUnavailable(err) { // no other identity may replace the cached one
		err = fmt.Errorf("stschain: %s is not configured any more: %w", name(c.Provider), err)
	}
	took := time.Duration(max(now-began, 0))
	if err == nil {
		c.emit(Event{Kind: Refreshed, Source: c.held.Source, Took: took})
	} else {
		c.fail(err, now)
		c.emit(Event{Kind: RefreshFailed, Source: name(c.Provider), Took: took, Err: err})
	}
	c.publish()
	if errors.Is(err, unattended.Err) {
		return outcome{landing: c.landed, err: err}
	}
	if c.raised || now >= c.end() {
		return outcome{landing: c.landed, err: err}
	}
	if err != nil && now >= nanosOf(c.held.Expires) {
		c.stale++
		c.emit(Event{Kind: ServingStale, Source: c.held.Source, Err: err})
	}
	return outcome{landing: c.landed, creds: c.held}
}

// ask calls the provider.
func (c *Cache) ask(ctx context.Context) (Credentials, error) {
	timeout := c.timeout()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	return bounded(ctx, timeout, name(c.Provider), c.Provider.Retrieve)
}

// bounded calls the Retrieve of the provider of a name until ctx ends, which is after the
// timeout. It does so on a goroutine of its own, so that one that panics, calls
// runtime.Goexit or ignores its context harms nobody but its own call.
func bounded(ctx context.Context, timeout time.Duration, name string, retrieve func(context.Context) (Credentials, error)) (Credentials, error) {
	type answer struct {
		creds Credentials
		err   error
	}
	answers := make(chan answer, 1) // one that comes after the end is dropped
	go func() {
		a := answer{err: fmt.Errorf("stschain: %s called runtime.Goexit", name)}
		defer func() {
			if r := recover(); r != nil {
				a = answer{err: fmt.Errorf("stschain: %s panicked at %s: %v", name, panicSite(), r)}
			}
			answers <- a
		}()
		a.creds, a.err = retrieve(ctx)
	}()
	var a answer
	select {
	case a = <-answers:
	case <-ctx.Done():
		select {
		case a = <-answers:
		case <-time.After(lastWords):
			a.err = ctx.Err()
		}
	}
	if late := ctx.Err(); late != nil && (a.err == late || IsUnavailable(a.err)) {
		a.err = fmt.Errorf("stschain: %s did not answer within %v: %w", name, timeout, late)
	}
	return a.creds, a.err
}

// timeout bounds one call of the provider, which may have to wait for a person.
func (c *Cache) timeout() time.Duration {
	look := 100
	switch {
	case c.Timeout > 0:
		return c.Timeout
	case c.Interactive, interactiveBelow(c.Provider, &look):
		return interactiveTimeout
	}
	return defaultTimeout
}

// panicSite is the file and line that panicked, seen from a deferred function.
func panicSite() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "runtime.") {
			return fmt.Sprintf("%s:%d", f.File, f.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}

// emit queues an event, filled in from the state.
func (c *Cache) emit(e Event) {
	if c.OnEvent == nil {
		return
	}
	e.Time = timeOf(c.now())
	e.Expires = c.held.Expires
	e.Next = c.next()
	c.events.push(c.OnEvent, e)
}

// next is the earliest next try; zero: at the next call, or never.
func (c *Cache) next() time.Time {
	next := c.restUntil
	if c.holding() && !c.raised {
		next = max(next, c.due())
	}
	if next == math.MaxInt64 || next <= c.now() {
		return time.Time{}
	}
	return timeOf(next)
}

func timeOf(nanos int64) time.Time { return time.Unix(0, nanos) }
