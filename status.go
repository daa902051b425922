package stschain

import (
	"time"

	"github.com/stschain-go/stschain/internal/refresh"
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
	return word(p, "Phase", "empty", "fresh", "advisory", "mandatory", "expired")
}

// Status is what a [Cache] knows at one moment. It holds no secret.
type Status struct {
	Origin         string // of the held credentials, or the provider if there are none
	AccessKeyID    string
	Phase          Phase
	Expires        time.Time     // zero: never, or nothing is held
	AdvisoryWindow time.Duration // before jitter; 0 if the credentials never expire
	Refreshed      time.Time     // when the provider last brought usable credentials; zero: never
	Rejected       bool          // a service rejected the held credentials
	Refreshing     bool          // the provider is being asked
	Next           time.Time     // the earliest next try; zero: at the next call, or never
	Err            error         // of the last try, if it failed
	Attempts       uint64        // how often the provider was asked
	Failures       uint64        // how many of these brought nothing
	Stale          uint64        // how many of those left callers with expired credentials; see Cache.MaxStale
	Waits          uint64        // how often a caller had to wait for a try
}

// Status reports what the cache knows, and calls nothing.
func (c *Cache) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, lag := c.now()
	creds := c.credentials(lag)
	s := Status{
		Origin:      creds.Origin,
		AccessKeyID: creds.AccessKeyID,
		Phase:       Phase(refresh.Phase(c.state, now)),
		Expires:     creds.Expires,
		Rejected:    c.state.Rejected,
		Refreshing:  c.state.InFlight,
		Next:        nextOf(c.state, now, lag),
		Err:         c.err,
		Attempts:    c.attempts,
		Failures:    c.failures,
		Stale:       c.stale,
		Waits:       c.waits.Load(),
	}
	if !c.state.Holding() {
		s.Origin = c.knownName()
		return s
	}
	s.Refreshed = timeOf(c.state.Received - int64(lag))
	if !s.Expires.IsZero() {
		s.AdvisoryWindow = c.state.Windows.Nominal
	}
	return s
}
