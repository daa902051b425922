package promsts_test

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/promsts"
)

// The code of docs/how-to/gateway.md, which is compiled, and not run.
var _ = gateway[string]

func gateway[tenant comparable](pool *stschain.Pool[tenant]) {
	prometheus.MustRegister(&promsts.PoolCollector[tenant]{Name: "tenants", Pool: pool})
}
