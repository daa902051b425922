package stschain

import (
	"math"
	"time"
)

const (
	mandatoryWindow  = 60 * time.Second
	patience         = 5 * time.Second // how long a caller waits while credentials are valid
	betweenTries     = time.Second     // while anything is held
	rotationInterval = 15 * time.Minute

	never  = math.MaxInt64 // the ends of the scale of nanos
	always = math.MinInt64
)

// windows say how long before its end a set of credentials is refreshed.
type windows struct {
	nominal   time.Duration // the advisory window before jitter
	advisory  time.Duration // from here on in the background
	mandatory time.Duration // from here on callers wait
}

// windowsFor computes the windows of credentials that live for lifetime at
// receipt. advisory and mandatory are what is configured, 0 for the defaults;
// random is in [0,1) and widens the advisory window by up to a quarter, so that
// a fleet that started together does not refresh together.
func windowsFor(lifetime, advisory, mandatory time.Duration, random float64) windows {
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
	if mandatory == 0 {
		mandatory = mandatoryWindow
	}
	most := lifetime - lifetime/4 // credentials never arrive inside their window
	w := windows{nominal: min(advisory, most)}
	w.advisory = min(w.nominal+fraction(w.nominal/4, random), most)
	w.mandatory = min(mandatory, w.nominal/4)
	return w
}

// restAfterSuccess is the pause after an answer that leaves credentials of this
// remaining life due at once or soon: without it a source that hands out the same
// credentials again would be asked by every call.
func restAfterSuccess(remaining time.Duration) time.Duration {
	return min(max(remaining/4, betweenTries), time.Minute)
}

// restAfterFailure is the pause after a failed try while there is something to
// serve for left more: the pace of the AWS SDKs, but never more than half of
// what is left, so that tries go on until the last second.
func restAfterFailure(left time.Duration, random, randomFloor float64) time.Duration {
	return max(min(between(300*time.Second, 600*time.Second, random), left/2), restAfterRefusal(randomFloor))
}

// restAfterRefusal is how long an error is remembered when asking again soon is
// of no use: it was permanent, or credentials have already run out.
func restAfterRefusal(random float64) time.Duration {
	return between(time.Second, 5*time.Second, random)
}

// restAfterFirstFailure is how long an error is remembered while nothing was
// ever held.
func restAfterFirstFailure(random float64) time.Duration {
	return between(100*time.Millisecond, time.Second, random)
}

func between(low, high time.Duration, random float64) time.Duration {
	return low + fraction(high-low, random)
}

func fraction(d time.Duration, random float64) time.Duration {
	return time.Duration(float64(d) * random)
}

// nanos is t on the scale that the cache compares: nanoseconds since 1970,
// where dates beyond it are its ends.
func nanos(t time.Time) int64 {
	const secondsThatFit = math.MaxInt64 / int64(time.Second)
	switch s := t.Unix(); {
	case s >= secondsThatFit:
		return math.MaxInt64
	case s <= -secondsThatFit:
		return math.MinInt64
	}
	return t.UnixNano()
}

// plus is t+d within the ends of that scale; the ends are never and always, and
// stay what they are.
func plus(t int64, d time.Duration) int64 {
	switch sum := t + int64(d); {
	case t == math.MaxInt64, t == math.MinInt64:
		return t
	case d > 0 && sum < t:
		return math.MaxInt64
	case d < 0 && sum > t:
		return math.MinInt64
	default:
		return sum
	}
}

// span is how long it is from one instant to another, MaxInt64 if that never
// comes or does not fit.
func span(from, to int64) time.Duration {
	d := to - from
	if to == never || to > from && d < 0 {
		return never
	}
	return time.Duration(d)
}
