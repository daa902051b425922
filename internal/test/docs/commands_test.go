package docs_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A shell is where the commands of a page run: HOME and the working directory are empty, and so is the environment,
// but for PATH, which has the command stschain.
type shell struct {
	home string
	dir  string   // the working directory
	bin  string   // of the PATH, for programs that a setup replaces
	env  []string // more variables, as NAME=value; the last one of a name counts
}

// checkCommands runs the commands of a page, and returns what they print. The binary is the command stschain.
func checkCommands(t *testing.T, p page, binary string) string {
	commands := commandsOf(p)
	if len(commands) == 0 {
		return ""
	}
	if _, err := exec.LookPath("bash"); err != nil || runtime.GOOS == "windows" {
		t.Skip("no bash to run the commands with")
	}
	prepare := setups[p.path]
	require.NotNil(t, prepare, "%s has commands and no entry in setups", p.path)
	s := &shell{home: t.TempDir(), dir: t.TempDir(), bin: t.TempDir()}
	require.NoError(t, os.Symlink(binary, filepath.Join(s.bin, "stschain")))
	prepare(t, s)

	outputs := s.run(t, p, commands)
	for i, c := range commands {
		if c.output != nil {
			require.Regexp(t, "^"+output(*c.output)+"$", strings.TrimSpace(took.ReplaceAllString(outputs[i], "")), "%s, line %d: %s", p.path, c.line, c.text)
		}
	}
	return strings.Join(outputs, "\n")
}

type command struct {
	line   int
	text   string
	output *string // nil: not shown
}

// commandsOf returns the commands of a page, but for those of development, which TestDevelopment checks.
func commandsOf(p page) []command {
	var all []command
	for _, b := range p.of("sh", "console") {
		if b.language == "console" {
			all = append(all, dialog(b)...)
			continue
		}
		text := ""
		for line := range strings.Lines(b.text) {
			if text == "" && bare(line) == "" || developer.MatchString(bare(line)) {
				continue
			}
			text += line
		}
		if strings.TrimSpace(text) != "" {
			all = append(all, command{line: b.line, text: text})
		}
	}
	return all
}

// dialog separates the commands of a console block, which begin with "$ " and continue after a backslash, and "> ",
// from their output.
func dialog(b block) []command {
	var all []command
	continues := false
	for i, line := range strings.Split(strings.TrimSuffix(b.text, "\n"), "\n") {
		text, isCommand := strings.CutPrefix(line, "$ ")
		switch {
		case isCommand:
			all = append(all, command{line: b.line + 1 + i, text: text + "\n"})
		case len(all) == 0:
			all = append(all, command{line: b.line + 1 + i, text: "echo 'a console block begins with a command' >&2; false\n"})
		case continues:
			all[len(all)-1].text += strings.TrimPrefix(line, "> ") + "\n"
		default:
			last := &all[len(all)-1]
			if last.output == nil {
				last.output = new(string)
			}
			*last.output += line + "\n"
		}
		continues = strings.HasSuffix(line, `\`) && (isCommand || continues)
	}
	return all
}

// bare is a command without its comment.
func bare(line string) string {
	return strings.TrimSpace(regexp.MustCompile(`\s+# .*`).ReplaceAllString(line, ""))
}

// took is what explain prints for calls that took some time, which is chance: it is not compared.
var took = regexp.MustCompile(`[:,] took \d[\w.µ]*`)

// output is the regular expression of a shown output, in which "..." stands for any text, and alone for lines.
func output(shown string) string {
	escaped := regexp.QuoteMeta(strings.TrimSpace(took.ReplaceAllString(shown, "")))
	escaped = regexp.MustCompile(`(?m)^\\\.\\\.\\\.$`).ReplaceAllString(escaped, `(?s:.*)`)
	return strings.ReplaceAll(escaped, `\.\.\.`, `[^\n]*`)
}

// run runs all commands in one bash, and returns what each prints. A command fails the test if it fails, unless the
// page shows its output, which is then compared.
func (s *shell) run(t *testing.T, p page, commands []command) []string {
	t.Helper()
	const mark = "\x1e"
	script := "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
	for _, c := range commands {
		if c.output != nil {
			c.text = "{ " + c.text + "} || true\n"
		}
		script += c.text + "printf '\\x1e'\n"
	}
	printed, err := os.CreateTemp(t.TempDir(), "") // not a pipe, which a background process would keep open
	require.NoError(t, err)
	defer printed.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	bash := exec.CommandContext(ctx, "bash", "-c", script)
	bash.Dir, bash.Stdout, bash.Stderr = s.dir, printed, printed
	bash.Cancel = func() error { return bash.Process.Signal(os.Interrupt) }
	bash.WaitDelay = 10 * time.Second
	bash.Env = append([]string{"HOME=" + s.home, "PATH=" + s.bin + ":/usr/bin:/bin", "AWS_EC2_METADATA_DISABLED=true"}, s.env...)
	err = bash.Run()
	text, readErr := os.ReadFile(printed.Name())
	require.NoError(t, readErr)
	outputs := strings.Split(string(text), mark)
	if err != nil {
		failed := commands[min(len(outputs), len(commands))-1]
		require.NoError(t, err, "%s, line %d:\n%s%s", p.path, failed.line, failed.text, text)
	}
	return outputs
}

// write writes a file below the home directory, with its folders.
func (s *shell) write(t *testing.T, name, content string) {
	t.Helper()
	file := filepath.Join(s.home, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
}

// program puts a script on the PATH, in place of a program that the machine need not have.
func (s *shell) program(t *testing.T, name, script string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(s.bin, name), []byte("#!/usr/bin/env bash\nset -euo pipefail\n"+script+"\n"), 0o700))
}

// needs skips the page if the machine has no such program.
func needs(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skip(err)
	}
}

// build builds the command stschain.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "stschain")
	command := exec.Command("go", "build", "-o", binary, "./cmd/stschain")
	command.Dir = root
	out, err := command.CombinedOutput()
	require.NoError(t, err, string(out))
	return binary
}

func TestDialog(t *testing.T) {
	shown := "one\n  two\n"
	require.Equal(t, []command{{2, "a b\n", &shown}, {5, "c \\\nd\n", nil}, {7, "e\n", nil}},
		dialog(block{line: 1, text: "$ a b\none\n  two\n$ c \\\n> d\n$ e\n"}))
	require.Regexp(t, "^"+output("a ... b\n...\nz\n")+"$", "a 1 2 b\nmore\nlines\nz")
	require.NotRegexp(t, "^"+output("a ... b")+"$", "a 1\n2 b")
	require.Equal(t, "a: b", output("a: b, took 1.5µs\n"))
	require.Equal(t, "go run ./x", bare("go run ./x    # what it does\n"))
}
