package stschain

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stschain-go/stschain/internal/unattended"
)

// promptError is of a provider that was not asked, since it asks a person.
type promptError string

func (p promptError) Error() string {
	return "stschain: " + string(p) + " asks a person, which an explanation does not"
}

func (promptError) Unwrap() error { return unattended.Err }

// Bounds of an explanation. A source that needs longer is reported as one that did not
// answer.
const (
	askLimit     = 10 * time.Second // for one source, without what it asks in turn
	explainLimit = time.Minute      // for all of them
	glanceLimit  = time.Second      // for the methods that do no work, such as String
	maxDepth     = 64
	maxSources   = 256
)

// Explain asks p for credentials as a caller would, and reports how each provider on the
// way answered. It is for the person in front of a program that gets none, or others than
// expected: print what it returns. What is retrieved is not part of it.
//
// It asks where a call would:
//
//   - Of a [Chain], one provider after the other until one applies or fails, or only the one
//     that it keeps to. One that applies is then kept, as by any other call.
//   - Of a [Cache], none if it holds good credentials or rests after a failure; both are
//     reported, with its [Status]. What is brought otherwise is held from then on. A
//     failure leaves the cache as it was.
//   - Of a [Parent], such as a role, what it needs first, and if that applies the Parent
//     itself.
//
// So no provider is asked twice, except for one below a Parent that is no [Delegator] and
// does not ask through a Cache.
//
// No person is asked: what is Interactive is reported as such, and so is what a Cache that
// is Interactive would have to ask. A program that a profile runs may still open a window.
//
// Each source has 10 s, all have a minute and what ctx gives; one that does not heed
// either is left behind. What panics, asks itself or lies deeper than 64 is reported.
func Explain(ctx context.Context, p Provider) Explanation {
	ctx, cancel := context.WithTimeout(unattended.Context(ctx), explainLimit)
	defer cancel()
	e := &explainer{left: maxSources, known: map[Provider]known{}}
	x, _ := e.ask(ctx, p, nil)
	return x
}

// explainer is one explanation in the making.
type explainer struct {
	mu    sync.Mutex
	left  int // sources that may still be reported
	known map[Provider]known
}

// known is what a provider answered that was asked already.
type known struct {
	x     Explanation
	creds Credentials
}

var (
	errCircle  = errors.New("stschain: providers ask each other in a circle")
	errTooMany = fmt.Errorf("stschain: there are more than %d providers", maxSources)
)

// ask asks p, which the providers above have led to. It returns credentials if p applied,
// and else an Explanation with an Err.
func (e *explainer) ask(ctx context.Context, p Provider, above []Provider) (Explanation, Credentials) {
	name := nameOf(ctx, p)
	switch err := e.enter(ctx, p, above); {
	case err != nil:
		return Explanation{Provider: name, Outcome: Failed, Err: err}, Credentials{}
	case ctx.Err() != nil:
		return Explanation{Provider: name, Err: fmt.Errorf("stschain: there is no time left: %w", ended(ctx))}, Credentials{}
	}
	if k, ok := e.recall(p); ok {
		return k.x, k.creds
	}
	above = append(slices.Clip(above), p)
	x := Explanation{Provider: name, at: time.Now()}
	var creds Credentials
	switch p := p.(type) {
	case *Cache:
		creds = e.askCache(ctx, p, above, &x)
	case Delegator:
		creds = e.askDelegator(ctx, p, above, &x)
	default:
		creds = e.askProvider(ctx, p, above, &x)
	}
	x.identify(creds)
	e.remember(p, known{x, creds})
	return x, creds
}

// enter counts p, unless it is nothing to ask.
func (e *explainer) enter(ctx context.Context, p Provider, above []Provider) error {
	if p == nil {
		return errors.New("stschain: the provider is nil")
	}
	if i := slices.IndexFunc(above, func(a Provider) bool { return is(a, p) }); i >= 0 {
		var names []string
		for _, p := range append(slices.Clone(above[i:]), p) {
			names = append(names, nameOf(ctx, p))
		}
		return fmt.Errorf("%w: %s", errCircle, strings.Join(slices.Compact(names), " -> "))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.left == 0 {
		return errTooMany
	}
	e.left--
	if len(above) >= maxDepth {
		return fmt.Errorf("stschain: more than %d providers are above this one", maxDepth)
	}
	return nil
}

func (e *explainer) recall(p Provider) (known, bool) {
	if !canCompare(p) {
		return known{}, false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	k, ok := e.known[p]
	return k, ok
}

// remember keeps what p answered, without what is below it, which is reported once.
func (e *explainer) remember(p Provider, k known) {
	if !canCompare(p) {
		return
	}
	k.x.Again, k.x.Below = true, nil
	e.mu.Lock()
	defer e.mu.Unlock()
	e.known[p] = k
}

// askProvider asks first what p asks, and then p.
func (e *explainer) askProvider(ctx context.Context, p Provider, above []Provider, x *Explanation) (creds Credentials) {
	below, err := providersOf(ctx, p)
	if err != nil {
		x.fail(err)
		return creds
	}
	applied := len(below) == 0
	var missing *Explanation // of what is below, that which is the reason for not asking
	for _, b := range below {
		bx, _ := e.ask(ctx, b, above)
		x.Below = append(x.Below, bx)
		applied = applied || bx.Outcome == Applied
		if missing == nil && bx.Outcome != Applied || errors.Is(bx.Err, errCircle) {
			missing = &bx
		}
		if errors.Is(bx.Err, errTooMany) {
			break
		}
	}
	switch {
	case !applied, missing != nil && errors.Is(missing.Err, errCircle):
		x.fail(fmt.Errorf("stschain: %s was not asked, for want of %s: %w", x.Provider, missing.Provider, missing.Err))
		if missing.Outcome == NotAsked {
			x.Outcome = NotAsked
		}
		return creds
	case isInteractive(ctx, p):
		x.fail(promptError(x.Provider))
		return creds
	}
	limited, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	began := time.Now()
	creds, err = bounded(limited, within(ctx), x.Provider, p.Retrieve)
	x.Took = time.Since(began)
	return x.take(creds, err)
}

// askDelegator asks p, and reports whom p asks.
func (e *explainer) askDelegator(ctx context.Context, p Delegator, above []Provider, x *Explanation) Credentials {
	type asked struct {
		p Provider
		x Explanation
	}
	var (
		turn  = make(chan struct{}, 1) // to be asked, or to go on with the report
		calls []asked
		spent time.Duration // on them
		over  bool
	)
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	limit := time.AfterFunc(askLimit, func() { cancel(context.DeadlineExceeded) })
	defer limit.Stop()
	began := time.Now()
	creds, err := bounded(limited, within(ctx), x.Provider, func(ctx context.Context) (Credentials, error) {
		return p.RetrieveVia(ctx, func(ctx context.Context, b Provider) (Credentials, error) {
			turn <- struct{}{}
			defer func() { <-turn }()
			if over {
				return Credentials{}, errors.New("stschain: the explanation is over")
			}
			limit.Stop()
			defer limit.Reset(askLimit)
			began := time.Now()
			bx, creds := e.ask(unattended.Context(ctx), b, above)
			spent += time.Since(began)
			calls = append(calls, asked{b, bx})
			return creds, bx.Err
		})
	})
	turn <- struct{}{} // who is asked now is asked to the end, and reported
	over = true
	<-turn
	x.Took = time.Since(began) - spent

	below, _ := providersOf(ctx, p.(Provider))
	for _, b := range below { // in their order, which is also that of asking
		if i := slices.IndexFunc(calls, func(a asked) bool { return alike(a.p, b) }); i >= 0 {
			x.Below = append(x.Below, calls[i].x)
			calls = slices.Delete(calls, i, i+1)
			continue
		}
		passed := e.pass(ctx, b, above)
		x.Below = append(x.Below, passed)
		if errors.Is(passed.Err, errTooMany) {
			break
		}
	}
	for _, a := range calls {
		x.Below = append(x.Below, a.x)
	}
	return x.take(creds, err)
}

// within is how long a source has.
func within(ctx context.Context) time.Duration {
	until, _ := ctx.Deadline() // Explain has set one
	return max(min(askLimit, time.Until(until).Round(time.Millisecond)), 0)
}

// askCache reports what c would answer, and only asks its provider if it would.
func (e *explainer) askCache(ctx context.Context, c *Cache, above []Provider, x *Explanation) (creds Credentials) {
	if err := c.check(); err != nil {
		x.fail(err)
		return creds
	}
	type standing struct {
		verdict
		now  int64
		held Credentials
	}
	s, err := glance(ctx, func() standing {
		c.mu.Lock()
		defer c.mu.Unlock()
		now := c.now()
		s := standing{c.judge(now, 0), now, c.held}
		if c.good(now) || s.do == serveAndTry {
			s.do = serve
		}
		return s
	})
	if err != nil {
		x.fail(err)
		return creds
	}
	switch {
	case s.do == serve:
		*x = e.pass(ctx, c.Provider, above)
		creds = x.take(s.held, nil)
		x.Held = true
	case s.do == refuse:
		*x = e.pass(ctx, c.Provider, above)
		x.fail(s.err)
		x.Held = true
	case c.Interactive && !isInteractive(ctx, c.Provider):
		*x = e.pass(ctx, c.Provider, above)
		x.fail(promptError(x.Provider))
	default:
		*x, creds = e.ask(ctx, c.Provider, above)
		if x.Outcome == Applied {
			creds = x.take(c.learn(creds, s.now))
		}
	}
	x.at = timeOf(s.now)
	x.Cache = statusOf(ctx, c)
	return creds
}

// learn takes credentials that Explain got as if a flight had brought them, which began
// then. Where another one flies it does not wait for that.
func (c *Cache) learn(creds Credentials, began int64) (Credentials, error) {
	flight := c.flights.DoChan("", func() (any, error) {
		if !c.takeOff(0) {
			return outcome{}, nil
		}
		return c.land(creds, nil, began), nil
	})
	select {
	case r := <-flight:
		if o := r.Val.(outcome); o.landing > 0 {
			return o.creds, o.err
		}
	case <-time.After(lastWords):
	}
	return creds, nil
}

// pass reports p, which is not asked.
func (e *explainer) pass(ctx context.Context, p Provider, above []Provider) Explanation {
	x := Explanation{Provider: nameOf(ctx, p), at: time.Now()}
	if x.Err = e.enter(ctx, p, above); x.Err != nil {
		return x
	}
	above = append(slices.Clip(above), p)
	if c, ok := p.(*Cache); ok && c.check() == nil {
		x = e.pass(ctx, c.Provider, above)
		x.Cache = statusOf(ctx, c)
		return x
	}
	below, _ := providersOf(ctx, p)
	for _, b := range below {
		passed := e.pass(ctx, b, above)
		x.Below = append(x.Below, passed)
		if errors.Is(passed.Err, errTooMany) {
			break
		}
	}
	return x
}

// statusOf is nil where the provider behind c has no name to give.
func statusOf(ctx context.Context, c *Cache) *Status {
	s, err := glance(ctx, c.Status)
	if err != nil {
		return nil
	}
	return &s
}

// providersOf are those that p asks.
func providersOf(ctx context.Context, p Provider) ([]Provider, error) {
	parent, ok := p.(Parent)
	if !ok {
		return nil, nil
	}
	return glance(ctx, parent.Providers)
}

func isInteractive(ctx context.Context, p Provider) bool {
	asks, err := glance(ctx, func() bool { return interactive(p) })
	return asks || err != nil
}

func nameOf(ctx context.Context, p Provider) string {
	n, err := glance(ctx, func() string { return name(p) })
	if err != nil {
		return fmt.Sprintf("%T", p)
	}
	return n
}

// glance calls what does no work, and survives it nevertheless. Also when ctx is done there
// is a moment for it.
func glance[T any](ctx context.Context, f func() T) (T, error) {
	type result struct {
		t   T
		err error
	}
	results := make(chan result, 1)
	go func() {
		r := result{err: errors.New("stschain: the provider called runtime.Goexit")}
		defer func() {
			if p := recover(); p != nil {
				r = result{err: fmt.Errorf("stschain: the provider panicked at %s: %v", panicSite(), p)}
			}
			results <- r
		}()
		r.t, r.err = f(), nil
	}()
	limit := lastWords / 10
	if until, _ := ctx.Deadline(); ctx.Err() == nil {
		limit = max(limit, min(glanceLimit, time.Until(until)))
	}
	select {
	case r := <-results:
		return r.t, r.err
	case <-time.After(limit):
		return *new(T), fmt.Errorf("stschain: the provider did not answer within %v", limit)
	}
}

// is reports whether a and b are one provider.
func is(a, b Provider) bool { return canCompare(a) && canCompare(b) && a == b }

// alike is like is, but takes functions, which cannot be told apart, for the same.
func alike(a, b Provider) bool {
	return is(a, b) || !canCompare(a) && reflect.TypeOf(a) == reflect.TypeOf(b)
}

func canCompare(p Provider) bool { return p != nil && reflect.ValueOf(p).Comparable() }
