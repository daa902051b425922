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
