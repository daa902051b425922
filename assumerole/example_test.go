package assumerole_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// fake replaces AWS, so that the examples run anywhere.
var fake = ststest.New()

func ExampleProvider() {
	role := &assumerole.Provider{
		Client: &stsquery.Client{
			Credentials: fake.User(), // any stschain.Provider: &env.Provider{}, a Chain, another role
			Region:      "eu-west-1",
			HTTPClient:  fake.Client(), // leave it out to call AWS
		},
		RoleARN:     "arn:aws:iam::123456789012:role/backup",
		SessionName: "nightly",
	}
	session, err := role.AssumeRole(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.AssumedRoleUser.ARN)
	fmt.Println(session.Credentials.Origin)
	fmt.Println(session.Credentials.SecretAccessKey)
	// Output:
	// arn:aws:sts::123456789012:assumed-role/backup/nightly
	// assumerole arn:aws:iam::123456789012:role/backup
	// [redacted]
}

// A role that is assumed by a role that is assumed by a role. Each client caches what
// it signs with.
func ExampleProvider_chain() {
	var creds stschain.Provider = fake.User()
	for _, role := range []string{
		"arn:aws:iam::111111111111:role/hub",
		"arn:aws:iam::222222222222:role/stage",
		"arn:aws:iam::333333333333:role/backup",
	} {
		creds = &assumerole.Provider{
			Client:      &stsquery.Client{Credentials: creds, Region: "eu-west-1", HTTPClient: fake.Client()},
			RoleARN:     role,
			SessionName: "nightly",
		}
	}
	identity, err := (&stsquery.Client{Credentials: creds, Region: "eu-west-1", HTTPClient: fake.Client()}).
		GetCallerIdentity(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(identity.ARN)
	// Output: arn:aws:sts::333333333333:assumed-role/backup/nightly
}

// A role that requires MFA: MFAToken is called when a code is needed, and background refreshes of a cache
// over the role do not call it.
func ExampleProvider_mfa() {
	fake.AddMFA(ststest.MFA{Serial: "arn:aws:iam::123456789012:mfa/alice", Codes: []string{"123456"}})
	role := &assumerole.Provider{
		Client:       &stsquery.Client{Credentials: fake.User(), Region: "eu-west-1", HTTPClient: fake.Client()},
		RoleARN:      "arn:aws:iam::123456789012:role/admin",
		SerialNumber: "arn:aws:iam::123456789012:mfa/alice",
		MFAToken: func(ctx context.Context, serial string) (stschain.Secret, error) {
			fmt.Fprintln(os.Stdout, "code of", serial+"?")
			return stschain.NewSecret("123456"), nil // read it from a terminal here
		},
	}
	_, err := stschain.Cached(role).Retrieve(context.Background())
	fmt.Println(err)
	// Output:
	// code of arn:aws:iam::123456789012:mfa/alice?
	// <nil>
}

// A role of a customer: its trust policy requires the external ID, and its policies refer to the tags. Transitive
// tags are passed on to roles that the session assumes.
func ExampleProvider_externalID() {
	fake.AddRole(ststest.Role{ARN: "arn:aws:iam::111111111111:role/customer", ExternalID: "contract-4711"})
	client := &stsquery.Client{Credentials: fake.User(), Region: "eu-west-1", HTTPClient: fake.Client()}
	for _, externalID := range []string{"contract-4711", "a-guess"} {
		role := &assumerole.Provider{
			Client:            client,
			RoleARN:           "arn:aws:iam::111111111111:role/customer",
			ExternalID:        externalID,
			Tags:              []stsquery.Tag{{Key: "project", Value: "blue"}, {Key: "stage", Value: "test"}},
			TransitiveTagKeys: []string{"project"},
		}
		creds, err := role.Retrieve(context.Background())
		if err != nil {
			fmt.Println("permanent:", errors.Is(err, stschain.ErrPermanent))
			continue
		}
		session, _ := fake.Caller(creds.AccessKeyID)
		fmt.Println(session.Tags, session.TransitiveTagKeys)
	}
	// Output:
	// map[project:blue stage:test] [project]
	// permanent: true
}

// A context assertion of IAM Identity Center makes the session one of its user.
func ExampleProvider_providedContexts() {
	role := &assumerole.Provider{
		Client:  &stsquery.Client{Credentials: fake.User(), Region: "eu-west-1", HTTPClient: fake.Client()},
		RoleARN: "arn:aws:iam::123456789012:role/analytics",
		ProvidedContexts: []stsquery.ProvidedContext{{
			ProviderARN: "arn:aws:iam::aws:contextProvider/IdentityCenter",
			Assertion:   stschain.NewSecret("sts:identity_context, from CreateTokenWithIAM"),
		}},
	}
	_, err := role.Retrieve(context.Background())
	fmt.Println(err)
	// Output: <nil>
}
