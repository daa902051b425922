package redact

import (
	"fmt"
	"strings"
	"unicode"
)

// Malformed returns an error if white space or a control character is in a secret access key or a
// token: no service issues one like that; it comes from reading a file with its line break, or
// from copying too much. The error names the field and does not show the value.
func Malformed(field, value string) error {
	switch {
	case Visible(value):
		return nil
	case strings.ContainsFunc(value, unicode.IsSpace):
		return fmt.Errorf("%s contains white space; trim it where it is read", field)
	case strings.ContainsFunc(value, unicode.IsControl):
		return fmt.Errorf("%s contains a control character; copy it again", field)
	}
	return nil
}

// MalformedID is Malformed for an access key ID, which also has no characters beyond ASCII.
func MalformedID(field, value string) error {
	if err := Malformed(field, value); err != nil || Visible(value) {
		return err
	}
	return fmt.Errorf("%s contains a character beyond ASCII, which no access key ID has; copy it again", field)
}

// Visible reports whether s consists of visible ASCII characters, without spaces.
func Visible(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
