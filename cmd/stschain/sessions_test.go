package main

import (
	"context"
	"encoding/json"
	"io"
	"io/fs"
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
	"github.com/stschain-go/stschain/ststest"
)

// roleConfig is a default profile with a role that alice assumes.
func (w *world) roleConfig(more string) *world {
	return w.config("[default]\nrole_arn = " + roleARN + "\nsource_profile = base\n" + more + "\n[profile base]\naws_access_key_id = " +
		w.sts.User().Credentials.AccessKeyID + "\naws_secret_access_key = " + w.secret() + "\n")
}

// session runs process, and returns the keys that it printed.
func (w *world) session(args ...string) (keys struct{ AccessKeyID, SecretAccessKey, SessionToken string }) {
	code, stdout, stderr := w.run(append([]string{"process"}, args...)...)
	require.Equal(w.t, exitOK, code, stderr)
	require.NoError(w.t, json.Unmarshal([]byte(stdout), &keys))
	require.NotEmpty(w.t, keys.SessionToken)
	return keys
}

func (w *world) state() string { return (&call{lookupEnv: w.lookupEnv}).stateDir(runtime.GOOS) }

// Runs use the session of the first one, sealed, until it is forgotten.
func TestSessionsBetweenRuns(t *testing.T) {
	w := newWorld(t).roleConfig("")
	w.env["LOCALAPPDATA"] = w.home // of Windows
	first := w.session()
	for range 99 {
		require.Equal(t, first, w.session())
	}
	code, stdout, _ := w.run("whoami")
	require.Equal(t, exitOK, code)
	require.Contains(t, stdout, first.AccessKeyID)
	require.Equal(t, 1, w.sts.Count("AssumeRole"))

	files := 0
	require.NoError(t, filepath.WalkDir(w.state(), func(path string, entry fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := entry.Info()
		require.NoError(t, err)
		if runtime.GOOS != "windows" {
			require.Zero(t, info.Mode().Perm()&0o077, path)
		}
		if entry.IsDir() {
			return nil
		}
		files++
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		canary.CheckText(t, first.SecretAccessKey, string(content))
		canary.CheckText(t, first.SessionToken, string(content))
		require.NotContains(t, string(content), "backup")
		return nil
	}))
	require.GreaterOrEqual(t, files, 2)

	require.NotEqual(t, first, w.session("-no-cache"))
	require.Equal(t, first, w.session())

	code, stdout, stderr := w.run("forget")
	require.Equal(t, exitOK, code, stderr)
	require.Empty(t, stdout+stderr)
	require.NoDirExists(t, filepath.Join(w.state(), sessionDir))
	require.NotEqual(t, first, w.session())
	require.Equal(t, 3, w.sts.Count("AssumeRole"))
}

// A role of -role-arn is kept for the credentials that assume it.
func TestSessionsOfRoleARN(t *testing.T) {
	w := newWorld(t).keys()
	w.env["LOCALAPPDATA"] = w.home
	first := w.session("-role-arn", roleARN)
	require.Equal(t, first, w.session("-role-arn", roleARN))
	require.NotEqual(t, first, w.session("-role-arn", roleARN+"2"))
	require.Equal(t, 2, w.sts.Count("AssumeRole"))

	bob := w.sts.AddUser("bob")
	w.env["AWS_ACCESS_KEY_ID"], w.env["AWS_SECRET_ACCESS_KEY"] = bob.Credentials.AccessKeyID, bob.Credentials.SecretAccessKey.Reveal()
	require.NotEqual(t, first, w.session("-role-arn", roleARN), "not the session of alice")
	require.Equal(t, 3, w.sts.Count("AssumeRole"))
}

// One MFA code is enough for all commands, also for those that run at the same time.
func TestSessionsWithMFA(t *testing.T) {
	w := newWorld(t)
	w.env["LOCALAPPDATA"] = w.home
	device := w.sts.AddTOTP("alice")
	w.sts.AddRole(ststest.Role{ARN: roleARN, MFA: true})
	mfaConfig(w, device.Serial)

	var wg sync.WaitGroup
	typed := func() string {
		code, err := device.MFAToken(t.Context(), device.Serial)
		if err != nil {
			return err.Error()
		}
		return code.Reveal() + "\n"
	}
	stdouts, stderrs := make([]buffer, 4), make([]buffer, 4)
	codes := make([]int, len(stdouts))
	for i := range codes {
		wg.Go(func() {
			codes[i] = run(t.Context(), []string{"process"}, terminal{strings.NewReader(typed())}, &stdouts[i], &stderrs[i], w.lookupEnv)
		})
	}
	wg.Wait()
	prompted := 0
	for i := range codes {
		require.Equal(t, exitOK, codes[i], stderrs[i].String())
		require.Equal(t, stdouts[0].String(), stdouts[i].String())
		prompted += strings.Count(stderrs[i].String(), "MFA code of")
	}
	require.Equal(t, 1, prompted)
	w.session() // without a terminal
	require.Equal(t, 1, w.sts.Count("AssumeRole"))
}

// later is a clock that is ahead.
type later time.Duration

func (l later) Now() time.Time { return time.Now().Add(time.Duration(l)) }

// A session that expires soon is used before the user is prompted for the next one.
func TestSessionsAreUsedToTheirEnd(t *testing.T) {
	dir := t.TempDir()
	prompts := 0
	role := promptingRole{&prompts}
	for _, tt := range []struct {
		passed  time.Duration
		prompts int
	}{{0, 1}, {50 * time.Minute, 1}, {59 * time.Minute, 1}, {61 * time.Minute, 2}} {
		s, err := openSessions(dir)
		require.NoError(t, err)
		s.store.(unpaused).Clock = later(tt.passed)
		c := &call{}
		c.opening.Do(func() { c.sessions = s })
		k := c.keep(role).(*kept)
		k.shared.Clock = later(tt.passed)
		_, err = k.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, tt.prompts, prompts, tt.passed)
	}
}

type promptingRole struct{ prompts *int }

func (promptingRole) Identity(context.Context) (stschain.Identity, error) {
	return stschain.NewIdentity("test"), nil
}

func (r promptingRole) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	if err := stschain.Prompt(ctx); err != nil {
		return stschain.Credentials{}, err
	}
	*r.prompts++
	return stschain.Credentials{AccessKeyID: "ASIA" + strings.Repeat("X", *r.prompts), SecretAccessKey: stschain.NewSecret("secret"), Expires: time.Now().Add(time.Duration(*r.prompts) * time.Hour)}, nil
}

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

// A failure is not kept: a corrected command works at once. A store that does not work costs no time.
func TestSessionsAfterFailure(t *testing.T) {
	w := newWorld(t).roleConfig("")
	w.env["LOCALAPPDATA"] = w.home
	w.sts.FailAll(ststest.Refuse(403, "AccessDenied", "not you"))
	w.sts.AllowRefusals()
	code, _, stderr := w.run("process")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "AccessDenied")
	require.NotContains(t, stderr, "shared")
	w.sts.Heal()
	first := w.session()

	require.NoError(t, os.RemoveAll(filepath.Join(w.state(), sessionDir)))
	require.NoError(t, os.WriteFile(filepath.Join(w.state(), sessionDir), nil, 0o600))
	require.NotEqual(t, first, w.session())
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

// The code of a role that assumes another one is prompted for once, too.
func TestSessionsOfMFAChain(t *testing.T) {
	w := newWorld(t)
	w.env["LOCALAPPDATA"] = w.home
	device := w.sts.AddTOTP("alice")
	w.sts.AddRole(ststest.Role{ARN: roleARN, MFA: true})
	mfaConfig(w, device.Serial)
	config, err := os.ReadFile(filepath.Join(w.home, ".aws", "config"))
	require.NoError(t, err)
	w.config(string(config) + "[profile last]\nrole_arn = " + roleARN + "2\nsource_profile = default\n[profile other]\nrole_arn = " + roleARN + "3\nsource_profile = default\n")

	typed, err := device.MFAToken(t.Context(), device.Serial)
	require.NoError(t, err)
	w.stdin = terminal{strings.NewReader(typed.Reveal() + "\n")}
	code, _, stderr := w.run("process", "-profile", "last")
	require.Equal(t, exitOK, code, stderr)
	require.Equal(t, 1, strings.Count(stderr, "MFA code of"))
	w.stdin = strings.NewReader("")
	for _, name := range []string{"last", "other", "default", "last"} {
		w.session("-profile", name)
	}
	require.Equal(t, 3, w.sts.Count("AssumeRole"))
}

// A role is also kept if a process prints the keys that assume it, but not for temporary ones, which may be others each time.
func TestSessionsOfProcess(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the process is a shell script")
	}
	for token, calls := range map[string]int{"": 1, "canary/process/token": 2} {
		w := newWorld(t)
		keys := stschain.Credentials{AccessKeyID: "AKIAPROCESS", SecretAccessKey: stschain.NewSecret("canary/process/secret"), SessionToken: stschain.NewSecret(token)}
		w.sts.AddKeys("arn:aws:iam::123456789012:user/alice", keys)
		output := `{"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": "canary/process/secret"`
		if token != "" {
			output += `, "SessionToken": "` + token + `", "Expiration": "2099-01-01T00:00:00Z"`
		}
		w.config("[default]\nrole_arn = " + roleARN + "\nsource_profile = keys\n[profile keys]\ncredential_process = echo '" + output + "}'\n")
		for range 2 {
			w.session()
			w.session("-role-arn", roleARN+"2", "-profile", "keys")
		}
		require.Equal(t, 2*calls, w.sts.Count("AssumeRole"))
	}
}

// A command waits for the one that prompts. If that one is interrupted, another one prompts.
func TestSessionsAfterAnAbandonedPrompt(t *testing.T) {
	w := newWorld(t)
	w.env["LOCALAPPDATA"] = w.home
	device := w.sts.AddTOTP("alice")
	w.sts.AddRole(ststest.Role{ARN: roleARN, MFA: true})
	mfaConfig(w, device.Serial)
	silent, keyboard := io.Pipe()
	defer keyboard.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	var first buffer
	ended := make(chan int)
	go func() {
		ended <- run(ctx, []string{"process"}, terminal{silent}, io.Discard, &first, w.lookupEnv)
	}()
	require.Eventually(t, func() bool { return strings.Contains(first.String(), "MFA code of") }, time.Minute, time.Millisecond)

	typed, err := device.MFAToken(t.Context(), device.Serial)
	require.NoError(t, err)
	second := make(chan string)
	go func() {
		var stdout, stderr buffer
		run(t.Context(), []string{"process"}, terminal{strings.NewReader(typed.Reveal() + "\n")}, &stdout, &stderr, w.lookupEnv)
		second <- stdout.String()
	}()
	interrupt()
	require.Equal(t, exitFailed, <-ended)
	require.Contains(t, <-second, "SessionToken")
	require.Equal(t, 1, w.sts.Count("AssumeRole"))
}
