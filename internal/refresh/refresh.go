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
	MaxStale  time.Duration // how long past its end an entry is served while the source is down
	FailFast  bool          // a permanent failure is returned at once, although the entry is valid
}

// Entry is what is cached. Without an ID it is nothing.
type Entry struct {
	ID      string // two entries with one ID are the same, even if one expires later
	Expires int64  // Never: it does not expire
}

// State is what is known at one instant. The zero State is an empty cache.
type State struct {
	Entry    Entry
	Windows  Windows
	Received int64
	Lifetime time.Duration // what was left of Entry when its ID first came

	InFlight     bool // an attempt has begun and not ended
	Failed       bool // the last attempt failed, those that needed a prompt aside
	PromptNeeded bool // the last attempt needed a prompt, and could not prompt
	Rejected     bool // a service rejected Entry
	Refused      bool // since Entry came, an attempt was refused: no stale service
	Raised       bool // FailFast: the last failure is returned to every caller
	Settled      bool // since Entry came, an attempt gained nothing: no caller waits while Entry is valid

	BackoffFrom  int64 // no attempt begins in [BackoffFrom, BackoffUntil)
	BackoffUntil int64
	RejectFrom   int64 // before this, a rejection does not end the backoff
}

// Need is what a caller needs.
type Need struct {
	AtLeast  time.Duration // a remaining life of so much; 0: any
	NoPrompt bool          // the caller cannot prompt the user
	Elapsed  time.Duration // since the attempt in flight began
	Blocked  bool          // no attempt may begin
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
	TooShort                           // the source's entries do not live that long
	TooShortFailed                     // the entry does not live that long, and the last attempt failed just now
	TooShortJustCame                   // the entry does not live that long, and just came
	Blocked                            // nothing can be served, and no attempt may begin
)

// Decision is the result of Decide.
type Decision struct {
	Action   Action
	Reason   Reason        // of Refuse
	Patience time.Duration // of Wait: when to decide again; 0: only when the attempt ends
}

// Decide says what a caller does at now.
func Decide(cfg Config, s State, now int64, need Need) Decision {
	d := decide(cfg, s, now, need)
	if d.Action == Serve || d.Action == Refuse || s.InFlight || !need.Blocked {
		return d
	}
	if d.Action == ServeAndRefresh || s.Holding() && !s.Raised && now < s.End(cfg) && !s.short(now, need) {
		return Decision{Action: Serve}
	}
	return Decision{Action: Refuse, Reason: Blocked}
}

func decide(cfg Config, s State, now int64, need Need) Decision {
	end := s.End(cfg)
	backoff := s.inBackoff(now)
	bound := backoff && (!s.PromptNeeded || need.NoPrompt) // a caller that can prompt does not wait for one that cannot
	switch {
	case bound && (s.Raised || now >= end):
		return Decision{Action: Refuse, Reason: LastFailed}
	case !s.Holding() || s.Raised:
		return Decision{Action: Wait}
	case s.short(now, need):
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

// decideShort decides where the entry does not live for need.AtLeast.
func decideShort(s State, now int64, need Need, bound bool) Decision {
	switch {
	case s.Lifetime < need.AtLeast && now < s.due():
		return Decision{Action: Refuse, Reason: TooShort}
	case bound && (s.Failed || s.PromptNeeded):
		return Decision{Action: Refuse, Reason: TooShortFailed}
	case bound:
		return Decision{Action: Refuse, Reason: TooShortJustCame}
	}
	return Decision{Action: Wait}
}

// Begin notes that an attempt begins.
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

// Check looks at an entry that arrives at now.
func Check(s State, e Entry, now int64) Problem {
	switch {
	case now >= e.Expires:
		return ArrivedExpired
	case s.Rejected && e.ID == s.Entry.ID:
		return RejectedAgain
	}
	return NoProblem
}

// Gains reports whether an entry is better than the cached one. The ID that is cached already, with no
// more life, is neither a success nor a failure: a source that has a cache of its own returns it
// while somebody else renews it.
func Gains(s State, e Entry) bool {
	return e.ID != s.Entry.ID || e.Expires > s.Entry.Expires || e.Expires == Never
}

// Succeed takes an entry without a Problem that arrives at now. The draws are in [0,1).
func Succeed(cfg Config, s State, e Entry, now int64, draw [2]float64) State {
	lifetime := span(now, e.Expires)
	pause := pauseAfterSuccess(lifetime)
	n := s
	n.InFlight, n.PromptNeeded, n.Raised, n.Entry, n.Received = false, false, false, e, now
	if Gains(s, e) {
		n = State{Entry: e, Received: now, Lifetime: s.Lifetime, Windows: s.Windows, RejectFrom: s.RejectFrom}
		if e.ID != s.Entry.ID {
			n.Lifetime, n.Windows = lifetime, WindowsFor(lifetime, cfg.Advisory, cfg.Mandatory, draw[0])
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

// Fail notes that an attempt brought nothing. The draws are in [0,1).
func Fail(cfg Config, s State, class Class, now int64, draw [2]float64) State {
	s.InFlight, s.PromptNeeded, s.BackoffFrom = false, class == NoPrompt, now
	if s.PromptNeeded { // no failure: it binds only those that cannot prompt either
		pause := backoffAfterFirstFailure(draw[0])
		if s.Holding() {
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
	case class == Permanent, s.Holding():
		pause = backoffAfterRefusal(draw[0])
	case again, !cfg.FailFast: // with FailFast the first one is not remembered, as in the AWS SDKs
		pause = backoffAfterFirstFailure(draw[0])
	}
	s.BackoffUntil = plus(now, pause)
	return s
}

// Reject notes that a service rejected the entry.
func Reject(s State, now int64) State {
	s.Rejected, s.Settled = true, false
	if s.PromptNeeded { // the next caller's attempt may prompt
		s.PromptNeeded, s.BackoffFrom, s.BackoffUntil = false, Always, Always
	}
	if now >= s.Received && s.RejectFrom > max(now, s.BackoffUntil) {
		s.BackoffFrom, s.BackoffUntil = s.Received, min(s.RejectFrom, s.Entry.Expires)
	}
	return s
}

// Shift moves every instant by d: the clock that they were taken from was set.
func Shift(s State, d time.Duration) State {
	for _, t := range []*int64{&s.Entry.Expires, &s.Received, &s.BackoffFrom, &s.BackoffUntil, &s.RejectFrom} {
		*t = plus(*t, d)
	}
	return s
}

// Next is the earliest next attempt. Always: at the next call. Never: none is planned.
func Next(s State, now int64) int64 {
	next := int64(Always)
	if s.inBackoff(now) {
		next = s.BackoffUntil
		if s.PromptNeeded { // the next caller that waits may prompt
			next = min(next, s.promptFrom())
		}
	}
	if s.Holding() && !s.Raised {
		next = max(next, s.due())
	}
	if next <= now {
		return Always
	}
	return next
}

// Quiet is an interval in which Decide says Serve to every caller without AtLeast. It is empty,
// from Never, where there is none.
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
			until = min(until, s.promptFrom())
		}
	}
	return from, min(until, s.End(cfg))
}

// The phases of an entry.
const (
	Empty = iota
	Fresh
	Advisory
	Mandatory
	Expired
)

// Phase is how far the entry is in its life.
func Phase(s State, now int64) int {
	switch e := s.Entry.Expires; {
	case !s.Holding():
		return Empty
	case e == Never:
		return Fresh
	case now >= e:
		return Expired
	case now >= plus(e, -s.Windows.Mandatory):
		return Mandatory
	case now >= plus(e, -s.Windows.Advisory):
		return Advisory
	}
	return Fresh
}

// Holding reports whether there is an entry.
func (s State) Holding() bool { return s.Entry.ID != "" }

// Good reports whether the entry is valid, and neither a service nor FailFast speaks against it.
func (s State) Good(now int64) bool {
	return s.Holding() && now < s.Entry.Expires && !s.Rejected && !s.Raised
}

// End is when the entry may no longer be served, even while no attempt may begin.
func (s State) End(cfg Config) int64 {
	switch {
	case !s.Holding():
		return Always
	case s.Failed && !s.Refused:
		return plus(s.Entry.Expires, cfg.MaxStale)
	}
	return s.Entry.Expires
}

// short reports whether the entry does not live for need.AtLeast.
func (s State) short(now int64, need Need) bool {
	return need.AtLeast > 0 && plus(now, need.AtLeast) > s.Entry.Expires
}

// inBackoff is false where the clock went back behind the beginning of the backoff.
func (s State) inBackoff(now int64) bool { return now >= s.BackoffFrom && now < s.BackoffUntil }

// due is from when on an attempt is wanted.
func (s State) due() int64 {
	switch {
	case s.Rejected:
		return Always
	case s.Entry.Expires == Never:
		return plus(s.Received, rotationInterval)
	}
	return plus(s.Entry.Expires, -s.Windows.Advisory)
}

// waitFrom is from when on callers wait for an attempt.
func (s State) waitFrom() int64 {
	switch {
	case s.Settled:
		return s.Entry.Expires
	case s.Rejected:
		return Always
	}
	return plus(s.Entry.Expires, -s.Windows.Mandatory)
}

// promptFrom is from when on a caller that can prompt begins an attempt, after one that could not.
func (s State) promptFrom() int64 {
	if !s.Holding() || s.Raised {
		return Always
	}
	return s.waitFrom()
}
