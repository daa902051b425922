// Package redact keeps secrets out of errors: out of what servers say about a request that carried
// them, and out of the errors of transports.
package redact

import (
	"errors"
	"net/url"
	"strings"
	"unicode"
)

// Secret is implemented by stschain.Secret, which this package does not import.
type Secret interface{ Reveal() string }

// Withheld replaces a text that shows a secret.
const Withheld = "a message that is not shown, since it holds a secret"

// maxText bounds the text of a server in an error, in bytes.
const maxText = 512

// Text returns what a server said, for an error: one line of at most 512 bytes, or [Withheld] if it
// shows one of the secrets.
func Text[S Secret](text string, secrets []S) string {
	text = OneLine(text, maxText)
	if Shows(text, secrets) {
		return Withheld
	}
	return text
}

// Error returns the error of a transport without the URLs that an http.Client adds, or another error
// if it shows one of the secrets.
func Error[S Secret](err error, secrets []S) error {
	for {
		u, ok := errors.AsType[*url.Error](err)
		if !ok {
			break
		}
		err = u.Err
	}
	if Shows(err.Error(), secrets) {
		return errors.New("the transport failed, and its error is not shown, since it holds what was sent")
	}
	return err
}

// Shows reports whether a text contains 12 characters in a row of one of the secrets, or all of a
// shorter one.
func Shows[S Secret](text string, secrets []S) bool {
	unfolded := strings.ReplaceAll(text, " ", "")
	for _, secret := range secrets {
		s := secret.Reveal()
		if shows(text, s) || shows(unfolded, s) || shows(text, url.QueryEscape(s)) {
			return true
		}
	}
	return false
}

func shows(text, secret string) bool {
	const run = 12
	for from := 0; from == 0 || from+run <= len(secret); from++ {
		if part := secret[from:min(from+run, len(secret))]; part != "" && strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// OneLine makes a text fit for an error: valid UTF-8, printable, without line breaks, and at most the
// given number of bytes from its start.
func OneLine(text string, most int) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + " ..."
	}
	return text
}
