package assumerole_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/ststest"
)

// Roles of many tenants that share a client are assumed at the same moment. Each caller gets its own
// session, and providers that differ by the external ID alone are not the same.
// Reports: kube2iam#316, external-secrets#4455, terraform-provider-acme#371.
func TestTenantsAreKeptApart(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.AllowRefusals("AccessDenied")
	client := over(srv, srv.User()).Client
	type tenant struct {
		cache *stschain.Cache
		n     int
		alien bool // with the external ID of another tenant
	}
	var tenants []tenant
	for n := range 30 {
		arn := fmt.Sprintf("arn:aws:iam::123456789012:role/tenant-%d", n)
		srv.AddRole(ststest.Role{ARN: arn, ExternalID: fmt.Sprint("id-", n)})
		for i, alien := range []bool{false, true} {
			p := &assumerole.Provider{Client: client, RoleARN: arn, ExternalID: fmt.Sprint("id-", n+i), SessionName: fmt.Sprint("session-", n)}
			tenants = append(tenants, tenant{&stschain.Cache{Provider: p}, n, alien})
		}
	}
	var wg sync.WaitGroup
	for _, tenant := range tenants {
		for range 4 {
			wg.Go(func() {
				creds, err := tenant.cache.Retrieve(t.Context())
				if tenant.alien != (err != nil) {
					t.Errorf("tenant %d, alien %v: %v, %v", tenant.n, tenant.alien, creds, err)
				}
			})
		}
	}
	wg.Wait()
	for _, tenant := range tenants {
		if tenant.alien {
			continue
		}
		creds, err := tenant.cache.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("assumerole arn:aws:iam::123456789012:role/tenant-%d", tenant.n), creds.Origin)
		caller, ok := srv.Caller(creds.AccessKeyID)
		require.True(t, ok)
		require.Equal(t, fmt.Sprintf("arn:aws:sts::123456789012:assumed-role/tenant-%d/session-%d", tenant.n, tenant.n), caller.ARN)
	}
}
