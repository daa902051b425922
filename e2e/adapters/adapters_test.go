// Package adapters_test uses the adapters with a real server, and compiles them on their own.
package adapters_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/e2e/leak"
	"github.com/stschain-go/stschain/e2e/realserver"
	"github.com/stschain-go/stschain/stsquery"
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

// testRefreshes writes and reads objects of MinIO with a client of connect, while the credentials are refreshed
// twice: no request fails, STS is called once a lifetime, and callers wait only for the first credentials. MinIO gives
// credentials for at least 15 minutes, so the cache's clock runs ahead of the real one, and Expires follows it.
func testRefreshes(t *testing.T, connect func(endpoint string, cache *stschain.Cache) (putAndGet func(ctx context.Context, key string) error)) {
	t.Helper()
	const callers, generations = 8, 3
	endpoint := realserver.MinIO(t).URL
	var calls counted
	role := &assumerole.Provider{
		Client: &stsquery.Client{
			Credentials: stschain.Static(realserver.User, realserver.Password, ""), Region: region, Endpoint: endpoint,
			HTTPClient: &http.Client{Transport: &calls, Timeout: 10 * time.Second},
		},
		Duration: 15 * time.Minute,
	}
	clk := clock.NewMock()
	clk.Set(time.Now())
	refreshed := make(chan error, 16)
	cache := &stschain.Cache{
		Clock: clk,
		Provider: stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
			creds, err := role.Retrieve(ctx)
			creds.Expires = creds.Expires.Add(time.Until(clk.Now()))
			return creds, err
		}),
		OnEvent: func(e stschain.Event) {
			if e.Kind != stschain.RefreshStarted {
				refreshed <- e.Err
			}
		},
	}
	putAndGet := connect(endpoint, cache)
	require.NoError(t, <-refreshed)

	used := map[string]bool{cache.Status().AccessKeyID: true}
	var requests atomic.Int64
	var running sync.WaitGroup
	defer running.Wait()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for caller := range callers {
		running.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				requests.Add(2)
				if err := putAndGet(context.WithoutCancel(ctx), fmt.Sprintf("%d/%d", caller, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work := func() {
		enough := requests.Load() + 200
		require.Eventually(t, func() bool { return requests.Load() >= enough }, time.Minute, 10*time.Millisecond)
	}
	for range generations - 1 {
		work()
		clk.Add(11 * time.Minute) // into the advisory window of five minutes
		require.NoError(t, <-refreshed)
		used[cache.Status().AccessKeyID] = true
	}
	work()
	stop()
	running.Wait()
	require.Len(t, used, generations)
	require.EqualValues(t, generations, calls.Load(), "calls to STS")
	require.EqualValues(t, generations, cache.Status().Attempts)
	require.EqualValues(t, 1, cache.Status().Waits, "for the first credentials")
}

// counted counts the requests to STS.
type counted struct{ atomic.Int64 }

func (c *counted) RoundTrip(req *http.Request) (*http.Response, error) {
	c.Add(1)
	return http.DefaultTransport.RoundTrip(req)
}

// testExample builds the example of an adapter, and runs it with its own fakes and with MinIO.
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

// runExample runs an example in an empty environment, and checks its last line.
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
