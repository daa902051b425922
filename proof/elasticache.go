package proof

import (
	"context"
	"net/url"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
)

// ElastiCache generates passwords for users of Amazon ElastiCache caches: Valkey 7.2 and Redis OSS 7.0 or
// later, over TLS. A password is valid for 15 minutes, a connection for 12 hours.
//
// It is safe for concurrent use. Do not change its fields after first use, and do not copy it.
//
// Format: https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth-iam.html
type ElastiCache struct {
	Credentials stschain.Provider // required; retrieved through stschain.Cached. They need elasticache:Connect on cache and user
	Region      string            // required: the cache's, "eu-west-1"
	Cache       string            // required: the name of the cache, or the ID of the replication group; not its address
	User        string            // required: the user's ID, which must equal the user's name
	Serverless  bool              // true: Cache is a serverless one
	MinLife     time.Duration     // see the package comment; up to 15 minutes
	Clock       stschain.Clock    // nil: the system clock

	connector connector
}

// Token returns a password.
func (e *ElastiCache) Token(ctx context.Context) (_ Token, err error) {
	defer flow.Wrap(&err, "proof", "no ElastiCache password")
	query := url.Values{"Action": {"connect"}, "User": {e.User}}
	if e.Serverless {
		query.Set("ResourceType", "ServerlessCache")
	}
	return e.connector.password(ctx, connection{
		credentials: e.Credentials, service: "elasticache", region: e.Region,
		fields: []field{{"Cache", e.Cache, isCacheName, cacheName}, {name: "User", value: e.User}},
		host:   e.Cache, query: query, minLife: e.MinLife, clock: e.Clock,
	})
}

const cacheName = "a name of lower-case letters, digits and hyphens, not an address,"
