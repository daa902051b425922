package servers_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
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
	"github.com/stschain-go/stschain/e2e/realserver"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/stsquery"
)

// TestMinIO assumes a role and works with objects while the credentials are
// replaced twice. MinIO gives them for 15 minutes at least, so the cache's clock
// runs ahead of the real one, and what comes in is dated by it.
func TestMinIO(t *testing.T) {
	endpoint := realserver.MinIO(t).URL
	root := stschain.Static(user, password, "")
	admin := &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: region, Credentials: root}}
	do(t, admin, http.MethodPut, endpoint+"/bucket", "")

	role := &assumerole.Provider{
		Client:   &stsquery.Client{Credentials: root, Region: region, Endpoint: endpoint},
		Duration: 15 * time.Minute,
	}
	clk, cache, refreshed := aheadOf(role)
	client := &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: region, Credentials: cache}}

	keys := []string{"plain", "with space", "ünï/cödé 世界", "percent%2Fslash", "plus+and&equals=", "~tilde!(*)'"}
	used := map[string]bool{}
	for generation := range 3 {
		for i, key := range keys {
			object := endpoint + "/bucket/" + url.PathEscape(fmt.Sprintf("%d/%s", generation, key))
			body := fmt.Sprintf("body %d of generation %d", i, generation)
			do(t, client, http.MethodPut, object, body)
			require.Equal(t, body, do(t, client, http.MethodGet, object, ""))
		}
		used[cache.Status().AccessKeyID] = true
		require.Equal(t, "refreshed <nil>", <-refreshed)
		if generation == 2 {
			break
		}
		clk.Add(11 * time.Minute) // into the advisory window of five minutes
		require.Equal(t, stschain.Advisory, cache.Status().Phase)
		// Served with the old credentials while new ones are fetched.
		do(t, client, http.MethodGet, endpoint+"/bucket/"+url.PathEscape("0/plain"), "")
		require.Eventually(t, func() bool { return cache.Status().Phase == stschain.Fresh }, 10*time.Second, 10*time.Millisecond)
	}
	require.Len(t, used, 3, "two refreshes brought new credentials")
	require.EqualValues(t, 3, cache.Status().Attempts)
	require.EqualValues(t, 1, cache.Status().Waits)

	var list struct {
		Contents []struct{ Key string }
	}
	require.NoError(t, xml.Unmarshal([]byte(do(t, client, http.MethodGet, endpoint+"/bucket?list-type=2&prefix=1%2F", "")), &list))
	var got []string
	for _, object := range list.Contents {
		got = append(got, strings.TrimPrefix(object.Key, "1/"))
	}
	require.ElementsMatch(t, keys, got)
}

// aheadOf is a cache on a clock of its own. What role brings is dated by that
// clock, which starts at the real time. The channel receives the result of each attempt.
func aheadOf(role stschain.Provider) (*clock.Mock, *stschain.Cache, <-chan string) {
	clk := clock.NewMock()
	clk.Set(time.Now())
	refreshed := make(chan string, 16)
	return clk, &stschain.Cache{
		Clock: clk,
		Provider: stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
			creds, err := role.Retrieve(ctx)
			creds.Expires = creds.Expires.Add(time.Until(clk.Now()))
			return creds, err
		}),
		OnEvent: func(e stschain.Event) {
			if e.Kind != stschain.RefreshStarted {
				refreshed <- fmt.Sprintf("%v %v", e.Kind, e.Err)
			}
		},
	}, refreshed
}

// TestMinIOLoad makes ten thousand requests over two refreshes, sixteen at a time:
// none fails, only those that come first wait for credentials, and each refresh is
// one call of STS.
func TestMinIOLoad(t *testing.T) {
	const requests, atOnce = 10_000, 16
	endpoint := realserver.MinIO(t).URL
	root := stschain.Static(user, password, "")
	object := endpoint + "/bucket/object"
	admin := &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: region, Credentials: root}}
	do(t, admin, http.MethodPut, endpoint+"/bucket", "")
	do(t, admin, http.MethodPut, object, "hello")

	clk, cache, refreshed := aheadOf(&assumerole.Provider{
		Client:   &stsquery.Client{Credentials: root, Region: region, Endpoint: endpoint},
		Duration: 15 * time.Minute,
	})
	base := &http.Transport{MaxIdleConnsPerHost: atOnce}
	defer base.CloseIdleConnections()
	client := &http.Client{
		Transport: &sigv4.Transport{Service: "s3", Region: region, Credentials: cache, Base: base},
		Timeout:   30 * time.Second,
	}
	get := func() error {
		resp, err := client.Get(object)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err == nil && (resp.StatusCode != http.StatusOK || string(body) != "hello") {
			err = fmt.Errorf("%s: %s", resp.Status, body)
		}
		return err
	}

	var made, failed atomic.Int64
	var callers sync.WaitGroup
	for range atOnce {
		callers.Go(func() {
			for {
				switch n := made.Add(1); {
				case n > requests:
					return
				case n == requests/3, n == requests*2/3:
					clk.Add(11 * time.Minute) // into the advisory window of five minutes
				}
				if err := get(); err != nil && failed.Add(1) <= 3 {
					t.Error(err)
				}
			}
		})
	}
	callers.Wait()
	require.Zero(t, failed.Load())
	for range 3 {
		require.Equal(t, "refreshed <nil>", <-refreshed)
	}
	require.Empty(t, refreshed)
	require.EqualValues(t, 3, cache.Status().Attempts)
	require.LessOrEqual(t, cache.Status().Waits, uint64(atOnce))
	require.Equal(t, stschain.Fresh, cache.Status().Phase)
}

// A wrong key gets a typed error that says what to do.
func TestMinIORefuses(t *testing.T) {
	endpoint := realserver.MinIO(t).URL
	role := &assumerole.Provider{Client: &stsquery.Client{
		Credentials: stschain.Static(user, "wrong-password", ""), Region: region, Endpoint: endpoint,
	}}
	_, err := role.Retrieve(t.Context())
	var refused *stsquery.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusForbidden, refused.StatusCode)
	require.NotEmpty(t, refused.Code)
	require.NotContains(t, err.Error(), "wrong-password")
}

// A file is sent from where it lies, without being read into memory.
func TestMinIOFile(t *testing.T) {
	endpoint := realserver.MinIO(t).URL
	client := &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: region, Credentials: stschain.Static(user, password, "")}}
	do(t, client, http.MethodPut, endpoint+"/bucket", "")
	path := filepath.Join(t.TempDir(), "file")
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<20) // 16 MiB, more than a body is spooled
	require.NoError(t, os.WriteFile(path, content, 0o600))
	file, err := os.Open(path)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, endpoint+"/bucket/file", file)
	require.NoError(t, err)
	req.ContentLength = int64(len(content))
	resp, err := client.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, string(content), do(t, client, http.MethodGet, endpoint+"/bucket/file", ""))
}

// The quickstart runs against it as README says.
func TestMinIOQuickstart(t *testing.T) {
	endpoint := realserver.MinIO(t).URL
	binary := filepath.Join(t.TempDir(), "quickstart")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./examples/quickstart")
	build.Dir = "../.."
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	for _, secret := range []string{password, "wrong-password"} {
		cmd := exec.CommandContext(t.Context(), binary, "-endpoint", endpoint, "-service", "s3", "-call", endpoint+"/", "-for", "2s")
		cmd.Env = []string{"HOME=" + t.TempDir(), "AWS_ACCESS_KEY_ID=" + user, "AWS_SECRET_ACCESS_KEY=" + secret}
		out, err := cmd.CombinedOutput()
		t.Log(string(out))
		require.NotContains(t, string(out), secret)
		if secret == password {
			require.NoError(t, err)
			require.Contains(t, string(out), "\nok: all requests worked\n")
		} else {
			require.Error(t, err)
			require.Contains(t, string(out), "\nFAILED: not all requests worked\n")
		}
	}
}
