package main

import (
	"strings"
	"testing"
)

// FuzzAssignment: as each shell reads its quotes, the line is one command, whose last word is the
// value, whatever that holds.
func FuzzAssignment(f *testing.F) {
	for _, value := range []string{"plain", "it's", `back\slash\\`, `\'`, "$(id) `id` $x ${x}", "a;b&c|d>e<f\n#", "ä’‘‚‛", "\xff'", "''"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if value == "" {
			return
		}
		for shell, read := range map[string]func(string) (string, bool){"sh": readSh, "bash": readSh, "zsh": readSh, "fish": readFish, "powershell": readPowerShell} {
			if shell == "powershell" && strings.ToValidUTF8(value, "") != value {
				continue // PowerShell's text is Unicode
			}
			before := map[string]string{"fish": "set -gx NAME ", "powershell": "$env:NAME = "}[shell]
			if before == "" {
				before = "export NAME="
			}
			word, ok := strings.CutPrefix(assignment(shell, "NAME", value), before)
			got, whole := read(word)
			if !ok || !whole || got != value {
				t.Fatalf("%s reads %q as %q", shell, word, got)
			}
		}
	})
}

// readSh reads one word by the rules of POSIX (XCU 2.2), and reports whether there is no more.
func readSh(word string) (value string, whole bool) {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(word); i++ {
		switch c := word[i]; {
		case c == '\'':
			quoted = !quoted
		case quoted:
			b.WriteByte(c)
		case c == '\\' && i+1 < len(word):
			i++
			b.WriteByte(word[i])
		default:
			return b.String(), false
		}
	}
	return b.String(), !quoted
}

// readFish reads one quoted word, in which a backslash quotes itself and the quote.
func readFish(word string) (value string, whole bool) {
	body, ok := strings.CutPrefix(word, "'")
	var b strings.Builder
	for i := 0; i < len(body); i++ {
		switch {
		case body[i] == '\'':
			return b.String(), ok && i == len(body)-1
		case body[i] == '\\' && i+1 < len(body) && (body[i+1] == '\\' || body[i+1] == '\''):
			i++
		}
		b.WriteByte(body[i])
	}
	return b.String(), false
}

// readPowerShell reads one quoted word, in which any two quotes are the second of them.
func readPowerShell(word string) (value string, whole bool) {
	isQuote := func(r rune) bool { return strings.ContainsRune("'‘’‚‛", r) }
	runes := []rune(word)
	if len(runes) == 0 || runes[0] != '\'' {
		return "", false
	}
	var b strings.Builder
	for i := 1; i < len(runes); i++ {
		if isQuote(runes[i]) {
			if i+1 == len(runes) || !isQuote(runes[i+1]) {
				return b.String(), i == len(runes)-1
			}
			i++
		}
		b.WriteRune(runes[i])
	}
	return b.String(), false
}
