package profile

import (
	"regexp"
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

// inBrackets matches a header up to its bracket. A bracket in quotes is part of the name.
var inBrackets = regexp.MustCompile(`^\[(?:[^\]'"]|'[^']*'|"[^"]*")*\]`)

// cutHeader returns what is between the brackets of a section header. Only a comment may follow
// them; otherwise ok is false, and the header is only a guess.
func cutHeader(line string) (header string, ok bool) {
	end := len(inBrackets.FindString(line)) - 1
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

// The parts of one word of a POSIX shell: as it is, in single or double quotes, or escaped.
var (
	shellPart = regexp.MustCompile(`(?s)[^\s\p{Z}'"\\]+|'[^']*'|"(?:[^"\\]|\\.)*"|\\.`)
	oneWord   = regexp.MustCompile(`^(?:` + shellPart.String() + `)+$`)
)

// shellWord returns the one word that text is to a shell, in the manner of Python's
// shlex.split, with which the AWS CLI reads headers.
func shellWord(text string) (string, bool) {
	if !oneWord.MatchString(text) {
		return "", false
	}
	name := shellPart.ReplaceAllStringFunc(text, func(part string) string {
		switch part[0] {
		case '\'':
			return part[1 : len(part)-1]
		case '"':
			return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(part[1 : len(part)-1])
		}
		return strings.TrimPrefix(part, `\`)
	})
	return name, name != ""
}

// quoted is how the AWS CLI writes a name into the header of a section.
func quoted(name string) string {
	if !strings.ContainsFunc(name, unicode.IsSpace) {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'"'"'`) + "'"
}
