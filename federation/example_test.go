package federation_test

import (
	"context"
	"fmt"
	"log"
	"net/url"

	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/federation"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// fake replaces AWS, so that the examples run anywhere.
var fake = ststest.New()

func ExampleProvider() {
	bob := &federation.Provider{
		Client: &stsquery.Client{
			Credentials: fake.User(), // long-lived keys: &env.Provider{}
			Region:      "eu-west-1",
			HTTPClient:  fake.Client(), // leave it out to call AWS
		},
		Name:       "bob",
		PolicyARNs: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}, // without a policy bob has no permissions
	}
	session, err := bob.GetFederationToken(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.FederatedUser.ARN)
	fmt.Println(session.Credentials.SecretAccessKey)
	// Output:
	// arn:aws:sts::123456789012:federated-user/bob
	// [redacted]
}

func ExampleSignIn() {
	role := &assumerole.Provider{
		Client:  &stsquery.Client{Credentials: fake.User(), Region: "eu-west-1", HTTPClient: fake.Client()},
		RoleARN: "arn:aws:iam::123456789012:role/support",
	}
	console := &federation.SignIn{
		Credentials: role,
		Region:      "eu-west-1",
		Destination: "/s3/buckets",
		HTTPClient:  fake.Client(), // leave it out to call AWS
	}
	link, err := console.SignInURL(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	u, _ := url.Parse(link.URL.Reveal()) // for the browser only
	fmt.Println(u.Host, u.Query().Get("Action"), u.Query().Get("Destination"))
	fmt.Println(link.URL)
	// Output:
	// signin.aws.amazon.com login https://eu-west-1.console.aws.amazon.com/s3/buckets
	// [redacted]
}
