package stsquery

import (
	"net/http"
	"time"

	"github.com/stschain-go/stschain/internal/wire"
)

// skewTolerance is for signatures: one whose date was off by less was refused for another
// reason. It is the AWS SDKs', as of November 2026.
const skewTolerance = 4 * time.Minute

// date is when a request was sent, and how far that is from the server's clock.
type date struct {
	sent      time.Time     // on this process's clock
	used      time.Duration // by how much the signature's date is ahead of that
	wire.Skew               // what it should have been, as far as one knows
}

// date is that of a request now.
func (c *Client) date() date {
	known := time.Duration(c.skew.Load())
	return date{c.now(), known, wire.Skew{Least: known, Most: known}}
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
	if measured, ok := wire.MeasureSkew(answer, d.sent, c.now()); ok {
		d.Skew = measured
		c.skew.Store(int64(measured.Least))
	}
}

// classify judges a refusal as one of the request's date. Where the date was all
// right, another one will not help.
func (d date) classify(code string) failureClass {
	if (d.Least - d.used).Abs() <= skewTolerance {
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

// setBack sets the expiry dates in a result back, but for those at the ends of what
// RFC 3339 can say.
func setBack(result *element, by time.Duration) {
	if by == 0 {
		return
	}
	for i := range result.children {
		e := &result.children[i]
		if at, ok := wire.ParseTime(e.text); e.name == "Expiration" && ok {
			if text := at.Add(-by).Format(time.RFC3339Nano); isTime(text) {
				e.text = text
			}
		}
		setBack(e, by)
	}
}

func isTime(text string) bool {
	_, err := time.Parse(time.RFC3339, text)
	return err == nil
}
