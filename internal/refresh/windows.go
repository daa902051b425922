package refresh

import (
	"cmp"
	"math"
	"time"
)

const (
	mandatoryWindow  = 60 * time.Second
	patience         = 5 * time.Second // how long a caller waits while the entry is valid
	betweenAttempts  = time.Second     // at least, while there is an entry
	rotationInterval = 15 * time.Minute

	// The ends of the scale of Nanos. Always is before, and Never after every instant.
	Never  = math.MaxInt64
	Always = math.MinInt64
)

// Windows say how long before its end an entry is refreshed.
type Windows struct {
	Nominal   time.Duration // the advisory window before jitter
	Advisory  time.Duration // from here on it is refreshed in the background
	Mandatory time.Duration // from here on callers wait
}

// WindowsFor returns the windows of an entry that has lifetime left when it arrives. advisory and
// mandatory are what is configured, 0 for the defaults. random is in [0,1) and widens the advisory
// window by up to a quarter, so that a fleet that started together does not refresh together.
func WindowsFor(lifetime, advisory, mandatory time.Duration, random float64) Windows {
	if advisory == 0 {
		switch {
		case lifetime <= 20*time.Minute:
			advisory = 5 * time.Minute
		case lifetime < 90*time.Minute:
			advisory = 15 * time.Minute
		default:
			advisory = 60 * time.Minute
		}
	}
	most := lifetime - lifetime/4 // an entry does not arrive inside its window
	w := Windows{Nominal: min(advisory, most)}
	w.Advisory = min(w.Nominal+fraction(w.Nominal/4, random), most)
	w.Mandatory = min(cmp.Or(mandatory, mandatoryWindow), w.Nominal/4)
	return w
}

// pauseAfterSuccess is the pause after an attempt that brought an entry with this remaining life
// that is due at once or soon: without it, every call would call a source that returns the same
// entry again.
func pauseAfterSuccess(remaining time.Duration) time.Duration {
	return min(max(remaining/4, betweenAttempts), time.Minute)
}

// backoffAfterFailure is the pause after a failed attempt while the entry can be served for
// left: the pace of the AWS SDKs, but at most half of what is left, so that attempts go on until
// the last second.
func backoffAfterFailure(left time.Duration, random, randomFloor float64) time.Duration {
	return max(min(between(300*time.Second, 600*time.Second, random), left/2), backoffAfterRefusal(randomFloor))
}

// backoffAfterRefusal is how long an error is remembered when a retry soon does not help: it was
// permanent, or the entry has expired.
func backoffAfterRefusal(random float64) time.Duration {
	return between(time.Second, 5*time.Second, random)
}

// backoffAfterFirstFailure is how long an error is remembered while the cache is empty.
func backoffAfterFirstFailure(random float64) time.Duration {
	return between(100*time.Millisecond, time.Second, random)
}

func between(low, high time.Duration, random float64) time.Duration {
	return low + fraction(high-low, random)
}

func fraction(d time.Duration, random float64) time.Duration {
	return time.Duration(float64(d) * random)
}

// Nanos returns t in nanoseconds since 1970. Dates that do not fit become Always or Never.
func Nanos(t time.Time) int64 {
	const secondsThatFit = math.MaxInt64 / int64(time.Second)
	switch s := t.Unix(); {
	case s >= secondsThatFit:
		return Never
	case s <= -secondsThatFit:
		return Always
	}
	return t.UnixNano()
}

// Expiry returns the end of what expires at t, Never for the zero time. A date beyond the scale
// is not never: what ends then is refreshed like everything that ends.
func Expiry(t time.Time) int64 {
	if t.IsZero() {
		return Never
	}
	return min(Nanos(t), Never-1)
}

// plus is t+d within the scale. Its ends stay what they are.
func plus(t int64, d time.Duration) int64 {
	switch sum := t + int64(d); {
	case t == Never, t == Always:
		return t
	case d > 0 && sum < t:
		return Never
	case d < 0 && sum > t:
		return Always
	default:
		return sum
	}
}

// span is how long it is from one instant to another; Never if to does not come or the span does
// not fit.
func span(from, to int64) time.Duration {
	d := to - from
	if to == Never || to > from && d < 0 {
		return Never
	}
	return time.Duration(d)
}
