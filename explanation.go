package stschain

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/stschain-go/stschain/internal/unattended"
)

// Explanation tells how a provider answered, and the providers that it asks. It holds no
// secret, as long as the errors of providers hold none. It prints as text, a line for each
// provider, and marshals to JSON.
type Explanation struct {
	Provider string  // its name
	Outcome  Outcome // what came of it
	Err      error   // why it did not apply, or had no turn, if there is more to say; nil if it did

	Took  time.Duration // to answer, without what it asked in turn
	Held  bool          // it was not asked: a cache over it answered, from what it knows
	Again bool          // it stands further up with what is below it; it was asked once

	// Of the credentials, if it applied. They are empty, or zero, where there is nothing to
	// say; Expires also if they never do.
	AccessKeyID string
	AccountID   string
	Source      string
	Expires     time.Time

	Cache *Status       // of the cache over it; nil: there is none
	Below []Explanation // the providers that it asks, in order

	at time.Time // when it was asked, on the clock that Expires is on
}

// Outcome is how a provider answered.
type Outcome int

// The outcomes.
const (
	NotAsked      Outcome = iota // it had no turn
	Applied                      // it brought credentials
	NotApplicable                // it is not configured here: Unavailable
	Failed                       // it is set up and broken
	WouldPrompt                  // a person would have to be asked
)

// String returns the outcome in words.
func (o Outcome) String() string {
	switch o {
	case NotAsked:
		return "not asked"
	case Applied:
		return "applied"
	case NotApplicable:
		return "not applicable"
	case Failed:
		return "failed"
	case WouldPrompt:
		return "would prompt"
	}
	return fmt.Sprintf("Outcome(%d)", int(o))
}

// MarshalText returns String.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// take notes how a provider answered.
func (x *Explanation) take(creds Credentials, err error) Credentials {
	if err == nil {
		if err = creds.complete(); err != nil {
			err = fmt.Errorf("stschain: %s %w", x.Provider, err)
		}
	}
	x.Err = tame(err)
	switch err = x.Err; {
	case err == nil:
		x.Outcome = Applied
		return creds
	case errors.Is(err, errCircle):
		x.Outcome = Failed
	case errors.Is(err, unattended.Err):
		x.Outcome = WouldPrompt
	case IsUnavailable(err):
		x.Outcome = NotApplicable
	default:
		x.Outcome = Failed
	}
	return Credentials{}
}

// tame returns err, or one that says the same where err panics on being looked into.
func tame(err error) (tamed error) {
	defer func() {
		if recover() != nil {
			tamed = errors.New(fmt.Sprint(err))
		}
	}()
	errors.Is(err, errCircle)
	return err
}

// fail is take for those who bring no credentials.
func (x *Explanation) fail(err error) { x.take(Credentials{}, err) }

// identify tells whose the credentials are.
func (x *Explanation) identify(creds Credentials) {
	x.AccessKeyID, x.AccountID, x.Source, x.Expires = creds.AccessKeyID, creds.AccountID, creds.Source, creds.Expires
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
	if x.Err != nil && !x.toldBelow(func(b *Explanation) bool { return wraps(x.Err, b.Err) }) {
		details = append(details, x.reason())
	}
	if x.Outcome == Applied && !x.toldBelow(func(b *Explanation) bool { return b.Outcome == Applied && b.AccessKeyID == x.AccessKeyID }) {
		details = append(details, x.identity())
	}
	if took := x.Took.Round(time.Millisecond); took > 0 {
		details = append(details, "took "+took.String())
	}
	if x.Again {
		details = append(details, "as above")
	}
	if s := x.Cache; s != nil {
		if x.Held && x.Outcome == Applied {
			details = append(details, "held, "+s.Phase.String())
		}
		if s.Rejected {
			details = append(details, "rejected by a service")
		}
		if s.Err != nil && x.Err == nil {
			details = append(details, "last refresh failed: "+fmt.Sprint(s.Err))
		}
		if s.Err != nil && !s.Next.IsZero() {
			details = append(details, "next try in "+s.Next.Sub(x.at).Round(time.Second/10).String())
		}
	}
	return details
}

// toldBelow reports whether a line below says it already.
func (x *Explanation) toldBelow(by func(*Explanation) bool) bool {
	for i := range x.Below {
		if by(&x.Below[i]) {
			return true
		}
	}
	return false
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
	for _, known := range []string{x.Provider + ": ", "stschain: " + x.Provider + " "} {
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
	if x.Source != "" && x.Source != x.Provider {
		text += " from " + x.Source
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
		Outcome     Outcome       `json:"outcome"`
		Error       string        `json:"error,omitempty"`
		TookMs      float64       `json:"tookMs"`
		Held        bool          `json:"held,omitempty"`
		Again       bool          `json:"again,omitempty"`
		Credentials *credentials  `json:"credentials,omitempty"`
		Cache       *cache        `json:"cache,omitempty"`
		Below       []Explanation `json:"below,omitempty"`
	}{
		Provider: x.Provider, Outcome: x.Outcome, TookMs: float64(x.Took.Microseconds()) / 1000,
		Held: x.Held, Again: x.Again, Below: x.Below,
	}
	if x.Err != nil {
		out.Error = fmt.Sprint(x.Err)
	}
	if x.AccessKeyID != "" {
		out.Credentials = &credentials{x.AccessKeyID, x.AccountID, x.Source, sayable(x.Expires)}
	}
	if s := x.Cache; s != nil {
		out.Cache = &cache{s.Phase.String(), s.Rejected, s.Refreshing, sayable(s.Next), "", s.Tries, s.Failures, s.Waits}
		if s.Err != nil {
			out.Cache.LastError = fmt.Sprint(s.Err)
		}
	}
	return json.Marshal(out)
}
