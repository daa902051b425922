package stsquery

import "strings"

// maxJSONDepth is how deep arrays and objects may nest. It is the limit of encoding/json.
const maxJSONDepth = 10_000

// isJSON reports whether s is one JSON value (RFC 8259), as json.Valid does. json.Valid would make a
// program that only assumes a role 25 kB larger; see bench/size.
func isJSON(s string) bool {
	s, ok := skipValue(s, 0)
	return ok && s == ""
}

// skipValue removes a value and the white space around it from s.
func skipValue(s string, depth int) (rest string, ok bool) {
	s = skipSpace(s)
	switch {
	case s == "":
		return s, false
	case s[0] == '{':
		s, ok = skipMembers(s[1:], '}', depth+1)
	case s[0] == '[':
		s, ok = skipMembers(s[1:], ']', depth+1)
	case s[0] == '"':
		s, ok = skipString(s)
	default:
		s, ok = skipWord(s)
	}
	return skipSpace(s), ok
}

// skipMembers removes the members of an array or object, and its end, from s.
func skipMembers(s string, end byte, depth int) (rest string, ok bool) {
	if depth > maxJSONDepth {
		return s, false
	}
	if s = skipSpace(s); s != "" && s[0] == end {
		return s[1:], true
	}
	for {
		if end == '}' {
			if s, ok = skipString(skipSpace(s)); !ok {
				return s, false
			}
			if s, ok = strings.CutPrefix(skipSpace(s), ":"); !ok {
				return s, false
			}
		}
		if s, ok = skipValue(s, depth); !ok || s == "" {
			return s, false
		}
		next := s[0]
		s = s[1:]
		switch next {
		case end:
			return s, true
		case ',':
		default:
			return s, false
		}
	}
}

func skipString(s string) (rest string, ok bool) {
	if s == "" || s[0] != '"' {
		return s, false
	}
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return s[i+1:], true
		case c < ' ':
			return s, false
		case c == '\\':
			i++
			switch {
			case i < len(s) && strings.IndexByte(`"\/bfnrt`, s[i]) >= 0:
			case i+4 < len(s) && s[i] == 'u' && strings.Trim(s[i+1:i+5], "0123456789abcdefABCDEF") == "":
				i += 4
			default:
				return s, false
			}
		}
	}
	return s, false
}

// skipWord removes a literal or a number from s.
func skipWord(s string) (rest string, ok bool) {
	for _, literal := range [...]string{"true", "false", "null"} {
		if rest, ok = strings.CutPrefix(s, literal); ok {
			return rest, true
		}
	}
	s = strings.TrimPrefix(s, "-")
	if rest, ok = strings.CutPrefix(s, "0"); !ok {
		rest, ok = skipDigits(s)
	}
	if s, found := strings.CutPrefix(rest, "."); ok && found {
		rest, ok = skipDigits(s)
	}
	if ok && rest != "" && (rest[0] == 'e' || rest[0] == 'E') {
		s = rest[1:]
		if s != "" && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		rest, ok = skipDigits(s)
	}
	return rest, ok
}

// skipDigits removes at least one digit from s.
func skipDigits(s string) (rest string, ok bool) {
	rest = strings.TrimLeft(s, "0123456789")
	return rest, len(rest) < len(s)
}

func skipSpace(s string) string { return strings.TrimLeft(s, " \t\r\n") }
