//go:build unix

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hanging is a credential_process that hangs, in the default profile, and as the source of the
// role in the profile called role. It returns a function that returns its process ID: 0 until it
// has begun.
func (w *world) hanging() (pid func() int) {
	file := filepath.Join(w.t.TempDir(), "pid")
	w.config("[default]\ncredential_process = echo $$ > " + file + "; exec sleep 600\n" +
		"[profile role]\nrole_arn = " + roleARN + "\nsource_profile = default\n")
	return func() int {
		text, _ := os.ReadFile(file)
		line, _, _ := strings.Cut(string(text), "\n")
		pid, _ := strconv.Atoi(line)
		return pid
	}
}

// A credential_process ends with the program, also below a role: the caches between them let
// a refresh go on when its caller leaves.
func TestInterruptEndsProcess(t *testing.T) {
	for _, args := range []string{"env", "whoami", "process -profile role", "serve", "explain"} {
		w := newWorld(t)
		pid := w.hanging()
		ctx, interrupt := context.WithCancel(t.Context())
		go func() {
			defer interrupt()
			await(time.Minute, func() bool { return pid() != 0 })
		}()
		code, stdout, _ := w.runUntil(ctx, strings.Fields(args)...)
		interrupt()
		require.Equal(t, 1, code, args)
		require.NotZero(t, pid(), args)
		require.True(t, hasEnded(pid()), "%s leaves it behind: %s", args, stdout)
	}
}

// hasEnded reports whether a process ends. The program does not wait forever for one that it has killed.
func hasEnded(pid int) bool {
	ended := func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
	await(time.Minute, ended)
	return ended()
}

func TestTimeoutEndsProcess(t *testing.T) {
	for _, args := range []string{"env", "process -profile role"} {
		w := newWorld(t)
		pid := w.hanging()
		for timeout := 100 * time.Millisecond; pid() == 0; timeout *= 2 { // until it has begun in that time
			code, _, _ := w.run(append(strings.Fields(args), "-timeout", timeout.String())...)
			require.Equal(t, 1, code, args)
		}
		require.True(t, hasEnded(pid()), args)
	}
}

// A pipe is not opened, which would wait for its writer.
func TestReadFileOfPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "config")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	_, err := readFile(pipe, maxConfig)
	require.ErrorContains(t, err, "is not a regular file")
}
