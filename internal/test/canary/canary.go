// Package canary checks that the values that contain a secret do not disclose it. It is for tests.
package canary

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Check prints each value in every way a program might, deliberately or by
// accident, and fails the test if the secret is visible. Errors are printed
// with all that they wrap.
func Check(t *testing.T, secret string, values ...any) {
	t.Helper()
	for _, v := range values {
		for how, text := range shown(v) {
			if form := find(secret, text); form != "" {
				t.Errorf("%T shows the secret, %s, in %s:\n%s", v, form, how, text)
			}
		}
	}
}

// CheckText fails the test if the secret is visible in text.
func CheckText(t *testing.T, secret, text string) {
	t.Helper()
	if form := find(secret, text); form != "" {
		t.Errorf("the text shows the secret, %s:\n%s", form, text)
	}
}

// shown returns v as text, by the way in which it was printed.
func shown(v any) map[string]string {
	out := map[string]string{}
	type holder struct { // fmt cannot call methods on unexported fields
		v any
		p *any
	}
	for _, verb := range strings.Split("v +v #v s q x X d t c U e g b o p T", " ") {
		out["%"+verb] = fmt.Sprintf("%"+verb, v)
		out["%"+verb+" of a pointer"] = fmt.Sprintf("%"+verb, &v)
		out["%"+verb+" of a holder"] = fmt.Sprintf("%"+verb, holder{v, &v})
		out["%"+verb+" in a slice and a map"] = fmt.Sprintf("%"+verb+" %"+verb, []any{v}, map[string]any{"k": v})
	}
	var buf bytes.Buffer
	slog.New(slog.NewTextHandler(&buf, nil)).Info("m", "v", v, "holder", holder{v, &v})
	slog.New(slog.NewJSONHandler(&buf, nil)).Info("m", "v", v, "holder", holder{v, &v})
	out["slog"] = buf.String()

	js, err := json.Marshal(v)
	out["json"] = fmt.Sprint(string(js), err)
	x, err := xml.Marshal(v)
	out["xml"] = fmt.Sprint(string(x), err)
	var g bytes.Buffer
	func() {
		defer func() { err = errors.Join(err, fmt.Errorf("%v", recover())) }()
		err = gob.NewEncoder(&g).Encode(v)
	}()
	out["gob"] = fmt.Sprint(g.String(), err)

	var diff message
	assert.Equal(&diff, nil, v)
	assert.Equal(&diff, holder{}, holder{v, &v})
	assert.Nil(&diff, v)
	assert.Contains(&diff, []any{v}, "nothing")
	out["a failed assertion"] = diff.String()

	func() {
		defer func() { out["a panic"] = fmt.Sprint(recover()) }()
		panic(v)
	}()
	if err, ok := v.(error); ok {
		wrapped(err, out, "error")
	}
	return out
}

// wrapped adds the texts of err and of all that it wraps.
func wrapped(err error, out map[string]string, how string) {
	if err == nil {
		return
	}
	out[how] = fmt.Sprintf("%v %+v %#v", err, err, err)
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		wrapped(e.Unwrap(), out, how+".Unwrap")
	case interface{ Unwrap() []error }:
		for i, e := range e.Unwrap() {
			wrapped(e, out, fmt.Sprintf("%s.Unwrap[%d]", how, i))
		}
	}
}

// find names the form in which text shows the secret.
func find(secret, text string) string {
	list := strings.Trim(fmt.Sprint([]byte(secret)), "[]")
	for form, shown := range map[string]string{
		"as it is":         secret,
		"quoted":           strings.Trim(fmt.Sprintf("%q", secret), `"`),
		"in hexadecimal":   hex.EncodeToString([]byte(secret)),
		"in base64":        strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret)), "="),
		"in base64url":     base64.RawURLEncoding.EncodeToString([]byte(secret)),
		"as bytes":         list,
		"URL-encoded":      url.QueryEscape(secret),
		"as bytes in hex":  strings.ReplaceAll(fmt.Sprintf("%# x", secret), " ", ", "),
		"as spaced digits": fmt.Sprintf("% x", secret),
	} {
		if contains(strings.ToLower(text), strings.ToLower(shown), strings.ToLower(secret)) {
			return form
		}
	}
	return ""
}

// contains reports whether text contains a form of a secret. A secret of digits, such as an MFA code, must not be within a
// longer number: fmt prints addresses, and now and then one of them contains it.
func contains(text, form, secret string) bool {
	if form != secret || strings.Trim(secret, "0123456789") != "" {
		return strings.Contains(text, form)
	}
	return regexp.MustCompile(`(^|[^0-9a-fx])` + secret + `($|[^0-9a-f])`).MatchString(text)
}

// message is a testing.T that records the message of a failed assertion.
type message struct{ strings.Builder }

func (m *message) Errorf(format string, args ...any) { fmt.Fprintf(m, format, args...) }
