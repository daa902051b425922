// Package refresh decides when something that expires is refreshed, and which callers wait for
// the refresh. It is pure: nothing in it reads a clock, draws a random number, locks, or calls
// anything. The time and the draws are arguments, and a new State is returned.
//
// Instants are nanoseconds since 1970. All of them come from one clock, or [Shift] moves them.
package refresh

import "time"

// Config is how a cache is configured.
type Config struct {
	Advisory  time.Duration // 0: by lifetime, see WindowsFor
	Mandatory time.Duration // 0: 60 s
	MaxStale  time.Duration // how long past its expiry an entry is served while the source is down
	FailFast  bool          // a permanent failure is returned immediately, even if the entry is valid
	Spread    bool          // the first refresh is due at any time of the last three quarters of the lifetime, later ones at any time of their window
	Refusal   time.Duration // how long a permanent failure is remembered while nothing is valid; it doubles up to eightfold. 0: 1 to 5 s
}

// Need is what a caller needs.
type Need struct {
	AtLeast  time.Duration // the required remaining lifetime; 0: any
	NoPrompt bool          // the caller cannot prompt the user
	Elapsed  time.Duration // since the attempt in flight began
	Blocked  bool          // no attempt may begin
	Tiered   bool          // the source caches: it may return entries with a longer lifetime than the rest of the last one
}

// Action is what a caller does next.
type Action int

// The actions.
const (
	Serve           Action = iota // return the entry
	ServeAndRefresh               // return the entry, and begin an attempt in the background
	Wait                          // wait for the attempt in flight, or begin one and wait
	Refuse                        // return an error
)

// Reason is why a caller is refused.
type Reason int

// The reasons.
const (
	LastFailed       Reason = iota + 1 // nothing can be served, and the last attempt failed just now
	TooShort                           // the entries of the source are not valid for that long
	TooShortFailed                     // the entry is not valid for that long, and the last attempt failed just now
	TooShortJustCame                   // the entry is not valid for that long, and was just received
	Blocked                            // nothing can be served, and no attempt may begin
)

// Decision is the result of Decide.
type Decision struct {
	Action   Action
	Reason   Reason        // of Refuse
	Patience time.Duration // of Wait: when to decide again; 0: only when the attempt ends
}

// Decide returns what a caller does at now.
func Decide(cfg Config, s State, now int64, need Need) Decision {
	d := decide(cfg, s, now, need)
	if d.Action == Serve || d.Action == Refuse || s.InFlight || !need.Blocked {
		return d
	}
	if d.Action == ServeAndRefresh || s.Holding() && !s.Raised && now < s.End(cfg) && !s.Short(now, need) {
		return Decision{Action: Serve}
	}
	return Decision{Action: Refuse, Reason: Blocked}
}

func decide(cfg Config, s State, now int64, need Need) Decision {
	end := s.End(cfg)
	backoff := s.inBackoff(now)
	bound := backoff && (!s.PromptNeeded || need.NoPrompt) // a caller that can prompt is not delayed by an attempt that could not
	switch {
	case bound && (s.Raised || now >= end):
		return Decision{Action: Refuse, Reason: LastFailed}
	case !s.Holding() || s.Raised:
		return Decision{Action: Wait}
	case s.Short(now, need):
		return decideShort(s, now, need, bound)
	case bound, now < s.due():
		return Decision{Action: Serve}
	case now < s.waitFrom():
		if s.InFlight || backoff {
			return Decision{Action: Serve}
		}
		return Decision{Action: ServeAndRefresh}
	case now >= end:
		return Decision{Action: Wait}
	case !s.InFlight:
		return Decision{Action: Wait, Patience: patience}
	case need.Elapsed >= patience: // the attempt hangs
		return Decision{Action: Serve}
	}
	return Decision{Action: Wait, Patience: patience - need.Elapsed}
}

// decideShort decides if the entry is not valid for need.AtLeast.
func decideShort(s State, now int64, need Need, bound bool) Decision {
	switch {
	case s.Lifetime < need.AtLeast && now < s.due() && !need.Tiered:
		return Decision{Action: Refuse, Reason: TooShort}
	case bound && (s.Failed || s.PromptNeeded):
		return Decision{Action: Refuse, Reason: TooShortFailed}
	case bound:
		return Decision{Action: Refuse, Reason: TooShortJustCame}
	}
	return Decision{Action: Wait}
}

// Begin records that an attempt begins.
func Begin(s State) State {
	s.InFlight = true
	return s
}

// Problem is why an entry cannot be used.
type Problem int

// The problems.
const (
	NoProblem Problem = iota
	ArrivedExpired
	RejectedAgain // it is the one that a service rejected
)

// Check checks an entry that is received at now.
func Check(s State, e Entry, now int64) Problem {
	switch {
	case now >= e.Expires:
		return ArrivedExpired
	case s.Rejected && e.ID == s.Entry.ID:
		return RejectedAgain
	}
	return NoProblem
}

// Gains reports whether an entry is better than the cached one. An entry with the cached ID and no
// later expiry is neither a success nor a failure: a source with its own cache returns it
// until it renews it.
func Gains(s State, e Entry) bool {
	return e.ID != s.Entry.ID || e.Expires > s.Entry.Expires || e.Expires == Never
}

// Succeed caches an entry without a Problem that is received at now. The draws are in [0,1).
func Succeed(cfg Config, s State, e Entry, now int64, draw [2]float64) State {
	lifetime := span(now, e.Expires)
	pause := pauseAfterSuccess(lifetime)
	n := s
	n.InFlight, n.PromptNeeded, n.Raised, n.Entry, n.Received = false, false, false, e, now
	if Gains(s, e) {
		n = State{Entry: e, Received: now, Lifetime: s.Lifetime, Windows: s.Windows, RejectFrom: s.RejectFrom}
		if e.ID != s.Entry.ID {
			n.Lifetime, n.Windows = lifetime, WindowsFor(lifetime, cfg.Advisory, cfg.Mandatory, draw[0])
			if cfg.Spread {
				n.Windows = spread(n.Windows, Nominal(lifetime, cfg.Advisory), lifetime, !s.Holding(), draw[0])
			}
		}
		if s.Rejected {
			n.RejectFrom = plus(now, backoffAfterRefusal(draw[1]))
		}
		moved := !s.Holding() || s.Rejected || e.Expires == Never || e.Expires > s.Entry.Expires
		n.Settled = !moved
		if moved && plus(now, pause) <= n.due() { // it is not due before that anyway, unless it is rejected
			pause = betweenAttempts
		}
	}
	n.BackoffFrom, n.BackoffUntil = now, min(plus(now, pause), e.Expires)
	return n
}

// Class is the kind of a failure.
type Class int

// The classes.
const (
	Transient    Class = iota
	Permanent          // a retry does not help
	NoPrompt           // a prompt was needed in an attempt that could not prompt
	PromptFailed       // a prompt was needed in an attempt that could prompt
)

// Fail records that an attempt failed. The draws are in [0,1).
func Fail(cfg Config, s State, class Class, now int64, draw [2]float64) State {
	s.InFlight, s.PromptNeeded, s.BackoffFrom = false, class == NoPrompt, now
	if s.PromptNeeded { // not a failure: it applies only to callers that cannot prompt either
		pause := backoffAfterFirstFailure(draw[0])
		switch {
		case s.Holding() && s.Raised: // until the backoff ends, the last failure is returned
			pause = backoffAfterRefusal(draw[0])
		case s.Holding():
			pause = backoffAfterFailure(span(now, plus(s.Entry.Expires, -s.Windows.Mandatory)), draw[0], draw[1])
		}
		if !s.Good(now) { // the next caller waits, and its attempt may prompt
			s.Settled = false
		}
		s.BackoffUntil = plus(now, pause)
		return s
	}
	again := s.Failed
	s.Failed, s.Settled = true, s.Holding()
	s.Refused = s.Refused || class != Transient // MaxStale bridges outages, not refusals
	s.Raised = cfg.FailFast && class == Permanent
	var pause time.Duration
	switch end := s.End(cfg); {
	case !s.Raised && now < end:
		pause = backoffAfterFailure(span(now, plus(end, -s.Windows.Mandatory)), draw[0], draw[1])
	case class == Permanent && cfg.Refusal > 0 && now >= end:
		pause = cfg.Refusal << s.Refusals
		s.Refusals = min(s.Refusals+1, 3)
	case class == Permanent, s.Holding():
		pause = backoffAfterRefusal(draw[0])
	case again, !cfg.FailFast: // with FailFast the first one is not remembered, as in the AWS SDKs
		pause = backoffAfterFirstFailure(draw[0])
	}
	s.BackoffUntil = plus(now, pause)
	return s
}

// Reject records that a service rejected the entry.
func Reject(s State, now int64) State {
	s.Rejected, s.Settled = true, false
	if s.PromptNeeded { // callers that cannot prompt begin another attempt soon, because the entry may not be what they need
		s.BackoffUntil = min(s.BackoffUntil, plus(s.BackoffFrom, betweenAttempts))
	}
	// RejectFrom is at most 5 s after Received, unless the clock was set back between them.
	until := min(s.RejectFrom, s.Entry.Expires, plus(s.Received, backoffAfterRefusal(1)))
	if now >= s.Received && until > max(now, s.BackoffUntil) {
		s.PromptNeeded, s.BackoffFrom, s.BackoffUntil = false, s.Received, until
	}
	return s
}

// Shift moves every instant by d, because the clock that they were read from was set.
func Shift(s State, d time.Duration) State {
	for _, t := range []*int64{&s.Entry.Expires, &s.Received, &s.BackoffFrom, &s.BackoffUntil, &s.RejectFrom} {
		*t = plus(*t, d)
	}
	return s
}

// Next returns the earliest next attempt. Always: at the next call. Never: none is planned.
func Next(s State, now int64) int64 {
	next, prompt := now, now // when an attempt becomes due, and when callers begin to wait for one that may prompt
	if s.Holding() && !s.Raised {
		next, prompt = max(now, s.due()), max(now, s.due(), s.waitFrom())
	}
	if s.inBackoff(next) {
		next = s.BackoffUntil
		if s.PromptNeeded {
			next = min(next, prompt)
		}
	}
	if next <= now {
		return Always
	}
	return next
}

// Quiet returns an interval in which Decide returns Serve for every caller without AtLeast. If there is none, it
// is empty, from Never.
func Quiet(cfg Config, s State) (from, until int64) {
	if !s.Holding() || s.Raised {
		return Never, Never
	}
	from, until = Always, s.due()
	if s.InFlight {
		until = max(until, min(s.waitFrom(), s.Entry.Expires))
	}
	if s.BackoffUntil > until {
		from, until = s.BackoffFrom, s.BackoffUntil
		if s.PromptNeeded {
			until = min(until, s.waitFrom())
		}
	}
	return from, min(until, s.End(cfg))
}
