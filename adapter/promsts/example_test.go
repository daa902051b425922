package promsts_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/promsts"
)

func ExampleCollector() {
	clk := clock.NewMock()
	cache := &stschain.Cache{
		Clock: clk,
		Provider: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			return stschain.Credentials{
				AccessKeyID:     "AKIDEXAMPLE",
				SecretAccessKey: stschain.NewSecret("s3cr3t"),
				Expires:         clk.Now().Add(time.Hour),
			}, nil
		}),
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(&promsts.Collector{
		Caches: map[string]*stschain.Cache{"uploads": cache},
	})
	if _, err := cache.Retrieve(context.Background()); err != nil {
		fmt.Println(err)
	}

	families, err := registry.Gather() // what promhttp does
	if err != nil {
		fmt.Println(err)
	}
	for _, family := range families {
		switch family.GetName() {
		case "stschain_credentials_expiry_timestamp_seconds", "stschain_refresh_attempts_total":
			expfmt.MetricFamilyToText(os.Stdout, family)
		}
	}
	// Output:
	// # HELP stschain_credentials_expiry_timestamp_seconds When the cached credentials expire, in Unix time; +Inf if they never do.
	// # TYPE stschain_credentials_expiry_timestamp_seconds gauge
	// stschain_credentials_expiry_timestamp_seconds{cache="uploads"} 3600
	// # HELP stschain_refresh_attempts_total Refreshes that began.
	// # TYPE stschain_refresh_attempts_total counter
	// stschain_refresh_attempts_total{cache="uploads"} 1
}

// Without Label there are no series by tenant. With it, there are those of its plan.
func ExamplePoolCollector() {
	type tenant struct{ name, plan string }
	clk := clock.NewMock()
	pool := &stschain.Pool[tenant]{
		Clock: clk,
		New: func(t tenant) (stschain.Provider, error) { // usually an assumerole.Provider
			return stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
				return stschain.Credentials{
					AccessKeyID:     "AKIDEXAMPLE",
					SecretAccessKey: stschain.NewSecret("s3cr3t"),
					Expires:         clk.Now().Add(time.Hour),
				}, nil
			}), nil
		},
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(&promsts.PoolCollector[tenant]{
		Name:  "tenants",
		Pool:  pool,
		Label: func(t tenant) string { return t.plan },
	})
	for _, t := range []tenant{{"ann", "free"}, {"bob", "free"}, {"carol", "paid"}} {
		if _, err := pool.Retrieve(context.Background(), t); err != nil {
			fmt.Println(err)
		}
	}

	families, err := registry.Gather() // what promhttp does
	if err != nil {
		fmt.Println(err)
	}
	for _, family := range families {
		switch family.GetName() {
		case "stschain_pool_entries", "stschain_pool_key_expiry_timestamp_seconds":
			expfmt.MetricFamilyToText(os.Stdout, family)
		}
	}
	// Output:
	// # HELP stschain_pool_entries Keys that have brought credentials.
	// # TYPE stschain_pool_entries gauge
	// stschain_pool_entries{pool="tenants"} 3
	// # HELP stschain_pool_key_expiry_timestamp_seconds When the first of the cached credentials expire, in Unix time; +Inf if none do.
	// # TYPE stschain_pool_key_expiry_timestamp_seconds gauge
	// stschain_pool_key_expiry_timestamp_seconds{key="free",pool="tenants"} 3600
	// stschain_pool_key_expiry_timestamp_seconds{key="paid",pool="tenants"} 3600
}
