package stschain

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Explanation reports a call of a provider, and of those that it retrieves from. It holds no
// secret, as long as the errors of providers hold none. It prints as text, a line for each
// provider, and marshals to JSON.
type Explanation struct {
	Provider string  // its name
	Outcome  Outcome // how the call ended
	Err      error   // why it failed; nil if it did not, or was not called

	Took   time.Duration // without the calls of the providers below
	Cached bool          // a Cache returned what it has, and called nothing
	Joined bool          // it waited for a refresh that another caller began

	// Of the credentials, if the call succeeded. They are empty, or zero, where they are not
	// known; Expires also if they never expire.
	AccessKeyID string
	AccountID   string
	Origin      string
	Expires     time.Time

	Cache *Status       // of the Cache over the provider; nil: there is none
	Below []Explanation // the providers that it retrieves from, in order

	at time.Time // now, on the clock that Expires is on
}

// Outcome is how the call of a provider ended.
type Outcome int

// The outcomes.
const (
	NotCalled      Outcome = iota // the call did not come to it
	Succeeded                     // it returned credentials
	NotConfigured                 // it is not configured in this environment: Unavailable
	Failed                        // it is configured, and failed
	PromptRequired                // it needs an interactive prompt: ErrPrompt
)

// String returns the outcome in words.
func (o Outcome) String() string {
	return word(o, "Outcome", "not called", "succeeded", "not configured", "failed", "needs prompt")
}

// take notes how a call ended.
func (x *Explanation) take(s Step) {
	x.Err = s.Err
	switch {
	case s.Err == nil:
		x.Outcome = Succeeded
		x.AccessKeyID, x.AccountID, x.Origin, x.Expires = s.AccessKeyID, s.AccountID, s.Origin, s.Expires
	case wraps(s.Err, ErrPrompt):
		x.Outcome = PromptRequired
	case IsUnavailable(s.Err):
		x.Outcome = NotConfigured
	default:
		x.Outcome = Failed
	}
}

// String returns a line for each provider, in order, indented below the one that asks it.
func (x Explanation) String() string {
	var b strings.Builder
	x.write(&b, 0)
	return b.String()
}

func (x *Explanation) write(b *strings.Builder, depth int) {
	fmt.Fprintf(b, "%-14s  %s%s", x.Outcome, strings.Repeat("  ", depth), oneLine(x.Provider))
	if details := x.details(); len(details) > 0 {
		b.WriteString(": " + oneLine(strings.Join(details, ", ")))
	}
	b.WriteByte('\n')
	for i := range x.Below {
		x.Below[i].write(b, depth+1)
	}
}

// details are what a line says besides outcome and name.
func (x *Explanation) details() (details []string) {
	say := func(when bool, text string) {
		if when {
			details = append(details, text)
		}
	}
	below := func(says func(Explanation) bool) bool { return slices.ContainsFunc(x.Below, says) }
	listed := x.Outcome == NotConfigured && len(x.Below) > 0 // the lines below give the reasons
	say(x.Err != nil && !listed && !below(func(b Explanation) bool { return wraps(x.Err, b.Err) }), x.reason())
	say(x.Outcome == Succeeded && !below(func(b Explanation) bool { return b.Outcome == Succeeded && b.AccessKeyID == x.AccessKeyID }), x.identity())
	say(x.Took >= time.Millisecond, "took "+x.Took.Round(time.Millisecond).String())
	say(x.Joined, "joined the refresh of another caller")
	if s := x.Cache; s != nil {
		say(x.Outcome == NotCalled && s.AccessKeyID != "", "has "+s.AccessKeyID+", "+s.Phase.String())
		say(x.Outcome == Succeeded && x.Cached, "cached, "+s.Phase.String())
		say(s.Rejected, "rejected by a service")
		say(s.Err != nil && x.Err == nil, "last refresh failed: "+fmt.Sprint(s.Err))
		say(s.Err != nil && !s.Next.IsZero(), "next attempt in "+s.Next.Sub(x.at).Round(time.Second/10).String())
	}
	return details
}

// wraps is errors.Is for errors of others, which need not be comparable.
func wraps(err, target error) (yes bool) {
	defer func() { yes = recover() == nil && yes }()
	if target == nil || errors.Is(err, target) {
		return target != nil
	}
	chain, ok := errors.AsType[*ChainError](err) // which wraps the cause of a stop only
	return ok && slices.ContainsFunc(chain.Attempts, func(a Attempt) bool { return wraps(a.Err, target) })
}

// reason is the error, without what the line says already.
func (x *Explanation) reason() string {
	text := fmt.Sprint(x.Err) // which survives an Error that panics
	kind, _, _ := strings.Cut(x.Provider, " ")
	for _, known := range []string{x.Provider + ": ", strings.Replace(x.Provider, " ", ": ", 1) + ": ", kind + ": ", "stschain: " + x.Provider + " "} {
		text = strings.TrimPrefix(text, known)
	}
	return text
}

// identity is whose the credentials are, and for how long.
func (x *Explanation) identity() string {
	text := x.AccessKeyID
	if x.AccountID != "" {
		text += " of account " + x.AccountID
	}
	if x.Origin != "" && x.Origin != x.Provider {
		text += " from " + x.Origin
	}
	switch left := x.Expires.Sub(x.at).Round(time.Second); {
	case x.Expires.IsZero():
		return text + ", no expiry"
	case left <= 0:
		return text + ", EXPIRED at " + x.Expires.UTC().Format(time.RFC3339)
	default:
		return text + ", expires at " + x.Expires.UTC().Format(time.RFC3339) + " (in " + left.String() + ")"
	}
}

// oneLine makes a line of text that others wrote, and nothing that a terminal obeys.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// sayable is t, or zero, which is left out, where RFC 3339 has no words for it.
func sayable(t time.Time) time.Time {
	if t = t.UTC(); t.Year() > 9999 || t.Year() < 0 {
		return time.Time{}
	}
	return t
}

// MarshalJSON writes errors as text, times in RFC 3339 and durations in milliseconds.
func (x Explanation) MarshalJSON() ([]byte, error) {
	type credentials struct {
		AccessKeyID string    `json:"accessKeyId"`
		AccountID   string    `json:"accountId,omitempty"`
		Source      string    `json:"source,omitempty"`
		Expires     time.Time `json:"expires,omitzero"`
	}
	type cache struct {
		Phase      string    `json:"phase"`
		Rejected   bool      `json:"rejected,omitempty"`
		Refreshing bool      `json:"refreshing,omitempty"`
		Next       time.Time `json:"next,omitzero"`
		LastError  string    `json:"lastError,omitempty"`
		Tries      uint64    `json:"tries"`
		Failures   uint64    `json:"failures"`
		Waits      uint64    `json:"waits"`
	}
	out := struct {
		Provider    string        `json:"provider"`
		Outcome     string        `json:"outcome"`
		Error       string        `json:"error,omitempty"`
		TookMs      float64       `json:"tookMs"`
		Cached      bool          `json:"cached,omitempty"`
		Joined      bool          `json:"joined,omitempty"`
		Credentials *credentials  `json:"credentials,omitempty"`
		Cache       *cache        `json:"cache,omitempty"`
		Below       []Explanation `json:"below,omitempty"`
	}{
		Provider: x.Provider, Outcome: x.Outcome.String(), TookMs: float64(x.Took.Microseconds()) / 1000,
		Cached: x.Cached, Joined: x.Joined, Below: x.Below,
	}
	if x.Err != nil {
		out.Error = fmt.Sprint(x.Err)
	}
	if x.AccessKeyID != "" {
		out.Credentials = &credentials{x.AccessKeyID, x.AccountID, x.Origin, sayable(x.Expires)}
	}
	if s := x.Cache; s != nil {
		out.Cache = &cache{s.Phase.String(), s.Rejected, s.Refreshing, sayable(s.Next), "", s.Attempts, s.Failures, s.Waits}
		if s.Err != nil {
			out.Cache.LastError = fmt.Sprint(s.Err)
		}
	}
	return json.Marshal(out)
}
