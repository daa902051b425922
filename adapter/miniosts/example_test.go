package miniosts_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/stschain-go/stschain/adapter/miniosts"
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

// A minio-go client that works with an assumed role.
func ExampleCredentialsProvider() {
	role := &assumerole.Provider{
		Client: &stsquery.Client{
			Credentials: fake.User(), // any stschain.Provider: &source.Default{}, a Chain, another role
			Region:      "eu-west-1",
			HTTPClient:  fake.Client(), // leave it out to call AWS; set Endpoint to call another server
		},
		RoleARN:     "arn:aws:iam::123456789012:role/backup",
		SessionName: "nightly",
	}
	provider := &miniosts.CredentialsProvider{Credentials: role}
	client, err := minio.New("s3.example", &minio.Options{
		Creds:     credentials.New(provider),
		Region:    "eu-west-1",
		Secure:    true,
		Transport: provider.RetryRejected(bucket), // nil instead of bucket, to call a server
	})
	if err != nil {
		log.Fatal(err)
	}
	exists, err := client.BucketExists(context.Background(), "bucket")
	fmt.Println(exists, err)
	// Output:
	// HEAD /bucket/ by arn:aws:sts::123456789012:assumed-role/backup/nightly
	// true <nil>
}

// Credentials of minio-go are the base of a role.
func ExampleProvider() {
	user := fake.User().Credentials
	role := &assumerole.Provider{
		Client: &stsquery.Client{
			Credentials: &miniosts.Provider{ // credentials.NewIAM(""), for what minio-go finds
				Provider: credentials.NewStaticV4(user.AccessKeyID, user.SecretAccessKey.Reveal(), ""),
			},
			Region:     "eu-west-1",
			HTTPClient: fake.Client(),
		},
		RoleARN:     "arn:aws:iam::123456789012:role/backup",
		SessionName: "nightly",
	}
	session, err := role.AssumeRole(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.AssumedRoleUser.ARN)
	// Output: arn:aws:sts::123456789012:assumed-role/backup/nightly
}
