// S3 writes and reads objects through the AWS SDK for Go v2 with the credentials of a
// role, which stschain refreshes in the background.
//
// Without flags STS and the bucket are fakes in this process, which verify signatures,
// and sessions are valid for seconds. One of them is revoked; no request fails.
//
//	go run ./examples/s3
//
// With flags it calls AWS, or a server with both APIs at one address, such as
// MinIO. The base credentials come from the default chain of the AWS SDKs.
//
//	export AWS_PROFILE=dev
//	go run ./examples/s3 -region eu-west-1 -role-arn arn:aws:iam::123456789012:role/demo -bucket my-bucket
//	go run ./examples/s3 -endpoint http://127.0.0.1:9000 -bucket example
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
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/awssdk"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/stsquery"
)

// setting is the difference between the demonstration and a real server.
type setting struct {
	sts            stsquery.Client
	roleARN        string
	bucket         string
	advisoryWindow time.Duration
	duration       time.Duration
	s3             func(*s3.Options)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var endpoint, region string
	s := setting{bucket: "bucket", s3: func(*s3.Options) {}}
	flag.StringVar(&endpoint, "endpoint", "", "the `URL` of a server with the APIs of STS and S3, instead of AWS")
	flag.StringVar(&region, "region", "us-east-1", "the `region` of STS and of the bucket")
	flag.StringVar(&s.roleARN, "role-arn", "", "the `ARN` of the role to assume; MinIO has no roles")
	flag.StringVar(&s.bucket, "bucket", "", "the `name` of the bucket to work in; it is created if -endpoint is given")
	flag.DurationVar(&s.duration, "for", 6*time.Second, "how long to go on")
	flag.Parse()

	switch {
	case endpoint == "" && s.bucket == "" && s.roleARN == "":
		fmt.Println("no flags: a fake STS and a fake bucket, in this process")
		defer demonstration(&s)()
	case s.bucket == "", endpoint == "" && s.roleARN == "":
		fmt.Println("FAILED: -bucket and one of -role-arn and -endpoint are required")
		os.Exit(2)
	default:
		s.sts = stsquery.Client{Credentials: &source.Default{Region: region}, Region: region, Endpoint: endpoint}
		s.s3 = func(o *s3.Options) {
			o.Region = region
			if endpoint != "" {
				o.BaseEndpoint, o.UsePathStyle = aws.String(endpoint), true
			}
		}
	}
	if err := run(ctx, &s, endpoint != ""); err != nil {
		fmt.Println("FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("ok: all requests worked")
}

// run is the part that a real program needs: create the clients, then use them.
func run(ctx context.Context, s *setting, makeBucket bool) error {
	cache := &stschain.Cache{
		Provider:       &assumerole.Provider{Client: &s.sts, RoleARN: s.roleARN},
		AdvisoryWindow: s.advisoryWindow, // usually omitted
		OnEvent:        report(time.Now()),
	}
	provider := &awssdk.CredentialsProvider{Credentials: cache}
	cfg, err := config.LoadDefaultConfig(ctx, config.WithCredentialsProvider(provider))
	if err != nil {
		return err
	}
	cfg.APIOptions = append(cfg.APIOptions, provider.RetryRejected)
	client := s3.NewFromConfig(cfg, s.s3)

	if makeBucket {
		_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &s.bucket})
		var exists *types.BucketAlreadyOwnedByYou
		if err != nil && !errors.As(err, &exists) {
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
				// A request in flight is finished, so it does not end with ctx.
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
	fmt.Printf("%d objects written and read, %d failed; %d calls to STS, for which %d callers waited\n",
		worked.Load(), failed.Load(), status.Attempts, status.Waits)
	if failed.Load() > 0 || worked.Load() == 0 {
		return errors.New("not all requests worked")
	}
	return nil
}

func writeAndRead(ctx context.Context, client *s3.Client, bucket, key string) error {
	body := []byte(time.Now().String())
	if _, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body)}); err != nil {
		return err
	}
	object, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return err
	}
	defer object.Body.Close()
	got, err := io.ReadAll(object.Body)
	if err == nil && !bytes.Equal(got, body) {
		err = fmt.Errorf("%s is %q, and %q was written", key, got, body)
	}
	return err
}

// report prints the events of the cache.
func report(start time.Time) func(stschain.Event) {
	return func(e stschain.Event) {
		at := e.Time.Sub(start).Seconds()
		switch {
		case e.Err != nil:
			fmt.Printf("%5.1fs  %v: %v\n", at, e.Kind, e.Err)
		case e.Kind == stschain.Refreshed:
			fmt.Printf("%5.1fs  %v: %s, until %.1fs\n", at, e.Kind, e.Origin, e.Expires.Sub(start).Seconds())
		case e.Kind == stschain.Invalidated:
			fmt.Printf("%5.1fs  %v: S3 rejected the session\n", at, e.Kind)
		}
	}
}
