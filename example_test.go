package stschain_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/env"
)

// vault is a provider of your own.
type vault struct{ address string }

func (v *vault) String() string { return "vault" }

func (v *vault) Retrieve(context.Context) (stschain.Credentials, error) {
	if v.address == "" {
		return stschain.Credentials{}, stschain.Unavailable("vault: VAULT_ADDR is not set")
	}
	return stschain.Credentials{}, fmt.Errorf("vault: %s is sealed", v.address)
}

// Any type with Retrieve is a provider. A function is one too.
func ExampleProvider() {
	var p stschain.Provider = stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("s3cr3t")}, nil
	})
	creds, err := p.Retrieve(context.Background())
	fmt.Println(creds.AccessKeyID, err)
	// Output: AKIDEXAMPLE <nil>
}

// A chain is pinned to the first provider that is configured. A provider that is configured and fails stops it.
func ExampleChain() {
	keys := stschain.Static("AKIDEXAMPLE", "s3cr3t", "")
	creds, err := stschain.NewChain(&vault{}, keys).Retrieve(context.Background())
	fmt.Println(creds.AccessKeyID, err)

	_, err = stschain.NewChain(stschain.Static("", "", ""), &vault{"vault.example.com"}, keys).Retrieve(context.Background())
	fmt.Println(err)
	// Output:
	// AKIDEXAMPLE <nil>
	// stschain: vault failed; not falling back to another identity:
	//   static: stschain: static credentials are empty
	//   vault: vault.example.com is sealed
}

// An error that wraps an Unavailable error is a failure: a role without base credentials stops a chain.
func ExampleUnavailable() {
	_, err := (&vault{}).Retrieve(context.Background())
	fmt.Println(stschain.IsUnavailable(err))
	fmt.Println(stschain.IsUnavailable(fmt.Errorf("role: %w", err)))
	// Output:
	// true
	// false
}

// A provider marks failures that a retry does not fix.
func ExamplePermanent() {
	err := fmt.Errorf("vault: %w", stschain.Permanent(errors.New("the policy does not allow role backup")))
	fmt.Println(err)
	fmt.Println(errors.Is(err, stschain.ErrPermanent))
	// Output:
	// vault: the policy does not allow role backup
	// true
}

// A Secret never prints by accident.
func ExampleSecret() {
	secret := stschain.NewSecret("s3cr3t")
	fmt.Printf("%v %+v %q\n", secret, struct{ Key stschain.Secret }{secret}, secret)
	fmt.Println(secret.Reveal(), secret == stschain.NewSecret("s3cr3t"))
	// Output:
	// [redacted] {Key:[redacted]} [redacted]
	// s3cr3t true
}

// A background refresh gets ErrPrompt, and does not open a browser.
func ExamplePrompt() {
	session := stschain.Cached(stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
		if err := stschain.Prompt(ctx); err != nil {
			return stschain.Credentials{}, fmt.Errorf("acme sign-in: %w", err)
		}
		fmt.Println("opening a browser")
		return stschain.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("s3cr3t")}, nil
	}))
	_, err := session.Retrieve(stschain.WithoutPrompt(context.Background()))
	fmt.Println(errors.Is(err, stschain.ErrPrompt))
	creds, err := session.Retrieve(context.Background())
	fmt.Println(creds.AccessKeyID, err)
	// Output:
	// true
	// opening a browser
	// AKIDEXAMPLE <nil>
}

// A trace reports which provider is called, and how each call ends.
func ExampleTrace() {
	trace := &stschain.Trace{
		End: func(_ context.Context, s stschain.Step) { fmt.Println(s.Kind, s.Name, s.AccessKeyID, s.Err) },
	}
	chain := stschain.NewChain(&vault{}, stschain.Cached(stschain.Static("AKIDEXAMPLE", "s3cr3t", "")))
	chain.Retrieve(stschain.WithTrace(context.Background(), trace))
	// Output:
	// provider vault  vault: VAULT_ADDR is not set
	// refresh static AKIDEXAMPLE <nil>
	// provider static AKIDEXAMPLE <nil>
	// provider chain AKIDEXAMPLE <nil>
}

// Explain reports why a program gets no credentials.
func ExampleExplain() {
	variables := map[string]string{"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}
	chain := stschain.NewChain(
		&vault{},
		&env.Provider{LookupEnv: func(name string) (string, bool) { value, ok := variables[name]; return value, ok }},
		stschain.Static("AKIAI44QH8DHBEXAMPLE", "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY", ""),
	)
	x := stschain.Explain(context.Background(), chain)
	x.Took = 0 // the report contains durations of a millisecond and more
	for i := range x.Below {
		x.Below[i].Took = 0
	}
	fmt.Fprint(os.Stdout, x)
	// Output:
	// failed          chain
	// not configured    vault: VAULT_ADDR is not set
	// failed            env: AWS_SECRET_ACCESS_KEY is not set, though the access key is
	// not called        static
}
