package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Where nothing can be kept, commands work without it.
func TestSessionsWithoutPlace(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it has no modes and owners of files")
	}
	state := func(w *world) string { return filepath.Join(w.home, ".local", "state", "stschain") }
	for name, tt := range map[string]struct {
		prepare func(w *world)
		why     string
	}{
		"no home": {func(w *world) {
			delete(w.env, "HOME")
			w.env["AWS_CONFIG_FILE"] = filepath.Join(w.home, ".aws", "config")
		}, "there is no home directory"},
		"relative directory": {func(w *world) {
			w.env["HOME"] = "."
			w.env["XDG_STATE_HOME"] = "state"
			w.env["AWS_CONFIG_FILE"] = filepath.Join(w.home, ".aws", "config")
		}, "there is no home directory"},
		"a file": {func(w *world) { require.NoError(w.t, os.WriteFile(filepath.Join(w.home, ".local"), nil, 0o600)) }, "not a directory"},
		"read-only home": {func(w *world) {
			if os.Geteuid() == 0 {
				w.t.Skip("root can write to it")
			}
			require.NoError(w.t, os.Chmod(w.home, 0o500))
			w.t.Cleanup(func() { _ = os.Chmod(w.home, 0o700) })
		}, "permission denied"},
		"home of another user": {func(w *world) {
			if os.Geteuid() != 0 {
				w.t.Skip("only root can change owners")
			}
			require.NoError(w.t, os.Chown(w.home, 4711, -1))
		}, "belongs to user 4711"},
		"key of another user": {func(w *world) {
			if os.Geteuid() != 0 {
				w.t.Skip("only root can change owners")
			}
			w.session()
			require.NoError(w.t, os.Chown(filepath.Join(state(w), keyFile), 4711, -1))
		}, "belongs to user 4711"},
		"key that others can read": {func(w *world) {
			w.session()
			require.NoError(w.t, os.Chmod(filepath.Join(state(w), keyFile), 0o640))
		}, "is accessible to others, with mode 0640: stschain forget removes it"},
		"truncated key": {func(w *world) {
			w.session()
			require.NoError(w.t, os.Truncate(filepath.Join(state(w), keyFile), 10))
		}, "is not a file of 64 bytes: stschain forget removes it"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).roleConfig("")
			tt.prepare(w)
			require.NotEqual(t, w.session(), w.session())
			code, stdout, stderr := w.run("whoami", "-v")
			require.Equal(t, exitOK, code, stderr)
			require.Contains(t, stderr, "sessions are not kept")
			require.Contains(t, stderr, tt.why)
			require.Contains(t, stdout, ":assumed-role/backup/")
			_, err := os.Stat("state")
			require.ErrorIs(t, err, fs.ErrNotExist)
		})
	}
}

// Processes that start together agree on the key.
func TestKeyOfManyProcesses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	keys := make([]string, 16)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			if s, err := openSessions(dir); err == nil {
				keys[i] = s.key.Reveal() + s.naming.Reveal()
			}
		})
	}
	wg.Wait()
	for _, key := range keys {
		require.Len(t, key, 2*keyLength)
		require.Equal(t, keys[0], key)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "no temporary file")
}

func TestStateDir(t *testing.T) {
	c := &call{lookupEnv: func(name string) (string, bool) {
		value, ok := map[string]string{"HOME": "/home/me", "LOCALAPPDATA": "/local"}[name]
		return value, ok
	}}
	require.Equal(t, filepath.FromSlash("/home/me/.local/state/stschain"), c.stateDir("linux"))
	require.Equal(t, filepath.FromSlash("/home/me/Library/Application Support/stschain"), c.stateDir("darwin"))
	require.Equal(t, filepath.FromSlash("/local/stschain"), c.stateDir("windows"))
}
