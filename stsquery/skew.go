package stsquery

import (
	"net/http"
	"time"

	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/wire"
)

// skewTolerance is for signatures: one whose date was off by less was refused
// for another reason. The value is that of the AWS SDKs as of November 2026.
const skewTolerance = 4 * time.Minute

// date is when a request was sent, and how far that is from the server's clock.
type date struct {
	sent      time.Time     // on this process's clock
	used      time.Duration // by how much the signature's date is ahead of that
	wire.Skew               // what it should have been, as far as known
}

// date returns the date of a request that is sent now.
func (c *Client) date() date {
	known := time.Duration(c.skew.Load())
	return date{system.Now(c.Clock), known, wire.Skew{Least: known, Most: known}}
}

// signed returns the date of the signature.
func (d date) signed() time.Time { return d.sent.Add(d.used) }

// compare learns from a response how the clocks differ.
func (c *Client) compare(d *date, response http.Header) {
	if c.DisableClockSkewCorrection {
		return
	}
	if measured, ok := wire.MeasureSkew(response, d.sent, system.Now(c.Clock)); ok {
		d.Skew = measured
		c.skew.Store(int64(measured.Least))
	}
}

// classify decides whether a request was refused because of its date. If the date was correct, another one does not help.
func (d date) classify(code string) failureClass {
	if (d.Least - d.used).Abs() <= skewTolerance {
		return final
	}
	switch code {
	case "InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure",
		"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture":
		return unused // servers check the signature first
	case "AccessDeniedException":
		return transient
	}
	return final
}
