package profile

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// What one file may hold. Tools that write a profile for each role of each account of an
// organisation come to tens of thousands.
const (
	maxFile     = 4 << 20
	maxSections = 50_000
	maxKeys     = 1_000 // in one section; ini.v1 looks through all of them for each
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

// configSection returns what a header in the config file stands for: the default profile may go
// without the word, all others have one. Names with white space are in quotes; without them they
// are not listed, and found by those who ask for them.
func configSection(header string) (kind, name string, listed bool) {
	if header == defaultProfile {
		return kindProfile, header, true
	}
	word := header
	if i := strings.IndexFunc(header, unicode.IsSpace); i >= 0 {
		word, name = header[:i], strings.TrimSpace(header[i:])
	}
	switch word {
	case kindProfile, kindSSOSession, kindServices:
		name, listed = unquote(name)
		return word, name, listed
	}
	return "", "", false
}

// credentialsSection: in the credentials file the header is the name, and quotes are part of it.
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

// isIdentifier: what names of keys consist of.
func isIdentifier(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-/.%@_:+", r))
	}) < 0
}
