//go:build unix

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEnvInShells runs what the help of env says in each shell, with a secret of odd characters and an old profile.
func TestEnvInShells(t *testing.T) {
	const secret = "a'b\"c$HOME\\d\\\\e`id`;&|<>(){}[]*?!#~%^=$(id)"
	self, err := os.Executable()
	require.NoError(t, err)
	for _, shell := range shells {
		t.Run(shell, func(t *testing.T) {
			program, arguments, script := shell, []string{"-c"}, `eval "$(PROGRAM env -shell SHELL)"`
			switch shell {
			case "fish":
				script = `PROGRAM env -shell fish | source`
			case "powershell":
				program, arguments = "pwsh", []string{"-NoProfile", "-Command"}
				script = `& PROGRAM env -shell powershell | Out-String | Invoke-Expression`
			}
			path, err := exec.LookPath(program)
			if err != nil {
				t.Skip("this machine has no " + program)
			}
			w := newWorld(t)
			w.env["AWS_ACCESS_KEY_ID"], w.env["AWS_SECRET_ACCESS_KEY"], w.env["AWS_PROFILE"] = "AKIAODD", secret, "dev"
			cmd := w.program()
			cmd.Path = path
			script = strings.NewReplacer("PROGRAM", quoteSh(self), "SHELL", shell).Replace(script)
			cmd.Args = append(append([]string{program}, arguments...), script+"\nprintenv AWS_SECRET_ACCESS_KEY\nprintenv AWS_REGION\nprintenv AWS_PROFILE\n")
			out, _ := cmd.CombinedOutput() // printenv of what is not there exits with 1
			require.Equal(t, secret+"\neu-west-1\n", string(out))
		})
	}
}
