package wire

import (
	"net/http"
	"sync/atomic"
	"time"
)

const trust = 15 * time.Minute // a response that took longer is not used to measure the skew

// tolerance is by how much the clocks may differ before expiry times are
// translated: rounding and a slow network alone make a few seconds.
const tolerance = time.Minute

// Skew is by how much the server's clock is ahead of this process's. Since a response takes time, only
// bounds are known.
type Skew struct{ Least, Most time.Duration }

// MeasureSkew measures the skew by the Date of a response, which the server set, in whole seconds, between
// the request and the receipt. ok is false if it has none that can be used.
func MeasureSkew(header http.Header, sent, received time.Time) (skew Skew, ok bool) {
	at, err := http.ParseTime(header.Get("Date"))
	_, cached := header["Age"]
	// By the wall clock: a laptop may have slept in between.
	if err != nil || cached || received.Round(0).Sub(sent.Round(0)) > trust {
		return Skew{}, false
	}
	return Skew{at.Sub(received), at.Add(time.Second).Sub(sent)}, true
}

// Expiry returns by how much earlier the server's expiry times are on this process's clock: 0 if the
// clocks may agree, and else the upper bound, so that nothing is used after it expired.
func (s Skew) Expiry() time.Duration {
	if s.Least > tolerance || s.Most < -tolerance {
		return s.Most
	}
	return 0
}

// ServerClock is the clock of a server, as far as its responses have shown it.
type ServerClock struct{ ahead atomic.Int64 }

// Ahead returns by how much it is ahead of this process's: 0 if the clocks may agree.
func (c *ServerClock) Ahead() time.Duration { return time.Duration(c.ahead.Load()) }

// Compare learns from a response.
func (c *ServerClock) Compare(r Response) {
	if measured, ok := MeasureSkew(r.Header, r.Sent, r.Received); ok {
		c.ahead.Store(int64(measured.Expiry()))
	}
}
