package profile_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/source/profile"
)

// The grammar of quotes as regular expressions: the parts of one word of a POSIX shell, which are as they are, in single
// or double quotes, or escaped; and a header up to its bracket.
var (
	shellPart  = regexp.MustCompile(`(?s)[^\s\p{Z}'"\\]+|'[^']*'|"(?:[^"\\]|\\.)*"|\\.`)
	oneWord    = regexp.MustCompile(`^(?:` + shellPart.String() + `)+$`)
	inBrackets = regexp.MustCompile(`^\[(?:[^\]'"]|'[^']*'|"[^"]*")*\]`)
)

func wordOf(text string) (string, bool) {
	if !oneWord.MatchString(text) {
		return "", false
	}
	word := shellPart.ReplaceAllStringFunc(text, func(part string) string {
		switch part[0] {
		case '\'':
			return part[1 : len(part)-1]
		case '"':
			return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(part[1 : len(part)-1])
		}
		return strings.TrimPrefix(part, `\`)
	})
	return word, word != ""
}

// FuzzQuotes compares both functions that read quotes with the grammar, for text that a line can contain.
func FuzzQuotes(f *testing.F) {
	for _, text := range []string{
		`'Foo Bar'`, `'Someone'"'"'s Laptop'`, `"a\"b\\c\d"`, `a\ b`, `a b`, `\`, `"\`, `''`, `'`, `"a`, `"a"'b'c`, `"\'"`,
		`x] # ']`, `'x]'] y`, `"]`, "a\u3000b", `\` + "\u3000", "\"\\\u00e9\"", `a"b'c"d'e"f'`, `]`, ``,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r != '\t' && unicode.IsControl(r) }) {
			return
		}
		want, wantOK := wordOf(text)
		got, ok := profile.ShellWord(text)
		require.Equal(t, wantOK, ok, "%q", text)
		if ok {
			require.Equal(t, want, got, "%q", text)
		}
		require.Equal(t, len(inBrackets.FindString("["+text))-1, profile.EndOfHeader("["+text), "%q", text)
	})
}
