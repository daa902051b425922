// Package adapters_test works with objects of a real server through the adapters.
package adapters_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/e2e/leak"
	"github.com/stschain-go/stschain/e2e/realserver"
)

const region = "eu-west-1"

// The SDK reads its environment and files: tests start without them.
func TestMain(m *testing.M) {
	for _, setting := range os.Environ() {
		if name, _, _ := strings.Cut(setting, "="); strings.HasPrefix(name, "AWS_") {
			os.Unsetenv(name)
		}
	}
	os.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	os.Setenv("AWS_CONFIG_FILE", os.DevNull)
	os.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	leak.Main(m)
}

// counted counts the requests that go to STS.
type counted struct{ atomic.Int64 }

func (c *counted) RoundTrip(req *http.Request) (*http.Response, error) {
	c.Add(1)
	return http.DefaultTransport.RoundTrip(req)
}

// atLeast waits until so many requests have begun.
func atLeast(t *testing.T, requests *atomic.Int64, n int64) {
	t.Helper()
	require.Eventually(t, func() bool { return requests.Load() >= n }, time.Minute, 10*time.Millisecond)
}

// testExample builds an adapter's example, and runs it with an STS of its own and with MinIO.
func testExample(t *testing.T, adapter, example string) {
	binary := filepath.Join(t.TempDir(), "example.exe")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, example)
	build.Dir = filepath.Join("..", "..", "adapter", adapter)
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))

	t.Run("alone", func(t *testing.T) { runExample(t, binary, nil) })
	t.Run("MinIO", func(t *testing.T) {
		endpoint := realserver.MinIO(t).URL
		out := runExample(t, binary, []string{"AWS_ACCESS_KEY_ID=" + realserver.User, "AWS_SECRET_ACCESS_KEY=" + realserver.Password},
			"-endpoint", endpoint, "-bucket", "example", "-for", "2s")
		require.NotContains(t, out, realserver.Password)
	})
}

// runExample runs it without our environment. It says at its end that all went well.
func runExample(t *testing.T, binary string, env []string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	example := exec.CommandContext(ctx, binary, args...)
	example.Env = append(env, "HOME="+t.TempDir(), "TMPDIR="+t.TempDir(), "AWS_EC2_METADATA_DISABLED=true")
	out, err := example.CombinedOutput()
	require.NoError(t, err, string(out))
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.True(t, strings.HasPrefix(lines[len(lines)-1], "ok: "), string(out))
	return string(out)
}
