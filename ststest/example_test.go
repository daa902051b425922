package ststest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/source/sso"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
	"github.com/stschain-go/stschain/webidentity"
)

func Example() {
	srv := ststest.New() // in a test: ststest.NewTest(t)
	defer srv.Close()
	client := &stsquery.Client{Credentials: srv.User(), Region: "eu-west-1", HTTPClient: srv.Client()}

	out, err := client.AssumeRole(context.Background(), stsquery.AssumeRoleInput{
		RoleARN:         "arn:aws:iam::123456789012:role/backup",
		RoleSessionName: "nightly",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(out.AssumedRoleUser.ARN)
	fmt.Println(srv.Calls()[0].Caller)
	// Output:
	// arn:aws:sts::123456789012:assumed-role/backup/nightly
	// arn:aws:iam::123456789012:user/alice
}

func ExampleServer_FailNext() {
	srv := ststest.New()
	defer srv.Close()
	client := &stsquery.Client{Credentials: srv.User(), Region: "eu-west-1", HTTPClient: srv.Client()}

	srv.FailNext(ststest.HTML(http.StatusBadGateway), ststest.Disconnect())
	if _, err := client.GetCallerIdentity(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	for _, call := range srv.Calls() {
		fmt.Printf("%s %d %s\n", call.Operation, call.Status, call.Fault)
	}
	// Output:
	// GetCallerIdentity 502 HTML 502
	// GetCallerIdentity 0 Disconnect
	// GetCallerIdentity 200
}

func ExampleServer_Protect() {
	srv := ststest.New()
	defer srv.Close()
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := ststest.CallerFrom(r.Context())
		fmt.Fprintf(w, "hello %s", caller.ARN)
	})
	service := srv.Protect("execute-api", "eu-west-1", hello)

	bob := srv.AddUser("bob")
	for _, who := range []stschain.Provider{bob, stschain.Static(bob.Credentials.AccessKeyID, "a-guess", "")} {
		client := &http.Client{Transport: &sigv4.Transport{
			Service: "execute-api", Region: "eu-west-1", Credentials: who, Base: ststest.InProcess(service),
		}}
		res, err := client.Get("https://api.example/greeting")
		if err != nil {
			fmt.Println(err)
			return
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			fmt.Println(res.Status)
			continue
		}
		body, _ := io.ReadAll(res.Body)
		fmt.Printf("%s\n", body)
	}
	// Output:
	// hello arn:aws:iam::123456789012:user/bob
	// 403 Forbidden
}

func ExampleServer_Issuer() {
	srv := ststest.New()
	defer srv.Close()
	srv.AddRole(ststest.Role{
		ARN:         "arn:aws:iam::123456789012:role/deploy",
		WebIdentity: []ststest.WebIdentityTrust{{Issuer: srv.Issuer().URL, Subject: "repo:octo/*"}},
	})
	client := &stsquery.Client{Region: "eu-west-1", HTTPClient: srv.Client()}

	for _, subject := range []string{"repo:octo/hello", "repo:mallory/hello"} {
		out, err := client.AssumeRoleWithWebIdentity(context.Background(), stsquery.AssumeRoleWithWebIdentityInput{
			RoleARN:          "arn:aws:iam::123456789012:role/deploy",
			RoleSessionName:  "ci",
			WebIdentityToken: srv.Issuer().Token(map[string]any{"sub": subject}),
		})
		if refused, ok := errors.AsType[*stsquery.Error](err); ok {
			fmt.Println(refused.Code)
			continue
		}
		fmt.Println(out.AssumedRoleUser.ARN)
	}
	// Output:
	// arn:aws:sts::123456789012:assumed-role/deploy/ci
	// AccessDenied
}

func ExampleServer_AddTOTP() {
	srv := ststest.New()
	defer srv.Close()
	device := srv.AddTOTP("alice")
	client := &stsquery.Client{Credentials: srv.User(), Region: "eu-west-1", HTTPClient: srv.Client()}

	code, err := device.MFAToken(context.Background(), device.Serial)
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := client.GetSessionToken(context.Background(), stsquery.GetSessionTokenInput{SerialNumber: device.Serial, TokenCode: code})
	if err != nil {
		fmt.Println(err)
		return
	}
	session, _ := srv.Caller(out.Credentials.AccessKeyID)
	fmt.Println(session.ARN, session.MFA)
	// Output:
	// arn:aws:iam::123456789012:user/alice true
}

// An identity provider of your own, for a role that trusts it.
func ExampleNewIssuer() {
	srv := ststest.New()
	defer srv.Close()
	gitlab := ststest.NewIssuer("https://gitlab.example")
	srv.AddIssuer(gitlab)
	srv.AddRole(ststest.Role{
		ARN:         "arn:aws:iam::123456789012:role/deploy",
		WebIdentity: []ststest.WebIdentityTrust{{Issuer: gitlab.URL, Subject: "project_path:group/app:*"}},
	})
	role := &webidentity.Provider{
		Client:      &stsquery.Client{Region: "eu-west-1", HTTPClient: srv.Client()},
		RoleARN:     "arn:aws:iam::123456789012:role/deploy",
		SessionName: "pipeline",
		Token: func(context.Context) (stschain.Secret, error) {
			return gitlab.Token(map[string]any{"sub": "project_path:group/app:ref:main"}), nil
		},
	}
	creds, err := role.Retrieve(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	session, _ := srv.Caller(creds.AccessKeyID)
	fmt.Println(session.ARN)
	// Output: arn:aws:sts::123456789012:assumed-role/deploy/pipeline
}

// A user signs in with a code, and gets the credentials of a role. The test confirms the code in place of the user.
func ExampleServer_AddIdentityCenter() {
	srv := ststest.New()
	defer srv.Close()
	portal := srv.AddIdentityCenter(ststest.IdentityCenter{StartURL: "https://example.awsapps.com/start", Interval: time.Second})
	dir, err := os.MkdirTemp("", "sso") // in a test: t.TempDir()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	login := &sso.Login{Session: "work", StartURL: "https://example.awsapps.com/start", Region: "eu-west-1", CacheDir: dir, HTTPClient: srv.Client()}
	pending, err := login.Begin(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("confirmed:", portal.Confirm(pending.UserCode, true))
	if _, err := pending.Wait(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	creds, err := (&sso.Provider{
		Session: "work", StartURL: "https://example.awsapps.com/start", Region: "eu-west-1", AccountID: "123456789012", RoleName: "Developer",
		CacheDir: dir, HTTPClient: srv.Client(),
	}).Retrieve(context.Background())
	fmt.Println(creds.Origin, err)
	// Output:
	// confirmed: true
	// sso 123456789012/Developer <nil>
}
