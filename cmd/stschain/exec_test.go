//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/ststest"
)

// program is the program in a process of its own, in a session without a terminal.
func (w *world) program(args ...string) *exec.Cmd {
	self, err := os.Executable()
	require.NoError(w.t, err)
	cmd := exec.CommandContext(w.t.Context(), self, args...)
	cmd.Env = []string{"STSCHAIN_TEST_PROGRAM=yes", "PATH=" + os.Getenv("PATH"), "TMPDIR=" + w.t.TempDir()}
	for name, value := range w.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stdin = w.stdin
	return cmd
}

// exec runs a shell script with the credentials.
func (w *world) exec(script string, flags ...string) (code int, stdout, stderr string) {
	cmd := w.program(append(append([]string{"exec"}, flags...), "--", "sh", "-c", script)...)
	var out, errors bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errors
	err := cmd.Run()
	require.NotNil(w.t, cmd.ProcessState, err)
	return cmd.ProcessState.ExitCode(), out.String(), errors.String()
}

// TestExec: a command gets the address of a server, no keys, and none of what an SDK would prefer.
func TestExec(t *testing.T) {
	w := newWorld(t).keys()
	w.config("[default]\nregion = us-east-2\naws_access_key_id = AKIAOTHER\naws_secret_access_key = other\n[profile prod]\nrole_arn = " + roleARN + "\ncredential_source = Environment\nregion = eu-north-1\noutput = text\n")
	delete(w.env, "AWS_REGION")
	w.env["AWS_PROFILE"], w.env["AWS_BEARER_TOKEN_BEDROCK"] = "other", "bearer"
	code, stdout, stderr := w.exec(`env; echo ---; cat "$AWS_CONFIG_FILE"; echo ---; wc -c < "$AWS_SHARED_CREDENTIALS_FILE"; ls -ld "$(dirname "$AWS_CONFIG_FILE")"`, "-profile", "prod")
	require.Zero(t, code, stderr)
	require.Empty(t, stderr)
	require.Contains(t, stdout, "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:")
	require.Contains(t, stdout, "AWS_CONTAINER_AUTHORIZATION_TOKEN=")
	require.Contains(t, stdout, "AWS_REGION=eu-north-1\n")
	require.Contains(t, stdout, "AWS_DEFAULT_REGION=eu-north-1\n")
	require.Contains(t, stdout, "AWS_ACCOUNT_ID=123456789012\n")
	require.Contains(t, stdout, "STSCHAIN_EXEC=prod\n")
	require.Contains(t, stdout, "---\n[default]\nregion = eu-north-1\noutput = text\n---\n")
	require.Regexp(t, `---\n *0\ndrwx------`, stdout)
	for _, name := range []string{"AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_BEARER_TOKEN_BEDROCK"} {
		require.NotContains(t, stdout, name+"=")
	}
	canary.CheckText(t, w.secret(), stdout+stderr)
	left, err := filepath.Glob(filepath.Join(t.TempDir(), "..", "*", "stschain-exec-*"))
	require.NoError(t, err)
	require.Empty(t, left, "its files are removed")
}

// TestExecServes: the credentials are at the address, with the token, and nowhere after the command.
func TestExecServes(t *testing.T) {
	w := newWorld(t).keys()
	input, finish := io.Pipe()
	cmd := w.program("exec", "-role-arn", roleARN, "--", "sh", "-c", `echo "$AWS_CONTAINER_CREDENTIALS_FULL_URI"; echo "$AWS_CONTAINER_AUTHORIZATION_TOKEN"; read line; exit 7`)
	cmd.Stdin = input
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	require.True(t, lines.Scan())
	url := lines.Text()
	require.True(t, lines.Scan())
	token := lines.Text()
	status, body := fetch(t, url, token)
	require.Equal(t, 200, status)
	require.Contains(t, body, `"AccessKeyId":"ASIA`)
	status, _ = fetch(t, url, "wrong")
	require.Equal(t, 401, status)
	io.WriteString(finish, "line\n")
	finish.Close()
	_ = cmd.Wait()
	require.Equal(t, 7, cmd.ProcessState.ExitCode())
	_, body = fetch(t, url, token)
	require.NotContains(t, body, "AccessKeyId", "the server has ended")
}

// fetch requests credentials. The status is 0 if there is no server. After the server has ended, another process may have its port.
func fetch(t *testing.T, url, token string) (status int, body string) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", token)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}).Do(req)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, ""
	}
	return resp.StatusCode, string(text)
}

// TestExecKeys: with -env a command gets keys and their expiry.
func TestExecKeys(t *testing.T) {
	w := newWorld(t).keys()
	code, stdout, stderr := w.exec("env", "-env", "-role-arn", roleARN)
	require.Zero(t, code, stderr)
	for _, want := range []string{"AWS_ACCESS_KEY_ID=ASIA", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=", "AWS_SESSION_EXPIRATION=20", "AWS_CREDENTIAL_EXPIRATION=20", "STSCHAIN_EXEC=" + roleARN + "\n"} {
		require.Contains(t, stdout, want)
	}
	require.NotContains(t, stdout, "AWS_CONTAINER_")
	canary.CheckText(t, w.secret(), stdout+stderr)
}

// TestExecExitCodes: the exit code is the command's, or that of a shell.
func TestExecExitCodes(t *testing.T) {
	w := newWorld(t).keys()
	for script, want := range map[string]int{"exit 0": 0, "exit 3": 3, "exit 255": 255, "kill -KILL $$": 137, "kill -TERM $$": 143} {
		code, _, stderr := w.exec(script)
		require.Equal(t, want, code, stderr)
	}
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	require.NoError(t, os.WriteFile(text, []byte("text"), 0o600))
	for command, want := range map[string]int{"stschain-no-such-command": 127, filepath.Join(dir, "missing"): 127, text: 126} {
		code, _, stderr := w.run("exec", command)
		require.Equal(t, want, code, stderr)
		require.Contains(t, stderr, "stschain exec: ")
		require.Empty(t, w.sts.Calls())
	}
}

// TestExecUsage: what cannot be meant is refused, and nothing is run without credentials.
func TestExecUsage(t *testing.T) {
	w := newWorld(t)
	code, _, stderr := w.run("exec", "-profile", "x")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "exec: an argument is missing: stschain exec [flags] -- command [args]")
	code, stdout, stderr := w.run("exec", "--", "sh", "-c", "echo run")
	require.Equal(t, 3, code, stderr)
	require.Empty(t, stdout)
	w.config("[profile prod]\nregion = eu-north-1\n")
	code, stdout, stderr = w.run("exec", "-profile", "prdo", "--", "sh", "-c", "echo run")
	require.Equal(t, exitFailed, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, `did you mean "prod"?`)
	w.keys().env[nested] = "prod"
	code, _, stderr = w.run("exec", "true")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "a command of stschain exec already (STSCHAIN_EXEC=prod); with -nest it is run anyway")
}

// TestExecNested: with -nest, the inner server has its credentials from the outer one.
func TestExecNested(t *testing.T) {
	w := newWorld(t).keys()
	self, err := os.Executable()
	require.NoError(t, err)
	code, stdout, stderr := w.exec(`"` + self + `" exec -nest -- "` + self + `" whoami && "` + self + `" exec true`)
	require.Equal(t, 2, code, "%s%s", stdout, stderr)
	require.Contains(t, stdout, "user/alice")
	require.Contains(t, stderr, "STSCHAIN_EXEC=default")
}

// TestExecSignals: signals are forwarded, and a command may handle or ignore them. Without a terminal that includes SIGINT.
func TestExecSignals(t *testing.T) {
	for signal, name := range map[syscall.Signal]string{syscall.SIGTERM: "TERM", syscall.SIGHUP: "HUP", syscall.SIGINT: "INT", syscall.SIGUSR1: "USR1"} {
		w := newWorld(t).keys()
		input, finish := io.Pipe()
		cmd := w.program("exec", "--", "sh", "-c", `trap 'echo caught; exit 9' `+name+`; echo ready; n=0; while [ $n -lt 6000 ]; do read line || sleep 0.01; n=$((n+1)); done`) // ends without the test, too
		cmd.Stdin = input
		stdout, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(stdout)
		require.True(t, lines.Scan())
		require.Equal(t, "ready", lines.Text())
		require.NoError(t, cmd.Process.Signal(signal))
		finish.Close()
		require.True(t, lines.Scan(), name)
		require.Equal(t, "caught", lines.Text())
		_ = cmd.Wait()
		require.Equal(t, 9, cmd.ProcessState.ExitCode(), name)
	}
}

// TestExecIgnoredSignal: a command that ignores SIGTERM keeps its server, and ends when it wants.
func TestExecIgnoredSignal(t *testing.T) {
	w := newWorld(t).keys()
	self, err := os.Executable()
	require.NoError(t, err)
	input, finish := io.Pipe()
	cmd := w.program("exec", "--", "sh", "-c", `trap '' TERM; echo ready; read line; "`+self+`" whoami; exit 5`)
	cmd.Stdin = input
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	require.True(t, lines.Scan())
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	io.WriteString(finish, "line\n")
	finish.Close()
	rest, err := io.ReadAll(stdout)
	require.NoError(t, err)
	_ = cmd.Wait()
	require.Equal(t, 5, cmd.ProcessState.ExitCode())
	require.Contains(t, lines.Text()+string(rest), "user/alice")
}

// TestExecKilled: the server ends with this program, even if it is killed, and the command continues.
func TestExecKilled(t *testing.T) {
	w := newWorld(t).keys()
	cmd := w.program("exec", "--", "sh", "-c", `echo "$AWS_CONTAINER_CREDENTIALS_FULL_URI $AWS_CONTAINER_AUTHORIZATION_TOKEN $$"; exec sleep 600`)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	require.True(t, lines.Scan())
	printed := strings.Fields(lines.Text())
	require.Len(t, printed, 3)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	_, body := fetch(t, printed[0], printed[1])
	require.NotContains(t, body, "AccessKeyId")
	require.NoError(t, exec.Command("kill", printed[2]).Run(), "the command continues")
}

// TestExecDaemon: a process that the command leaves behind keeps neither this program nor its server.
func TestExecDaemon(t *testing.T) {
	w := newWorld(t).keys()
	file := filepath.Join(t.TempDir(), "pid")
	started := time.Now()
	code, stdout, stderr := w.exec(`(sleep 600 >/dev/null 2>&1 </dev/null & echo $! > ` + file + `); echo "$AWS_CONTAINER_CREDENTIALS_FULL_URI $AWS_CONTAINER_AUTHORIZATION_TOKEN"`)
	require.Zero(t, code, stderr)
	require.Less(t, time.Since(started), 500*time.Second)
	url, token, _ := strings.Cut(strings.TrimSpace(stdout), " ")
	_, body := fetch(t, url, token)
	require.NotContains(t, body, "AccessKeyId")
	pid, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, exec.Command("kill", strings.TrimSpace(string(pid))).Run(), "it continues")
}

// TestForwarded: a terminal sends SIGINT to the command itself, which must not get it twice.
func TestForwarded(t *testing.T) {
	require.Contains(t, forwarded(false), os.Signal(syscall.SIGINT))
	require.NotContains(t, forwarded(true), os.Signal(syscall.SIGINT))
	require.Contains(t, forwarded(true), os.Signal(syscall.SIGTERM))
}

// TestExecDoesNotPrompt: the terminal is the command's, so a request for credentials never prompts.
func TestExecDoesNotPrompt(t *testing.T) {
	id := identity{Cache: &stschain.Cache{Provider: stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{}, stschain.Prompt(ctx)
	})}}
	var log buffer
	c := &call{stderr: &log, flags: flags{timeout: time.Minute}}
	variables, stop, err := c.serveCommand(t.Context(), id, "")
	require.NoError(t, err)
	defer stop()
	status, body := fetch(t, variables[0].value.Reveal(), variables[1].value.Reveal())
	require.GreaterOrEqual(t, status, 400, body)
	require.Contains(t, log.String(), "prompt")
}

// TestExecInput: standard input is the command's, byte for byte.
func TestExecInput(t *testing.T) {
	w := newWorld(t).keys()
	text := strings.Repeat("line\x00\n", 10_000)
	w.stdin = strings.NewReader(text)
	code, stdout, _ := w.exec("cat")
	require.Zero(t, code)
	require.Equal(t, text, stdout)
}

// TestExecWithoutTerminal: a role that requires an MFA code fails before the command where nothing can prompt.
func TestExecWithoutTerminal(t *testing.T) {
	w := newWorld(t)
	device := w.sts.AddTOTP("alice")
	w.sts.AddRole(ststest.Role{ARN: roleARN, MFA: true})
	mfaConfig(w, device.Serial)
	code, stdout, stderr := w.exec("echo run")
	require.Equal(t, exitFailed, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "standard input is not a terminal, and there is no other one to prompt on")
}

// TestExecWithoutDirectory: the error says what to set.
func TestExecWithoutDirectory(t *testing.T) {
	w := newWorld(t).keys()
	cmd := w.program("exec", "--", "echo", "run")
	cmd.Env = append(cmd.Env, "TMPDIR="+filepath.Join(t.TempDir(), "missing"))
	out, _ := cmd.CombinedOutput()
	require.Equal(t, exitFailed, cmd.ProcessState.ExitCode())
	require.NotContains(t, string(out), "run\n")
	require.Contains(t, string(out), "set TMPDIR to one that can be written to")
}

// TestExecIgnoredInterrupt: SIGINT that is ignored, as in a background job of a script, stays ignored.
func TestExecIgnoredInterrupt(t *testing.T) {
	w := newWorld(t).keys()
	cmd := w.program("exec", "--", "sh", "-c", "kill -INT $$ $PPID; echo continues")
	cmd.Path, _ = exec.LookPath("sh")
	self, err := os.Executable()
	require.NoError(t, err)
	cmd.Args = append([]string{"sh", "-c", `trap '' INT; exec "$0" "$@"`, self}, cmd.Args[1:]...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "continues\n", string(out))
}

// TestExecClosedStandardError: an error that cannot be printed does not end the server.
func TestExecClosedStandardError(t *testing.T) {
	w := newWorld(t).keys()
	read, write, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, read.Close())
	input, finish := io.Pipe()
	cmd := w.program("exec", "--", "sh", "-c", `echo "$AWS_CONTAINER_CREDENTIALS_FULL_URI $AWS_CONTAINER_AUTHORIZATION_TOKEN"; read line; exit 6`)
	cmd.Stdin, cmd.Stderr = input, write
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	require.NoError(t, write.Close())
	lines := bufio.NewScanner(stdout)
	require.True(t, lines.Scan())
	url, token, _ := strings.Cut(lines.Text(), " ")
	status, _ := fetch(t, url, "wrong")
	require.Equal(t, 401, status)
	status, _ = fetch(t, url, token)
	require.Equal(t, 200, status)
	finish.Close()
	_ = cmd.Wait()
	require.Equal(t, 6, cmd.ProcessState.ExitCode())
}
