//go:build linux

package main

import (
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/ststest"
)

// shell is a terminal in which a user runs the program.
type shell struct {
	cmd      *exec.Cmd
	screen   buffer
	keyboard io.WriteCloser
}

// shell starts the program in a new terminal.
func (w *world) shell(args ...string) *shell {
	script, err := exec.LookPath("script")
	if err != nil {
		w.t.Skip("this machine has no script of util-linux to make a terminal")
	}
	self, err := os.Executable()
	require.NoError(w.t, err)
	s := &shell{cmd: w.program()}
	s.cmd.Path, s.cmd.Stdin = script, nil
	s.cmd.Args = []string{"script", "-qec", quoteSh(self) + " " + strings.Join(args, " "), os.DevNull}
	s.cmd.Env = append(s.cmd.Env, "SHELL=/bin/sh")
	s.cmd.Stdout = &s.screen
	s.keyboard, err = s.cmd.StdinPipe()
	require.NoError(w.t, err)
	require.NoError(w.t, s.cmd.Start())
	return s
}

func (s *shell) prompts() int { return strings.Count(s.screen.String(), "MFA code of") }

// key is the access key ID that the program printed.
func (s *shell) key() string {
	return regexp.MustCompile(`ASIA[A-Z0-9]+`).FindString(s.screen.String())
}

// Two shells run commands at once: the user enters one MFA code, in either, and later commands do not prompt.
func TestMFAInTwoShells(t *testing.T) {
	w := newWorld(t)
	device := w.sts.AddTOTP("alice")
	w.sts.AddRole(ststest.Role{ARN: roleARN, MFA: true})
	mfaConfig(w, device.Serial)
	shells := []*shell{w.shell("process"), w.shell("process")}
	prompted := func() (in *shell) {
		for _, s := range shells {
			if s.prompts() > 0 {
				in = s
			}
		}
		return in
	}
	require.Eventually(t, func() bool { return prompted() != nil }, time.Minute, 5*time.Millisecond)
	code, err := device.MFAToken(t.Context(), device.Serial)
	require.NoError(t, err)
	_, err = io.WriteString(prompted().keyboard, code.Reveal()+"\n")
	require.NoError(t, err)
	for _, s := range shells {
		require.NoError(t, s.cmd.Wait(), s.screen.String())
	}
	require.Equal(t, 1, shells[0].prompts()+shells[1].prompts())
	require.NotEmpty(t, shells[0].key())
	require.Equal(t, shells[0].key(), shells[1].key())

	later := w.shell("env")
	require.NoError(t, later.cmd.Wait(), later.screen.String())
	require.Zero(t, later.prompts())
	require.Equal(t, shells[0].key(), later.key())
	out, err := w.program("process").Output() // without a terminal
	require.NoError(t, err)
	require.Contains(t, string(out), shells[0].key())
	require.Equal(t, 1, w.sts.Count("AssumeRole"))

	// Without the kept session the user is prompted again.
	require.NoError(t, w.program("forget").Run())
	again := w.shell("process")
	require.Eventually(t, func() bool { return again.prompts() == 1 }, time.Minute, 5*time.Millisecond)
	again.keyboard.Close()
	require.Error(t, again.cmd.Wait())
}
