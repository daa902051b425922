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
