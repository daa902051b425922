// Objects is a program that works with objects through minio-go, on credentials that
// stschain fetches and keeps fresh: it assumes a role, hands it to a client, and goes
// on writing and reading while the credentials are replaced.
//
// Without flags it needs nothing: STS and the bucket are fake ones in the same
// process, which verify what they are sent, and sessions live for seconds. One of
// them is revoked; no request fails.
//
//	go run ./examples/objects
//
// With flags it talks to a server with the APIs of STS and S3 at one address, such as
// MinIO. The credentials to start from are found where the AWS SDKs find theirs.
//
//	export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=...
//	go run ./examples/objects -endpoint http://127.0.0.1:9000 -bucket example
//
// The last line and the exit code say whether all requests worked.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/miniosts"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/stsquery"
)

// setting is what differs between the demonstration and a real server.
type setting struct {
	sts            stsquery.Client
	roleARN        string
	host           string
	secure         bool
	region         string
	bucket         string
	makeBucket     bool
	transport      http.RoundTripper // nil: the network
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
	flag.StringVar(&s.roleARN, "role-arn", "", "the role to assume, an `ARN`; MinIO knows none")
	flag.StringVar(&s.bucket, "bucket", "", "the `name` of the bucket to work in; it is made if it is missing")
	flag.DurationVar(&s.duration, "for", 6*time.Second, "how long to go on")
	flag.Parse()

	u, err := url.Parse(endpoint)
	switch {
	case endpoint == "" && s.bucket == "" && s.roleARN == "":
		fmt.Println("no flags: a fake STS and a fake bucket, in this process")
		defer demonstration(&s)()
	case err != nil, u.Host == "", s.bucket == "":
		fmt.Println("FAILED: -bucket is needed, and -endpoint, as http://127.0.0.1:9000")
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

// run is the program that a user would write: compose, then call.
func run(ctx context.Context, s *setting) error {
	cache := &stschain.Cache{
		Provider:       &assumerole.Provider{Client: &s.sts, RoleARN: s.roleARN},
		AdvisoryWindow: s.advisoryWindow, // leave it out: by the lifetime
		OnEvent:        report(time.Now()),
	}
	// minio-go waits for the first credentials under a lock: here ctx bounds that.
	if _, err := cache.Retrieve(ctx); err != nil {
		return err
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

	ctx, cancel := context.WithTimeout(ctx, s.duration)
	defer cancel()
	var worked, failed atomic.Int64
	var callers sync.WaitGroup
	for caller := range 4 {
		callers.Go(func() {
			key := fmt.Sprintf("stschain-example/%d", caller)
			for ctx.Err() == nil {
				// What has begun is finished, so it does not end with ctx.
				if err := writeAndRead(context.WithoutCancel(ctx), client, s.bucket, key); err != nil {
					failed.Add(1)
					fmt.Println("a request FAILED:", err)
				} else {
					worked.Add(1)
				}
				select {
				case <-time.After(20 * time.Millisecond):
				case <-ctx.Done():
				}
			}
		})
	}
	callers.Wait()

	status := cache.Status()
	fmt.Printf("%d objects written and read, %d failed; STS was asked %d times, and %d callers waited for that\n",
		worked.Load(), failed.Load(), status.Attempts, status.Waits)
	if failed.Load() > 0 || worked.Load() == 0 {
		return errors.New("not all requests worked")
	}
	return nil
}

func writeAndRead(ctx context.Context, client *minio.Client, bucket, key string) error {
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
		err = fmt.Errorf("%s holds %q, and %q was written", key, got, body)
	}
	return err
}

// report says what the cache does.
func report(start time.Time) func(stschain.Event) {
	return func(e stschain.Event) {
		at := e.Time.Sub(start).Seconds()
		switch {
		case e.Err != nil:
			fmt.Printf("%5.1fs  %v: %v\n", at, e.Kind, e.Err)
		case e.Kind == stschain.Refreshed:
			fmt.Printf("%5.1fs  %v: %s, until %.1fs\n", at, e.Kind, e.Origin, e.Expires.Sub(start).Seconds())
		case e.Kind == stschain.Invalidated:
			fmt.Printf("%5.1fs  %v: the bucket rejected the session\n", at, e.Kind)
		}
	}
}
