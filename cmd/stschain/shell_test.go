package main

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// A shell reads back the value of a variable, whatever characters it has.
func TestShells(t *testing.T) {
	values := []string{"plain", "with space", "it's", `back\slash\\`, `"quoted"`, "$HOME `id` $(id) ${x}", "a;b&c|d>e<f", "!history #comment *?[x]", "~", "-n", "%s%n", "ä’‘‚‛€", `\'`, `'\''`, "=x"}
	for _, shell := range shells {
		t.Run(shell, func(t *testing.T) {
			program, arguments := shell, []string{"-c"}
			if shell == "powershell" {
				program, arguments = "pwsh", []string{"-NoProfile", "-Command"}
			}
			if _, err := exec.LookPath(program); err != nil {
				t.Skip("this machine has no " + program)
			}
			for _, value := range values {
				script := assignment(shell, "SECRET", value) + "\n" + assignment(shell, "STALE", "") + "\nprintenv SECRET\nprintenv STALE\n"
				cmd := exec.CommandContext(t.Context(), program, append(arguments, script)...)
				cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=/usr/bin:/bin", "STALE=old", "LC_ALL=C.UTF-8"}
				out, _ := cmd.CombinedOutput() // printenv of what is not there exits with 1
				require.Equal(t, value+"\n", string(out))
			}
			if shell == "powershell" {
				return
			}
			// It goes well also where there is nothing to unset.
			script := assignment(shell, "NONE", "") + "\n"
			cmd := exec.CommandContext(t.Context(), program, "-c", script)
			cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=/usr/bin:/bin"}
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
		})
	}
}
