// Saml signs in with a company's identity provider: its assertion lists the
// available roles, one of them is assumed, and each renewal uses a new
// assertion.
//
//	go run ./examples/saml
//
// It needs no AWS account: STS and the identity provider are fakes in the same process, and
// the hours pass instantly. The last line and the exit code say whether everything worked.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/saml"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Println("FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("ok: three renewals, three assertions, and no old one was taken")
}

func run(ctx context.Context) error {
	watch := clock.NewMock()
	watch.Set(time.Now().Truncate(time.Second))
	sts := ststest.New()
	defer sts.Close()
	sts.Clock = watch
	client := &stsquery.Client{Region: "eu-west-1", HTTPClient: sts.Client(), Clock: watch} // no keys: the call is not signed

	// A program would open a browser here, and wait for what the identity provider
	// posts.
	assertions := 0
	signIn := func(ctx context.Context) (stschain.Secret, error) {
		if err := stschain.Prompt(ctx); err != nil { // a background refresh does not open a browser
			return stschain.Secret{}, err
		}
		assertions++
		fmt.Println("idp   alice signs in, and gets an assertion")
		return sts.Assertion(ststest.Assertion{
			Roles: []ststest.SAMLRole{
				{RoleARN: "arn:aws:iam::123456789012:role/developer", ProviderARN: "arn:aws:iam::123456789012:saml-provider/corp"},
				{RoleARN: "arn:aws:iam::210987654321:role/auditor", ProviderARN: "arn:aws:iam::210987654321:saml-provider/corp"},
			},
			SessionName: "alice",
		}), nil
	}

	assertion, err := signIn(ctx)
	if err != nil {
		return err
	}
	roles, err := saml.Roles(assertion)
	if err != nil {
		return err
	}
	for i, r := range roles {
		fmt.Printf("      role %d: %s\n", i+1, r.RoleARN)
	}
	chosen := roles[1]
	fmt.Println("      alice chooses role 2")

	role := &saml.Provider{Client: client, RoleARN: chosen.RoleARN, PrincipalARN: chosen.ProviderARN, Assertion: signIn}
	assertions = 0 // the first one only listed the roles
	cache := &stschain.Cache{Provider: role, Clock: watch}
	user := &stsquery.Client{Credentials: cache, Region: "eu-west-1", HTTPClient: sts.Client(), Clock: watch}
	for range 3 {
		who, err := user.GetCallerIdentity(ctx)
		if err != nil {
			return err
		}
		status := cache.Status()
		fmt.Printf("sts   we are %s for %v\n", who.ARN, status.Expires.Sub(watch.Now()))
		watch.Set(status.Expires) // the next call needs new ones
	}
	if assertions != 3 {
		return fmt.Errorf("alice signed in %d times for three sessions", assertions)
	}

	// An assertion cannot be stored for later: STS accepts it for five minutes.
	keep := func(context.Context) (stschain.Secret, error) { return assertion, nil }
	_, err = (&saml.Provider{Client: client, RoleARN: chosen.RoleARN, PrincipalARN: chosen.ProviderARN, Assertion: keep}).Retrieve(ctx)
	if err == nil {
		return errors.New("an assertion of three hours ago was taken")
	}
	fmt.Println("old  ", err)
	return nil
}
