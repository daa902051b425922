//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/ststest"
)

// With a terminal that is not its standard input, the program prompts there. In a background job, or without a terminal, it fails and
// does not stop.
func TestTerminal(t *testing.T) {
	w := newWorld(t)
	device := w.sts.AddTOTP("alice")
	w.sts.AddRole(ststest.Role{ARN: roleARN, MFA: true})
	mfaConfig(w, device.Serial)

	cmd := w.program("process")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Equal(t, exitFailed, cmd.ProcessState.ExitCode())
	require.Contains(t, string(out), "standard input is not a terminal, and there is no other one to prompt on")

	if _, err := exec.LookPath("script"); err != nil || runtime.GOOS != "linux" {
		t.Skip("this machine has no script of util-linux to make a terminal")
	}
	self, err := os.Executable()
	require.NoError(t, err)
	run := func(shell string) string {
		code, err := device.MFAToken(t.Context(), device.Serial) // it expires soon
		require.NoError(t, err)
		cmd := w.program()
		cmd.Path, err = exec.LookPath("script")
		require.NoError(t, err)
		cmd.Args = []string{"script", "-qec", strings.ReplaceAll(shell, "PROGRAM", quoteSh(self)), os.DevNull}
		cmd.Env = append(cmd.Env, "SHELL=/bin/bash")
		cmd.Stdin = strings.NewReader(code.Reveal() + "\n")
		var out bytes.Buffer
		cmd.Stdout = &out
		_ = cmd.Run()
		return out.String()
	}
	out2 := run("set -m; PROGRAM process < /dev/null 2>&1 & wait")
	require.Contains(t, out2, "no MFA code")
	require.NotContains(t, out2, "SessionToken")

	out2 = run("PROGRAM process < /dev/null 2> /dev/null | cat")
	require.Contains(t, out2, "MFA code of "+device.Serial)
	require.Contains(t, out2, `"SessionToken"`)
}
