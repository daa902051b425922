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
		fmt.Println("request to", r.URL.Host)
		return responseOf([]byte(`{"roleCredentials": {"accessKeyId": "ASIAEXAMPLE", "secretAccessKey": "s", "sessionToken": "t", "expiration": 4102444800000}}`)), nil
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
	// request to portal.sso.eu-west-1.amazonaws.com
	// ASIAEXAMPLE sso 123456789012/Developer <nil>
	// ASIAEXAMPLE sso 123456789012/Developer <nil>
}

// A program signs its user in by device code. The service is made up here: it confirms the code by itself.
func ExampleLogin() {
	dir, err := os.MkdirTemp("", "sso")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	responses := map[string]string{
		"/client/register":      `{"clientId": "c", "clientSecret": "made up", "clientSecretExpiresAt": 4102444800}`,
		"/device_authorization": `{"deviceCode": "made up", "userCode": "WDJB-MJHT", "verificationUriComplete": "https://device.example.com/?user_code=WDJB-MJHT", "interval": 1}`,
		"/token":                `{"accessToken": "made up", "expiresIn": 28800}`,
	}
	service := roundTrip(func(r *http.Request) (*http.Response, error) {
		return responseOf([]byte(responses[r.URL.Path])), nil
	})

	login := &sso.Login{
		Session: "work", StartURL: "https://example.awsapps.com/start", Region: "eu-west-1",
		CacheDir: dir, HTTPClient: &http.Client{Transport: service},
	}
	pending, err := login.Begin(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("open", pending.URL, "and compare", pending.UserCode)
	expires, err := pending.Wait(context.Background())
	fmt.Println(time.Until(expires) > time.Hour, err)
	// Output:
	// open https://device.example.com/?user_code=WDJB-MJHT and compare WDJB-MJHT
	// true <nil>
}
