// Package examples_test runs the examples as a newcomer would.
package examples_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// incomplete are arguments that lack something. An example that showed its fakes all
// anyway, and reported success, would look as if it had worked
// on the real thing.
var incomplete = map[string][]string{
	"eks":        {"-role-arn", "arn:aws:iam::123456789012:role/deploy"},
	"executeapi": {"-url", "https://api.example/orders"},
	"fanout":     {"-role", "audit"},
	"opensearch": {"-service", "aoss"},
	"s3":         {"-endpoint", "http://127.0.0.1:9000"},
	"startup":    {"-region", "eu-west-1"},
	"vault":      {"-role", "backup"},
}

// Each example runs without arguments and ends with a line of success, in seconds.
// Quickstart takes longer; .ci/run has it.
func TestExamples(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command to run the examples with")
	}
	binaries := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-w", "-o", binaries+string(filepath.Separator), "./...").CombinedOutput()
	require.NoError(t, err, string(out))
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	ran := 0
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(e.Name(), "main.go")); err != nil || e.Name() == "quickstart" {
			continue // fakeclock is a test by itself
		}
		ran++
		t.Run(e.Name(), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			run := func(args ...string) ([]byte, error) {
				example := exec.CommandContext(ctx, filepath.Join(binaries, e.Name()), args...)
				example.Env = []string{"HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir()}
				return example.CombinedOutput()
			}
			out, err := run()
			require.NoError(t, err, string(out))
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			require.True(t, strings.HasPrefix(lines[len(lines)-1], "ok: "), string(out))

			if args := incomplete[e.Name()]; args != nil {
				out, err := run(args...)
				require.Error(t, err, string(out))
				require.Contains(t, string(out), "needed")
			}
		})
	}
	require.GreaterOrEqual(t, ran, 14)
}
