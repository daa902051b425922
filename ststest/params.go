package ststest

import (
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
)

// indexed replaces the index in the name of a list's member by #. An index is 0
// if there is none.
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

// checkNames refuses parameters that the operation does not know, and lists
// with holes in them.
func checkNames(form url.Values, known []string) *refusal {
	members := map[string]int{} // how many indices a list has
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

// violations collects what is wrong with the values of a request, in the words of STS.
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
	v.found = append(v.found, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: Member must %s", value, name, constraint))
}

// required is text that must be there.
func (v *violations) required(param string, shortest, longest int, chars *regexp.Regexp) {
	if !v.form.Has(param) {
		v.add(param, "null", "not be null")
		return
	}
	v.text(param, shortest, longest, chars)
}

// text checks a value, if it is there. Lengths are in characters.
func (v *violations) text(param string, shortest, longest int, chars *regexp.Regexp) {
	if !v.form.Has(param) {
		return
	}
	value := v.form.Get(param)
	n := utf8.RuneCountInString(value)
	quoted := "'" + value + "'"
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

// number checks a number of seconds or bytes, if it is there, and returns it as
// seconds; 0 if it is not there.
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
