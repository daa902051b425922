package tokenfile_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/internal/tokenfile"
)

const secret = "canary-4711/token+secret"

func TestParse(t *testing.T) {
	for content, want := range map[string]string{
		``:                      "empty",
		" \n":                   "empty",
		`{`:                     "not a JSON object",
		`{"a":"` + secret + `"`: "not a JSON object",
		`{"a":1}{"b":2}`:        "not a JSON object",
		`null`:                  "not a JSON object",
		`["` + secret + `"]`:    "not a JSON object",
		`"` + secret + `"`:      "not a JSON object",
		"{\"a\":\"\xff\"}":      "not valid UTF-8",
	} {
		_, err := tokenfile.Parse([]byte(content))
		require.ErrorContains(t, err, want, content)
		require.ErrorIs(t, err, stschain.ErrPermanent)
		canary.Check(t, secret, err)
	}
	for _, content := range []string{`{}`, "\xef\xbb\xbf{\"a\":1}", strings.Repeat(" ", 1<<20-2) + `{}`} {
		_, err := tokenfile.Parse([]byte(content))
		require.NoError(t, err)
	}
}

func TestMembers(t *testing.T) {
	d, err := tokenfile.Parse([]byte(`{"s":"` + secret + `","n":null,"i":1,"o":{"x":"y"},"twice":"1","twice":"2",
		"t1":"2026-11-21T12:00:00Z","t2":"2026-11-21T12:00:00+01:00","t3":"2026-11-21T12:00:00UTC","t4":"0001-01-01T00:00:00Z","t5":"2026-11-21 12:00:00+00:00"}`))
	require.NoError(t, err)
	text := func(name string) string {
		s, err := d.Text(name)
		require.NoError(t, err)
		return s.Reveal()
	}
	require.Equal(t, secret, text("s"))
	require.Empty(t, text("n"))
	require.Empty(t, text("none"))
	require.Empty(t, text("S"), "case counts")
	require.Equal(t, "2", text("twice"))
	_, err = d.Text("i")
	require.EqualError(t, err, "i is not a string")

	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for name, want := range map[string]time.Time{"t1": noon, "t2": noon.Add(-time.Hour), "t3": noon, "t5": noon, "n": {}, "none": {}} {
		got, err := d.Time(name)
		require.NoError(t, err)
		require.True(t, want.Equal(got), name)
	}
	for _, name := range []string{"s", "i", "t4"} {
		_, err = d.Time(name)
		require.ErrorContains(t, err, name+" is not a ")
		require.ErrorIs(t, err, stschain.ErrPermanent)
		canary.Check(t, secret, err)
	}

	o, err := d.Object("o")
	require.NoError(t, err)
	x, err := o.Text("x")
	require.NoError(t, err)
	require.Equal(t, "y", x.Reveal())
	for _, name := range []string{"n", "none"} {
		o, err := d.Object(name)
		require.NoError(t, err)
		require.True(t, o.IsZero())
	}
	_, err = d.Object("s")
	require.EqualError(t, err, "s is not an object")
	require.Equal(t, `{"x":"y"}`, d.JSON("o").Reveal())
	canary.Check(t, secret, d, o)
}

// What is not known stays as it was written, to the last digit.
func TestWith(t *testing.T) {
	before, err := tokenfile.Parse([]byte(`{"z":12345678901234567890.10,"a":{"deep":[1,null,"é<&>"]},"token":"old","when":"x"}`))
	require.NoError(t, err)
	inner, err := before.Object("a")
	require.NoError(t, err)
	after := before.WithText("token", stschain.NewSecret(`new"`+secret)).
		WithTime("when", time.Date(2026, 11, 21, 13, 0, 0, 999, time.FixedZone("", 3600))).
		WithObject("a", inner.WithText("more", stschain.NewSecret("m")))
	require.JSONEq(t, `{"z":12345678901234567890.10,"a":{"deep":[1,null,"é<&>"],"more":"m"},"token":"new\"`+secret+`","when":"2026-11-21T12:00:00Z"}`, string(after.Encode()))
	require.Contains(t, string(after.Encode()), "12345678901234567890.10")
	canary.Check(t, secret, after)

	require.False(t, before.Equal(after))
	again, err := tokenfile.Parse(before.Encode())
	require.NoError(t, err)
	token, err := again.Text("token")
	require.NoError(t, err)
	require.Equal(t, "old", token.Reveal(), "the first one is not changed")
	require.True(t, tokenfile.Document{}.WithText("a", stschain.NewSecret("b")).Equal(tokenfile.Document{}.WithText("a", stschain.NewSecret("b"))))
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	_, err := tokenfile.Read(t.Context(), path, nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NotContains(t, err.Error(), path, "the caller names it")
	_, err = tokenfile.Read(t.Context(), t.TempDir(), nil)
	require.EqualError(t, err, "is a directory")
	require.NotErrorIs(t, err, stschain.ErrPermanent)

	require.NoError(t, os.WriteFile(path, []byte(`{"a":"b"}`), 0o600))
	d, err := tokenfile.Read(t.Context(), path, nil)
	require.NoError(t, err)
	require.Equal(t, `{"a":"b"}`, string(d.Encode()))

	require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte("{"), 3<<20), 0o600))
	_, err = tokenfile.Read(t.Context(), path, nil)
	require.ErrorContains(t, err, "exceeds")
}

// The AWS CLI empties the file and writes it then (aws/aws-cli#10628).
// Reports: pulumi-aws#3023.
func TestReadWhileWritten(t *testing.T) {
	states := []string{"", `{"accessToken": "tok`, `{"accessToken": "token"}`}
	reads := 0
	open := func(path string) (fs.File, error) {
		state := states[min(reads, len(states)-1)]
		reads++
		return fstest.MapFS{path: {Data: []byte(state)}}.Open(path)
	}
	d, err := tokenfile.Read(t.Context(), "x.json", open)
	require.NoError(t, err)
	require.Equal(t, 3, reads)
	require.Equal(t, `{"accessToken":"token"}`, string(d.Encode()))

	// One that stays half is an error, and a caller who leaves does not wait for it.
	states, reads = states[:2], 0
	_, err = tokenfile.Read(t.Context(), "x.json", open)
	require.EqualError(t, err, "not a JSON object")
	left := errors.New("left")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(left)
	_, err = tokenfile.Read(ctx, "x.json", open)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, left)
}

func TestRun(t *testing.T) {
	for value, want := range map[string]string{
		"":                "run aws login",
		"dev":             "run aws login --profile dev",
		"a.b/c@d-e_1":     "run aws login --profile a.b/c@d-e_1",
		"my dev":          `run aws login --profile "my dev"`,
		"x; rm -rf $HOME": `run aws login --profile "x; rm -rf $HOME"`,
		"a\nb":            `run aws login --profile "a b"`,
	} {
		require.Equal(t, want, tokenfile.Run("aws login", "--profile", value))
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"accessToken":"a","expiresAt":"2044-04-04T07:00:01Z","unknownField":[1,{"a":null}]}`, `{"a":{"b":"c"}}`, `{"a":"a","a":"b"}`,
		`{}`, `{`, `null`, "\xef\xbb\xbf{}", `{"expiresAt":"2021-12-21T12:21:00UTC"}`, `{"":1e999,"\u0000":"\ud800"}`,
	} {
		f.Add([]byte(seed), "accessToken", "new")
	}
	f.Fuzz(func(t *testing.T, content []byte, name, text string) {
		d, err := tokenfile.Parse(content)
		if err != nil {
			if !d.IsZero() || !errors.Is(err, stschain.ErrPermanent) {
				t.Fatalf("%v with %v", d, err)
			}
			return
		}
		d.Text(name)
		d.Time(name)
		d.Object(name)
		again, err := tokenfile.Parse(d.Encode())
		if err != nil {
			t.Fatalf("%q was written as %q: %v", content, d.Encode(), err)
		}
		if !json.Valid(d.WithText(name, stschain.NewSecret(text)).WithObject("o", again).Encode()) {
			t.Fatalf("%q cannot be written with %q", content, name)
		}
		third, err := tokenfile.Parse(again.Encode())
		if err != nil || !third.Equal(again) {
			t.Fatalf("%q changes each time that it is written", content)
		}
	})
}
