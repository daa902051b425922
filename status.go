package stschain

import (
	"fmt"
	"time"
)

// Phase is how far the held credentials of a [Cache] are in their life.
type Phase int

// The phases, in order.
const (
	Empty     Phase = iota // nothing is held
	Fresh                  // nothing is to be done
	Advisory               // refreshed in the background
	Mandatory              // callers wait for the refresh, a little
	Expired                // callers wait for the refresh
)

// String returns the phase in a word.
func (p Phase) String() string {
	switch p {
	case Empty:
		return "empty"
	case Fresh:
		return "fresh"
	case Advisory:
		return "advisory"
	case Mandatory:
		return "mandatory"
	case Expired:
		return "expired"
	}
	return fmt.Sprintf("Phase(%d)", int(p))
}

// Status is what a [Cache] knows at one moment. It holds no secret.
type Status struct {
	Source         string // of the held credentials, or the provider if there are none
	AccessKeyID    string
	Phase          Phase
	Expires        time.Time     // zero: never, or nothing is held
	AdvisoryWindow time.Duration // before jitter; 0 if the credentials never expire
	Refreshed      time.Time     // when the provider last brought usable credentials; zero: never
	Rejected       bool          // a service rejected the held credentials
	Refreshing     bool          // the provider is being asked
	Next           time.Time     // the earliest next try; zero: at the next call, or never
	Err            error         // of the last try, if it failed
	Tries          uint64        // how often the provider was asked
	Failures       uint64        // how many of these brought nothing
	Stale          uint64        // how many of those left callers with expired credentials; see Cache.MaxStale
	Waits          uint64        // how often a caller had to wait for a try
}

// Status reports without asking anybody.
func (c *Cache) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Status{
		Source:      c.held.Source,
		AccessKeyID: c.held.AccessKeyID,
		Phase:       c.phase(),
		Expires:     c.held.Expires,
		Rejected:    c.rejected,
		Refreshing:  !c.trying.IsZero(),
		Next:        c.next(),
		Err:         c.err,
		Tries:       c.tries,
		Failures:    c.failures,
		Stale:       c.stale,
		Waits:       c.waits.Load(),
	}
	if !c.holding() {
		s.Source = name(c.Provider)
		return s
	}
	s.Refreshed = timeOf(c.received)
	if !s.Expires.IsZero() {
		s.AdvisoryWindow = c.windows.nominal
	}
	return s
}

func (c *Cache) phase() Phase {
	now, expires := c.now(), nanosOf(c.held.Expires)
	switch {
	case !c.holding():
		return Empty
	case expires == never:
		return Fresh
	case now >= expires:
		return Expired
	case now >= plus(expires, -c.windows.mandatory):
		return Mandatory
	case now >= plus(expires, -c.windows.advisory):
		return Advisory
	}
	return Fresh
}
