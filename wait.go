package stschain

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/stschain-go/stschain/internal/refresh"
	"golang.org/x/sync/singleflight"
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

// begin begins an attempt. The lock is held, as it is for blocked and longest.
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
