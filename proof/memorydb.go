package proof

import (
	"context"
	"net/url"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
)

// MemoryDB generates passwords for users of Amazon MemoryDB clusters: Valkey and Redis OSS 7.0 or later,
// over TLS. A password is valid for 15 minutes, a connection for 12 hours.
//
// It is safe for concurrent use. Do not change its fields after first use, and do not copy it.
//
// Format: https://docs.aws.amazon.com/memorydb/latest/devguide/auth-iam.html
type MemoryDB struct {
	Credentials stschain.Provider // required; retrieved through stschain.Cached. They need memorydb:Connect on cluster and user
	Region      string            // required: the cluster's, "eu-west-1"
	Cluster     string            // required: its name; not its address
	User        string            // required: the user's name
	MinLife     time.Duration     // see the package comment; up to 15 minutes
	Clock       stschain.Clock    // nil: the system clock

	connector connector
}

// Token returns a password.
func (m *MemoryDB) Token(ctx context.Context) (_ Token, err error) {
	defer flow.Wrap(&err, "proof", "no MemoryDB password")
	return m.connector.password(ctx, connection{
		credentials: m.Credentials, service: "memorydb", region: m.Region,
		fields: []field{{"Cluster", m.Cluster, isCacheName, cacheName}, {name: "User", value: m.User}},
		host:   m.Cluster, query: url.Values{"Action": {"connect"}, "User": {m.User}},
		minLife: m.MinLife, clock: m.Clock,
	})
}
