package stschain

import (
	"cmp"
	"time"

	"github.com/stschain-go/stschain/internal/refresh"
)

// Phase is how close the cached credentials of a [Cache] are to their expiry.
type Phase int

// The phases, in order.
const (
	Empty     Phase = iota // no credentials are cached
	Fresh                  // no refresh is needed
	Advisory               // refreshed in the background
	Mandatory              // callers wait for the refresh, for at most 5 s
	Expired                // callers wait for the refresh
)

// String returns the phase as text.
func (p Phase) String() string {
	return enumText(p, "Phase", "empty", "fresh", "advisory", "mandatory", "expired")
}

// Status is the state of a [Cache] at one moment. It contains no secret.
type Status struct {
	Origin         string // of the cached credentials, or the name of the provider if there are none
	AccessKeyID    string
	Phase          Phase
	Expires        time.Time     // zero: never, or no credentials are cached
	AdvisoryWindow time.Duration // before jitter; 0 if the credentials never expire
	Refreshed      time.Time     // when the provider last returned usable credentials; zero: never
	Rejected       bool          // a service rejected the cached credentials
	Refreshing     bool          // an attempt is in flight
	Next           time.Time     // the earliest next attempt; zero: at the next call, or none is planned
	Err            error         // of the last attempt; nil if it succeeded
	Attempts       uint64        // number of calls of the provider
	Failures       uint64        // number of these that failed
	Stale          uint64        // number of failures after which expired credentials were served; see Cache.MaxStale
	Waits          uint64        // number of callers that waited for an attempt
}

// Status returns the state of the cache. It does not call the provider.
func (c *Cache) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, lag := c.now()
	creds, failed := c.credentials(lag), c.failed()
	s := Status{
		Origin:      cmp.Or(creds.Origin, c.knownName()),
		AccessKeyID: creds.AccessKeyID,
		Phase:       Phase(refresh.Phase(c.state, now)),
		Expires:     creds.Expires,
		Rejected:    c.state.Rejected,
		Refreshing:  c.state.InFlight,
		Next:        nextOf(c.state, now, lag),
		Err:         failed.last,
		Attempts:    c.attempts,
		Failures:    failed.count,
		Stale:       failed.stale,
		Waits:       c.waits.Load(),
	}
	if c.state.Holding() {
		s.Refreshed = timeOf(c.state.Received - int64(lag))
	}
	if !s.Expires.IsZero() {
		s.AdvisoryWindow = refresh.Nominal(c.state.Lifetime, c.AdvisoryWindow)
	}
	return s
}
