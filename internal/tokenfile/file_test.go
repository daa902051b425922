package tokenfile_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/refresh"
	"github.com/stschain-go/stschain/internal/tokenfile"
	"github.com/stschain-go/stschain/internal/wire"
)

// token is the text of a file. "old" has expired, the others expire at midnight.
type token struct {
	content tokenfile.Content
	text    string
}

func (t token) Content() tokenfile.Content { return t.content }

func (t token) Entry() refresh.Entry {
	expires := noon
	if t.text != "old" {
		expires = midnight
	}
	return refresh.Entry{ID: t.text, Expires: refresh.Expiry(expires)}
}

var (
	noon     = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	midnight = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
)

// process is a process that uses the file. It refreshes the token to "new".
type process struct {
	tokenfile.File[token]
	wire.TokenCache[token]
	meanwhile func() error // what happens during the request
	requests  int
}

func newProcess(path string) *process {
	p := &process{meanwhile: func() error { return nil }}
	p.File = tokenfile.File[token]{
		Path: path, Advice: "run aws login", Advisory: 5 * time.Minute, Patience: time.Minute, Now: func() time.Time { return noon },
		Parse: func(c tokenfile.Content) (token, error) {
			text, err := c.Text("text")
			if err == nil && text.IsZero() {
				err = errors.New("it has no text")
			}
			return token{c, text.Reveal()}, err
		},
		Prepare: func(t token) (func(context.Context) (token, error), error) {
			if missing, _ := t.content.Text("missing"); !missing.IsZero() {
				return nil, stschain.Permanent(errors.New("it has no refreshToken"))
			}
			return func(context.Context) (token, error) {
				p.requests++
				err := p.meanwhile()
				return token{t.content.With(t.content.WithText("text", stschain.NewSecret("new"))), "new"}, err
			}, nil
		},
	}
	return p
}

func (p *process) get(t *testing.T) (string, error) {
	got, err := p.Token(t.Context(), &p.TokenCache)
	return got.text, err
}

func put(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

func requireFile(t *testing.T, path, content string) {
	t.Helper()
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.JSONEq(t, content, string(got))
}

const old = `{"text":"old","other":1}`

func readOnly(path string) (fs.File, error) { return os.Open(path) }

// A refreshed token is in the file, with all other members, or in memory if that is not writable.
func TestFile(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(*testing.T, *process)
		file    string
	}{
		"writable":  {func(*testing.T, *process) {}, `{"text":"new","other":1}`},
		"Open":      {func(_ *testing.T, p *process) { p.Open = readOnly }, old},
		"no lock":   {func(t *testing.T, p *process) { require.NoError(t, os.Mkdir(p.Path+".lock", 0o700)) }, old},
		"no rename": {func(t *testing.T, p *process) { require.NoError(t, os.MkdirAll(p.Path+".tmp/full", 0o700)) }, old},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.json")
			put(t, path, old)
			p := newProcess(path)
			test.prepare(t, p)
			for range 3 {
				got, err := p.get(t)
				require.NoError(t, err)
				require.Equal(t, "new", got)
			}
			require.Equal(t, 1, p.requests)
			requireFile(t, path, test.file)

			// What another process writes is newer than what is in memory.
			put(t, path, `{"text":"other"}`)
			got, err := p.get(t)
			require.NoError(t, err)
			require.Equal(t, "other", got)
			require.NoError(t, os.Remove(path))
			_, err = p.get(t)
			require.EqualError(t, err, "not signed in: "+path+" does not exist; run aws login")
			require.ErrorIs(t, err, stschain.ErrPermanent)
		})
	}
}

// Programs that take no lock change the file during a request.
func TestFileChanges(t *testing.T) {
	refused := stschain.Permanent(errors.New("refused"))
	for name, test := range map[string]struct {
		file     string // during the request; "": it is removed
		err      error  // of the request
		requests int
		want     string
		wantErr  string
	}{
		"signed in":                  {`{"text":"other"}`, nil, 1, "new", ""},
		"signed out":                 {"", nil, 1, "new", ""},
		"refreshed":                  {`{"text":"other"}`, refused, 1, "other", ""},
		"refreshed, and it failed":   {`{"text":"other"}`, context.DeadlineExceeded, 1, "other", ""},
		"another refresh token":      {`{"text":"old","n":1}`, refused, 2, "", "the access token, valid until 2026-11-21T12:00:00Z, cannot be refreshed: refused"},
		"signed out, and refused":    {"", refused, 1, "", "does not exist; run aws login"},
		"it cannot be refreshed now": {`{"text":"old","missing":"1"}`, refused, 1, "", "it has no refreshToken"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.json")
			put(t, path, old)
			p := newProcess(path)
			p.meanwhile = func() error {
				if test.file == "" {
					_ = os.Remove(path)
				} else {
					put(t, path, test.file)
				}
				return test.err
			}
			got, err := p.get(t)
			require.Equal(t, test.requests, p.requests)
			if test.wantErr != "" {
				require.ErrorContains(t, err, test.wantErr)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, got)
			if test.file == "" {
				require.NoFileExists(t, path)
				return
			}
			requireFile(t, path, test.file)
		})
	}
}

// One who changes the file each time is not followed for ever.
func TestFileChangesAlways(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	put(t, path, old)
	p := newProcess(path)
	p.meanwhile = func() error {
		put(t, path, `{"text":"old","n":"`+time.Now().String()+`"}`)
		return errors.New("refused")
	}
	_, err := p.get(t)
	require.ErrorContains(t, err, "refused")
	require.Equal(t, 3, p.requests)
}

// A token that cannot be refreshed leaves no lock file.
func TestFileWithoutRefreshToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	put(t, path, `{"text":"old","missing":"1"}`)
	_, err := newProcess(path).get(t)
	require.ErrorContains(t, err, "it has no refreshToken")
	require.Equal(t, []string{"x.json"}, names(t, filepath.Dir(path)))
}

// Of several processes one refreshes the token.
func TestFileOfAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	put(t, path, old)
	synctest.Test(t, func(t *testing.T) {
		other, err := tokenfile.Lock(t.Context(), path)
		require.NoError(t, err)
		p := newProcess(path)
		began := time.Now()
		_, err = p.get(t)
		require.Equal(t, time.Minute, time.Since(began))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "another process has the lock")
		require.ErrorContains(t, err, "the refresh timed out after 1m0s")

		p = newProcess(path)
		got := make(chan string)
		go func() {
			text, _ := p.get(t)
			got <- text
		}()
		<-time.After(time.Second)
		put(t, path, `{"text":"other"}`)
		require.NoError(t, other.Release())
		require.Equal(t, "other", <-got)
		require.Zero(t, p.requests)
	})
}

func TestFileErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	reads := func(err error) func(string) (fs.File, error) {
		return func(string) (fs.File, error) { return nil, &fs.PathError{Op: "open", Path: path, Err: err} }
	}
	for name, test := range map[string]struct {
		content   string
		open      func(string) (fs.File, error)
		fails     error // the refresh
		want      string
		permanent bool
	}{
		"not an object": {content: "[]", want: "cannot use " + path + ": not a JSON object; run aws login", permanent: true},
		"unparsed":      {content: `{"a":1}`, want: "cannot use " + path + ": it has no text; run aws login", permanent: true},
		"no members":    {content: `{}`, want: "cannot use " + path + ": it has no text; run aws login", permanent: true},
		"permission":    {content: old, open: reads(fs.ErrPermission), want: "cannot read " + path + ": permission denied: give this program access", permanent: true},
		"I/O":           {content: old, open: reads(fs.ErrClosed), want: "cannot read " + path + ": file already closed"},
		"refused":       {content: old, fails: stschain.Permanent(errors.New("refused")), want: "the access token, valid until 2026-11-21T12:00:00Z, cannot be refreshed: refused", permanent: true},
		"refused, read-only": {
			content: old, open: readOnly, fails: stschain.Permanent(errors.New("refused")), permanent: true,
			want: "the access token, valid until 2026-11-21T12:00:00Z, cannot be refreshed: refused; or another program redeemed the refresh token and could not save its replacement in " + path + ", which is not writable",
		},
		"failed, read-only": {content: old, open: readOnly, fails: errors.New("down"), want: "the access token, valid until 2026-11-21T12:00:00Z, cannot be refreshed: down"},
	} {
		t.Run(name, func(t *testing.T) {
			put(t, path, test.content)
			p := newProcess(path)
			p.Open, p.meanwhile = test.open, func() error { return test.fails }
			_, err := p.get(t)
			require.EqualError(t, err, test.want)
			require.Equal(t, test.permanent, errors.Is(err, stschain.ErrPermanent))
		})
	}
}
