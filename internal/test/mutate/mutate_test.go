package main

import (
	"go/importer"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/test/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// A survivor whose code has changed says nothing about the code.
func TestSurvivorsApply(t *testing.T) {
	t.Chdir("../../..")
	listed, err := readSurvivors()
	require.NoError(t, err)
	for _, target := range targets {
		_, _, mutants, err := load(target.folder, nil)
		require.NoError(t, err)
		explained := 0
		for _, m := range mutants {
			if _, ok := listed[m.String()]; ok {
				explained++
				delete(listed, m.String())
			}
		}
		t.Logf("%s: %d mutants, %d of them are listed", target.folder, len(mutants), explained)
		require.LessOrEqual(t, 20*explained, len(mutants), "%s: more than 5 %% survive", target.folder)
	}
	require.Empty(t, listed, "listed, and not in the code")
}

func TestOperators(t *testing.T) {
	for _, test := range []struct {
		code string // the body of a function of a, b int, s []int, ok bool, err error
		want []string
	}{
		{"return a == b, nil", []string{"a == b → a != b"}},
		{"return a < b, nil", []string{"a < b → a >= b", "a < b → a <= b"}},
		{"return ok, err", []string{"ok → return !ok", "err → return nil"}},
		{"return true, nil", []string{"true → !true"}},
		{"if ok && a > 1 { b = a * b }\nreturn ok, nil", []string{
			"ok && a > 1 → ok || a > 1", "ok → !ok", "a > 1 → a <= 1", "a > 1 → a >= 1", "1 → 1 + 1 in a > 1", "remove b = a * b", "a * b → a / b", "ok → return !ok",
		}},
		{"for !ok { a++; break }\nreturn false, nil", []string{"ok → !ok", "remove a++", "remove break", "false → !false"}},
		{"switch { case ok: a += 2 }\nreturn false, nil", []string{"ok → !ok", "remove a += 2", "a += 2 → a -= 2", "2 → 2 + 1", "false → !false"}},
		{"wait := 2*time.Second\nwait--\nreturn false, nil", []string{"2*time.Second → 2 * 2*time.Second", "remove wait--", "false → !false"}},
		{"defer print()\nprint()\nprint()\nreturn false, nil", []string{"remove defer print()", "remove print()", "remove print() (2)", "false → !false"}},
		{"s = make([]int, a, 9)\nclear(s[:1])\nreturn false, nil", []string{
			"remove s = make([]int, a, 9)", "remove clear(s[:1])", "1 → 1 + 1 in s[:1]", "false → !false",
		}},
		{"const c = 1 + 2\nvar list [c]int\n_ = list\nreturn false, nil", []string{"false → !false"}},
		{"func() { if ok { return }; print() }()\npanic(err)", []string{
			"remove func() { if ok { return }; print() }()", "ok → !ok", "remove return", "remove print()",
		}},
	} {
		code := "package p\n\nimport \"time\"\n\nvar _ time.Duration\n\nfunc f(a, b int, s []int, ok bool, err error) (bool, error) {\n" + test.code + "\n}\n"
		f := &file{name: "p.go", code: []byte(code)}
		mutants, err := find("p", token.NewFileSet(), []*file{f}, importer.Default())
		require.NoError(t, err, test.code)
		_, err = parser.ParseFile(token.NewFileSet(), "", f.mutated(), 0)
		require.NoError(t, err, test.code)
		var got []string
		for _, m := range mutants {
			require.True(t, strings.HasPrefix(m.String(), "p.go f: "), m)
			got = append(got, m.edit)
		}
		require.Equal(t, test.want, got, test.code)
	}
}
