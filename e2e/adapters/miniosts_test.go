package adapters_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
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
	"github.com/stschain-go/stschain/e2e/realserver"
	"github.com/stschain-go/stschain/stsquery"
)

// TestMinIOGo works with objects while the credentials are replaced twice: no request
// fails, STS is called once a lifetime, and nobody waits for it after the first call.
// MinIO gives credentials for 15 minutes at least, so the cache's clock runs ahead
// of the real one, and what comes in is dated by it.
func TestMinIOGo(t *testing.T) {
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
	provider := &miniosts.CredentialsProvider{Credentials: cache}
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
				if err := minioPutAndGet(context.WithoutCancel(ctx), client, fmt.Sprintf("%d/%d", caller, i)); err != nil {
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
	require.EqualValues(t, generations, cache.Status().Attempts)
	require.EqualValues(t, 1, cache.Status().Waits, "nobody waited but the first")
	t.Logf("%d requests by %d callers, none failed; %d lifetimes, %d calls of STS, %d wait",
		requests.Load(), callers, len(used), sts.Load(), cache.Status().Waits)
}

func minioPutAndGet(ctx context.Context, client *minio.Client, key string) error {
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

// The example runs against a real server as its comment says, and without one.
func TestMinIOGoExample(t *testing.T) { testExample(t, "miniosts", "./examples/objects") }
