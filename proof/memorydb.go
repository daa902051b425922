package proof

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/stschain-go/stschain"
)

// MemoryDB makes passwords for users of clusters in Amazon MemoryDB: Valkey and
// Redis OSS 7.0 or later, over TLS. A password is good for 15 minutes, a connection
// for 12 hours.
//
// It is safe for concurrent use. Its fields are not changed after first use, and it
// is not copied.
//
// Format: https://docs.aws.amazon.com/memorydb/latest/devguide/auth-iam.html
type MemoryDB struct {
	Credentials stschain.Provider // required; asked through stschain.Cached. They need memorydb:Connect on cluster and user
	Region      string            // required: the cluster's, "eu-west-1"
	Cluster     string            // required: its name; not its address
	User        string            // required: the user's name
	MinLife     time.Duration     // see the package comment; up to 15 minutes
	Clock       stschain.Clock    // nil: the real one

	connector connector
}

// Token returns a password.
func (m *MemoryDB) Token(ctx context.Context) (Token, error) {
	if m == nil {
		return Token{}, fmt.Errorf("proof: no MemoryDB password: %w", stschain.Permanent(errors.New("the MemoryDB is nil")))
	}
	t, err := m.connector.cachePassword(ctx, "Cluster", m.Cluster, m.User, url.Values{}, connection{
		credentials: m.Credentials, service: "memorydb", region: m.Region, minLife: m.MinLife, clock: m.Clock,
	})
	if err != nil {
		return Token{}, fmt.Errorf("proof: no MemoryDB password: %w", err)
	}
	return t, nil
}
