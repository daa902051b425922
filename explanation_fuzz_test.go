package stschain_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stschain-go/stschain"
)

// FuzzExplanation: whatever providers are called and say, the explanation has a line for each,
// which no terminal obeys, and JSON that has as many.
func FuzzExplanation(f *testing.F) {
	f.Add("env", "AWS_ACCESS_KEY_ID is not set", "AKIDEXAMPLE", int64(3600), uint8(0))
	f.Add("assumerole\x1b[2J\n", "a\r\nb\u202e\xff", "A\nB", int64(-1), uint8(1))
	f.Add("", "", "", int64(290*365*86400*1_000_000_000), uint8(2))
	f.Add("x: y", "x: y: provider unavailable: ", "A", int64(1)<<62, uint8(7))
	f.Fuzz(func(t *testing.T, name, text, id string, left int64, kind uint8) {
		first := &member{name: name, retrieve: func(context.Context) (stschain.Credentials, error) {
			switch kind & 3 {
			case 0:
				return stschain.Credentials{}, stschain.Unavailable("%s", text)
			case 1:
				return stschain.Credentials{}, errors.New(text)
			}
			return stschain.Credentials{AccessKeyID: id, SecretAccessKey: stschain.NewSecret("canary-4711-key"), Origin: text, AccountID: name, Expires: time.Now().Add(time.Duration(left))}, nil
		}}
		last := stschain.Static("AKIDLAST", "canary-4711-last", "")
		top := stschain.Provider(stschain.NewChain(first, last))
		if kind&4 != 0 {
			top = &member{name: text, below: []stschain.Provider{stschain.Cached(first), last}}
		}
		x := stschain.Explain(t.Context(), top)
		shown := x.String()
		lines := strings.Split(strings.TrimSuffix(shown, "\n"), "\n")
		if count := nodes(x); len(lines) != count {
			t.Fatalf("%d lines for %d providers:\n%s", len(lines), count, shown)
		}
		for _, line := range lines {
			if strings.ContainsFunc(line, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
				t.Fatalf("%q", line)
			}
		}
		written, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(shown+string(written), "canary-4711") {
			t.Fatalf("%s\n%s", shown, written)
		}
		type node struct {
			Provider, Outcome string
			Below             []node
		}
		var read node
		if err := json.Unmarshal(written, &read); err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		var compare func(n node, x stschain.Explanation)
		compare = func(n node, x stschain.Explanation) {
			if n.Provider != x.Provider && utf8.ValidString(x.Provider) ||
				n.Outcome != x.Outcome.String() || len(n.Below) != len(x.Below) {
				t.Fatalf("%+v in JSON is %+v", x, n)
			}
			for i := range n.Below {
				compare(n.Below[i], x.Below[i])
			}
		}
		compare(read, x)
	})
}

// nodes counts the providers of an explanation.
func nodes(x stschain.Explanation) int {
	n := 1
	for _, b := range x.Below {
		n += nodes(b)
	}
	return n
}
