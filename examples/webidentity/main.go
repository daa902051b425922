// Webidentity runs like a Kubernetes pod: its service account's token is in a
// file that the kubelet replaces before it expires, and the role comes from AWS
// environment variables. Credentials and tokens are replaced while it calls a
// service, and no call fails.
//
//	go run ./examples/webidentity
//
// It needs no AWS account: STS, the cluster and the service are fakes in the same process,
// and tokens and credentials are valid for seconds. The last line and the exit code say whether everything
// worked.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
	"github.com/stschain-go/stschain/webidentity"
)

const (
	duration      = 5 * time.Second
	tokenLife     = 2 * time.Second // on a real cluster an hour, or a day
	sessionLife   = 2 * time.Second // STS has a minimum of 15 minutes
	rotationEvery = time.Second
)

func main() {
	if err := run(); err != nil {
		fmt.Println("FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("ok: every call was signed with good credentials")
}

func run() error {
	ctx, cancel := context.WithTimeout(context.Background(), duration)
	defer cancel()
	start := time.Now()
	say := func(who, format string, args ...any) {
		fmt.Printf("%4.1fs  %-8s %s\n", time.Since(start).Seconds(), who, fmt.Sprintf(format, args...))
	}

	sts := ststest.New()
	defer sts.Close()
	sts.Lifetime = sessionLife
	sts.AddRole(ststest.Role{ARN: "arn:aws:iam::123456789012:role/backup", WebIdentity: []ststest.WebIdentityTrust{
		{Issuer: sts.Issuer().URL, Audience: "sts.amazonaws.com", Subject: "system:serviceaccount:jobs:backup"},
	}})
	sts.OnCall = func(c ststest.Call) { say("sts", "%s", c.Operation) }

	// The kubelet writes a new file and renames it, so that readers never get a partial token.
	dir, err := os.MkdirTemp("", "webidentity")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "token")
	written := 0
	rotate := func() error {
		token := sts.Issuer().Token(map[string]any{"sub": "system:serviceaccount:jobs:backup", "exp": time.Now().Add(tokenLife).Unix() + 1})
		if err := os.WriteFile(file+".new", []byte(token.Reveal()+"\n"), 0o600); err != nil {
			return err
		}
		written++
		say("kubelet", "token %d", written)
		return os.Rename(file+".new", file)
	}
	if err := rotate(); err != nil {
		return err
	}
	go func() {
		for tick := time.Tick(rotationEvery); ; {
			select {
			case <-tick:
			case <-ctx.Done():
				return
			}
			if err := rotate(); err != nil {
				say("kubelet", "%v", err)
			}
		}
	}()

	// The variables that Amazon EKS sets in the pod. Without LookupEnv, the environment is used.
	env := map[string]string{
		"AWS_WEB_IDENTITY_TOKEN_FILE": file,
		"AWS_ROLE_ARN":                "arn:aws:iam::123456789012:role/backup",
		"AWS_ROLE_SESSION_NAME":       "backup-7d4b9",
		"AWS_REGION":                  "eu-west-1",
	}
	role := &webidentity.FromEnv{
		LookupEnv: func(name string) (string, bool) { value, ok := env[name]; return value, ok },
		Client: func(region string) *stsquery.Client { // leave it out to call AWS
			return &stsquery.Client{Region: region, HTTPClient: sts.Client()}
		},
	}

	service := &http.Client{Transport: &sigv4.Transport{
		Service: "execute-api", Region: "eu-west-1", Credentials: role,
		Base: ststest.InProcess(sts.Protect("execute-api", "eu-west-1", nil)), // returns the ARN of the caller
	}}
	calls := 0
	for ctx.Err() == nil {
		who, err := get(service, "https://api.example/")
		if err != nil {
			return err
		}
		if calls++; calls == 1 {
			say("service", "we are %s", who)
		}
		time.Sleep(20 * time.Millisecond)
	}
	tokens := map[stschain.Secret]bool{}
	for _, c := range sts.Calls() {
		tokens[c.Token] = true
	}
	say("program", "%d calls, %d sessions, with %d tokens", calls, sts.Count("AssumeRoleWithWebIdentity"), len(tokens))
	if len(tokens) < 3 {
		return fmt.Errorf("STS was shown %d tokens, and the file was replaced every second", len(tokens))
	}
	return nil
}

func get(client *http.Client, url string) (string, error) {
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return string(body), err
}
