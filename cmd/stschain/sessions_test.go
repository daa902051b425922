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
		c := &call{lookupEnv: func(string) (string, bool) { return "", false }}
		c.dirs = map[string]*sessions{"": s}
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
