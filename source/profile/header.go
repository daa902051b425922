package profile

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// dialect is one of the two files: the sections that it may have.
type dialect struct {
	what  string // "config"
	named func(header string) (kind, name string, listed bool)
}

var (
	configFile      = dialect{"config", configSection}
	credentialsFile = dialect{"credentials", credentialsSection}
)

// The kinds of sections.
const (
	kindProfile    = "profile"
	kindSSOSession = "sso-session"
	kindServices   = "services"
)

// configSection returns what a header in the config file stands for: [default], or a kind and a name. Names with
// white space are in quotes; without them they are not listed, but found if they are selected.
func configSection(header string) (kind, name string, listed bool) {
	if header == defaultProfile {
		return kindProfile, header, true
	}
	i := strings.IndexFunc(header, unicode.IsSpace)
	if i < 0 {
		return "", "", false
	}
	switch kind = header[:i]; kind {
	case kindProfile, kindSSOSession, kindServices:
		name, listed = unquote(strings.TrimSpace(header[i:]))
		return kind, name, listed
	}
	return "", "", false
}

// credentialsSection is configSection for the credentials file, where the header is the name, and quotes are part of it.
func credentialsSection(header string) (kind, name string, listed bool) {
	return kindProfile, header, isName(header)
}

// isName reports whether a profile of that name is listed: the AWS SDKs list those of letters, digits
// and some signs. Letters may be of any script.
func isName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !isIdentifier(string(r)) && (r < utf8.RuneSelf || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r))
	})
}

// isIdentifier reports whether s consists of characters that are allowed in the names of keys.
func isIdentifier(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-/.%@_:+", r))
	}) < 0
}

// endOfHeader returns the index of the bracket that ends the header, -1 if there is none. A bracket in quotes is part of
// the name.
func endOfHeader(line string) int {
	var quote byte // the open one; 0: none
	for i := 1; i < len(line); i++ {
		switch c := line[i]; {
		case quote == 0 && c == ']':
			return i
		case c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		}
	}
	return -1
}

// cutHeader returns what is between the brackets of a section header. Only a comment may follow
// them; otherwise ok is false, and the header is only a guess.
func cutHeader(line string) (header string, ok bool) {
	end := endOfHeader(line)
	if end < 0 { // a quote that does not end is part of the name
		end = strings.IndexByte(line, ']')
	}
	if end < 0 {
		line, _, _ = strings.Cut(line, "#")
		line, _, _ = strings.Cut(line, ";")
		return strings.TrimSpace(line[1:]), false
	}
	rest := strings.TrimSpace(line[end+1:])
	return strings.TrimSpace(line[1:end]), rest == "" || rest[0] == '#' || rest[0] == ';'
}

// unquote returns the name that the AWS CLI wrote. It quotes names with white space as a shell does:
// 'Foo Bar', and 'Someone'"'"'s Laptop' with an apostrophe. Such a name is listed, and so is one without
// quotes if it is valid.
func unquote(text string) (name string, listed bool) {
	if strings.ContainsAny(text, `'"`) {
		if word, ok := shellWord(text); ok {
			return word, true
		}
	}
	return text, isName(text)
}

// shellWord returns the one word that text is to a POSIX shell, in the manner of Python's
// shlex.split, with which the AWS CLI reads headers.
func shellWord(text string) (string, bool) {
	var word strings.Builder
	var quote rune // the open one; 0: none
	escaped := false
	for _, r := range text {
		switch {
		case escaped:
			if quote == '"' && r != '"' && r != '\\' {
				word.WriteByte('\\')
			}
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped = true
		case r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote = r
		case quote == 0 && unicode.IsSpace(r):
			return "", false
		default:
			word.WriteRune(r)
		}
	}
	return word.String(), quote == 0 && !escaped && word.Len() > 0
}

// quoted is how the AWS CLI writes a name into the header of a section.
func quoted(name string) string {
	if !strings.ContainsFunc(name, unicode.IsSpace) {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'"'"'`) + "'"
}
