package miniosts_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/miniosts"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/internal/realserver"
	"github.com/stschain-go/stschain/stsquery"
)

// counted counts the requests that go to STS.
type counted struct{ atomic.Int64 }

func (c *counted) RoundTrip(req *http.Request) (*http.Response, error) {
	c.Add(1)
	return http.DefaultTransport.RoundTrip(req)
}

// TestMinIO works with objects while the credentials are replaced twice: no request
// fails, STS is called once a lifetime, and nobody waits for it after the first call.
// MinIO gives credentials for 15 minutes at least, so the cache's clock runs ahead
// of the real one, and what comes in is dated by it.
func TestMinIO(t *testing.T) {
	const callers, generations = 8, 3
	endpoint := realserver.MinIO(t).URL
	var sts counted
	role := &assumerole.Provider{
		Client: &stsquery.Client{
			Credentials: stschain.Static(realserver.User, realserver.Password, ""), Region: region, Endpoint: endpoint,
			HTTPClient: &http.Client{Transport: &sts, Timeout: 10 * time.Second},
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
	provider := &miniosts.CredentialsProvider{Source: cache}
	client, err := minio.New(strings.TrimPrefix(endpoint, "http://"), &minio.Options{
		Creds:      credentials.New(provider),
		Region:     region,
		MaxRetries: 1, // a request that failed would be hidden by the next attempt
	})
	require.NoError(t, err)
	require.NoError(t, client.MakeBucket(t.Context(), "bucket", minio.MakeBucketOptions{}))
	require.NoError(t, <-refreshed)

	used := map[string]bool{cache.Status().AccessKeyID: true}
	var requests, failed atomic.Int64
	var running sync.WaitGroup
	defer running.Wait()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for caller := range callers {
		running.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				requests.Add(2)
				if err := putAndGet(context.WithoutCancel(ctx), client, fmt.Sprintf("%d/%d", caller, i)); err != nil {
					failed.Add(1)
					t.Error(err)
				}
			}
		})
	}
	for generation := 1; generation < generations; generation++ {
		atLeast(t, &requests, requests.Load()+200)
		clk.Add(11 * time.Minute) // into the advisory window of five minutes
		require.NoError(t, <-refreshed)
		used[cache.Status().AccessKeyID] = true
	}
	atLeast(t, &requests, requests.Load()+200)
	stop()
	running.Wait()

	require.Zero(t, failed.Load())
	require.Len(t, used, generations)
	require.EqualValues(t, generations, sts.Load(), "calls of STS")
	require.EqualValues(t, generations, cache.Status().Tries)
	require.EqualValues(t, 1, cache.Status().Waits, "nobody waited but the first")
	t.Logf("%d requests by %d callers, none failed; %d lifetimes, %d calls of STS, %d wait",
		requests.Load(), callers, len(used), sts.Load(), cache.Status().Waits)
}

func putAndGet(ctx context.Context, client *minio.Client, key string) error {
	if _, err := client.PutObject(ctx, "bucket", key, strings.NewReader(key), int64(len(key)), minio.PutObjectOptions{}); err != nil {
		return err
	}
	object, err := client.GetObject(ctx, "bucket", key, minio.GetObjectOptions{})
	if err != nil {
		return err
	}
	defer object.Close()
	_, err = io.Copy(io.Discard, object)
	return err
}

// atLeast waits until so many requests have begun.
func atLeast(t *testing.T, requests *atomic.Int64, n int64) {
	t.Helper()
	require.Eventually(t, func() bool { return requests.Load() >= n }, time.Minute, 10*time.Millisecond)
}

// The example runs against a real server as its comment says.
func TestMinIOExample(t *testing.T) {
	endpoint := realserver.MinIO(t).URL
	out := runExample(t, []string{"AWS_ACCESS_KEY_ID=" + realserver.User, "AWS_SECRET_ACCESS_KEY=" + realserver.Password},
		"-endpoint", endpoint, "-bucket", "example", "-for", "2s")
	require.NotContains(t, out, realserver.Password)
}

// The example needs nothing and says at its end that all went well.
func TestExample(t *testing.T) { runExample(t, nil) }

func runExample(t *testing.T, env []string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command to run the example with")
	}
	// What go run does, in two steps, so that only the second is timed.
	binary := filepath.Join(t.TempDir(), "example.exe")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./examples/objects").CombinedOutput()
	require.NoError(t, err, string(out))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	example := exec.CommandContext(ctx, binary, args...)
	example.Env = append(env, "HOME="+t.TempDir(), "TMPDIR="+t.TempDir(), "AWS_EC2_METADATA_DISABLED=true")
	out, err = example.CombinedOutput()
	require.NoError(t, err, string(out))
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.True(t, strings.HasPrefix(lines[len(lines)-1], "ok: "), string(out))
	return string(out)
}
