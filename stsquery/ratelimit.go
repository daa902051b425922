package stsquery

import (
	"math"
	"sync"
	"time"
)

// The numbers of the AWS SDKs' adaptive mode.
const (
	rateBeta    = 0.7 // share of the rate that remains after the server throttled
	rateScale   = 0.4 // how fast the rate recovers
	rateSmooth  = 0.8 // weight of the newest measurement
	rateWindow  = 0.5 // minimum duration of a measurement, in seconds
	minRate     = 0.5 // attempts per second, however much the server throttles
	minCapacity = 1   // concurrent attempts
)

// limiter limits a client to the rate that its server accepts: a bucket of tokens,
// one for each attempt, which fills at a rate that falls when the server throttles
// and grows along a cubic curve while it does not. Nothing is limited before the
// server throttles for the first time. The zero limiter is ready for use.
//
// The caller passes the time. It is that of the monotonic clock, since waits are
// real time, whatever Client.Clock is.
type limiter struct {
	_ [0]func() // nothing compares it, so no code for that is needed

	mu    sync.Mutex
	start time.Time // of all seconds below
	now   float64

	limiting bool
	rate     float64 // tokens added per second
	tokens   float64 // negative: taken by attempts that wait
	capacity float64
	filled   float64 // when tokens were last added

	measured float64 // attempts made per second
	since    float64 // when counting began
	count    float64 // attempts since then

	peak      float64 // the rate that the server throttled
	throttled float64 // when it did
}

// take takes a token, and returns how long to wait for it.
func (l *limiter) take(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.advance(now)
	if !l.limiting {
		return 0
	}
	l.fill()
	l.tokens--
	return time.Duration(max(0, -l.tokens/l.rate) * float64(time.Second))
}

// give returns the token of an attempt that was not made.
func (l *limiter) give() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limiting {
		l.tokens = min(l.tokens+1, l.capacity)
	}
}

// learn records an attempt.
func (l *limiter) learn(now time.Time, throttled bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.advance(now)
	l.measure()
	rate := cubic(l.peak, l.now-l.throttled)
	if throttled {
		l.peak = l.measured
		if l.limiting {
			l.peak = min(l.measured, l.rate)
		}
		l.throttled, l.limiting = l.now, true
		rate = rateBeta * l.peak
	}
	rate = min(rate, 2*l.measured)
	l.fill()
	l.rate, l.capacity = max(rate, minRate), max(rate, minCapacity)
	l.tokens = min(l.tokens, l.capacity)
}

// cubic returns the rate this many seconds after the server throttled at the
// peak: it approaches the peak quickly, stays there for a while, and then
// exceeds it.
func cubic(peak, seconds float64) float64 {
	d := seconds - math.Cbrt(peak*(1-rateBeta)/rateScale)
	return rateScale*d*d*d + peak
}

// advance sets the clock; it never goes back.
func (l *limiter) advance(now time.Time) {
	if l.start.IsZero() {
		l.start = now
	}
	l.now = max(l.now, now.Sub(l.start).Seconds())
}

func (l *limiter) fill() {
	l.tokens = min(l.tokens+(l.now-l.filled)*l.rate, l.capacity)
	l.filled = l.now
}

// measure counts an attempt.
func (l *limiter) measure() {
	l.count++
	if window := math.Floor(l.now/rateWindow) * rateWindow; window > l.since {
		l.measured = rateSmooth*l.count/(window-l.since) + (1-rateSmooth)*l.measured
		l.count, l.since = 0, window
	}
}
