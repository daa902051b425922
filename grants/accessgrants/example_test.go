package accessgrants_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/stschain-go/stschain/grants/accessgrants"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/ststest"
)

// An http.Client that reads objects with the grants of their prefixes. S3 is a fake here, so that this runs anywhere;
// otherwise HTTPClient and Base are not needed.
func Example() {
	srv := ststest.New() // in a test: ststest.NewTest(t)
	instance := ststest.InProcess(srv.AccessGrants(ststest.AccessGrants{
		Grants: []ststest.Grant{{Target: "s3://reports/2026/*", Permission: "READ", Grantee: srv.User().ARN}},
	}))

	grants := &accessgrants.Grants{
		Credentials: srv.User(),
		Account:     "123456789012",
		Region:      "eu-west-1",
		Target: func(bucket, key string) (string, error) { // a year
			year, _, _ := strings.Cut(key, "/")
			return "s3://" + bucket + "/" + year + "/*", nil
		},
		HTTPClient: &http.Client{Transport: instance},
	}
	client := &http.Client{Transport: &sigv4.Transport{
		CredentialsFor: grants.CredentialsFor,
		Scope:          grants.Scope,
		Base:           ststest.InProcess(srv.Protect("s3", "eu-west-1", http.HandlerFunc(showGrant))),
	}}
	resp, err := client.Get("https://reports.s3.eu-west-1.amazonaws.com/2026/november")
	if err != nil {
		fmt.Println(err)
		return
	}
	resp.Body.Close()
	fmt.Println(resp.Status, resp.Header.Get("Grant"))
	// Output:
	// 200 OK READ s3://reports/2026/*
}

func showGrant(w http.ResponseWriter, r *http.Request) {
	caller, _ := ststest.CallerFrom(r.Context())
	w.Header().Set("Grant", caller.Grant)
}

// The scope of a grant, which may be more than the target.
func ExampleProvider_GetDataAccess() {
	srv := ststest.New()
	instance := srv.AccessGrants(ststest.AccessGrants{Grants: []ststest.Grant{{Target: "s3://reports/*", Permission: "READWRITE"}}})
	november := &accessgrants.Provider{
		Credentials: srv.User(),
		Account:     "123456789012",
		Region:      "eu-west-1",
		Target:      "s3://reports/2026/november",
		Permission:  accessgrants.Read,
		HTTPClient:  &http.Client{Transport: ststest.InProcess(instance)},
	}
	access, err := november.GetDataAccess(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(access.MatchedGrantTarget, "for", access.Grantee.Identifier)
	// Output:
	// s3://reports/* for arn:aws:iam::123456789012:user/alice
}
