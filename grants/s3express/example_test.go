package s3express_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/grants/s3express"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/ststest"
)

// An http.Client that reads and writes a directory bucket. The buckets are a fake here, so that this runs anywhere;
// otherwise HTTPClient and Base are not needed.
func Example() {
	srv := ststest.New() // in a test: ststest.NewTest(t)
	fake := ststest.InProcess(srv.DirectoryBuckets(ststest.DirectoryBuckets{}))

	sessions := &s3express.Sessions{Credentials: srv.User(), HTTPClient: &http.Client{Transport: fake}}
	client := &http.Client{Transport: &sigv4.Transport{
		CredentialsFor: sessions.CredentialsFor,
		Scope:          sessions.Scope,
		Base:           fake,
	}}

	object := "https://logs--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com/today"
	put, err := http.NewRequest(http.MethodPut, object, strings.NewReader("all is well"))
	if err != nil {
		fmt.Println(err)
		return
	}
	written, err := client.Do(put)
	if err != nil {
		fmt.Println(err)
		return
	}
	written.Body.Close()
	read, err := client.Get(object)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer read.Body.Close()
	content, _ := io.ReadAll(read.Body)
	fmt.Println(read.Status, string(content))
	fmt.Println(srv.Count("CreateSession"), "session")
	// Output:
	// 200 OK all is well
	// 1 session
}

// The host of a bucket in a local zone, for the URLs of requests.
func ExampleBucket_Host() {
	fmt.Println(s3express.Bucket{Name: "logs--usw2-lax1-az1--x-s3", Region: "us-west-2"}.Host())
	fmt.Println(s3express.Bucket{Name: "logs--usw2-az1--x-s3", Region: "us-west-2", FIPS: true, DualStack: true}.Host())
	// Output:
	// logs--usw2-lax1-az1--x-s3.s3express-usw2-lax1-az1.us-west-2.amazonaws.com
	// logs--usw2-az1--x-s3.s3express-fips-usw2-az1.dualstack.us-west-2.amazonaws.com
}

// A session of one bucket that may only read, for a program that needs its credentials. Sessions is for clients.
func ExampleProvider() {
	srv := ststest.New()
	fake := ststest.InProcess(srv.DirectoryBuckets(ststest.DirectoryBuckets{}))
	session := stschain.Cached(&s3express.Provider{
		Credentials: srv.User(),
		Bucket:      "logs--usw2-az1--x-s3",
		Region:      "us-west-2",
		Mode:        s3express.ReadOnly,
		HTTPClient:  &http.Client{Transport: fake},
	})
	creds, err := session.Retrieve(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(time.Until(creds.Expires).Round(time.Minute), creds.SessionToken)
	// Output: 5m0s [redacted]
}
