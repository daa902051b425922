package stschain_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/benbjohnson/clock"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// The roles of many tenants. A tenant that does not exist, or whose role refuses, is remembered, and costs no calls of STS.
func ExamplePool() {
	sts := ststest.New() // AWS, for this example
	client := &stsquery.Client{Credentials: sts.User(), Region: "eu-west-1", HTTPClient: sts.Client()}
	roles := map[string]string{ // from a database
		"acme":    "arn:aws:iam::111111111111:role/stschain",
		"initech": "arn:aws:iam::222222222222:role/stschain",
	}
	pool := &stschain.Pool[string]{
		New: func(tenant string) (stschain.Provider, error) {
			arn, ok := roles[tenant]
			if !ok {
				return nil, stschain.Permanent(errors.New("no tenant " + tenant))
			}
			return &assumerole.Provider{Client: client, RoleARN: arn, ExternalID: "of-" + tenant, SessionName: "gateway"}, nil
		},
		MaxInFlight: 16,
	}
	ctx := context.Background()
	if err := pool.Warm(ctx, maps.Keys(roles)); err != nil { // after a restart; optional
		fmt.Println(err)
	}
	for range 1000 {
		for tenant := range roles {
			if _, err := pool.Retrieve(ctx, tenant); err != nil {
				fmt.Println(err)
			}
		}
	}
	fmt.Println(pool.Status().Entries, "tenants,", sts.Count("AssumeRole"), "calls")

	_, err := pool.Retrieve(ctx, "mallory")
	fmt.Println(err)
	// Output:
	// 2 tenants, 2 calls
	// stschain: Pool.New: no tenant mallory
}

// Several observers of one cache: each gets every event, in order. OnEvent is called on a goroutine of the cache.
func ExampleCombineEvents() {
	var done sync.WaitGroup
	done.Add(2)
	count := map[stschain.EventKind]int{}
	cache := &stschain.Cache{
		Provider: hourlyKeys(clock.New()),
		OnEvent: stschain.CombineEvents(
			func(e stschain.Event) { count[e.Kind]++ }, // metrics
			func(e stschain.Event) { fmt.Println("audit:", e.Kind) },
			func(stschain.Event) { done.Done() },
		),
	}
	if _, err := cache.Retrieve(context.Background()); err != nil {
		fmt.Println(err)
	}
	done.Wait()
	fmt.Println(count[stschain.Refreshed])
	// Output:
	// audit: refresh started
	// audit: refreshed
	// 1
}

// fromVault is a provider of your own whose sessions can be shared by processes: it states what decides them.
type fromVault struct {
	address, path string
	stschain.Provider
}

func (v fromVault) Identity(context.Context) (stschain.Identity, error) {
	return stschain.NewIdentity("vault", "address="+v.address, "path="+v.path), nil
}

func ExampleNewIdentity() {
	var identities []stschain.Identity
	for _, path := range []string{"aws/creds/backup", "aws/creds/backup", "aws/creds/audit"} {
		id, err := fromVault{"https://vault.example", path, hourlyKeys(clock.New())}.Identity(context.Background())
		if err != nil {
			fmt.Println(err)
		}
		identities = append(identities, id)
	}
	fmt.Println(identities[0])
	fmt.Println(identities[0] == identities[1], identities[0] == identities[2])
	// Output:
	// vault address=https://vault.example path=aws/creds/backup
	// true false
}
