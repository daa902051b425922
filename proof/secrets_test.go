package proof_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/proof"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// Neither tokens nor the types, which keep credentials and keys between tokens, print secrets.
func TestCanaryOfHolders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its Wait ends what a cache does in the background
		c := client(example, nil)
		srv := ststest.NewTest(t)
		eks := &proof.EKS{Client: c, Cluster: "production"}
		vault := &proof.Vault{Client: c, ServerID: "vault.example.com"}
		gcp := &proof.GCP{Client: c, Audience: audience}
		id := &proof.CallerIdentity{Client: c, Header: "X-Verifier", Audience: "me"}
		rds := &proof.RDS{Credentials: example, Region: region, Endpoint: "db.example:5432", User: "jane"}
		msk := &proof.MSK{Credentials: example, Region: region}
		dsql := &proof.DSQL{Credentials: example, Region: region, Endpoint: "abc.dsql.eu-west-1.on.aws"}
		cache := &proof.ElastiCache{Credentials: example, Region: region, Cache: "sessions", User: "jane"}
		memory := &proof.MemoryDB{Credentials: example, Region: region, Cluster: "sessions", User: "jane"}
		socket := &proof.IoTWebSocket{Credentials: example, Region: region, Endpoint: "abc-ats.iot.eu-west-1.amazonaws.com"}
		web := outbound(srv, srv.User())
		bear, swap := bearer(srv, example), exchange(srv)
		keys, _ := example.Retrieve(t.Context())
		srv.AddKeys("arn:aws:sts::123456789012:assumed-role/web/session", keys)
		for holder, make := range map[any]maker{
			eks: eks.Token, vault: vault.Token, gcp: gcp.Token, id: id.URL, rds: rds.Token, msk: msk.Token, web: web.Token,
			dsql: dsql.Token, cache: cache.Token, memory: memory.Token, socket: socket.URL, bear: bear.Token, swap: swap.Token,
		} {
			token, err := make(t.Context())
			require.NoError(t, err)
			synctest.Wait()
			canary.Check(t, secretKey, holder)
			canary.Check(t, token.Value.Reveal(), holder, token)
		}
		request, err := id.Request(t.Context())
		require.NoError(t, err)
		synctest.Wait()
		canary.Check(t, sessionToken, id, request, request.Header)
		canary.Check(t, request.Reveal().Get("Authorization"), request, request.Header)
	})
}

// Errors contain no secret, whatever is wrong with it.
func TestCanaryOfErrors(t *testing.T) {
	const bad = "canary/4711 \n"
	for name, p := range map[string]stschain.Provider{
		"token with a line break": stschain.Static("AKIDEXAMPLE", secretKey, bad),
		"too long": stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			long := stschain.NewSecret("canary/4711" + strings.Repeat("x", 4096))
			return stschain.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret(secretKey), SessionToken: long}, nil
		}),
	} {
		t.Run(name, func(t *testing.T) {
			eachKind(t, func(t *testing.T, k kind) {
				_, err := k.make(p, fakeClock(), 0)(t.Context())
				if err != nil { // the second one is too long for EKS alone
					canary.Check(t, "canary/4711", err)
				}
			})
		})
	}
	srv := ststest.NewTest(t)
	srv.FailAll(ststest.HTML(503))
	w := outbound(srv, srv.User())
	w.Client.Retry = stsquery.Retry{MaxAttempts: 1}
	_, err := w.Token(t.Context())
	require.Error(t, err)
	user, _ := srv.User().Retrieve(t.Context())
	canary.Check(t, user.SecretAccessKey.Reveal(), err)
}
