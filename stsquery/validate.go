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

// rules collects all violations in one request, to report them together. Limits
// of STS apply only at an endpoint of AWS: other servers have their own.
type rules struct {
	aws    bool
	global bool // the global endpoint, which lacks some operations
	found  []string
}

// err returns all violations, or nil.
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
	allowed  string          // describes chars
}

// Limits of fields. Source: the STS API reference.
var (
	anyLimits         = limits{1, math.MaxInt, nil, ""}
	arnLimits         = limits{20, 2048, nil, ""}
	nameLimits        = limits{2, 64, wordOr("+=,.@-"), "letters, digits and _+=,.@-"}
	externalIDLimits  = limits{2, 1224, wordOr("+=,.@:/-"), "letters, digits and _+=,.@:/-"}
	serialLimits      = limits{9, 256, wordOr("+=/:,.@-"), "letters, digits and _+=/:,.@-"}
	codeLimits        = limits{6, 6, isDigit, "digits"}
	policyLimits      = limits{1, math.MaxInt, isPolicyChar, "characters up to U+00FF"}
	shortPolicyLimits = limits{1, 2048, isPolicyChar, "characters up to U+00FF"}
	tagKeyLimits      = limits{1, 128, isTagChar, "letters, digits, spaces and _.:/=+-@"}
	tagLimits         = limits{0, 256, isTagChar, "letters, digits, spaces and _.:/=+-@"}
)

// regional refuses an operation at the global endpoint, which does not have it.
func (r *rules) regional() {
	if r.global {
		r.addf("only regional endpoints have this operation: set Client.Region to a region, and leave out Client.Global")
	}
}

// missing refuses a field that has no value.
func (r *rules) missing(field string, is bool) {
	if is {
		r.addf("%s is missing", field)
	}
}

// required checks a value that AWS requires.
func (r *rules) required(field, value string, l limits) {
	r.missing(field, r.aws && value == "")
	r.text(field, value, l)
}

// text checks a value that may be empty.
func (r *rules) text(field, value string, l limits) {
	if value != "" {
		r.value(field, value, quote, l)
	}
}

// secret is text for a value that must not be shown.
func (r *rules) secret(field string, value stschain.Secret, l limits) {
	if !value.IsZero() {
		r.value(field, value.Reveal(), func(string) string { return "a secret" }, l)
	}
}

// value checks a value. show describes it in an error.
func (r *rules) value(field, value string, show func(string) string, l limits) {
	n := utf8.RuneCountInString(value)
	switch {
	case strings.IndexFunc(value, unicode.IsControl) >= 0:
		r.addf("%s is %s, with control characters", field, show(value))
	case !r.aws:
	case l.min == l.max && n != l.max:
		r.addf("%s is %s of %d characters, and exactly %d are allowed", field, show(value), n, l.max)
	case n < l.min || n > l.max:
		r.addf("%s is %s of %d characters, and %d to %d are allowed", field, show(value), n, l.min, l.max)
	case l.chars != nil && strings.IndexFunc(value, func(c rune) bool { return !l.chars(c) }) >= 0:
		r.addf("%s is %s, and only %s are allowed", field, show(value), l.allowed)
	}
}

// policies checks a session policy, which may have line breaks, and the ARNs of managed ones.
func (r *rules) policies(policy string, arns []string, l limits) {
	r.text("Policy", strings.Map(visible, policy), l)
	if r.aws && policy != "" && !isJSON(policy) {
		r.addf("Policy is %s, which is not JSON", quote(policy))
	}
	r.list("PolicyARNs", arns, 10, arnLimits)
}

// visible returns a space for each control character that a policy may have.
func visible(r rune) rune {
	if r == '\t' || r == '\n' || r == '\r' || '\u007f' <= r && r <= '\u009f' {
		return ' '
	}
	return r
}

// duration checks that d can be sent exactly; 0 is not sent.
func (r *rules) duration(d, min, max time.Duration) {
	switch {
	case d < 0:
		r.addf("Duration is %v, and must not be negative", d)
	case d%time.Second != 0:
		r.addf("Duration is %v, and only whole seconds are allowed", d)
	case r.aws && d != 0 && (d < min || d > max):
		r.addf("Duration is %v, and %v to %v are allowed", d, min, max)
	}
}

// tokenSize checks a MinimumSessionTokenSize.
func (r *rules) tokenSize(n int) {
	const most = 4096
	if n < 0 || r.aws && n > most {
		r.addf("MinimumSessionTokenSize is %d, and 0 to %d are allowed", n, most)
	}
}

// count checks the length of a list.
func (r *rules) count(field string, n, max int) {
	if r.aws && n > max {
		r.addf("%s has %d members, and at most %d are allowed", field, n, max)
	}
}

// list checks a list of values that must not be empty.
func (r *rules) list(field string, values []string, max int, l limits) {
	r.count(field, len(values), max)
	for i, value := range values {
		r.required(member(field, i, ""), value, l)
	}
}

// tags checks tags. Keys that differ only in case are one key to STS.
func (r *rules) tags(tags []Tag) {
	r.count("Tags", len(tags), 50)
	seen := make(map[string]string, len(tags))
	for i, t := range tags {
		key, value := member("Tags", i, ".Key"), member("Tags", i, ".Value")
		r.required(key, t.Key, tagKeyLimits)
		r.text(value, t.Value, tagLimits)
		r.unreserved(key, t.Key)
		r.unreserved(value, t.Value)
		lower := strings.ToLower(t.Key)
		if first, ok := seen[lower]; ok && r.aws {
			r.addf("%s is %s, which is the same as %s: case does not count", key, quote(t.Key), first)
			continue
		}
		seen[lower] = key
	}
}

// unreserved refuses the prefix aws:, which is reserved for AWS.
func (r *rules) unreserved(field, value string) {
	if r.aws && strings.HasPrefix(value, "aws:") {
		r.addf("%s is %s, and must not begin with aws:", field, quote(value))
	}
}

// mfa checks that the MFA device and its code are set together.
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

// member returns the name of a member of a list, or of its field, such as Tags[0].Key.
func member(list string, i int, field string) string {
	return list + "[" + strconv.Itoa(i) + "]" + field
}

// quote quotes a value, or the start of a long one.
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
