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
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The example ends with a line of success, with a server if one is installed, and with a directory.
func TestFleet(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command to build the example with")
	}
	binary := filepath.Join(t.TempDir(), "example.exe")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./fleet").CombinedOutput()
	require.NoError(t, err, string(out))
	for _, path := range []string{os.Getenv("PATH"), ""} {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		example := exec.CommandContext(ctx, binary)
		example.Env = []string{"HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir(), "PATH=" + path}
		out, err := example.CombinedOutput()
		require.NoError(t, err, string(out))
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		require.True(t, strings.HasPrefix(lines[len(lines)-1], "ok: "), string(out))
		if path == "" {
			require.Contains(t, string(out), "share a directory")
		}
	}
}
