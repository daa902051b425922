// Package redact keeps secrets out of errors: server texts about a request that contained them, and errors of transports.
package redact

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"unicode"
)

// Secret is implemented by stschain.Secret, which this package does not import.
type Secret interface{ Reveal() string }

// Withheld replaces a text that shows a secret.
const Withheld = "a message that is not shown, since it holds a secret"

const (
	maxText = 512 // of a server's text in an error, in bytes
	run     = 12  // this many characters of a secret in a row show it
)

// Text returns a server's text for an error: one line of at most 512 bytes, or [Withheld] if it
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
	for u, ok := errors.AsType[*url.Error](err); ok; u, ok = errors.AsType[*url.Error](err) {
		err = u.Err
	}
	if Shows(err.Error(), secrets) {
		return errors.New("the transport failed, and its error is not shown, since it holds what was sent")
	}
	return err
}

// Shows reports whether a text contains 12 characters in a row of one of the secrets, or all of a
// shorter one: in upper or lower case, wrapped, and under any sequence of a few percent-encodings, HTML
// entities, JSON escapes, base64 and hexadecimal. A text that decodes to too much to compare counts
// as showing a secret.
func Shows[S Secret](text string, secrets []S) bool {
	all, ok := readings(text)
	if !ok {
		return true
	}
	shown := make(map[string]bool)
	for i := run; i <= len(all); i++ {
		shown[all[i-run:i]] = true
	}
	for _, secret := range secrets {
		for _, form := range forms(secret.Reveal()) {
			if len(form) < run && form != "" && strings.Contains(all, form) {
				return true
			}
			for i := run; i <= len(form); i++ {
				if shown[form[i-run:i]] {
					return true
				}
			}
		}
	}
	return false
}

// forms returns a secret in the forms that readings contain: as it is, with the
// escapes that happen to be in it decoded, and in base64, which cannot be
// decoded after its case has changed.
func forms(secret string) []string {
	plain := secret
	for range maxDepth {
		plain = unescape(plain)
	}
	all := []string{fold(secret), fold(plain)}
	for skip := 0; skip < 3 && len(secret) >= run; skip++ { // depends on the bytes that are encoded before it
		whole := []byte(secret[skip : len(secret)-(len(secret)-skip)%3])
		all = append(all, fold(base64.StdEncoding.EncodeToString(whole)), fold(base64.URLEncoding.EncodeToString(whole)))
	}
	return all
}

// fold returns a text without the differences that wrapping, a change of case or an escaped escape makes.
func fold(text string) string {
	return strings.Map(foldRune, text)
}

func foldRune(r rune) rune {
	if r == '\\' || r == unicode.ReplacementChar || unicode.IsSpace(r) || !unicode.IsPrint(r) {
		return -1
	}
	return unicode.ToLower(unicode.ToUpper(r)) // ſ and K are s and k
}

// OneLine prepares a text for an error: valid UTF-8, printable, without line breaks, and at most the
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
