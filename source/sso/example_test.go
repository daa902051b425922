package sso_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/sso"
)

// The credentials of a role, after `aws sso login --sso-session work`. The service and the
// file are made up here, so that this runs anywhere.
func Example() {
	dir, err := os.MkdirTemp("", "sso")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	token := `{"accessToken": "made up", "expiresAt": "` + time.Now().Add(time.Hour).Format(time.RFC3339) + `"}`
	if err := os.WriteFile(filepath.Join(dir, fileOfSession), []byte(token), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	portal := roundTrip(func(r *http.Request) (*http.Response, error) {
		fmt.Println("asked:", r.URL.Host)
		return answerOf([]byte(`{"roleCredentials": {"accessKeyId": "ASIAEXAMPLE", "secretAccessKey": "s", "sessionToken": "t", "expiration": 4102444800000}}`)), nil
	})

	creds := stschain.Cached(&sso.Provider{
		Session: "work", StartURL: "https://example.awsapps.com/start", Region: "eu-west-1",
		AccountID: "123456789012", RoleName: "Developer",
		CacheDir: dir, HTTPClient: &http.Client{Transport: portal},
	})
	for range 2 {
		c, err := creds.Retrieve(context.Background())
		fmt.Println(c.AccessKeyID, c.Origin, err)
	}
	// Output:
	// asked: portal.sso.eu-west-1.amazonaws.com
	// ASIAEXAMPLE sso 123456789012/Developer <nil>
	// ASIAEXAMPLE sso 123456789012/Developer <nil>
}
