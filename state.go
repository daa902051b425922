package stschain

import (
	"errors"
	"fmt"
	"time"

	"github.com/stschain-go/stschain/internal/unattended"
)

// state is what a Cache knows, guarded by its lock. Instants are on the scale of
// nanos. Flights change it when they land, against what it is then.
type state struct {
	held     Credentials
	windows  windows
	received int64
	lifetime time.Duration // what was left of held at its last receipt

	rejected  bool  // a service rejected held
	calm      int64 // before this, a rejection causes no refresh
	settled   bool  // a try for held failed or brought nothing that lives longer: nobody waits while held is valid
	err       error // of the last try; nil if it brought credentials
	refused   bool  // since held came a failure was permanent: no stale service
	raised    bool  // FailFast: err is for everybody
	restFrom  int64 // no try begins in [restFrom, restUntil)
	restUntil int64

	trying          time.Time // when the try that flies now began; on the real clock
	landed          uint64    // tries that have ended
	tries, failures uint64
	stale           uint64 // failures that left callers with expired credentials
}

// action is what a caller does next.
type action int

const (
	serve       action = iota // return the held credentials
	serveAndTry               // the same, and have them refreshed in the background
	wait                      // wait for a flight
	refuse                    // return err
)

type verdict struct {
	do       action
	err      error
	patience time.Duration // for wait: how long, before the held credentials do; 0: as long as it takes
}

// judge says what a caller does at now who needs credentials that live for
// atLeast.
func (c *Cache) judge(now int64, atLeast time.Duration) verdict {
	if now < c.restFrom && c.restUntil != always { // the clock went back
		c.restFrom, c.restUntil = always, always
		c.publish()
	}
	resting := now < c.restUntil
	switch {
	case resting && (c.raised || now >= c.end()):
		return verdict{do: refuse, err: c.err}
	case !c.holding() || c.raised:
		return verdict{do: wait}
	}
	if atLeast > 0 && plus(now, atLeast) > nanosOf(c.held.Expires) {
		return c.judgeShort(now, atLeast, resting && !c.unasked())
	}
	switch {
	case resting, now < c.due():
		return verdict{do: serve}
	case now < c.waitFrom():
		return verdict{do: serveAndTry}
	case now >= c.end():
		return verdict{do: wait}
	}
	left := patience
	if !c.trying.IsZero() {
		left -= time.Since(c.trying)
	}
	if left <= 0 { // the try hangs
		return verdict{do: serve}
	}
	return verdict{do: wait, patience: left}
}

// judgeShort is judge where the held credentials do not live for atLeast.
func (c *Cache) judgeShort(now int64, atLeast time.Duration, resting bool) verdict {
	left := span(now, nanosOf(c.held.Expires))
	switch {
	case c.lifetime < atLeast && now < c.due():
		return verdict{do: refuse, err: fmt.Errorf("stschain: %s gives credentials for %v, and %v are asked for: ask for less, or have the source give more",
			c.held.Source, c.lifetime, atLeast)}
	case resting && c.err != nil:
		return verdict{do: refuse, err: fmt.Errorf("stschain: credentials from %s live for another %v, %v are asked for, and the last refresh failed: %w",
			c.held.Source, left, atLeast, c.err)}
	case resting:
		return verdict{do: refuse, err: fmt.Errorf("stschain: credentials from %s live for another %v, %v are asked for, and they were refreshed just now",
			c.held.Source, left, atLeast)}
	}
	return verdict{do: wait}
}

func (s *state) holding() bool { return s.held.AccessKeyID != "" }

// unasked: the last try had to ask a person, and nobody waited for it. The rest after it is for
// others of that kind.
func (s *state) unasked() bool { return errors.Is(s.err, unattended.Err) }

// good: the held credentials are valid, and nothing speaks against them.
func (s *state) good(now int64) bool {
	return s.holding() && now < nanosOf(s.held.Expires) && !s.rejected && !s.raised
}

// due is when a try is wanted.
func (c *Cache) due() int64 {
	switch expires := nanosOf(c.held.Expires); {
	case c.rejected:
		return always
	case c.Interactive:
		return plus(expires, -c.windows.mandatory)
	case c.held.Expires.IsZero():
		return plus(c.received, rotationInterval)
	default:
		return plus(expires, -c.windows.advisory)
	}
}

// waitFrom is when callers begin to wait for a try.
func (c *Cache) waitFrom() int64 {
	switch expires := nanosOf(c.held.Expires); {
	case c.settled:
		return expires
	case c.rejected:
		return always
	default:
		return plus(expires, -c.windows.mandatory)
	}
}

// end is when the held credentials may no longer be served, even while no try
// may begin.
func (c *Cache) end() int64 {
	if !c.holding() {
		return always
	}
	expires := nanosOf(c.held.Expires)
	if c.err != nil && !c.refused {
		return plus(expires, c.MaxStale)
	}
	return expires
}

// publish makes the view from the state.
func (c *Cache) publish() {
	if !c.holding() || c.raised {
		c.view.Store(nil)
		return
	}
	v := &view{creds: c.held, from: always, until: c.due()}
	if c.restUntil > v.until {
		v.from, v.until = c.restFrom, c.restUntil
	}
	v.until = min(v.until, c.end())
	v.serve = max(v.until, min(c.waitFrom(), nanosOf(c.held.Expires)))
	c.view.Store(v)
}

// rest lets no try begin from now on for d, or until the instant at the latest.
func (s *state) rest(now int64, d time.Duration, latest int64) {
	s.restFrom, s.restUntil = now, min(plus(now, d), latest)
}

// reject notes that a service rejected the held credentials.
func (s *state) reject(now int64) {
	s.rejected, s.settled = true, false
	if s.unasked() {
		s.restFrom, s.restUntil = always, always
	}
	if now >= s.received && s.calm > max(now, s.restUntil) {
		s.restFrom, s.restUntil = s.received, min(s.calm, nanosOf(s.held.Expires))
	}
}

// accept takes credentials that came at now. It returns an error, and changes
// nothing, if they cannot be used.
func (c *Cache) accept(creds Credentials, now int64) error {
	if err := creds.complete(); err != nil {
		return fmt.Errorf("stschain: %s %w", name(c.Provider), err)
	}
	creds.Expires = creds.Expires.Round(0) // the wall clock decides
	expires := nanosOf(creds.Expires)
	same := creds.AccessKeyID == c.held.AccessKeyID
	switch {
	case now >= expires:
		return fmt.Errorf("stschain: %s answered with credentials that expired at %s: check this machine's clock, or what the source caches",
			name(c.Provider), creds.Expires.UTC().Format(time.RFC3339))
	case c.rejected && same:
		return fmt.Errorf("stschain: %s answered with %s again, which a service rejected", name(c.Provider), creds.AccessKeyID)
	}
	if creds.Source == "" {
		creds.Source = name(c.Provider)
	}

	lifetime := span(now, expires)
	if !same {
		c.windows = windowsFor(lifetime, c.AdvisoryWindow, c.MandatoryWindow, c.draw())
	}
	moved := !c.holding() || c.rejected || expires == never || expires > nanosOf(c.held.Expires)
	if c.rejected {
		c.calm = plus(now, restAfterRefusal(c.draw()))
	}
	c.held, c.received, c.lifetime = creds, now, lifetime
	c.rejected, c.refused, c.raised, c.err = false, false, false, nil
	c.settled = !moved

	pause := restAfterSuccess(lifetime)
	if moved && plus(now, pause) <= c.due() { // nobody asks before that anyway, unless they are rejected
		pause = betweenTries
	}
	c.rest(now, pause, expires) // and ends with them
	return nil
}

// fail notes that a try brought nothing, at now.
func (c *Cache) fail(err error, now int64) {
	permanent := errors.Is(err, ErrPermanent)
	c.failures++
	c.err = err
	if c.unasked() { // it was not really tried
		if !c.good(now) { // who comes next waits, and has the person asked
			c.settled = false
			return
		}
		attended := plus(nanosOf(c.held.Expires), -c.windows.mandatory) // then callers wait
		c.rest(now, restAfterFailure(span(now, attended), c.draw(), c.draw()), attended)
		return
	}
	c.settled = c.holding() && !(c.rejected && c.Interactive) // or no person would be asked before they expire
	c.refused = c.refused || permanent
	c.raised = c.FailFast && permanent
	switch {
	case !c.raised && now < c.end():
		left := span(now, plus(c.end(), -c.windows.mandatory))
		c.rest(now, restAfterFailure(left, c.draw(), c.draw()), never)
	case permanent || c.holding():
		c.rest(now, restAfterRefusal(c.draw()), never)
	case !c.FailFast:
		c.rest(now, restAfterFirstFailure(c.draw()), never)
	}
}

// nanosOf is when credentials with this Expires end.
func nanosOf(expires time.Time) int64 {
	if expires.IsZero() {
		return never
	}
	return nanos(expires)
}
