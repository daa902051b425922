package profile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/conformance"
	"github.com/stschain-go/stschain/source/profile"
)

// What the vectors leave open, and what ini.v1's own parser gets wrong.
func TestDialect(t *testing.T) {
	for _, tt := range []struct {
		name, config string
		want         map[string]string // of the profile p
	}{
		{"a byte order mark", "\ufeff[profile p]\na = 1", map[string]string{"a": "1"}},
		{"CRLF", "[profile p]\r\na = 1\r\ns =\r\n  b = 2\r\n\r\n", map[string]string{"a": "1", "s": "\nb = 2"}},
		{"no line end at the end", "[profile p]\na = 1\ns =\n  b = 2", map[string]string{"a": "1", "s": "\nb = 2"}},
		{"values in quotes keep them", `[profile p]` + "\na = \"1\"\nb = '2'", map[string]string{"a": `"1"`, "b": "'2'"}},
		{"a value that begins with a backtick", "[profile p]\na = `secret\nb = 2", map[string]string{"a": "`secret", "b": "2"}},
		{"a value that begins with three quotes", "[profile p]\na = \"\"\"x\nb = 2", map[string]string{"a": `"""x`, "b": "2"}},
		{"a value that ends with a backslash", "[profile p]\na = x\\\nb = 2", map[string]string{"a": `x\`, "b": "2"}},
		{"a value that looks like a reference", "[profile p]\na = %(b)s\nb = 2", map[string]string{"a": "%(b)s", "b": "2"}},
		{"a comment with the other comment sign", "[profile p]\na = 1 ; not # this", map[string]string{"a": "1"}},
		{"a comment after a tab", "[profile p]\na = 1\t# no", map[string]string{"a": "1"}},
		{"a comment instead of a value", "[profile p]\na = # none", map[string]string{"a": ""}},
		{"a comment with a bracket after a header", "[profile p] ; or [q]\na = 1", map[string]string{"a": "1"}},
		{"a comment that is not UTF-8", "# M\xfcller\n[profile p]\na = 1", map[string]string{"a": "1"}},
		{"an indented comment", "[profile p]\na = 1\n  # no\n  ; no\nb = 2", map[string]string{"a": "1", "b": "2"}},
		{"an indented file", "  [profile p]\n  a = 1\n  b =\n    c = 3\n  d = 4", map[string]string{"a": "1", "b": "\nc = 3", "d": "4"}},
		{"a header below a property, less indented", "[profile p]\n  a = 1\n[profile q]\n  b = 2", map[string]string{"a": "1"}},
		{"a name with a dot inherits nothing", "[profile p]\na = 1\n[profile p.q]\nb = 2\n[profile p]", map[string]string{"a": "1"}},
		{"a name in quotes", "[profile \"p\"]\na = 1\n[profile 'p']\nb = 2", map[string]string{"a": "1", "b": "2"}},
		{"a key named like ini.v1's counter", "[profile p]\n- = 1\n- = 2", map[string]string{"-": "2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files, err := profile.Parse(tt.config, "")
			require.NoError(t, err)
			require.Equal(t, tt.want, values(files.Profile("p")))
		})
	}
	files, err := profile.Parse("[profile a]\nx = 1\n[profile a.b]\ny = 2\n[profile 'foo bar']\nz = 3", "")
	require.NoError(t, err)
	require.Equal(t, []string{"a", "a.b", "foo bar"}, files.Profiles())
	require.True(t, files.Profile("a.b").Value("x").IsZero(), "it inherits nothing")
}

// Every error names the file, the line and the section, and shows nothing of the line.
func TestSyntaxErrors(t *testing.T) {
	const canary = "c4n4ry"
	for _, tt := range []struct{ name, config, credentials, want string }{
		{"no equals sign", "[default]\n\nkey " + canary, "", "profile: config:3: [profile default] expected an '=' sign"},
		{"no section", "key = " + canary, "", "config:1: expected a profile definition"},
		{"no key", "[default]\n= " + canary, "", "config:2: [profile default] property did not have a name"},
		{"no bracket", "", "[default]\na = 1\n[" + canary, "profile: credentials:3: profile definition must end with ']'"},
		{"a line that belongs to nothing", "[default]\n  " + canary, "", "config:2: [profile default] expected a property definition, found continuation"},
		{"sub-property without an equals sign", "[services s]\nsts =\n  " + canary, "", "config:3: [services s] expected an '=' sign defining a sub-property"},
		{"sub-property without a name", "[services s]\nsts =\n  = " + canary, "", "config:3: [services s] sub-property did not have a name"},
		{"a NUL byte", "[default]\na = " + canary + "\x00", "", "config:2: [profile default] the line is not UTF-8 text"},
		{"an escape sequence", "[default]\na = \x1b[31m" + canary, "", "config:2: [profile default] the line is not UTF-8 text"},
		{"a value that is not UTF-8", "", "[default]\na = " + canary + "\xff", "credentials:2: [profile default] the line is not UTF-8 text"},
		{"UTF-16", "\xff\xfe[\x00d\x00", "", "config:1: the line is not UTF-8 text"},
		{"old line ends of the Mac", "[default]\ra = " + canary, "", "config:1: the line is not UTF-8 text"},
		{"too many keys", "[default]\n" + lines("k%d = "+canary, 1001), "", "config:1002: [profile default] the section has more than 1000 keys"},
		{"too many sections", lines("[profile p%d]", 50_001), "", "config:50001: the file has more than 50000 sections"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := profile.Parse(tt.config, tt.credentials)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), canary)
			require.ErrorIs(t, err, stschain.ErrPermanent)
		})
	}
}

func lines(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format+"\n", i)
	}
	return b.String()
}

func TestPositions(t *testing.T) {
	files, err := profile.Parse("# c\n[profile p]\na = 1\nb = 1\n[profile q]\n\n[profile p]\nb = 2\n", "[p]\nc = 3\n[r]\n")
	require.NoError(t, err)
	for key, want := range map[string]string{"a": "config:3", "b": "config:8", "c": "credentials:2", "": "config:2"} {
		require.Equal(t, want, files.Profile("p").Position(key))
	}
	require.Equal(t, "credentials:3", files.Profile("r").Position(""))
	require.False(t, files.Profile("s").Exists())
}

// FuzzParse: whatever the files hold, parsing ends soon, and what it took can be read again.
func FuzzParse(f *testing.F) {
	for _, text := range seeds(f) {
		f.Add(text, "")
		f.Add("", text)
		f.Add(text, text)
	}
	f.Fuzz(func(t *testing.T, config, credentials string) {
		began := time.Now()
		files, err := profile.Parse(config, credentials)
		if took := time.Since(began); took > 5*time.Second {
			t.Fatalf("took %v", took)
		}
		if err != nil {
			return
		}
		var again strings.Builder
		for _, name := range files.Profiles() {
			if name == "" || strings.ContainsAny(name, "#;'\"") {
				return // only within quotes, as the CLI writes names
			}
			fmt.Fprintf(&again, "[profile '%s']\n", name)
			for key, value := range values(files.Profile(name)) {
				fmt.Fprintf(&again, "%s = %s\n", key, strings.ReplaceAll(value, "\n", "\n  "))
			}
		}
		if strings.ContainsAny(again.String(), "#;") {
			return // what would be a comment if it were written at another place
		}
		copied, err := profile.Parse(again.String(), "")
		if err != nil {
			t.Fatalf("%v in %q", err, again.String())
		}
		for _, name := range files.Profiles() {
			if got, want := fmt.Sprintf("%q", values(copied.Profile(name))), fmt.Sprintf("%q", values(files.Profile(name))); got != want {
				t.Fatalf("profile %q is %s, and was %s", name, got, want)
			}
		}
	})
}

// seeds are files that others wrote for such tests, where there are any.
func seeds(f *testing.F) []string {
	texts := []string{
		"[default]\na = 1\n", "[profile p]\ns =\n  a = 1\n", "\ufeff[p]\r\na=1 # c\r\n", "[profile 'a b']\na=`\n", "[a]\n =\n", "[services s]\nsts =\n endpoint_url = x",
	}
	dir := os.Getenv("STSCHAIN_CONFORMANCE")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "conformance")
	}
	paths, err := filepath.Glob(filepath.Join(dir, "fuzz-seeds", "*", "*"))
	require.NoError(f, err)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(f, err)
		texts = append(texts, string(text))
	}
	return texts
}

// The seeds are parsed in every run of the tests, and there are as many as there should be.
func TestFuzzSeeds(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(conformance.Dir(t), "fuzz-seeds", "*", "*"))
	require.NoError(t, err)
	require.Len(t, paths, 80)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		profile.Parse(string(text), "")
		profile.Parse("", string(text))
	}
}
