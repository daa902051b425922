package stsquery

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stschain-go/stschain"
)

// rules collects everything that is wrong with one request, so that it is
// reported at once. What breaks a limit of STS counts only at an endpoint of
// AWS: other servers have limits of their own.
type rules struct {
	aws    bool
	global bool // the global endpoint, which lacks some operations
	found  []string
}

// err is all that was found, nil if nothing was.
func (r *rules) err() error {
	if len(r.found) == 0 {
		return nil
	}
	return invalidf("not sent, because %s", strings.Join(r.found, "; "))
}

func (r *rules) addf(format string, args ...any) {
	r.found = append(r.found, fmt.Sprintf(format, args...))
}

// limits of a text, in characters.
type limits struct {
	min, max int
	chars    func(rune) bool // nil: any
	allowed  string          // chars, for people
}

// The limits that several fields share. Source: the STS API reference.
var (
	anyLimits         = limits{1, math.MaxInt, nil, ""}
	arnLimits         = limits{20, 2048, nil, ""}
	nameLimits        = limits{2, 64, wordOr("+=,.@-"), "letters, digits and _+=,.@-"}
	serialLimits      = limits{9, 256, wordOr("+=/:,.@-"), "letters, digits and _+=/:,.@-"}
	codeLimits        = limits{6, 6, isDigit, "digits"}
	contextLimits     = limits{4, 2048, nil, ""}
	policyLimits      = limits{1, math.MaxInt, isPolicyChar, "characters up to U+00FF"}
	shortPolicyLimits = limits{1, 2048, isPolicyChar, "characters up to U+00FF"}
	tagKeyLimits      = limits{1, 128, isTagChar, "letters, digits, spaces and _.:/=+-@"}
	tagLimits         = limits{0, 256, isTagChar, "letters, digits, spaces and _.:/=+-@"}
)

// regional: the operation is not to be had at the global endpoint.
func (r *rules) regional() {
	if r.global {
		r.addf("only regional endpoints have this operation: set Client.Region to a region, and leave out Client.Global")
	}
}

// required: an empty value is wrong at AWS.
func (r *rules) required(field, value string) {
	if r.aws && value == "" {
		r.addf("%s is missing", field)
	}
}

// text checks a value that is not empty.
func (r *rules) text(field, value string, l limits) {
	if value != "" {
		r.value(field, value, quote(value), l)
	}
}

// secret is text for what must not be shown.
func (r *rules) secret(field string, value stschain.Secret, l limits) {
	if !value.IsZero() {
		r.value(field, value.Reveal(), "a secret", l)
	}
}

func (r *rules) value(field, value, shown string, l limits) {
	n := utf8.RuneCountInString(value)
	switch {
	case hasControl(value):
		r.addf("%s is %s, with control characters", field, shown)
	case !r.aws:
	case l.min == l.max && n != l.max:
		r.addf("%s is %s of %d characters, and exactly %d are allowed", field, shown, n, l.max)
	case n < l.min || n > l.max:
		r.addf("%s is %s of %d characters, and %d to %d are allowed", field, shown, n, l.min, l.max)
	case l.chars != nil && strings.IndexFunc(value, func(c rune) bool { return !l.chars(c) }) >= 0:
		r.addf("%s is %s, and only %s are allowed", field, shown, l.allowed)
	}
}

// policy checks a session policy, which may have line breaks.
func (r *rules) policy(field, value string, l limits) {
	if value == "" {
		return
	}
	r.text(field, strings.Map(visible, value), l)
	if r.aws && !isJSON(value) {
		r.addf("%s is %s, which is not JSON", field, quote(value))
	}
}

// visible has a space for each control character that a policy may have.
func visible(r rune) rune {
	if r == '\t' || r == '\n' || r == '\r' || '\u007f' <= r && r <= '\u009f' {
		return ' '
	}
	return r
}

// duration checks that d is sent as what it is; 0 is not sent.
func (r *rules) duration(field string, d, min, max time.Duration) {
	switch {
	case d < 0:
		r.addf("%s is %v, and must not be negative", field, d)
	case d%time.Second != 0:
		r.addf("%s is %v, and only whole seconds are allowed", field, d)
	case r.aws && d != 0 && (d < min || d > max):
		r.addf("%s is %v, and %v to %v are allowed", field, d, min, max)
	}
}

// number checks that n is between 0 and max.
func (r *rules) number(field string, n, max int) {
	if n < 0 || r.aws && n > max {
		r.addf("%s is %d, and 0 to %d are allowed", field, n, max)
	}
}

// count checks the length of a list.
func (r *rules) count(field string, n, max int) {
	if r.aws && n > max {
		r.addf("%s has %d members, and at most %d are allowed", field, n, max)
	}
}

// arns checks a list of policy ARNs.
func (r *rules) arns(field string, arns []string) {
	r.count(field, len(arns), 10)
	for i, arn := range arns {
		name := index(field, i, "")
		r.required(name, arn)
		r.text(name, arn, arnLimits)
	}
}

// tags checks tags. Two keys that differ only in case are one to STS.
func (r *rules) tags(field string, tags []Tag) {
	r.count(field, len(tags), 50)
	seen := make(map[string]string, len(tags))
	for i, t := range tags {
		name := index(field, i, "Key")
		r.required(name, t.Key)
		r.text(name, t.Key, tagKeyLimits)
		r.text(index(field, i, "Value"), t.Value, tagLimits)
		r.unreserved(name, t.Key)
		r.unreserved(index(field, i, "Value"), t.Value)
		lower := strings.ToLower(t.Key)
		if first, ok := seen[lower]; ok && r.aws {
			r.addf("%s is %s, which %s already is: case does not count", name, quote(t.Key), first)
			continue
		}
		seen[lower] = name
	}
}

// sourceIdentity checks the name that a session carries through role chains.
func (r *rules) sourceIdentity(field, value string) {
	r.text(field, value, nameLimits)
	r.unreserved(field, value)
}

// unreserved: what begins with aws: is AWS's own.
func (r *rules) unreserved(field, value string) {
	if r.aws && strings.HasPrefix(value, "aws:") {
		r.addf("%s is %s, and must not begin with aws:", field, quote(value))
	}
}

// mfa checks the two halves of multi-factor authentication.
func (r *rules) mfa(serial string, code stschain.Secret) {
	r.text("SerialNumber", serial, serialLimits)
	r.secret("TokenCode", code, codeLimits)
	switch {
	case !r.aws:
	case serial == "" && !code.IsZero():
		r.addf("SerialNumber is missing, and TokenCode is set: both or none")
	case serial != "" && code.IsZero():
		r.addf("TokenCode is missing, and SerialNumber is set: both or none")
	}
}

func index(list string, i int, field string) string {
	s := list + "[" + strconv.Itoa(i) + "]"
	if field != "" {
		s += "." + field
	}
	return s
}

// quote shows a value, or the beginning of a long one.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		return strconv.Quote(strings.ToValidUTF8(s[:most], "")) + "..."
	}
	return strconv.Quote(s)
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

func isLetter(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' }

// isWord is \w of the patterns in the STS reference.
func isWord(r rune) bool { return isLetter(r) || isDigit(r) || r == '_' }

func wordOr(others string) func(rune) bool {
	return func(r rune) bool { return isWord(r) || strings.ContainsRune(others, r) }
}

func isTagChar(r rune) bool {
	return unicode.In(r, unicode.L, unicode.Z, unicode.N) || strings.ContainsRune("_.:/=+-@", r)
}

func isPolicyChar(r rune) bool { return r <= '\u00ff' }

func hasControl(s string) bool { return strings.IndexFunc(s, unicode.IsControl) >= 0 }
