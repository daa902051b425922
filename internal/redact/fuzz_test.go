package redact_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stschain-go/stschain/internal/redact"
)

// FuzzOneLine: text of others becomes one line that is printable, bounded and stays as it is.
func FuzzOneLine(f *testing.F) {
	f.Add("a\r\n\x1b[2Jb\xff", 10)
	f.Add(strings.Repeat("ä", 40), 33)
	f.Add("\u202e\u2028 x", 0)
	f.Fuzz(func(t *testing.T, text string, most int) {
		most = max(most%1000, 0)
		got := redact.OneLine(text, most)
		if len(got) > most+len(" ...") || !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("%q became %q", text, got)
		}
		if again := redact.OneLine(got, len(got)); len(got) <= most && again != got {
			t.Fatalf("%q became %q, and then %q", text, got, again)
		}
	})
}

// FuzzShows: a secret that is encoded several times is found. Secrets that contain escapes themselves, which
// keys and tokens of AWS do not, are found under some sequences of encodings only: TestShows has one.
func FuzzShows(f *testing.F) {
	f.Add(token, uint32(0x010203), "before ", " after")
	f.Add(jwt, uint32(0x0d0d0d), "x", "y")
	f.Add("000000MMMMMMM00MMM000000", uint32(0x0a0c), "", "") // an escaped escape
	f.Fuzz(func(t *testing.T, secret string, stack uint32, before, after string) {
		if len(secret) < 24 || len(secret) > 64 || !utf8.ValidString(secret) || strings.ContainsFunc(secret, func(r rune) bool {
			return r > unicode.MaxASCII || !unicode.IsPrint(r) || strings.ContainsRune(`\%&`, r)
		}) {
			t.Skip()
		}
		text := secret
		for ; stack > 0 && len(text) < 2048; stack >>= 8 {
			e := encodings[int(stack&0xff)%len(encodings)]
			text = e.encode(text)
		}
		if !redact.Shows(before+" "+text+" "+after, secrets(secret)) {
			t.Fatalf("%q is shown in %q", secret, text)
		}
	})
}
