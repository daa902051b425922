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

// Each example needs nothing and says at its end that all went well, in seconds.
// Quickstart takes longer; .ci/run has it.
func TestExamples(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command to run the examples with")
	}
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	ran := 0
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(e.Name(), "main.go")); err != nil || e.Name() == "quickstart" {
			continue // fakeclock is a test by itself
		}
		ran++
		t.Run(e.Name(), func(t *testing.T) {
			binary := filepath.Join(t.TempDir(), "example.exe")
			out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./"+e.Name()).CombinedOutput()
			require.NoError(t, err, string(out))

			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			example := exec.CommandContext(ctx, binary)
			example.Env = []string{"HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir()}
			out, err = example.CombinedOutput()
			require.NoError(t, err, string(out))
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			require.True(t, strings.HasPrefix(lines[len(lines)-1], "ok: "), string(out))
		})
	}
	require.GreaterOrEqual(t, ran, 13)
}
