package stschain

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stschain-go/stschain/internal/redact"
)

// maxLineText bounds the text of a line, in bytes.
const maxLineText = 4096

// Explanation reports a call of a provider, and the calls of the providers that it retrieves from. It prints as text, a
// line for each provider, and marshals to JSON. It contains no secret, unless the error of a provider does.
type Explanation struct {
	Provider string  // its name
	Outcome  Outcome // how the call ended
	Err      error   // nil if the call succeeded, or was not made

	Took   time.Duration // without the calls of the providers below
	Cached bool          // the credentials, or the remembered error, come from a Cache
	Joined bool          // it waited for a refresh that another caller began
	Note   string        // remarks on its requests, such as that they are signed with SigV4a

	// Of the credentials, if the call succeeded. AccountID is empty if it is unknown, Expires is zero if
	// they never expire.
	AccessKeyID string
	AccountID   string
	Origin      string
	Expires     time.Time

	Requests []Step        // its requests to services, in order, if the call succeeded after one of them failed
	Cache    *Status       // of the Cache of the provider; nil: no Cache
	Below    []Explanation // the providers that it retrieves from, in order

	at time.Time // when the report was made, by the clock of Expires
}

// Outcome is how the call of a provider ended.
type Outcome int

// The outcomes.
const (
	NotCalled      Outcome = iota // it was not called
	Succeeded                     // it returned credentials
	NotConfigured                 // it is not configured in this environment: Unavailable
	Failed                        // it is configured, and failed
	PromptRequired                // it needs an interactive prompt: ErrPrompt
)

// String returns the outcome as text.
func (o Outcome) String() string {
	return enumText(o, "Outcome", "not called", "succeeded", "not configured", "failed", "needs prompt")
}

// take records how a call ended.
func (x *Explanation) take(s explained) {
	x.Err = s.Err
	switch {
	case !s.ended:
		x.Outcome, x.Err = Failed, errors.New("stschain: the provider has not returned")
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

// String returns a line for each provider, in order, indented below the provider that retrieves from it.
func (x Explanation) String() string {
	var b strings.Builder
	x.write(&b, 0)
	return b.String()
}

func (x *Explanation) write(b *strings.Builder, depth int) {
	text := x.Provider
	if details := x.details(); len(details) > 0 {
		text += ": " + strings.Join(details, ", ")
	}
	text = redact.OneLine(strings.ReplaceAll(text, "\n", "; "), maxLineText)
	fmt.Fprintf(b, "%-14s  %s%s\n", x.Outcome, strings.Repeat("  ", depth), text)
	for i := range x.Below {
		x.Below[i].write(b, depth+1)
	}
}

// details returns the text of a line after outcome and name.
func (x *Explanation) details() (details []string) {
	say := func(when bool, text string) {
		if when {
			details = append(details, text)
		}
	}
	below := func(says func(Explanation) bool) bool { return slices.ContainsFunc(x.Below, says) }
	say(x.Err != nil && !below(func(b Explanation) bool { return wraps(x.Err, b.Err) }), x.reason())
	say(x.Outcome == Succeeded && !below(func(b Explanation) bool { return b.Outcome == Succeeded && b.AccessKeyID == x.AccessKeyID }), x.identity())
	for _, r := range x.Requests {
		if r.Err != nil {
			say(true, r.Name+" failed: "+fmt.Sprint(r.Err))
		} else {
			say(true, r.Name+" succeeded")
		}
	}
	say(x.Took >= time.Millisecond, "took "+x.Took.Round(time.Millisecond).String())
	say(x.Joined, "joined the refresh of another caller")
	say(x.Note != "", x.Note)
	if s := x.Cache; s != nil {
		say(x.Outcome == NotCalled && s.AccessKeyID != "", "has "+s.AccessKeyID+", "+s.Phase.String())
		say(x.Outcome == Succeeded && x.Cached, "cached, "+s.Phase.String())
		say(s.Rejected, "rejected by a service")
		say(s.Err != nil && x.Err == nil, "last refresh failed: "+fmt.Sprint(s.Err))
		say(s.Err != nil && !s.Next.IsZero(), "next attempt in "+s.Next.Sub(x.at).Round(time.Second/10).String())
	}
	return details
}

// wraps is errors.Is for errors of other packages, whose methods may panic. It looks at every attempt of a ChainError.
func wraps(err, target error) (yes bool) {
	defer func() { yes = recover() == nil && yes }()
	if target == nil || errors.Is(err, target) {
		return target != nil
	}
	chain, ok := errors.AsType[*ChainError](err)
	return ok && slices.ContainsFunc(chain.Attempts, func(a Attempt) bool { return wraps(a.Err, target) })
}

// reason returns the text of the error without the name of the provider.
func (x *Explanation) reason() string {
	text := fmt.Sprint(x.Err) // fmt recovers if Error panics
	kind, _, _ := strings.Cut(x.Provider, " ")
	for _, known := range []string{x.Provider + ": ", strings.Replace(x.Provider, " ", ": ", 1) + ": ", kind + ": ", "stschain: " + x.Provider + " "} {
		text = strings.TrimPrefix(text, known)
	}
	return text
}

// identity describes the credentials.
func (x *Explanation) identity() string {
	text := x.AccessKeyID
	if x.AccountID != "" {
		text += " of account " + x.AccountID
	}
	if x.Origin != "" && x.Origin != x.Provider {
		text += " from " + x.Origin
	}
	switch {
	case x.Expires.IsZero():
		return text + ", no expiry"
	case !x.Expires.After(x.at):
		return text + ", EXPIRED at " + x.Expires.UTC().Format(time.RFC3339)
	default:
		return text + ", expires at " + x.Expires.UTC().Format(time.RFC3339) + " (in " + x.Expires.Sub(x.at).Round(time.Second).String() + ")"
	}
}

// inRFC3339 returns t, or the zero time, which is omitted, if RFC 3339 cannot express it.
func inRFC3339(t time.Time) time.Time {
	if t = t.UTC(); t.Year() > 9999 || t.Year() < 0 {
		return time.Time{}
	}
	return t
}

// The JSON of an Explanation.
type (
	explanationJSON struct {
		Provider    string           `json:"provider"`
		Outcome     string           `json:"outcome"`
		Error       string           `json:"error,omitempty"`
		TookMs      float64          `json:"tookMs"`
		Cached      bool             `json:"cached,omitempty"`
		Joined      bool             `json:"joined,omitempty"`
		Note        string           `json:"note,omitempty"`
		Credentials *credentialsJSON `json:"credentials,omitempty"`
		Cache       *cacheJSON       `json:"cache,omitempty"`
		Requests    []requestJSON    `json:"requests,omitempty"`
		Below       []Explanation    `json:"below,omitempty"`
	}
	requestJSON struct {
		Name   string  `json:"name"`
		Error  string  `json:"error,omitempty"`
		TookMs float64 `json:"tookMs"`
	}
	credentialsJSON struct {
		AccessKeyID string    `json:"accessKeyId"`
		AccountID   string    `json:"accountId,omitempty"`
		Origin      string    `json:"origin,omitempty"`
		Expires     time.Time `json:"expires,omitzero"`
	}
	cacheJSON struct {
		Phase      string    `json:"phase"`
		Rejected   bool      `json:"rejected,omitempty"`
		Refreshing bool      `json:"refreshing,omitempty"`
		Next       time.Time `json:"next,omitzero"`
		LastError  string    `json:"lastError,omitempty"`
		Attempts   uint64    `json:"attempts"`
		Failures   uint64    `json:"failures"`
		Waits      uint64    `json:"waits"`
	}
)

// MarshalJSON writes errors as text, times in RFC 3339 and durations in milliseconds.
func (x Explanation) MarshalJSON() ([]byte, error) {
	out := explanationJSON{
		Provider: x.Provider, Outcome: x.Outcome.String(), Error: errorText(x.Err), TookMs: milliseconds(x.Took),
		Cached: x.Cached, Joined: x.Joined, Note: x.Note, Below: x.Below,
	}
	for _, r := range x.Requests {
		out.Requests = append(out.Requests, requestJSON{r.Name, errorText(r.Err), milliseconds(r.Took)})
	}
	if x.AccessKeyID != "" {
		out.Credentials = &credentialsJSON{x.AccessKeyID, x.AccountID, x.Origin, inRFC3339(x.Expires)}
	}
	if s := x.Cache; s != nil {
		out.Cache = &cacheJSON{s.Phase.String(), s.Rejected, s.Refreshing, inRFC3339(s.Next), errorText(s.Err), s.Attempts, s.Failures, s.Waits}
	}
	return json.Marshal(out)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return fmt.Sprint(err)
}
