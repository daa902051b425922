package flow

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stschain-go/stschain/stsquery"
)

// leeway is how long after its expiry, by this process's clock, a token is
// still sent. The clock may be fast by minutes, and STS decides by its own. If
// STS refuses the token, its error says so.
const leeway = 15 * time.Minute

// Expiry is when a token that is sent to STS expires, according to the token itself.
type Expiry struct {
	Token string    // for errors: "the assertion"
	At    time.Time // zero: unknown
}

// Passed reports whether the token expired so long ago that it is not sent.
func (e Expiry) Passed(now time.Time) bool { return !e.At.IsZero() && !now.Before(e.At.Add(leeway)) }

// Describe says when the token expires.
func (e Expiry) Describe(now time.Time) string {
	at, ago := e.At.UTC().Format(time.RFC3339), now.Sub(e.At)
	if ago < 0 {
		return fmt.Sprintf("%s expires at %s, which is in the future by this machine's clock", e.Token, at)
	}
	return fmt.Sprintf("%s expired at %s, %v ago", e.Token, at, ago.Round(time.Second))
}

// Code returns the code of an error response of STS without the suffix "Exception", which some codes
// have in some responses. It is "" for any other error.
func Code(err error) string {
	e, ok := errors.AsType[*stsquery.Error](err)
	if !ok {
		return ""
	}
	return strings.TrimSuffix(e.Code, "Exception")
}
