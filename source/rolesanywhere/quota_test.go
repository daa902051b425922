package rolesanywhere_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/pki"
	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/storetest"
	"github.com/stschain-go/stschain/source/rolesanywhere"
	"github.com/stschain-go/stschain/ststest"
)

// newFleet returns a constructor of providers that share a certificate, and a server with the quota of AWS, 10 calls a second.
func newFleet(t *testing.T) (*ststest.Server, func(role int) *rolesanywhere.Provider) {
	w := newWorld(t)
	w.install(t, pki.EC(), w.root.Issue(pki.EC(), func(c *x509.Certificate) { c.NotBefore = time.Now().Add(-time.Hour) }))
	w.server.Clock, w.server.CallsPerSecond = nil, 10
	return w.server, func(role int) *rolesanywhere.Provider {
		return &rolesanywhere.Provider{
			TrustAnchorARN: anchorARN, ProfileARN: profileARN, RoleARN: fmt.Sprintf("arn:aws:iam::123456789012:role/tenant-%d", role),
			CertificateFile: w.certificate, KeyFile: w.key, HTTPClient: w.server.Client(),
		}
	}
}

// A Pool with MaxInFlight 2 stays within the quota if a call takes 200 ms.
func TestPoolQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, provider := newFleet(t)
		inner := server.Client().Transport
		slow := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			time.Sleep(200 * time.Millisecond)
			return inner.RoundTrip(r)
		})}
		pool := &stschain.Pool[int]{MaxInFlight: 2, New: func(role int) (stschain.Provider, error) {
			p := provider(role)
			p.HTTPClient = slow
			return p, nil
		}}
		began := time.Now()
		var wg sync.WaitGroup
		for role := range 40 {
			wg.Go(func() {
				if _, err := pool.Retrieve(t.Context(), role); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 40, server.Count("CreateSession"))
		require.Equal(t, 4*time.Second, time.Since(began))
	})
}

// Fifty processes with the same certificate and role share one session.
func TestSharedQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, provider := newFleet(t)
		store := &storetest.Memory{}
		key := stschain.NewSecret("0123456789abcdef0123456789abcdef")
		var wg sync.WaitGroup
		for range 50 {
			process := &stschain.Cache{Provider: &shared.Provider{
				Provider: provider(1), Store: store, Keys: []stschain.Secret{key}, NamingKey: key,
			}}
			wg.Go(func() {
				creds, err := process.Retrieve(context.Background())
				if err != nil || creds.Origin != "rolesanywhere arn:aws:iam::123456789012:role/tenant-1 (certificate expires at 2026-12-31T12:00:00Z)" {
					t.Error(creds.Origin, err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, server.Count("CreateSession"))
	})
}
