package stsquery

import (
	"net/http"
	"time"
)

// The rules of the AWS SDKs for clocks that disagree, as of November 2026.
const (
	skewTrust     = 15 * time.Minute // an answer that took longer says nothing of clocks
	skewTolerance = 4 * time.Minute  // a signature whose date was off by less was refused for another reason
)

// expiryTolerance is how much the clocks may disagree before expiry dates are
// translated: a Date header and a slow network are a few seconds off anyway.
const expiryTolerance = time.Minute

// date is when a request was sent, and how far that is from the server's clock.
type date struct {
	sent time.Time     // on this process's clock
	used time.Duration // by how much the signature's date is ahead of that
	skew               // what it should have been, as far as one knows
}

// skew is by how much the server's clock is ahead of this process's. Because an
// answer takes time, it is known only within bounds.
type skew struct{ least, most time.Duration }

// date is that of a request now.
func (c *Client) date() date {
	known := time.Duration(c.skew.Load())
	return date{c.now(), known, skew{known, known}}
}

// signed is the date of the signature.
func (d date) signed() time.Time { return d.sent.Add(d.used) }

// ClockSkew is by how much the server's clock is ahead of this process's, as far
// as the last answer told; 0 if none did, or with DisableClockSkewCorrection. The
// client has seen to it already in what it signs and in what it returns.
func (c *Client) ClockSkew() time.Duration { return time.Duration(c.skew.Load()) }

// compare learns from an answer how the clocks differ.
func (c *Client) compare(d *date, answer http.Header) {
	if c.DisableClockSkewCorrection {
		return
	}
	if measured, ok := measureSkew(answer, d.sent, c.now()); ok {
		d.skew = measured
		c.skew.Store(int64(measured.least))
	}
}

// measureSkew finds by how much the clock of who answered is ahead, if the answer
// tells: it was dated, in whole seconds, between being asked for and received.
func measureSkew(answer http.Header, sent, received time.Time) (skew, bool) {
	at, err := http.ParseTime(answer.Get("Date"))
	_, cached := answer["Age"]
	// By the wall clock: a laptop that slept in between has an old answer.
	if err != nil || cached || received.Round(0).Sub(sent.Round(0)) > skewTrust {
		return skew{}, false
	}
	return skew{at.Sub(received), at.Add(time.Second).Sub(sent)}, true
}

// classify judges a refusal as one of the request's date. Where the date was all
// right, another one will not help.
func (d date) classify(code string) failureClass {
	if (d.least - d.used).Abs() <= skewTolerance {
		return final
	}
	switch code {
	case "InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure",
		"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture":
		return unused // a signature is judged before all else
	case "AccessDeniedException":
		return transient
	}
	return final
}

// expiry is what the server's expiry dates are to be set back by, to be on this
// process's clock: nothing if the clocks may agree, and else the most that it can
// be, so that nothing is used after it expired.
func (s skew) expiry() time.Duration {
	if s.least > expiryTolerance || s.most < -expiryTolerance {
		return s.most
	}
	return 0
}

// setBack sets the expiry dates in a result back.
func setBack(result *element, by time.Duration) {
	if by == 0 {
		return
	}
	for i := range result.children {
		e := &result.children[i]
		if at, err := time.Parse(time.RFC3339, e.text); e.name == "Expiration" && err == nil {
			e.text = at.Add(-by).Format(time.RFC3339Nano)
		}
		setBack(e, by)
	}
}
