package s3express_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"

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
