package wire

import (
	"net/http"
	"time"
)

const trust = 15 * time.Minute // an answer that took longer says nothing of clocks

// tolerance is how much the clocks may disagree before expiry dates are
// translated: a Date header and a slow network are a few seconds off anyway.
const tolerance = time.Minute

// Skew is by how much the server's clock is ahead of this process's. Because an
// answer takes time, it is known only within bounds.
type Skew struct{ Least, Most time.Duration }

// MeasureSkew finds it, if the answer tells: it was dated, in whole seconds, between being
// asked for and received.
func MeasureSkew(answer http.Header, sent, received time.Time) (Skew, bool) {
	at, err := http.ParseTime(answer.Get("Date"))
	_, cached := answer["Age"]
	// By the wall clock: a laptop that slept in between has an old answer.
	if err != nil || cached || received.Round(0).Sub(sent.Round(0)) > trust {
		return Skew{}, false
	}
	return Skew{at.Sub(received), at.Add(time.Second).Sub(sent)}, true
}

// Expiry is what the server's expiry dates are to be set back by, to be on this
// process's clock: nothing if the clocks may agree, and else the most that it can
// be, so that nothing is used after it expired.
func (s Skew) Expiry() time.Duration {
	if s.Least > tolerance || s.Most < -tolerance {
		return s.Most
	}
	return 0
}
