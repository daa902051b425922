package miniosts_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const region = "eu-west-1"

var errTest = errors.New("down for maintenance")

// world is an STS and a bucket in process, and a cache over a role there. The
// cache's clock can run ahead; STS, the bucket and minio-go go by the real one.
type world struct {
	sts   *ststest.Server
	role  *assumerole.Provider
	clock *clock.Mock
	cache *stschain.Cache

	mu   sync.Mutex
	used []string // the access key IDs of the requests that the bucket accepted
}

func newWorld(t *testing.T) *world {
	w := &world{sts: ststest.NewTest(t), clock: clock.NewMock()}
	w.sts.AllowRefusals("ExpiredToken")
	w.clock.Set(time.Now())
	w.role = &assumerole.Provider{
		Client:  &stsquery.Client{Credentials: w.sts.User(), Region: region, HTTPClient: w.sts.Client()},
		RoleARN: "arn:aws:iam::123456789012:role/backup",
	}
	w.cache = &stschain.Cache{Provider: stschain.ProviderFunc(w.assume), Clock: w.clock}
	return w
}

// assume dates the session by the cache's clock.
func (w *world) assume(ctx context.Context) (stschain.Credentials, error) {
	creds, err := w.role.Retrieve(ctx)
	creds.Expires = creds.Expires.Add(time.Until(w.clock.Now()))
	return creds, err
}

func (w *world) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	caller, _ := ststest.CallerFrom(r.Context())
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used = append(w.used, caller.AccessKeyID)
	io.Copy(io.Discard, r.Body)
}

func (w *world) bucket() http.RoundTripper {
	return ststest.InProcess(w.sts.Protect("s3", region, w))
}

// client talks to the bucket.
func (w *world) client(t *testing.T, provider credentials.Provider, transport http.RoundTripper) *minio.Client {
	client, err := minio.New("s3.example", &minio.Options{
		Creds: credentials.New(provider), Secure: true, Region: region, Transport: transport,
	})
	require.NoError(t, err)
	return client
}

func put(ctx context.Context, client *minio.Client) error {
	_, err := client.PutObject(ctx, "bucket", "key", strings.NewReader("body"), 4, minio.PutObjectOptions{})
	return err
}

// last is what the last accepted request was signed with.
func (w *world) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.used[len(w.used)-1]
}
