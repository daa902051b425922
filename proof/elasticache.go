package proof

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/stschain-go/stschain"
)

// ElastiCache makes passwords for users of caches in Amazon ElastiCache: Valkey 7.2
// and Redis OSS 7.0 or later, over TLS. A password is good for 15 minutes, a
// connection for 12 hours.
//
// It is safe for concurrent use. Its fields are not changed after first use, and it
// is not copied.
//
// Format: https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth-iam.html
type ElastiCache struct {
	Credentials stschain.Provider // required; asked through stschain.Cached. They need elasticache:Connect on cache and user
	Region      string            // required: the cache's, "eu-west-1"
	Cache       string            // required: the name of the cache, or the ID of the replication group; not its address
	User        string            // required: the user's ID, which is the user's name too
	Serverless  bool              // true: Cache is a serverless one
	MinLife     time.Duration     // see the package comment; up to 15 minutes
	Clock       stschain.Clock    // nil: the real one

	connector connector
}

// Token returns a password.
func (e *ElastiCache) Token(ctx context.Context) (Token, error) {
	if e == nil {
		return Token{}, fmt.Errorf("proof: no ElastiCache password: %w", stschain.Permanent(errors.New("the ElastiCache is nil")))
	}
	query := url.Values{}
	if e.Serverless {
		query.Set("ResourceType", "ServerlessCache")
	}
	t, err := e.connector.cachePassword(ctx, "Cache", e.Cache, e.User, query, connection{
		credentials: e.Credentials, service: "elasticache", region: e.Region, minLife: e.MinLife, clock: e.Clock,
	})
	if err != nil {
		return Token{}, fmt.Errorf("proof: no ElastiCache password: %w", err)
	}
	return t, nil
}
