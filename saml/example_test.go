package saml_test

import (
	"context"
	"fmt"
	"log"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/saml"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// fake replaces AWS and an identity provider, so that the examples run anywhere.
var fake = ststest.New()

// signIn replaces a user that signs in with a browser.
func signIn(context.Context) (stschain.Secret, error) {
	return fake.Assertion(ststest.Assertion{Roles: []ststest.SAMLRole{
		{RoleARN: "arn:aws:iam::123456789012:role/reader", ProviderARN: "arn:aws:iam::123456789012:saml-provider/corp"},
		{RoleARN: "arn:aws:iam::123456789012:role/admin", ProviderARN: "arn:aws:iam::123456789012:saml-provider/corp"},
	}}), nil
}

func ExampleProvider() {
	role := &saml.Provider{
		Client: &stsquery.Client{
			Region:     "eu-west-1",
			HTTPClient: fake.Client(), // leave it out to call AWS
		},
		RoleARN:   "arn:aws:iam::123456789012:role/reader",
		Assertion: signIn,
	}
	session, err := role.AssumeRoleWithSAML(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.Subject)
	fmt.Println(session.AssumedRoleUser.ARN)
	fmt.Println(session.Credentials.SecretAccessKey)
	// Output:
	// alice@example.com
	// arn:aws:sts::123456789012:assumed-role/reader/alice
	// [redacted]
}

// A program that lets the user choose one of the roles of an assertion.
func ExampleRoles() {
	assertion, err := signIn(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	roles, err := saml.Roles(assertion)
	if err != nil {
		log.Fatal(err)
	}
	for i, r := range roles {
		fmt.Printf("%d. %s as %s\n", i+1, r.RoleARN, r.SessionName)
	}
	// Output:
	// 1. arn:aws:iam::123456789012:role/reader as alice
	// 2. arn:aws:iam::123456789012:role/admin as alice
}
