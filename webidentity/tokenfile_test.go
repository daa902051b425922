package webidentity_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
		"empty":              {content: "", err: "the token is empty"},
		"blank":              {content: " \r\n", err: "the token is empty"},
		"too long":           {content: secret + strings.Repeat("x", 20_000), err: "the token has 20017 characters, and STS accepts at most 20000"},
		"10 MiB":             {content: strings.Repeat(secret+"\n", 10<<20/(len(secret)+1)), err: "exceeds 40000 bytes"},
		"two lines":          {content: secret + "\n" + secret, err: "not a single token"},
		"HTML":               {content: "<html> <body>" + secret, err: "not a single token"},
		"NUL":                {content: secret + "\x00", err: "not a single token"},
		"UTF-16":             {content: "\xff\xfe" + strings.Join(strings.Split(secret, ""), "\x00"), err: "not a single token"},
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

func TestTokenFileThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	_, err := webidentity.TokenFile(dir)(t.Context())
	require.ErrorContains(t, err, "token file "+dir+": is a directory")

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
	require.ErrorContains(t, err, "is not a regular file")
}

// The kubelet replaces a link to the folder of the token.
// Reports: aws-sdk-js-v3#2297, aws-sdk-js-v3#3052.
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

func TestTokenVariable(t *testing.T) {
	const name = "STSCHAIN_TEST_TOKEN"
	read := webidentity.TokenVariable(name)
	t.Setenv(name, " a-token\n")
	got, err := read(t.Context())
	require.NoError(t, err)
	require.Equal(t, "a-token", got.Reveal())

	t.Setenv(name, "")
	_, err = read(t.Context())
	require.EqualError(t, err, "environment variable "+name+": the token is empty")

	t.Setenv(name, "canary-4711 canary-4711")
	_, err = read(t.Context())
	require.ErrorContains(t, err, name)
	canary.Check(t, "canary-4711", err)
}
