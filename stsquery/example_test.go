package stsquery_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// fake stands in for AWS, so that the examples run anywhere.
var fake = ststest.New()

func ExampleClient() {
	sts := &stsquery.Client{
		Credentials: fake.User(), // any stschain.Provider
		Region:      "eu-west-1",
		HTTPClient:  fake.Client(), // leave it out to call AWS
	}
	who, err := sts.GetCallerIdentity(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(who.ARN)
	// Output: arn:aws:iam::123456789012:user/alice
}

// A server of one's own, such as MinIO.
func ExampleClient_endpoint() {
	sts := &stsquery.Client{
		Credentials: fake.User(),
		Region:      "us-east-1",
		Endpoint:    fake.URL(), // "https://minio.example.com:9000"
	}
	out, err := sts.AssumeRole(context.Background(), stsquery.AssumeRoleInput{
		RoleARN:         "arn:aws:iam::123456789012:role/backup",
		RoleSessionName: "nightly",
		Duration:        15 * time.Minute,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(out.AssumedRoleUser.ARN, out.Credentials.SecretAccessKey)
	// Output: arn:aws:sts::123456789012:assumed-role/backup/nightly [redacted]
}

// The STS of the first region is down, and that of the second returns the credentials.
func ExampleClient_fallbackRegions() {
	sts := &stsquery.Client{
		Credentials:     fake.User(),
		Region:          "eu-west-1",
		FallbackRegions: []string{"eu-central-1"},
		HTTPClient:      fake.Client(),
	}
	fake.FailNext(ststest.Refuse(http.StatusServiceUnavailable, "ServiceUnavailable", ""))
	ctx := stschain.WithTrace(context.Background(), &stschain.Trace{End: func(_ context.Context, s stschain.Step) {
		if s.Kind == stschain.StepRequest {
			fmt.Println(s.Name, "failed:", s.Err != nil)
		}
	}})
	who, err := sts.GetCallerIdentity(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(who.ARN)
	// Output:
	// GetCallerIdentity sts.eu-west-1.amazonaws.com failed: true
	// GetCallerIdentity sts.eu-central-1.amazonaws.com failed: false
	// arn:aws:iam::123456789012:user/alice
}

// The fields of an error.
func ExampleError() {
	sts := &stsquery.Client{Credentials: fake.User(), Region: "eu-west-1", HTTPClient: fake.Client()}
	fake.FailNext(ststest.Refuse(http.StatusForbidden, "AccessDenied", "User: alice is not authorized"))
	_, err := sts.AssumeRole(context.Background(), stsquery.AssumeRoleInput{
		RoleARN: "arn:aws:iam::123456789012:role/admin", RoleSessionName: "nightly",
	})
	var e *stsquery.Error
	if errors.As(err, &e) {
		fmt.Println(e.StatusCode, e.Code, e.Endpoint, e.Attempts)
	}
	fmt.Println("a retry helps:", !errors.Is(err, stschain.ErrPermanent))
	// Output:
	// 403 AccessDenied sts.eu-west-1.amazonaws.com 1
	// a retry helps: false
}

// A proof of identity for one cluster: the server that gets the URL learns from STS who
// made it, and it is of no use for another cluster.
func ExampleClient_Presign() {
	sts := &stsquery.Client{Credentials: fake.User(), Region: "eu-west-1"}
	proof, err := sts.Presign(context.Background(), stsquery.PresignInput{
		Input:    stsquery.GetCallerIdentityInput{},
		Header:   http.Header{"X-K8s-Aws-Id": {"my-cluster"}},
		Duration: time.Minute,
	})
	if err != nil {
		log.Fatal(err)
	}
	u, _ := url.Parse(proof.URL.Reveal())
	fmt.Println(u.Host, u.Query().Get("Action"), u.Query().Get("X-Amz-SignedHeaders"))
	fmt.Println(proof.URL)
	// Output:
	// sts.eu-west-1.amazonaws.com GetCallerIdentity host;x-k8s-aws-id
	// [redacted]
}
