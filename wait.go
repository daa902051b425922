package stschain

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/stschain-go/stschain/internal/refresh"
	"github.com/stschain-go/stschain/internal/system"
	"golang.org/x/sync/singleflight"
)

// decision is what a caller does next.
type decision struct {
	refresh.Decision
	creds   Credentials // to return
	attempt *attempt    // to wait for; nil: none
	outcome <-chan singleflight.Result
	joined  bool // another caller began the attempt
}

// decide returns what the caller does next. It begins an attempt if one is due and none is in
// flight. A caller whose context has ended does not wait, nor does one that the attempt waits for.
func (c *Cache) decide(ctx context.Context, atLeast time.Duration) (decision, error) {
	quiet, above, canWait := cannotPrompt(ctx), attemptOf(ctx), ctx.Err() == nil && !c.above(ctx)
	_, tiered := c.Provider.(CachedProvider)
	c.mu.Lock()
	now, lag := c.now()
	need := refresh.Need{AtLeast: atLeast, NoPrompt: quiet, Blocked: c.blocked(), Tiered: tiered}
	if c.inFlight != nil {
		need.Elapsed = time.Since(c.inFlight.began)
	}
	d := decision{Decision: refresh.Decide(c.config(), c.state, now, need), creds: c.credentials(lag)}
	background := d.Action == refresh.ServeAndRefresh
	var free *slot
	if background && c.member != nil && c.inFlight == nil {
		free = c.member.admit()
		background = free != nil // without a free slot the refresh is skipped
	}
	if waits := d.Action == refresh.Wait && canWait; waits || background {
		if d.joined = c.inFlight != nil; !d.joined {
			c.begin(ctx, above, free, quiet || background, atLeast)
		}
		a := c.inFlight
		d.attempt, d.outcome = a, a.callers.DoChan("", func() (any, error) { return c.run(a), nil })
		if d.joined && c.member != nil { // only a caller that waits joins one
			c.member.join(ctx, a)
		}
		if waits {
			c.waits.Add(1)
		}
	}
	running, longest := c.unreturned()
	refused := refusal{d.Reason, d.creds.Origin, time.Duration(c.state.Entry.Expires - now), c.state.Lifetime, c.failed().last, running, longest}
	c.mu.Unlock()
	if d.Action == refresh.Refuse {
		return decision{}, refused.error(atLeast)
	}
	return d, nil
}

// above reports whether ctx belongs to an attempt of c, or to one that such an attempt waits for.
func (c *Cache) above(ctx context.Context) bool {
	a := attemptOf(ctx)
	for a != nil && a.cache != c {
		a = a.above
	}
	return a != nil
}

// begin begins an attempt. The callers of begin, blocked and unreturned hold the lock.
func (c *Cache) begin(ctx context.Context, above *attempt, free *slot, quiet bool, atLeast time.Duration) {
	c.inFlight = newAttempt(ctx, c, above, quiet)
	c.inFlight.atLeast = atLeast
	if c.inFlight.slot = free; c.member != nil {
		c.member.begin(ctx, c.inFlight)
	}
	c.running, c.inFlight.earlier = c.inFlight, c.running
	c.state = refresh.Begin(c.state)
	c.attempts++
	c.republish()
}

// blocked reports whether no attempt may begin, because calls of earlier ones have outlived them and still
// run. While one such call runs, one more attempt may begin, and then another one for each 15 minutes that the
// oldest call has run.
func (c *Cache) blocked() bool {
	n, longest := c.unreturned()
	return c.inFlight == nil && n >= 2+int(longest/(15*time.Minute))
}

// unreturned returns how many calls of the provider have not returned, and how long the oldest has run.
func (c *Cache) unreturned() (n int, longest time.Duration) {
	for a := c.running; a != nil; a = a.earlier {
		n++
		longest = max(longest, time.Since(a.began))
	}
	return n, longest
}

// wait waits for an attempt. The error is errDecideAgain if the caller has to decide again.
func (c *Cache) wait(ctx context.Context, atLeast time.Duration, d decision) (creds Credentials, err error) {
	if d.attempt == nil {
		return c.giveUp(atLeast, cmp.Or(system.ContextErr(ctx), errCycle))
	}
	if d.joined {
		_, end := Step{Kind: StepRefresh, Provider: c, Joined: true}.Start(ctx)
		defer func() { end(creds, err) }()
	}
	var impatient <-chan time.Time
	if d.Patience > 0 {
		impatient = time.After(d.Patience)
	}
	for prompted := d.attempt.prompted; ; {
		select {
		case r := <-d.outcome:
			switch o := r.Val.(outcome); {
			case o.noPrompt && cannotPrompt(ctx):
				return c.giveUp(atLeast, o.err)
			case o.noPrompt, o.err == nil && atLeast > 0: // its own attempt may prompt; or: are they valid for that long?
				return Credentials{}, errDecideAgain
			default:
				return o.creds, o.err
			}
		case <-prompted:
			if err := Prompt(ctx); err != nil { // otherwise it extends the attempts that wait for this one
				return c.giveUp(atLeast, err)
			}
			prompted = nil
		case <-impatient:
			return Credentials{}, errDecideAgain // the cached ones may have expired in the meantime
		case <-ctx.Done():
			return c.giveUp(atLeast, system.ContextErr(ctx))
		}
	}
}

// giveUp returns the cached credentials, if they are valid for as long as required, to a caller that
// does not wait for a refresh, and an error otherwise.
func (c *Cache) giveUp(atLeast time.Duration, reason error) (Credentials, error) {
	c.mu.Lock()
	now, lag := c.now()
	good := c.state.Good(now) && !c.state.Short(now, refresh.Need{AtLeast: atLeast})
	creds, name := c.credentials(lag), c.knownName()
	c.mu.Unlock()
	if good {
		return creds, nil
	}
	return Credentials{}, fmt.Errorf("stschain: waiting for credentials from %s: %w", name, reason)
}

// refusal is the reason for an error without an attempt.
type refusal struct {
	reason   refresh.Reason
	origin   string
	left     time.Duration // until the cached credentials expire
	lifetime time.Duration // of the cached credentials when they were received
	last     error         // of the last attempt
	running  int           // calls that have not returned
	longest  time.Duration // of these calls
}

func (r refusal) error(atLeast time.Duration) error {
	switch valid := fmt.Sprintf("stschain: credentials from %s are valid for", r.origin); r.reason {
	case refresh.TooShort:
		return fmt.Errorf("%s %v, and %v are required: require less, or configure a longer duration", valid, r.lifetime, atLeast)
	case refresh.TooShortFailed:
		return fmt.Errorf("%s another %v, %v are required, and the last refresh failed: %w", valid, r.left, atLeast, r.last)
	case refresh.TooShortJustCame:
		return fmt.Errorf("%s another %v, %v are required, and they were refreshed just now", valid, r.left, atLeast)
	case refresh.Blocked:
		return fmt.Errorf("stschain: %d earlier calls of the provider have not returned, the oldest after %v, so it is not called again; the last failure: %w", r.running, r.longest.Round(time.Second), r.last)
	}
	return r.last
}
