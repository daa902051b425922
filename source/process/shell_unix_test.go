//go:build unix

package process_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/source/process"
)

const keys = `{"Version":1,"AccessKeyId":"AKIDEXAMPLE","SecretAccessKey":"` + secret + `"}`

func TestShell(t *testing.T) {
	t.Setenv("STSCHAIN_TEST", keys)
	p := &process.Provider{Command: `cat && x='a b' && echo "$STSCHAIN_TEST" | cat`}
	got, err := p.Retrieve(t.Context())
	require.NoError(t, err, "the environment is passed on, and standard input is empty")
	require.Equal(t, "AKIDEXAMPLE", got.AccessKeyID)

	p.Env = []string{"STSCHAIN_TEST={}", "PATH=" + os.Getenv("PATH")}
	_, err = p.Retrieve(t.Context())
	require.ErrorContains(t, err, "Version is missing or not 1")

	t.Setenv("PATH", t.TempDir())
	_, err = p.Retrieve(t.Context())
	require.ErrorContains(t, err, "it cannot be started")
}

// A program that fails gives no credentials, whatever it printed, and no chain goes on.
func TestFails(t *testing.T) {
	for command, want := range map[string]string{
		"exit 1":                                                  "it failed with exit status 1",
		"echo '" + keys + "'; exit 3":                             "it failed with exit status 3",
		"echo 'log in first' >&2; exit 1":                         "it failed with exit status 1; standard error: log in first",
		"echo '" + keys + "' | tee /dev/stderr; exit 1":           "it failed with exit status 1; standard error: [redacted]",
		"echo aws_secret_access_key = " + secret + " >&2; exit 1": "; standard error: [redacted]",
		"echo SessionToken: " + secret + " >&2; exit 1":           "; standard error: [redacted]",
		"printf 'a\\033[2J\\nb' >&2; exit 1":                      "; standard error: a [2J b",
		"/nonexistent/helper --token " + secret:                   "it failed with exit status 127; standard error:",
		"kill -9 $$":                                              "it failed with signal: killed",
		"echo 'for users' >&2; echo '{}'":                         "Version is missing or not 1",
		"yes x | head -c 70000 >&2; echo the end >&2; false":      "x x the end",
	} {
		p := &process.Provider{Command: command}
		got, err := stschain.NewChain(p, stschain.Static("AKIDOTHER", "other", "")).Retrieve(t.Context())
		require.ErrorContains(t, err, want)
		require.False(t, stschain.IsUnavailable(err), "%v", err)
		require.Equal(t, stschain.Credentials{}, got)
		require.Less(t, len(err.Error()), 1500)
		canary.Check(t, secret, err)
	}
}

// Where sh is bash, it shows the line that it does not understand: most likely it has a password
// with characters that belong into quotes.
func TestBashShowsNoArguments(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	dir := t.TempDir()
	require.NoError(t, os.Symlink(bash, filepath.Join(dir, "sh")))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	for _, command := range []string{"helper --password (" + secret, "true\n  helper --password (" + secret + "\ntrue"} {
		_, err = (&process.Provider{Command: command}).Retrieve(t.Context())
		require.ErrorContains(t, err, "syntax error near unexpected token `('")
		canary.Check(t, secret, err)
	}
}

// A program that prints without end is stopped, and does not have to notice.
// Reports: aws-sdk-go#2334.
func TestFloods(t *testing.T) {
	const much = "head -c 99999999 /dev/zero; sleep 600" // and not without end, unless it is stopped
	for _, command := range []string{much, "trap '' PIPE; " + much, "head -c 65537 /dev/zero", "yes >&2 & " + much} {
		began := time.Now()
		_, err := (&process.Provider{Command: command}).Retrieve(t.Context())
		require.ErrorContains(t, err, "it printed more than 65536 bytes")
		require.Less(t, time.Since(began), 10*time.Second)
	}
	_, err := (&process.Provider{Command: "echo '" + keys + "'; head -c 60000 /dev/zero | tr '\\0' ' '"}).Retrieve(t.Context())
	require.NoError(t, err)
}

// A program has a session of its own, and with it no terminal for a prompt.
func TestSession(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("this system has no /proc that shows sessions")
	}
	_, err := (&process.Provider{Command: "read -r pid name state parent group session rest </proc/$$/stat; test $session = $$ && echo '" + keys + "'"}).Retrieve(t.Context())
	require.NoError(t, err)
}

// A program that hangs is killed, and so are its children.
func TestHangs(t *testing.T) {
	for name, command := range map[string]string{
		"itself":            "echo $$ >PID; exec sleep 600",
		"in a child":        "sleep 600 & echo $! >PID; wait",
		"in a grandchild":   "sh -c 'sleep 600 & echo $! >PID; wait'; true",
		"deaf":              "trap '' TERM INT HUP; echo $$ >PID; while :; do sleep 1; done",
		"after it spoke":    "echo '" + keys + "'; echo enter a code >&2; sleep 600 & echo $! >PID; wait",
		"without an output": "exec >/dev/null 2>&1; echo $$ >PID; exec sleep 600",
	} {
		t.Run(name, func(t *testing.T) {
			pid := filepath.Join(t.TempDir(), "pid")
			began := time.Now()
			p := &process.Provider{Command: strings.ReplaceAll(command, "PID", pid), Timeout: 500 * time.Millisecond}
			_, err := p.Retrieve(t.Context())
			require.ErrorContains(t, err, "it did not end within 500ms")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Less(t, time.Since(began), 10*time.Second)
			requireGone(t, pid)
			if name == "after it spoke" {
				require.ErrorContains(t, err, "enter a code")
			}
			canary.Check(t, secret, err)
		})
	}
}

// A child that holds on to the output does not hold us up, and does not stay; nor does one of a
// program that failed. One that let go of the output may be there on purpose.
func TestLeavesChildren(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	began := time.Now()
	got, err := (&process.Provider{Command: "sleep 600 & echo $! >" + pid + "; echo '" + keys + "'"}).Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "AKIDEXAMPLE", got.AccessKeyID)
	require.Less(t, time.Since(began), 10*time.Second)
	requireGone(t, pid)

	_, err = (&process.Provider{Command: "sleep 600 & echo $! >" + pid + "; exit 1"}).Retrieve(t.Context())
	require.ErrorContains(t, err, "it failed with exit status 1")
	requireGone(t, pid)

	_, err = (&process.Provider{Command: "sleep 600 >/dev/null 2>&1 & echo $! >" + pid + "; echo '" + keys + "'"}).Retrieve(t.Context())
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(readPID(t, pid), syscall.SIGKILL), "it is still there")
}

func TestCallerLeaves(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	left := errors.New("the user closed the tab")
	ctx, cancel := context.WithCancelCause(t.Context())
	runs := pid + ".pipe"
	require.NoError(t, syscall.Mkfifo(runs, 0o600))
	go func() {
		if _, err := os.ReadFile(runs); err != nil { // until the program opens and closes it
			t.Error(err)
		}
		cancel(left)
	}()
	p := &process.Provider{Command: "echo $$ >" + pid + "; : >" + runs + "; exec sleep 600"}
	_, err := p.Retrieve(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, left)
	requireGone(t, pid)
	_, err = p.Retrieve(ctx)
	require.ErrorIs(t, err, left)
}

func readPID(t *testing.T, path string) int {
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	require.NoError(t, err)
	return pid
}

// requireGone waits until a process has ended: one that is killed needs a moment, and one whose parent
// ended too is there until another process reaps it.
func requireGone(t *testing.T, path string) {
	t.Helper()
	pid := readPID(t, path)
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err == nil {
			_, rest, _ := strings.Cut(string(stat), ") ")
			return strings.HasPrefix(rest, "Z") || strings.HasPrefix(rest, "X")
		}
		return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
	}, 10*time.Second, time.Millisecond)
}

// A program that requests the credentials of the profile that names it would run itself
// without end, in more and more processes: `credential_process = stschain process` did.
func TestRunsItself(t *testing.T) {
	const variable = "STSCHAIN_TEST_RUNS"
	command := "'" + os.Args[0] + "' -test.run '^TestRunsItself$'"
	if runs := os.Getenv(variable); runs != "" { // this is the program
		f, err := os.OpenFile(runs, os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = f.WriteString("x")
		require.NoError(t, err)
		info, err := f.Stat()
		require.NoError(t, err)
		require.Less(t, info.Size(), int64(10), "nothing else stops it")
		_, err = (&process.Provider{Command: command}).Retrieve(t.Context())
		require.NoError(t, err)
		return
	}
	runs := filepath.Join(t.TempDir(), "runs")
	require.NoError(t, os.WriteFile(runs, nil, 0o600))
	t.Setenv(variable, runs)
	_, err := (&process.Provider{Command: command}).Retrieve(t.Context())
	require.ErrorContains(t, err, "it failed with exit status 1")
	content, err := os.ReadFile(runs)
	require.NoError(t, err)
	require.Equal(t, "xxx", string(content))

	t.Setenv(variable, "")
	t.Setenv("STSCHAIN_CREDENTIAL_PROCESSES", "")
	p := &process.Provider{Command: `echo '` + keys + `' # $STSCHAIN_CREDENTIAL_PROCESSES`}
	_, err = p.Retrieve(t.Context())
	require.NoError(t, err, "what runs elsewhere does not count")
}
