package sessiontoken_test

import (
	"context"
	"fmt"
	"log"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/sessiontoken"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// Two roles share an MFA session: the user is prompted once.
func ExampleProvider() {
	fake := ststest.New() // replaces AWS, so that the example runs anywhere
	defer fake.Close()
	device := fake.AddTOTP("alice")
	readCode := func(ctx context.Context, serial string) (stschain.Secret, error) {
		fmt.Println("code of", serial+"?")
		return device.MFAToken(ctx, serial) // read it from a terminal here
	}

	// One cache over the session, which both roles share.
	session := stschain.Cached(&sessiontoken.Provider{
		Client: &stsquery.Client{
			Credentials: fake.User(), // long-lived keys: &env.Provider{}
			Region:      "eu-west-1",
			HTTPClient:  fake.Client(), // leave it out to call AWS
		},
		SerialNumber: device.Serial,
		MFAToken:     readCode,
	})
	for _, name := range []string{"backup", "audit"} {
		fake.AddRole(ststest.Role{ARN: "arn:aws:iam::123456789012:role/" + name, MFA: true})
		role := &assumerole.Provider{
			Client:      &stsquery.Client{Credentials: session, Region: "eu-west-1", HTTPClient: fake.Client()},
			RoleARN:     "arn:aws:iam::123456789012:role/" + name,
			SessionName: "alice",
		}
		out, err := role.AssumeRole(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(out.AssumedRoleUser.ARN)
	}
	// Output:
	// code of arn:aws:iam::123456789012:mfa/alice?
	// arn:aws:sts::123456789012:assumed-role/backup/alice
	// arn:aws:sts::123456789012:assumed-role/audit/alice
}
