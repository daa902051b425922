package otelsts_test

import (
	"go.opentelemetry.io/otel/metric"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/otelsts"
)

// The code of docs/how-to/gateway.md, which is compiled, and not run.
var _ = gateway[string]

func gateway[tenant comparable](pool *stschain.Pool[tenant]) (metric.Registration, error) {
	registration, err := otelsts.ObservePool(&otelsts.Telemetry{Cache: "tenants"}, pool, nil)
	return registration, err
}
