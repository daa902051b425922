package ststest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The patterns of the STS reference.
var (
	nameChars       = regexp.MustCompile(`^[\w+=,.@-]*$`)
	externalIDChars = regexp.MustCompile(`^[\w+=,.@:\/-]*$`)
	serialChars     = regexp.MustCompile(`^[\w+=/:,.@-]*$`)
	digits          = regexp.MustCompile(`^[\d]*$`)
	keyIDChars      = regexp.MustCompile(`^[\w]*$`)
	policyChars     = regexp.MustCompile(`^[\t\n\r -\x{FF}]+$`)
	tagChars        = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)
)

// indexed replaces the index in the name of a list's member with #. index is 0 if there is none.
func indexed(key string) (name string, index int) {
	list, rest, ok := strings.Cut(key, ".member.")
	if !ok {
		return key, 0
	}
	number, field, more := strings.Cut(rest, ".")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || strconv.Itoa(n) != number {
		return key, 0
	}
	name = list + ".member.#"
	if more {
		name += "." + field
	}
	return name, n
}

// checkNames refuses unknown parameters, and lists with missing indices.
func checkNames(form url.Values, known []string) *refusal {
	members := map[string]int{} // the number of indices of a list
	highest := map[string]int{}
	seen := map[string]bool{}
	for key, values := range form {
		name, index := indexed(key)
		list, _, isList := strings.Cut(name, ".member.#")
		switch {
		case key == "Action" || key == "Version":
			continue
		case slices.Contains(known, name):
		case values[0] == "" && slices.ContainsFunc(known, func(k string) bool { return strings.HasPrefix(k, key+".member.#") }):
			continue // an empty list
		default:
			return malformed("InvalidQueryParameter", fmt.Sprintf("The parameter %q is not one of %s.", key, form.Get("Action")))
		}
		if at := list + "." + strconv.Itoa(index); isList && !seen[at] {
			seen[at] = true
			members[list]++
			highest[list] = max(highest[list], index)
		}
	}
	for list, n := range members {
		if n != highest[list] {
			return malformed("MalformedInput", fmt.Sprintf("The list %s has %d members, and the highest index is %d.", list, n, highest[list]))
		}
	}
	return nil
}

// countMembers returns how many members a list has; no index is missing.
func countMembers(form url.Values, list string) int {
	n := 0
	for key := range form {
		if name, index := indexed(key); index > n && strings.HasPrefix(name, list+".member.#") {
			n = index
		}
	}
	return n
}

// members returns the values of a list, in order: "Audience.member.#".
func members(form url.Values, param string) []string {
	list, _, _ := strings.Cut(param, ".member.#")
	var values []string
	for i := range countMembers(form, list) {
		values = append(values, form.Get(member(param, i)))
	}
	return values
}

// member is the name of a list's member, counted from 0.
func member(param string, i int) string {
	return strings.Replace(param, "#", strconv.Itoa(i+1), 1)
}

// violations collects the invalid values of a request, with the messages of STS.
type violations struct {
	form  url.Values
	found []string
}

func (v *violations) refusal() *refusal {
	switch n := len(v.found); n {
	case 0:
		return nil
	case 1:
		return malformed("ValidationError", "1 validation error detected: "+v.found[0])
	default:
		return malformed("ValidationError", fmt.Sprintf("%d validation errors detected: %s", n, strings.Join(v.found, "; ")))
	}
}

func (v *violations) add(param, value, constraint string) {
	first, size := utf8.DecodeRuneInString(param)
	name := string(unicode.ToLower(first)) + param[size:]
	if value != "" {
		value += " "
	}
	v.found = append(v.found, fmt.Sprintf("Value %sat '%s' failed to satisfy constraint: Member must %s", value, name, constraint))
}

// required is text for a required value.
func (v *violations) required(param string, shortest, longest int, chars *regexp.Regexp) {
	if !v.form.Has(param) {
		v.add(param, "null", "not be null")
		return
	}
	v.text(param, shortest, longest, chars)
}

// text checks a value, if it is present. Lengths are in characters.
func (v *violations) text(param string, shortest, longest int, chars *regexp.Regexp) {
	v.check(param, "'"+v.form.Get(param)+"'", shortest, longest, chars)
}

// secret is text for a value that messages must not contain.
func (v *violations) secret(param string, shortest, longest int, chars *regexp.Regexp) {
	v.check(param, "", shortest, longest, chars)
}

func (v *violations) check(param, quoted string, shortest, longest int, chars *regexp.Regexp) {
	if !v.form.Has(param) {
		return
	}
	value := v.form.Get(param)
	n := utf8.RuneCountInString(value)
	if n < shortest {
		v.add(param, quoted, fmt.Sprintf("have length greater than or equal to %d", shortest))
	}
	if n > longest {
		v.add(param, quoted, fmt.Sprintf("have length less than or equal to %d", longest))
	}
	if chars != nil && !chars.MatchString(value) {
		v.add(param, quoted, "satisfy regular expression pattern: "+strings.Trim(chars.String(), "^$"))
	}
}

// requiredSecret is secret for a required value.
func (v *violations) requiredSecret(param string, shortest, longest int) {
	if !v.form.Has(param) {
		v.add(param, "null", "not be null")
		return
	}
	v.secret(param, shortest, longest, nil)
}

// count checks how many members a list has. With least above 0 the list is required.
func (v *violations) count(list string, least, most int) {
	n := countMembers(v.form, list)
	switch {
	case n == 0 && least > 0 && !v.form.Has(list):
		v.add(list, "null", "not be null")
	case n < least:
		v.add(list, "", fmt.Sprintf("have length greater than or equal to %d", least))
	case n > most:
		v.add(list, "", fmt.Sprintf("have length less than or equal to %d", most))
	}
}

// each checks a value of each member of a list: "Tags.member.#.Key".
func (v *violations) each(param string, shortest, longest int, chars *regexp.Regexp) {
	list, _, _ := strings.Cut(param, ".member.#")
	for i := range countMembers(v.form, list) {
		v.required(member(param, i), shortest, longest, chars)
	}
}

// maxSessionPolicy is the longest Policy where STS limits it, in characters.
const maxSessionPolicy = 2048

// policies checks Policy and PolicyArns.
func (v *violations) policies(longest int) {
	v.text("Policy", 1, longest, policyChars)
	v.count("PolicyArns", 0, 10)
	v.each("PolicyArns.member.#.arn", 20, 2048, nil)
}

// tags checks Tags and TransitiveTagKeys.
func (v *violations) tags() {
	v.count("Tags", 0, 50)
	v.each("Tags.member.#.Key", 1, 128, tagChars)
	v.each("Tags.member.#.Value", 0, 256, tagChars)
	v.count("TransitiveTagKeys", 0, 50)
	v.each("TransitiveTagKeys.member.#", 1, 128, tagChars)
}

// contexts checks ProvidedContexts.
func (v *violations) contexts() {
	v.count("ProvidedContexts", 0, 5)
	v.each("ProvidedContexts.member.#.ProviderArn", 20, 2048, nil)
	v.each("ProvidedContexts.member.#.ContextAssertion", 4, 2048, nil)
}

// checkPolicy refuses a policy that is not a JSON object.
func checkPolicy(policy string) *refusal {
	var object map[string]json.RawMessage
	if policy == "" || json.Unmarshal([]byte(policy), &object) == nil && object != nil {
		return nil
	}
	return malformed("MalformedPolicyDocument", "Syntax errors in policy.")
}

// number checks a number of seconds or bytes, if it is present, and returns it as seconds; 0 if it is missing.
func (v *violations) number(param string, least, most int) time.Duration {
	if !v.form.Has(param) {
		return 0
	}
	value := v.form.Get(param)
	n, err := strconv.Atoi(value)
	switch quoted := "'" + value + "'"; {
	case err != nil:
		v.add(param, quoted, "be a whole number")
	case n < least:
		v.add(param, quoted, fmt.Sprintf("have value greater than or equal to %d", least))
	case n > most:
		v.add(param, quoted, fmt.Sprintf("have value less than or equal to %d", most))
	}
	return time.Duration(n) * time.Second
}
