package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/test/canary"
)

// another is a user without a home and an entry in the user database.
const another = 47_11_47

// as runs a command as another user.
func as(uid uint32, cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	return cmd
}

// place returns a directory of another user that all users can enter.
func place(t *testing.T) string {
	if os.Geteuid() != 0 {
		t.Skip("only root can run processes of other users")
	}
	dir, err := os.MkdirTemp("", "stschain-users-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	require.NoError(t, os.Chown(dir, another, another))
	return dir
}

// programOfAnother is the program as another user runs it, in a directory of this user.
func (w *world) programOfAnother(dir string, args ...string) *exec.Cmd {
	cmd := as(another, w.program(args...))
	copied := filepath.Join(dir, "stschain.test")
	if _, err := os.Stat(copied); err != nil {
		program, err := os.ReadFile(cmd.Path)
		require.NoError(w.t, err)
		require.NoError(w.t, os.WriteFile(copied, program, 0o755))
	}
	cmd.Path, cmd.Dir = copied, dir
	cmd.Env = append(cmd.Env, "TMPDIR="+dir)
	return cmd
}

// TestExecOtherUsers: another user of the machine gets neither the token nor the files of a command.
func TestExecOtherUsers(t *testing.T) {
	place(t)
	w := newWorld(t).keys()
	input, finish := io.Pipe()
	cmd := w.program("exec", "-role-arn", roleARN, "--", "sh", "-c", `echo $$ "$AWS_CONFIG_FILE" "$AWS_CONTAINER_AUTHORIZATION_TOKEN" "$AWS_CONTAINER_CREDENTIALS_FULL_URI"; read line`)
	cmd.Stdin = input
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	require.True(t, lines.Scan())
	printed := strings.Fields(lines.Text())
	require.Len(t, printed, 4)
	for _, pid := range []string{printed[0], strconv.Itoa(cmd.Process.Pid)} {
		environ := filepath.Join("/proc", pid, "environ")
		own, err := os.ReadFile(environ)
		require.NoError(t, err)
		require.NotEmpty(t, own)
		out, err := as(another, exec.Command("cat", environ)).Output()
		require.Error(t, err)
		require.Empty(t, out)
		arguments, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
		require.NoError(t, err)
		canary.CheckText(t, printed[2], string(arguments))
		canary.CheckText(t, w.secret(), string(arguments))
	}
	require.NoError(t, exec.Command("cat", printed[1]).Run())
	require.Error(t, as(another, exec.Command("cat", printed[1])).Run())
	status, body := fetch(t, printed[3], "")
	require.Equal(t, 401, status)
	require.NotContains(t, body, "AccessKeyId")
	finish.Close()
	_ = cmd.Wait()
}

// TestExecHomes: a command runs wherever sessions cannot be kept: in a home that is read-only, of another user, or missing.
func TestExecHomes(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(t *testing.T, w *world, home string)
		why     string
	}{
		"read-only": {func(t *testing.T, _ *world, home string) {
			require.NoError(t, os.Chown(home, another, another))
			require.NoError(t, os.Chmod(home, 0o500))
		}, "permission denied"},
		"of root": {func(t *testing.T, w *world, home string) {
			code, _, stderr := w.run("process", "-role-arn", roleARN) // root keeps a session
			require.Zero(t, code, stderr)
			require.NoError(t, os.Chmod(filepath.Join(home, ".local"), 0o755))
			require.NoError(t, os.Chmod(filepath.Join(home, ".local", "state"), 0o755))
		}, "belongs to user 0, and this process runs as "},
		"not accessible": {func(t *testing.T, _ *world, home string) { require.NoError(t, os.Chmod(home, 0o700)) }, "permission denied"},
		"missing":        {func(t *testing.T, w *world, _ string) { delete(w.env, "HOME") }, "there is no home directory"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := place(t)
			w := newWorld(t).keys()
			home := filepath.Join(dir, "home")
			require.NoError(t, os.Mkdir(home, 0o755))
			w.env["HOME"] = home
			tt.prepare(t, w, home)
			// What is in the directory of the process is not the configuration of a user without a home.
			require.NoError(t, os.Mkdir(filepath.Join(dir, ".aws"), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(dir, ".aws", "config"), []byte("[default]\nendpoint_url = http://192.0.2.1\n"), 0o644))
			var keys []string
			for range 2 {
				cmd := w.programOfAnother(dir, "exec", "-v", "-env", "-role-arn", roleARN, "--", "sh", "-c", `echo "$AWS_ACCESS_KEY_ID"; cat "$AWS_CONFIG_FILE"`)
				var stderr buffer
				cmd.Stderr = &stderr
				out, err := cmd.Output()
				require.NoError(t, err, stderr.String())
				require.Contains(t, stderr.String(), "sessions are not kept")
				require.Contains(t, stderr.String(), tt.why)
				key, config, _ := strings.Cut(string(out), "\n")
				require.Equal(t, "[default]\n", config)
				keys = append(keys, key)
			}
			require.NotEqual(t, keys[0], keys[1])
		})
	}
}
