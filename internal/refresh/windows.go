package refresh

import (
	"cmp"
	"math"
	"time"
)

const (
	mandatoryWindow  = 60 * time.Second
	patience         = 5 * time.Second // how long callers wait while the entry is valid
	betweenAttempts  = time.Second     // at least, while there is an entry
	rotationInterval = 15 * time.Minute

	// The bounds of Nanos. Always is before every instant, and Never is after it.
	Never  = math.MaxInt64
	Always = math.MinInt64
)

// Windows are how long before its expiry an entry is refreshed.
type Windows struct {
	Advisory  time.Duration // from here on it is refreshed in the background
	Mandatory time.Duration // from here on callers wait
}

// Nominal returns the advisory window of an entry before jitter. The arguments are those of WindowsFor.
func Nominal(lifetime, advisory time.Duration) time.Duration {
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
	return min(advisory, longest(lifetime))
}

// longest is the longest advisory window: an entry is not received inside its window.
func longest(lifetime time.Duration) time.Duration { return lifetime - lifetime/4 }

// WindowsFor returns the windows of an entry that has lifetime left when it is received. advisory and
// mandatory are the configured windows, 0 for the defaults. random is in [0,1) and widens the advisory
// window by up to a quarter, so that a fleet that started together does not refresh together.
func WindowsFor(lifetime, advisory, mandatory time.Duration, random float64) Windows {
	nominal := Nominal(lifetime, advisory)
	return Windows{
		Advisory:  min(nominal+fraction(nominal/4, random), longest(lifetime)),
		Mandatory: min(cmp.Or(mandatory, mandatoryWindow), nominal/4),
	}
}

// spread places the beginning of the advisory window by random: for the first entry anywhere in the
// last three quarters of its lifetime, for later ones anywhere in their window. Many entries that were
// received together are then not refreshed together.
func spread(w Windows, nominal, lifetime time.Duration, first bool, random float64) Windows {
	most := nominal
	if first {
		most = longest(lifetime)
	}
	w.Advisory = w.Mandatory + fraction(max(most-w.Mandatory, 0), 1-random)
	return w
}

// pauseAfterSuccess returns the pause after an attempt that returned an entry with this remaining lifetime
// that is due immediately or soon. Without it, every caller would call a source that returns the same
// entry again.
func pauseAfterSuccess(remaining time.Duration) time.Duration {
	return min(max(remaining/4, betweenAttempts), time.Minute)
}

// backoffAfterFailure returns the pause after a failed attempt while the entry can be served for
// left: that of the AWS SDKs, but at most half of what is left, so that attempts continue until it expires.
func backoffAfterFailure(left time.Duration, random, randomFloor float64) time.Duration {
	return max(min(between(300*time.Second, 600*time.Second, random), left/2), backoffAfterRefusal(randomFloor))
}

// backoffAfterRefusal returns how long an error is remembered if it is permanent, or if the entry
// has expired.
func backoffAfterRefusal(random float64) time.Duration {
	return between(time.Second, 5*time.Second, random)
}

// backoffAfterFirstFailure returns how long an error is remembered while the cache is empty.
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

// Expiry returns t as an instant, Never for the zero time. A date beyond the
// bounds is not Never: entries that expire then are refreshed like all others
// that expire.
func Expiry(t time.Time) int64 {
	if t.IsZero() {
		return Never
	}
	return min(Nanos(t), Never-1)
}

// plus returns t+d within the bounds. It does not change Never and Always.
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

// span returns the duration between two instants; Never if to is Never, or if the duration does
// not fit.
func span(from, to int64) time.Duration {
	d := to - from
	if to == Never || to > from && d < 0 {
		return Never
	}
	return time.Duration(d)
}
