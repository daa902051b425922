package stsquery

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/stschain-go/stschain"
)

// Error is how a call failed: with an answer of STS, with something that is no
// answer of STS, on the way there, or before anything was sent. Every error of
// a Client is one.
//
// It is [stschain.ErrPermanent] for the codes that asking again does not mend
// (AccessDenied, IDPRejectedClaim, InvalidIdentityToken, MalformedPolicyDocument,
// PackedPolicyTooLarge and RegionDisabled; of other servers also InvalidAction, MethodNotAllowed,
// NoSuchEntity and NotImplemented; with and without the suffix "Exception"), for requests that break a limit, and for missing or bad settings. It is
// [stschain.ErrThrottled] for the throttling codes that are retried, and for HTTP 429.
//
// It holds no secret: what a server says is cut to 1 KiB and scrubbed of
// everything secret that the request held.
type Error struct {
	Operation  string        // AssumeRole
	Code       string        // AccessDenied; empty if no server said one
	Message    string        // the server's, for people
	Type       string        // Sender or Receiver, who is at fault; often empty
	RequestID  string        // what AWS support asks for
	StatusCode int           // 0: there was no answer
	Endpoint   string        // host and port; empty if there is none yet
	Attempts   int           // requests made; 0: nothing was sent
	RetryAfter time.Duration // how long the server asked to wait (x-amz-retry-after); 0: it did not
	Err        error         // what happened instead of an answer; nil if there was one
}

// Error says what was tried, what came back, and what can be done about it.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("stsquery: ")
	b.WriteString(e.Operation)
	if e.Endpoint != "" && e.Attempts > 0 {
		b.WriteString(" at " + e.Endpoint)
	}
	sep := ": "
	say := func(s string) {
		if s != "" {
			b.WriteString(sep + s)
			sep = ": "
		}
	}
	if e.StatusCode != 0 {
		say(strings.TrimSpace(strconv.Itoa(e.StatusCode) + " " + http.StatusText(e.StatusCode)))
	}
	say(e.Code)
	say(e.Message)
	if e.Err != nil {
		say(e.Err.Error())
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request %s)", e.RequestID)
	}
	if e.Attempts > 1 {
		fmt.Fprintf(&b, " (%d attempts)", e.Attempts)
	}
	if hint := e.hint(); hint != "" {
		b.WriteString("; " + hint)
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil // a nil *Error in an error is a mistake, and no reason to panic
	}
	return e.Err
}

// Is reports whether Code or StatusCode makes the error target: [stschain.ErrPermanent] or
// [stschain.ErrThrottled].
func (e *Error) Is(target error) bool {
	switch {
	case e == nil:
		return false
	case target == stschain.ErrPermanent:
		return permanent(e.Code)
	case target == stschain.ErrThrottled:
		return throttling(e.Code) || e.StatusCode == http.StatusTooManyRequests
	}
	return false
}

func permanent(code string) bool {
	switch baseCode(code) {
	case "AccessDenied", "IDPRejectedClaim", "InvalidIdentityToken",
		"MalformedPolicyDocument", "PackedPolicyTooLarge", "RegionDisabled",
		"InvalidAction", "MethodNotAllowed", "NoSuchEntity", "NotImplemented": // of radosgw, MinIO and versitygw
		return true
	}
	return false
}

// rejected reports whether a code says that the credentials which a request was
// signed with are dead.
func rejected(code string) bool {
	return baseCode(code) == "ExpiredToken" || code == "InvalidToken"
}

// baseCode takes off a suffix that servers disagree on.
func baseCode(code string) string { return strings.TrimSuffix(code, "Exception") }

// invalidf returns why a request cannot be sent: a setting must be changed first, so it is
// permanent.
func invalidf(format string, args ...any) error {
	return stschain.Permanent(fmt.Errorf(format, args...))
}

// maxMessage bounds what is kept of a server's words.
const maxMessage = 1 << 10

// scrubber takes the secrets of a request out of what came back.
type scrubber []string

// newScrubber knows secrets as they are and as a form has them. What is shorter
// than an MFA code is no secret, and would garble every message.
func newScrubber(secrets ...string) scrubber {
	var s scrubber
	for _, secret := range secrets {
		if len(secret) < 6 {
			continue
		}
		s = append(s, secret)
		if escaped := string(appendEscaped(nil, secret)); escaped != secret {
			s = append(s, escaped, strings.ToLower(escaped), url.QueryEscape(secret))
		}
	}
	// Longer ones first: one may be a part of another.
	slices.SortFunc(s, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return s
}

// clean makes a server's words fit to print: one line, no secret, not too long.
func (s scrubber) clean(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !strconv.IsPrint(r):
			return -1
		}
		return r
	}, text)
	for _, secret := range s {
		text = strings.ReplaceAll(text, secret, "[redacted]")
	}
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "..."
	}
	return strings.ToValidUTF8(text, "")
}

// name shows a short word of a server. A long one is not shown: if it were cut
// here, a secret in it could no longer be found.
func name(word string) string {
	if len(word) > 64 {
		return fmt.Sprintf("(a name of %d bytes)", len(word))
	}
	return scrubber(nil).clean(word)
}

// cleanError makes the error of a transport fit to print: a *url.Error goes,
// since it shows a whole URL, and so does an error that shows a secret. What they
// wrap stays reachable where it shows neither.
func (s scrubber) cleanError(err error) error {
	for {
		u, ok := err.(*url.Error) // what every http.Client wraps
		if !ok {
			break
		}
		err = u.Err
	}
	text, cause := err.Error(), err
	for {
		u, ok := errors.AsType[*url.Error](cause)
		if !ok {
			break
		}
		text = strings.ReplaceAll(text, strconv.Quote(u.URL), "a URL")
		cause = u.Err
	}
	switch {
	case s.finds(cause.Error()):
		return errors.New(s.clean(text))
	case cause != err || s.finds(text):
		return &retold{s.clean(text), cause}
	}
	return err
}

// finds reports whether text shows a secret.
func (s scrubber) finds(text string) bool {
	return slices.ContainsFunc(s, func(secret string) bool { return strings.Contains(text, secret) })
}

// retold is an error in other words.
type retold struct {
	text  string
	cause error
}

func (r *retold) Error() string { return r.text }
func (r *retold) Unwrap() error { return r.cause }
