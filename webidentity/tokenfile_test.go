package webidentity_test

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/webidentity"
)

func TestTokenFile(t *testing.T) {
	const secret = "canary-4711-token"
	for name, test := range map[string]struct {
		content, want, err string
	}{
		"as it is":           {content: secret, want: secret},
		"line feed":          {content: secret + "\n", want: secret},
		"DOS":                {content: "\ufeff" + secret + "\r\n", want: secret},
		"white space around": {content: "\n\t " + secret + " \n\n", want: secret},
		"longest":            {content: strings.Repeat("x", 20_000) + "\n", want: strings.Repeat("x", 20_000)},
		"empty":              {content: "", err: "it is empty"},
		"blank":              {content: " \r\n", err: "it is empty"},
		"too long":           {content: secret + strings.Repeat("x", 20_000), err: "it holds 20017 bytes, and STS takes tokens of at most 20000 characters"},
		"10 MiB":             {content: strings.Repeat(secret+"\n", 10<<20/(len(secret)+1)), err: "bytes, and STS takes tokens of at most 20000 characters"},
		"two lines":          {content: secret + "\n" + secret, err: "something else than one token"},
		"HTML":               {content: "<html> <body>" + secret, err: "something else than one token"},
		"NUL":                {content: secret + "\x00", err: "something else than one token"},
		"UTF-16":             {content: "\xff\xfe" + strings.Join(strings.Split(secret, ""), "\x00"), err: "something else than one token"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, test.content)
			got, err := webidentity.TokenFile(path)(t.Context())
			if test.err != "" {
				require.ErrorContains(t, err, "token file "+path+": ")
				require.ErrorContains(t, err, test.err)
				canary.Check(t, secret, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, got.Reveal())
		})
	}
}

func TestTokenFileThatIsNone(t *testing.T) {
	dir := t.TempDir()
	_, err := webidentity.TokenFile(dir)(t.Context())
	require.ErrorContains(t, err, "token file "+dir+": it is a directory")

	missing := filepath.Join(dir, "missing")
	_, err = webidentity.TokenFile(missing)(t.Context())
	require.EqualError(t, err, "token file "+missing+": no such file or directory")
	require.ErrorIs(t, err, fs.ErrNotExist)

	_, err = webidentity.TokenFile("")(t.Context())
	require.ErrorContains(t, err, "the path of the token file is empty")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = webidentity.TokenFile(missing)(ctx)
	require.ErrorIs(t, err, context.Canceled)

	_, err = webidentity.TokenFile(os.DevNull)(t.Context())
	require.ErrorContains(t, err, "it is no regular file")
}

// The kubelet replaces a link to the folder that the token is in.
// Peers: aws-sdk-js-v3#2297, aws-sdk-js-v3#3052 (users.md 4.35, 6.48).
func TestTokenFileBehindLinks(t *testing.T) {
	dir := t.TempDir()
	for _, version := range []string{"1", "2"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, version), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, version, "token"), []byte("token-"+version), 0o600))
	}
	require.NoError(t, os.Symlink("1", filepath.Join(dir, "..data")))
	require.NoError(t, os.Symlink(filepath.Join("..data", "token"), filepath.Join(dir, "token")))
	read := webidentity.TokenFile(filepath.Join(dir, "token"))
	got, err := read(t.Context())
	require.NoError(t, err)
	require.Equal(t, "token-1", got.Reveal())

	require.NoError(t, os.Symlink("2", filepath.Join(dir, "..new")))
	require.NoError(t, os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")))
	got, err = read(t.Context())
	require.NoError(t, err)
	require.Equal(t, "token-2", got.Reveal())
}

// A file that is written to while it is read is read again.
func TestTokenFileWrittenTo(t *testing.T) {
	for name, test := range map[string]struct {
		reads     []reading
		want, err string
	}{
		"once":               {[]reading{{"half-", "half-a-token"}, {"whole-token", "whole-token"}}, "whole-token", ""},
		"emptied first":      {[]reading{{"", "whole-token"}, {"whole-token", "whole-token"}}, "whole-token", ""},
		"of the same length": {[]reading{{"token-1", "token-2"}, {"token-2", "token-2"}}, "token-2", ""},
		"all the time":       {[]reading{{"a", "ab"}, {"ab", "abc"}, {"abc", "abcd"}}, "abc", ""},
		"and left empty":     {[]reading{{"a", ""}, {"", ""}}, "", "it is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			opened := 0
			read := webidentity.ReadToken("f", func() (fs.File, error) {
				opened++
				return &file{reading: test.reads[opened-1]}, nil
			})
			got, err := read(t.Context())
			require.Equal(t, len(test.reads), opened)
			if test.err != "" {
				require.EqualError(t, err, "token file f: "+test.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, got.Reveal())
		})
	}
}

func TestTokenFileThatFails(t *testing.T) {
	read := webidentity.ReadToken("f", func() (fs.File, error) { return &file{fails: true}, nil })
	_, err := read(t.Context())
	require.EqualError(t, err, "token file f: unexpected EOF")
}

// reading is what is read of a file, and what the file holds afterwards.
type reading struct{ before, after string }

// file changes once it was read.
type file struct {
	reading
	fails bool
	read  bool
}

func (f *file) Close() error { return nil }

func (f *file) Read(b []byte) (int, error) {
	if f.fails {
		return 0, &fs.PathError{Op: "read", Path: "f", Err: io.ErrUnexpectedEOF}
	}
	if f.read {
		return 0, io.EOF
	}
	f.read = true
	return bytes.NewReader([]byte(f.before)).Read(b)
}

func (f *file) Stat() (fs.FileInfo, error) {
	if f.read {
		return info{f.after}, nil
	}
	return info{f.before}, nil
}

// info is of a file whose content decides when it was written.
type info struct{ content string }

func (i info) Name() string      { return "f" }
func (i info) Size() int64       { return int64(len(i.content)) }
func (i info) Mode() fs.FileMode { return 0o600 }
func (i info) IsDir() bool       { return false }
func (i info) Sys() any          { return nil }
func (i info) ModTime() time.Time {
	sum := 0
	for _, c := range i.content {
		sum += int(c)
	}
	return time.Unix(int64(sum), 0)
}

func TestTokenVariable(t *testing.T) {
	const name = "STSCHAIN_TEST_TOKEN"
	read := webidentity.TokenVariable(name)
	t.Setenv(name, " a-token\n")
	got, err := read(t.Context())
	require.NoError(t, err)
	require.Equal(t, "a-token", got.Reveal())

	t.Setenv(name, "")
	_, err = read(t.Context())
	require.EqualError(t, err, "environment variable "+name+": it is empty")

	t.Setenv(name, "canary-4711 canary-4711")
	_, err = read(t.Context())
	require.ErrorContains(t, err, name)
	canary.Check(t, "canary-4711", err)
}
