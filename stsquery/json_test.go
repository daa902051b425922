package stsquery_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stschain-go/stschain/stsquery"
)

func jsonSeeds() []string {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	return []string{
		"", " ", "{}", " { } ", "[]", "[ ]", "[,]", "[1,]", "[1,2]", "[1 2]", "{,}", `{"a":1}`, `{"a":1,}`, `{"a" : [ {"b":null} , true,false ] }`, `{"a"}`, `{"a":}`, `{a:1}`,
		`{"a":1 "b":2}`, `{1:2}`, "{", "[", "]", "}", "{]", "[}", `"`, `"a`, `"a"`, `"a" `, `"a"b`, `"\"`, `"\\"`, `"\n\r\t\b\f\/\""`, `"\x"`, `"\u00e9"`, `"\u00E"`, `"\u00g0"`, `"\u"`, `"\`,
		"\"\n\"", "\"\x00\"", "\"\x7f\"", "\"\xff\"", "\"é\"", "true", "tru", "truee", "true false", "null", "nul", "0", "-0", "-", "00", "01", "1", "-1", "1.", ".1", "1.5", "1.5e", "1e5", "1E+5", "1e-", "1e-5",
		"1e5.5", "--1", "+1", "0x1", "1 ", "NaN", "\ufeff{}", "\v{}", "{}\x00", "//\n{}", `'a'`, `{"a":1}{"a":1}`, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`,
		deep(9_999), deep(10_000), deep(10_001), strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000), strings.Repeat("[", 1_000_000), strings.Repeat(`{"":`, 20_000),
	}
}

// Our check of JSON agrees with the standard library's.
func FuzzIsJSON(f *testing.F) {
	for _, s := range jsonSeeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := stsquery.IsJSON(s), json.Valid([]byte(s)); got != want {
			t.Fatalf("%q: %v", s, got)
		}
	})
}
