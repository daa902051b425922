package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/serve"
)

// server is a running stschain serve.
type server struct {
	lines  <-chan string // of standard output
	stderr *buffer
	stop   context.CancelFunc
	code   <-chan int
}

func (w *world) serve(args ...string) server {
	ctx, stop := context.WithCancel(w.t.Context())
	r, stdout := io.Pipe()
	stderr, code, lines := new(buffer), make(chan int, 1), make(chan string, 10)
	go func() {
		code <- run(ctx, append([]string{"serve"}, args...), w.stdin, stdout, stderr, w.lookupEnv)
		stdout.Close()
	}()
	go func() {
		defer close(lines)
		text := make([]byte, 4096)
		for {
			n, err := r.Read(text) // one Write
			if err != nil {
				return
			}
			for line := range strings.Lines(string(text[:n])) {
				lines <- strings.TrimSuffix(line, "\n")
			}
		}
	}()
	w.t.Cleanup(stop)
	return server{lines, stderr, stop, code}
}

// exported is the value that a line for sh gives to a variable.
func exported(t *testing.T, line, name string) string {
	t.Helper()
	value, ok := strings.CutPrefix(line, "export "+name+"='")
	require.True(t, ok, line)
	return strings.TrimSuffix(value, "'")
}

// get sends the request of an SDK.
func get(t *testing.T, url, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", token)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

func TestServe(t *testing.T) {
	w := newWorld(t).keys()
	s := w.serve("-role-arn", roleARN, "-v")
	url := exported(t, <-s.lines, "AWS_CONTAINER_CREDENTIALS_FULL_URI")
	token := exported(t, <-s.lines, "AWS_CONTAINER_AUTHORIZATION_TOKEN")
	require.Regexp(t, `^http://127\.0\.0\.1:\d+/$`, url)

	code, body := get(t, url, token)
	require.Equal(t, 200, code)
	require.Contains(t, body, `"AccessKeyId":"ASIA`)
	code, _ = get(t, url, "another")
	require.Equal(t, 401, code)

	// And as our own chain does.
	w.env = with(w.env, map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": url, "AWS_CONTAINER_AUTHORIZATION_TOKEN": token, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})
	exit, stdout, stderr := w.run("whoami")
	require.Equal(t, 0, exit, stderr)
	require.Contains(t, stdout, "origin         container")
	require.Contains(t, stdout, ":assumed-role/backup/")
	require.Equal(t, 1, w.sts.Count("AssumeRole"))

	s.stop()
	require.Equal(t, 0, <-s.code)
	said := s.stderr.String()
	require.Contains(t, said, "serving the credentials of assumerole "+roleARN+" at "+url)
	require.Contains(t, said, "refreshed")
	require.Contains(t, said, "401")
	canary.CheckText(t, token, said)
	canary.CheckText(t, w.secret(), said)
}

// Variables that SDKs prefer are unset: the path of an agent, a token of an earlier run.
func TestServeUnsets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	for want, args := range map[string][]string{
		"unset AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE":                 nil,
		"export AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE='" + file + "'": {"-token-file", file},
	} {
		w := newWorld(t).keys()
		s := w.serve(args...)
		exported(t, <-s.lines, "AWS_CONTAINER_CREDENTIALS_FULL_URI")
		require.Equal(t, args == nil, strings.HasPrefix(<-s.lines, "export AWS_CONTAINER_AUTHORIZATION_TOKEN='"))
		require.Equal(t, want, <-s.lines)
		require.Equal(t, "unset AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", <-s.lines)
		s.stop()
		require.Equal(t, 0, <-s.code)
	}
}

func TestServeTokenFile(t *testing.T) {
	w := newWorld(t).keys()
	path := filepath.Join(t.TempDir(), "it's the token")
	var first string
	for range 2 { // a restart changes nothing for clients
		s := w.serve("-token-file", path, "-json")
		var printed string
		for line := range s.lines {
			if printed += line; line == "}" {
				break
			}
		}
		require.Contains(t, printed, `"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "`+path+`"`)
		token, err := os.ReadFile(path)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(token), 32)
		if first != "" {
			require.Equal(t, first, string(token))
		}
		first = string(token)
		canary.CheckText(t, first, printed)
		if runtime.GOOS != "windows" {
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o600), info.Mode())
		}
		_, url, _ := strings.Cut(printed, `"AWS_CONTAINER_CREDENTIALS_FULL_URI": "`)
		url, _, _ = strings.Cut(url, `"`)
		code, _ := get(t, url, first)
		require.Equal(t, 200, code)
		s.stop()
		require.Equal(t, 0, <-s.code)
		canary.CheckText(t, first, s.stderr.String())
	}
}

func TestTokenFileRefused(t *testing.T) {
	w := newWorld(t).keys()
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		content string
		mode    os.FileMode
		want    string
	}{
		"readable": {strings.Repeat("x", 40), 0o644, "readable by others, with mode 0644"},
		"by group": {strings.Repeat("x", 40), 0o640, "readable by others, with mode 0640"},
		"short":    {"hunter2", 0o600, "at least 16 are required"},
		"empty":    {"", 0o600, "has 0 characters"},
		"large":    {strings.Repeat("x", 5000), 0o600, "not a regular file of at most 4096 bytes"},
		"broken":   {strings.Repeat("x", 20) + "\n" + strings.Repeat("x", 20), 0o600, "an HTTP header cannot carry"},
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(tt.content), tt.mode))
		ctx, stop := context.WithTimeout(t.Context(), time.Minute) // if it serves
		code, stdout, stderr := w.runUntil(ctx, "serve", "-token-file", path)
		stop()
		require.Equal(t, 1, code)
		require.Contains(t, stderr, tt.want)
		require.Empty(t, stdout)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, tt.content, string(after))
		if len(tt.content) > 0 {
			canary.CheckText(t, tt.content, stderr)
		}
	}
	for _, path := range []string{dir, filepath.Join(dir, "no", "such")} {
		code, stdout, _ := w.run("serve", "-token-file", path)
		require.Equal(t, 1, code)
		require.Empty(t, stdout)
	}
}

// Of servers that start at the same time, one creates the file. The others serve its token, and see all of it.
func TestTokenFileAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	tokens, errs := make([]stschain.Secret, 8), make([]error, 8)
	var wg sync.WaitGroup
	for i := range tokens {
		wg.Go(func() { tokens[i], errs[i] = tokenOf(path, serve.NewToken()) })
	}
	wg.Wait()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for i := range tokens {
		require.NoError(t, errs[i])
		require.Equal(t, string(text), tokens[i].Reveal())
	}
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1)
}
