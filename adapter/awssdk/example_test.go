package awssdk_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/stschain-go/stschain/adapter/awssdk"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// fake stands in for AWS, so that the examples run anywhere.
var fake = ststest.New()

// bucket verifies signatures, and returns the identity of the caller.
var bucket = ststest.InProcess(fake.Protect("s3", "eu-west-1", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	caller, _ := ststest.CallerFrom(r.Context())
	fmt.Println(r.Method, r.URL.Path, "by", caller.ARN)
})))

// An S3 client of the SDK that works with an assumed role.
func ExampleCredentialsProvider() {
	ctx := context.Background()
	role := &assumerole.Provider{
		Client: &stsquery.Client{
			Credentials: fake.User(), // any stschain.Provider: &source.Default{}, a Chain, another role
			Region:      "eu-west-1",
			HTTPClient:  fake.Client(), // leave it out to call AWS
		},
		RoleARN:     "arn:aws:iam::123456789012:role/backup",
		SessionName: "nightly",
	}
	provider := &awssdk.CredentialsProvider{Credentials: role}
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion("eu-west-1"), config.WithCredentialsProvider(provider))
	if err != nil {
		log.Fatal(err)
	}
	cfg.APIOptions = append(cfg.APIOptions, provider.RetryRejected)
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.HTTPClient = &http.Client{Transport: bucket} // leave it out to call S3
	})

	_, err = client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("bucket"), Key: aws.String("key")})
	fmt.Println(err)
	// Output:
	// HEAD /key by arn:aws:sts::123456789012:assumed-role/backup/nightly
	// <nil>
}

// Credentials that the SDK found are the base of a role.
func ExampleProvider() {
	ctx := context.Background()
	user := fake.User().Credentials
	cfg, err := config.LoadDefaultConfig(ctx, config.WithCredentialsProvider( // leave it out for what the SDK finds
		credentials.NewStaticCredentialsProvider(user.AccessKeyID, user.SecretAccessKey.Reveal(), "")))
	if err != nil {
		log.Fatal(err)
	}
	role := &assumerole.Provider{
		Client: &stsquery.Client{
			Credentials: &awssdk.Provider{Provider: cfg.Credentials},
			Region:      "eu-west-1",
			HTTPClient:  fake.Client(),
		},
		RoleARN:     "arn:aws:iam::123456789012:role/backup",
		SessionName: "nightly",
	}
	session, err := role.AssumeRole(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.AssumedRoleUser.ARN)
	// Output: arn:aws:sts::123456789012:assumed-role/backup/nightly
}
