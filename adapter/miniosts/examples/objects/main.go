// Objects writes and reads objects through minio-go with the credentials of a
// role, which stschain refreshes in the background.
//
// Without flags STS and the bucket are fakes in this process, which verify signatures, and
// sessions are valid for seconds. One of them is revoked; no request fails.
//
//	go run ./examples/objects
//
// With flags it calls a server with the APIs of STS and S3 at one address, such as
// MinIO. The base credentials come from the default chain of the AWS SDKs.
//
//	export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=...
//	go run ./examples/objects -endpoint http://127.0.0.1:9000 -bucket example
//
// The last line and the exit code say whether all requests worked.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/miniosts"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/stsquery"
)

// setting is the difference between the demonstration and a real server.
type setting struct {
	sts            stsquery.Client
	roleARN        string
	host           string
	secure         bool
	region         string
	bucket         string
	makeBucket     bool
	transport      http.RoundTripper // nil: the network
	revoke         func(accessKeyID string) bool
	advisoryWindow time.Duration
	duration       time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var s setting
	var endpoint string
	flag.StringVar(&endpoint, "endpoint", "", "the `URL` of a server with the APIs of STS and S3")
	flag.StringVar(&s.region, "region", "us-east-1", "the `region` of the server")
	flag.StringVar(&s.roleARN, "role-arn", "", "the `ARN` of the role to assume; MinIO has no roles")
	flag.StringVar(&s.bucket, "bucket", "", "the `name` of the bucket to work in; it is created if it does not exist")
	flag.DurationVar(&s.duration, "for", 6*time.Second, "how long to go on")
	flag.Parse()

	u, err := url.Parse(endpoint)
	switch {
	case endpoint == "" && s.bucket == "" && s.roleARN == "":
		fmt.Println("no flags: a fake STS and a fake bucket, in this process")
		defer demonstration(&s)()
	case err != nil, u.Host == "", s.bucket == "":
		fmt.Println("FAILED: -bucket and -endpoint are required, such as -endpoint http://127.0.0.1:9000")
		os.Exit(2)
	default:
		s.sts = stsquery.Client{Credentials: &source.Default{Region: s.region}, Region: s.region, Endpoint: endpoint}
		s.host, s.secure, s.makeBucket = u.Host, u.Scheme == "https", true
	}
	if err := run(ctx, &s); err != nil {
		fmt.Println("FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("ok: all requests worked")
}

// run is the part that a real program needs: create the clients, then use them.
func run(ctx context.Context, s *setting) error {
	cache := &stschain.Cache{
		Provider:       &assumerole.Provider{Client: &s.sts, RoleARN: s.roleARN},
		AdvisoryWindow: s.advisoryWindow, // usually omitted
		OnEvent:        stschain.LogEvents(slog.Default()),
	}
	// minio-go waits for the first credentials under a lock; this bounds the wait by ctx.
	first, err := cache.Retrieve(ctx)
	if err != nil {
		return err
	}
	if s.revoke != nil {
		time.AfterFunc(2*time.Second, func() { s.revoke(first.AccessKeyID) })
	}
	provider := &miniosts.CredentialsProvider{Credentials: cache}
	client, err := minio.New(s.host, &minio.Options{
		Creds:     credentials.New(provider),
		Secure:    s.secure,
		Region:    s.region,
		Transport: provider.RetryRejected(s.transport),
	})
	if err != nil {
		return err
	}

	if s.makeBucket {
		exists, err := client.BucketExists(ctx, s.bucket)
		if err == nil && !exists {
			err = client.MakeBucket(ctx, s.bucket, minio.MakeBucketOptions{})
		}
		if err != nil {
			return err
		}
	}

	end := time.Now().Add(s.duration)
	objects := 0
	for ; time.Now().Before(end) && ctx.Err() == nil; objects++ {
		if err := writeAndRead(context.WithoutCancel(ctx), client, s.bucket); err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	fmt.Printf("%d objects written and read, %d calls to STS\n", objects, cache.Status().Attempts)
	return nil
}

func writeAndRead(ctx context.Context, client *minio.Client, bucket string) error {
	const key = "stschain-example"
	body := []byte(time.Now().String())
	_, err := client.PutObject(ctx, bucket, key, bytes.NewReader(body), int64(len(body)), minio.PutObjectOptions{})
	if err != nil {
		return err
	}
	object, err := client.GetObject(ctx, bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return err
	}
	defer object.Close()
	got, err := io.ReadAll(object)
	if err == nil && !bytes.Equal(got, body) {
		err = fmt.Errorf("%s is %q, and %q was written", key, got, body)
	}
	return err
}
