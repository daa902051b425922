package webidentity_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
	"github.com/stschain-go/stschain/webidentity"
)

// fake replaces AWS, so that the examples run anywhere.
var fake = ststest.New()

// projected is a token file as the kubelet writes it.
func projected() (path string, remove func()) {
	dir, err := os.MkdirTemp("", "token")
	if err != nil {
		log.Fatal(err)
	}
	path = filepath.Join(dir, "token")
	token := fake.Issuer().Token(map[string]any{"sub": "system:serviceaccount:prod:backup"})
	if err := os.WriteFile(path, []byte(token.Reveal()), 0o600); err != nil {
		log.Fatal(err)
	}
	return path, func() { os.RemoveAll(dir) }
}

// A pod with a projected service account token. The file is read again for each
// attempt.
func ExampleProvider() {
	path, remove := projected()
	defer remove()

	role := &webidentity.Provider{
		Client: &stsquery.Client{
			Region:     "eu-west-1",
			HTTPClient: fake.Client(), // leave it out to call AWS
		},
		RoleARN:     "arn:aws:iam::123456789012:role/backup",
		SessionName: "nightly",
		Token:       webidentity.TokenFile(path),
	}
	session, err := role.AssumeRoleWithWebIdentity(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.SubjectFromWebIdentityToken)
	fmt.Println(session.AssumedRoleUser.ARN)
	fmt.Println(session.Credentials.SecretAccessKey)
	// Output:
	// system:serviceaccount:prod:backup
	// arn:aws:sts::123456789012:assumed-role/backup/nightly
	// [redacted]
}

// On Amazon EKS the environment says it all, and elsewhere the provider is not
// available, so that a chain goes on.
func ExampleFromEnv() {
	path, remove := projected()
	defer remove()

	environment := map[string]string{
		"AWS_WEB_IDENTITY_TOKEN_FILE": path,
		"AWS_ROLE_ARN":                "arn:aws:iam::123456789012:role/backup",
		"AWS_REGION":                  "eu-west-1",
	}
	pod := &webidentity.FromEnv{ // &webidentity.FromEnv{} reads the real environment and calls AWS
		LookupEnv: func(name string) (string, bool) { value, ok := environment[name]; return value, ok },
		Client: func(region string) *stsquery.Client {
			return &stsquery.Client{Region: region, HTTPClient: fake.Client()}
		},
	}
	creds, err := stschain.NewChain(pod, fake.User()).Retrieve(context.Background())
	fmt.Println(creds.Origin, err)

	clear(environment)
	creds, err = stschain.NewChain(pod, fake.User()).Retrieve(context.Background())
	fmt.Println(creds.Origin, err)
	// Output:
	// webidentity arn:aws:iam::123456789012:role/backup <nil>
	// ststest arn:aws:iam::123456789012:user/alice <nil>
}

// A job of GitHub Actions. It needs the permission "id-token: write".
func ExampleGitHubActions() {
	runner := new(webidentity.GitHubActions)
	role := &webidentity.Provider{
		Client:  &stsquery.Client{Region: "eu-west-1"},
		RoleARN: "arn:aws:iam::123456789012:role/deploy",
		Token:   runner.Token,
	}
	fmt.Println(role)
	// Output: webidentity arn:aws:iam::123456789012:role/deploy
}
