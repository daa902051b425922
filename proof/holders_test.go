package proof_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/proof"
)

// The types that sign without a client show nothing of what they keep between passwords, and
// neither does what somebody assembles of their passwords.
func TestCanaryOfDatabases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose Wait ends what works in a cache while it is printed
		dsql := &proof.DSQL{Credentials: example, Region: region, Endpoint: "abc.dsql.eu-west-1.on.aws", Admin: true}
		cache := &proof.ElastiCache{Credentials: example, Region: region, Cache: "sessions", User: "jane"}
		memory := &proof.MemoryDB{Credentials: example, Region: region, Cluster: "sessions", User: "jane"}
		for holder, make := range map[any]maker{dsql: dsql.Token, cache: cache.Token, memory: memory.Token} {
			token, err := make(t.Context())
			require.NoError(t, err)
			synctest.Wait()
			for _, s := range []string{secretKey, sessionToken, token.Value.Reveal()} {
				canary.Check(t, s, holder, token, &token, []proof.Token{token}, map[string]stschain.Secret{"password": token.Value})
			}
		}
	})
}
