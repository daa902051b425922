package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// completers are scripts that print what a shell completes a command line with.
var completers = map[string]func(words []string) string{
	"bash": func(words []string) string {
		return "COMP_WORDS=(" + quoted(words) + "); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _stschain; printf '%s\\n' \"${COMPREPLY[@]}\""
	},
	"zsh": func(words []string) string {
		return "compadd() { print -rl -- \"${(@P)2}\" }; words=(" + quoted(words) + "); CURRENT=${#words}; _stschain"
	},
	"fish": func(words []string) string { return "complete -C " + quoteFish(strings.Join(words, " ")) },
}

func quoted(words []string) string {
	var list []string
	for _, word := range words {
		list = append(list, quoteSh(word))
	}
	return strings.Join(list, " ")
}

func TestCompletion(t *testing.T) {
	names := []string{"default", "production", "two words", "$(touch bad)", "`touch bad`", "a;touch bad", "it's"}
	for shell, completer := range completers {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil {
				t.Skip("this machine has no " + shell)
			}
			w := newWorld(t)
			code, script, stderr := w.run("completion", shell)
			require.Equal(t, exitOK, code, stderr)
			dir := t.TempDir()
			program := "#!/bin/sh\n[ \"$*\" = 'profiles -names' ] && printf '%s\\n' " + quoted(names) + "\n"
			require.NoError(t, os.WriteFile(filepath.Join(dir, "stschain"), []byte(program), 0o700))
			complete := func(words ...string) string {
				define := script
				if shell == "zsh" {
					define = "compdef() { : }\n" + script
				}
				cmd := exec.CommandContext(t.Context(), shell, "-c", define+"\n"+completer(words))
				cmd.Dir = dir
				cmd.Env = []string{"HOME=" + dir, "PATH=" + dir + ":/usr/bin:/bin", "LC_ALL=C.UTF-8"}
				out, err := cmd.CombinedOutput()
				require.NoError(t, err, string(out))
				require.NoFileExists(t, filepath.Join(dir, "bad"), "the name of a profile was run")
				return string(out)
			}
			require.Contains(t, complete("stschain", "who"), "whoami")
			require.Contains(t, complete("stschain", "help", "pro"), "profiles")
			require.Contains(t, complete("stschain", "env", "-sh"), "-shell")
			require.NotContains(t, complete("stschain", "whoami", "-"), "-token-file")
			require.Contains(t, complete("stschain", "env", "-shell", ""), "powershell")
			require.Contains(t, complete("stschain", "completion", ""), "zsh")
			require.Contains(t, complete("stschain", "exec", "-profile", "prod"), "production")
			all := complete("stschain", "exec", "-profile", "")
			require.Contains(t, all, "default")
			require.Contains(t, all, "touch")
			require.NotContains(t, complete("stschain", "exec", "-role-arn", ""), "production")
		})
	}
}

func TestCompletionUsage(t *testing.T) {
	w := newWorld(t)
	for args, want := range map[string]string{
		"completion": "completion: an argument is missing: stschain completion bash|zsh|fish", "completion csh": `completion: "csh" is not one of bash, zsh, fish`, "completion bash zsh": `"bash zsh" is not one of`,
	} {
		code, stdout, stderr := w.run(strings.Fields(args)...)
		require.Equal(t, exitUsage, code)
		require.Empty(t, stdout)
		require.Contains(t, stderr, want)
	}
}
