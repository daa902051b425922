package grants_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/grants"
	"github.com/stschain-go/stschain/grants/s3express"
	"github.com/stschain-go/stschain/ststest"
)

// Why a session was not created.
func ExampleError() {
	srv := ststest.New() // in a test: ststest.NewTest(t)
	buckets := srv.DirectoryBuckets(ststest.DirectoryBuckets{Names: []string{"logs--usw2-az1--x-s3"}})
	session := &s3express.Provider{
		Credentials: srv.User(),
		Bucket:      "log--usw2-az1--x-s3",
		Region:      "us-west-2",
		HTTPClient:  &http.Client{Transport: ststest.InProcess(buckets)},
	}
	_, err := session.Retrieve(context.Background())
	if refusal, ok := errors.AsType[*grants.Error](err); ok {
		fmt.Println(refusal.StatusCode, refusal.Code)
		fmt.Println(errors.Is(err, stschain.ErrPermanent))
	}
	// Output:
	// 404 NoSuchBucket
	// true
}

func TestError(t *testing.T) {
	for want, e := range map[string]*grants.Error{
		"CreateSession at h: 404 Not Found: NoSuchBucket: no (request r); check the name, the zone and the region of the directory bucket": {StatusCode: 404, Code: "NoSuchBucket", Message: "no", RequestID: "r"},
		"CreateSession at h: no response: EOF":                         {Err: fmt.Errorf("no response: %w", io.EOF)},
		"CreateSession at h: 599: malformed":                           {StatusCode: 599, Err: errors.New("malformed")},
		"CreateSession at h: 500 Internal Server Error: InternalError": {StatusCode: 500, Code: "InternalError"},
	} {
		e.Operation, e.Host = "CreateSession", "h"
		require.EqualError(t, e, want)
		require.Equal(t, e.Err, errors.Unwrap(e))
	}
	for code, want := range map[string]error{
		"AccessDenied": stschain.ErrPermanent, "NoSuchBucket": stschain.ErrPermanent, "AccessGrantsInstanceNotExistsError": stschain.ErrPermanent,
		"SlowDown": stschain.ErrThrottled, "Throttling": stschain.ErrThrottled, "ExpiredToken": nil, "InternalError": nil, "": nil,
	} {
		e := &grants.Error{StatusCode: 400, Code: code}
		require.Equal(t, want == stschain.ErrPermanent, errors.Is(e, stschain.ErrPermanent), code)
		require.Equal(t, want == stschain.ErrThrottled, errors.Is(e, stschain.ErrThrottled), code)
	}
	require.ErrorIs(t, &grants.Error{StatusCode: 429}, stschain.ErrThrottled)
}
