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

// Roles of many tenants behind one client, assumed at the same moment: each caller gets its own,
// and what differs by the external ID alone is not the same.
// Peers: kube2iam#316, external-secrets#4455, terraform-provider-acme#371 (users.md 3.10, 4.26).
func TestTenantsAreKeptApart(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.AllowRefusals("AccessDenied")
	client := over(srv, srv.User()).Client
	type tenant struct {
		cache *stschain.Cache
		arn   string
		alien bool // with the external ID of somebody else
	}
	var tenants []tenant
	for i := range 30 {
		arn := fmt.Sprintf("arn:aws:iam::123456789012:role/tenant-%d", i)
		srv.AddRole(ststest.Role{ARN: arn, ExternalID: fmt.Sprint("id-", i)})
		for _, alien := range []bool{false, true} {
			id := i
			if alien {
				id++
			}
			p := &assumerole.Provider{Client: client, RoleARN: arn, ExternalID: fmt.Sprint("id-", id), SessionName: fmt.Sprint("session-", i)}
			tenants = append(tenants, tenant{&stschain.Cache{Provider: p}, arn, alien})
		}
	}
	var wg sync.WaitGroup
	for _, tenant := range tenants {
		for range 4 {
			wg.Go(func() {
				creds, err := tenant.cache.Retrieve(t.Context())
				if tenant.alien {
					if err == nil {
						t.Errorf("%s is given to a stranger", tenant.arn)
					}
					return
				}
				if err != nil || creds.Origin != "assumerole "+tenant.arn {
					t.Errorf("%s: %v, %v", tenant.arn, creds, err)
				}
			})
		}
	}
	wg.Wait()
	for i, tenant := range tenants {
		if tenant.alien {
			continue
		}
		creds, err := tenant.cache.Retrieve(t.Context())
		require.NoError(t, err)
		caller, ok := srv.Caller(creds.AccessKeyID)
		require.True(t, ok)
		require.Equal(t, fmt.Sprintf("arn:aws:sts::123456789012:assumed-role/tenant-%d/session-%d", i/2, i/2), caller.ARN)
	}
}
