package awssdk_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/benbjohnson/clock"
	"go.uber.org/goleak"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
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
	goleak.VerifyTestMain(m)
}

// world is an STS and a bucket in process, and a cache over a role there. The
// cache's clock can run ahead; STS, the bucket and the SDK go by the real one.
type world struct {
	sts   *ststest.Server
	role  *assumerole.Provider
	clock *clock.Mock
	cache *stschain.Cache

	sent atomic.Int64 // requests to the bucket
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

// options are those of an S3 client that talks to the bucket.
func (w *world) options(o *s3.Options) {
	o.Region = region
	o.BaseEndpoint = aws.String("http://s3.example")
	o.UsePathStyle = true
	protected := w.sts.Protect("s3", region, w)
	o.HTTPClient = &http.Client{Transport: ststest.InProcess(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w.sent.Add(1)
		protected.ServeHTTP(out, r)
	}))}
	o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
	})
}

func (w *world) put(ctx context.Context, client *s3.Client) error {
	_, err := client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String("bucket"), Key: aws.String("key"), Body: strings.NewReader("body"),
	})
	return err
}

// last is what the last accepted request was signed with.
func (w *world) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.used[len(w.used)-1]
}

var errTest = errors.New("down for maintenance")
