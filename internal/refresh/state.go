package refresh

import "time"

// Entry is what is cached. An Entry without an ID means that nothing is cached.
type Entry struct {
	ID      string // entries with equal IDs are the same, even if one expires later
	Expires int64  // Never: it does not expire
}

// State is the state of a cache at one instant. The zero State is an empty cache.
type State struct {
	Entry    Entry
	Windows  Windows
	Received int64
	Lifetime time.Duration // the remaining lifetime of Entry when its ID was first received

	InFlight     bool // an attempt has begun, and has not ended
	Failed       bool // the last attempt failed, ignoring those that needed a prompt
	PromptNeeded bool // the last attempt needed a prompt, and could not prompt
	Rejected     bool // a service rejected Entry
	Refused      bool // since Entry was received, an attempt was refused: MaxStale does not apply
	Raised       bool // FailFast: the last failure is returned to every caller
	Settled      bool // since Entry was received, an attempt gained nothing: no caller waits while Entry is valid

	Refusals uint8 // permanent failures since an entry was last valid, up to 3

	BackoffFrom  int64 // no attempt begins in [BackoffFrom, BackoffUntil)
	BackoffUntil int64
	RejectFrom   int64 // before this time, a rejection does not cause an attempt
}

// The phases of an entry.
const (
	Empty = iota
	Fresh
	Advisory
	Mandatory
	Expired
)

// Phase returns how close the entry is to its expiry.
func Phase(s State, now int64) int {
	switch e := s.Entry.Expires; {
	case !s.Holding():
		return Empty
	case now >= e: // false if e is Never
		return Expired
	case now >= plus(e, -s.Windows.Mandatory):
		return Mandatory
	case now >= plus(e, -s.Windows.Advisory):
		return Advisory
	}
	return Fresh
}

// Holding reports whether there is an entry.
func (s *State) Holding() bool { return s.Entry.ID != "" }

// Good reports whether the entry is valid, not rejected by a service, and not withheld by FailFast.
func (s *State) Good(now int64) bool {
	return s.Holding() && now < s.Entry.Expires && !s.Rejected && !s.Raised
}

// End returns when the entry must not be served any longer, even while no attempt may begin.
func (s *State) End(cfg Config) int64 {
	switch {
	case !s.Holding():
		return Always
	case s.Failed && !s.Refused:
		return plus(s.Entry.Expires, cfg.MaxStale)
	}
	return s.Entry.Expires
}

// Short reports whether the entry is not valid for need.AtLeast.
func (s *State) Short(now int64, need Need) bool {
	return need.AtLeast > 0 && plus(now, need.AtLeast) > s.Entry.Expires
}

// inBackoff is false if the clock was set back to before the backoff began.
func (s *State) inBackoff(now int64) bool { return now >= s.BackoffFrom && now < s.BackoffUntil }

// due returns when an attempt becomes due.
func (s *State) due() int64 {
	switch {
	case s.Rejected:
		return Always
	case s.Entry.Expires == Never:
		return plus(s.Received, rotationInterval)
	}
	return plus(s.Entry.Expires, -s.Windows.Advisory)
}

// waitFrom returns when callers begin to wait for an attempt.
func (s *State) waitFrom() int64 {
	switch {
	case s.Settled:
		return s.Entry.Expires
	case s.Rejected:
		return Always
	}
	return plus(s.Entry.Expires, -s.Windows.Mandatory)
}
