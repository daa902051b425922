package stschain_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/stschain-go/stschain"
)

// The first provider that applies is kept. One that applies and fails stops the
// chain.
func ExampleChain() {
	fromFlags := stschain.Static("", "", "") // the user gave none
	fromVault := stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("s3cr3t")}, nil
	})
	chain := stschain.NewChain(fromFlags, fromVault)
	creds, err := chain.Retrieve(context.Background())
	fmt.Println(creds.AccessKeyID, creds.SecretAccessKey, err)

	broken := stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{}, errors.New("vault: sealed")
	})
	_, err = stschain.NewChain(fromFlags, broken, fromVault).Retrieve(context.Background())
	fmt.Println(err)
	// Output:
	// AKIDEXAMPLE [redacted] <nil>
	// stschain: stschain.ProviderFunc failed; not falling back to another identity:
	//   static: stschain: static credentials are empty
	//   stschain.ProviderFunc: vault: sealed
}

// A program under test gets a clock that stands still until the test moves it.
func ExampleCache_fakeClock() {
	clk := clock.NewMock()
	calls := 0
	cache := &stschain.Cache{
		Clock: clk,
		Provider: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			calls++
			return stschain.Credentials{
				AccessKeyID:     fmt.Sprintf("key-%d", calls),
				SecretAccessKey: stschain.NewSecret("s3cr3t"),
				Expires:         clk.Now().Add(time.Hour),
			}, nil
		}),
	}
	for _, d := range []time.Duration{0, 30 * time.Minute, time.Hour} {
		clk.Add(d)
		creds, err := cache.Retrieve(context.Background())
		fmt.Println(clk.Now().UTC().Format(time.TimeOnly), creds.AccessKeyID, err)
	}
	// Output:
	// 00:00:00 key-1 <nil>
	// 00:30:00 key-1 <nil>
	// 01:30:00 key-2 <nil>
}

// A health check reads the status: it asks nobody.
func ExampleCache_Status() {
	cache := &stschain.Cache{Provider: stschain.Static("AKIDEXAMPLE", "s3cr3t", "")}
	fmt.Println(cache.Status().Phase)
	cache.Retrieve(context.Background())
	s := cache.Status()
	fmt.Println(s.Phase, s.Origin, s.Err == nil, s.Attempts)
	// Output:
	// empty
	// fresh static true 1
}

// What outlives a request, like a presigned URL, wants credentials that live as
// long.
func ExampleCache_RetrieveFor() {
	cache := &stschain.Cache{Provider: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{
			AccessKeyID:     "AKIDEXAMPLE",
			SecretAccessKey: stschain.NewSecret("s3cr3t"),
			Expires:         time.Now().Add(time.Hour),
		}, nil
	})}
	_, err := cache.RetrieveFor(context.Background(), 15*time.Minute)
	fmt.Println(err)
	_, err = cache.RetrieveFor(context.Background(), 12*time.Hour)
	fmt.Println(err != nil)
	// Output:
	// <nil>
	// true
}
