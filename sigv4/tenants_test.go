package sigv4_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

// tenantPool is a pool whose keys are the IDs of access keys. After a rejection, "A" becomes "A2".
func tenantPool() *stschain.Pool[string] {
	var mu sync.Mutex
	calls := map[string]int{}
	return &stschain.Pool[string]{
		New: func(id string) (stschain.Provider, error) {
			if id == "" {
				return nil, stschain.Permanent(errors.New("no such tenant"))
			}
			return stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
				mu.Lock()
				defer mu.Unlock()
				if calls[id]++; calls[id] > 1 {
					return creds(fmt.Sprint(id, calls[id])), nil
				}
				return creds(id), nil
			}), nil
		},
	}
}

func byTenant(pool *stschain.Pool[string], calls *int) func(*http.Request) (stschain.CachedProvider, error) {
	return func(r *http.Request) (stschain.CachedProvider, error) {
		*calls++
		return pool.Provider(r.Header.Get("Tenant")), nil
	}
}

// Each request is signed with the credentials of its tenant, in every way to sign.
func TestCredentialsFor(t *testing.T) {
	s := newService(t, withTLS, nil, "A", "B")
	calls := 0
	tr := s.transport()
	tr.Credentials, tr.CredentialsFor = nil, byTenant(tenantPool(), &calls)
	for n, tenant := range []string{"A", "B", "A"} {
		for name, send := range ways(tr) {
			req := newRequest(t, "GET", s.URL, nil)
			req.Header.Set("Tenant", tenant)
			requireOK(t, send, req)
			seen := s.arrivals()
			require.Equal(t, tenant, seen[len(seen)-1].id, name)
		}
		require.Equal(t, (n+1)*len(ways(tr)), calls)
	}
	req := newRequest(t, "GET", s.URL, nil)
	req.Header.Set("Tenant", "B")
	signed, err := tr.Presign(req, time.Minute)
	require.NoError(t, err)
	require.Contains(t, signed.URL.Reveal(), "X-Amz-Credential=B%2F")
}

// A rejected token of one tenant is replaced, without another call, and no other tenant's.
func TestCredentialsForRejected(t *testing.T) {
	s := newService(t, plain, nil, "A", "A2", "B")
	s.do = rejects(403, "", fmt.Sprintf(s3Error, "ExpiredToken"), "A")
	pool, calls := tenantPool(), 0
	tr := s.transport()
	tr.Credentials, tr.CredentialsFor = nil, byTenant(pool, &calls)
	for _, tenant := range []string{"B", "A", "B"} {
		req := newRequest(t, "GET", s.URL, nil)
		req.Header.Set("Tenant", tenant)
		do(t, tr.RoundTrip, req)
	}
	require.Equal(t, 3, calls)
	status := map[string]bool{}
	for tenant, cache := range pool.All() {
		status[tenant] = cache.Status().Rejected
	}
	require.Equal(t, map[string]bool{"A": true, "B": false}, status)
}

// Without a tenant nothing is sent.
func TestCredentialsForErrors(t *testing.T) {
	unknown := errors.New("unknown tenant")
	pool := tenantPool()
	for name, test := range map[string]struct {
		tr   *sigv4.Transport
		want string
		is   error
	}{
		"error":     {&sigv4.Transport{CredentialsFor: func(*http.Request) (stschain.CachedProvider, error) { return nil, unknown }}, "no credentials for s3 in eu-west-1: unknown tenant", unknown},
		"nothing":   {&sigv4.Transport{CredentialsFor: func(*http.Request) (stschain.CachedProvider, error) { return nil, nil }}, "CredentialsFor returned none", nil},
		"no tenant": {&sigv4.Transport{CredentialsFor: func(*http.Request) (stschain.CachedProvider, error) { return pool.Provider(""), nil }}, "no such tenant", stschain.ErrPermanent},
		"both": {&sigv4.Transport{Credentials: stschain.Static("A", "s", ""), CredentialsFor: func(*http.Request) (stschain.CachedProvider, error) { return nil, nil }},
			"Transport.Credentials and CredentialsFor are both set; remove one", nil},
		"neither": {&sigv4.Transport{}, "Transport.Credentials is missing", nil},
	} {
		tr := test.tr
		tr.Service, tr.Region = "s3", "eu-west-1"
		tr.Base = roundTripper(func(*http.Request) (*http.Response, error) { t.Error("sent"); return nil, errors.New("sent") })
		_, err := tr.RoundTrip(newRequest(t, "GET", "https://bucket.example.com/", nil))
		require.ErrorContains(t, err, test.want, name)
		if test.is != nil {
			require.ErrorIs(t, err, test.is, name)
		}
		require.Error(t, tr.SignRequest(newRequest(t, "GET", "https://bucket.example.com/", nil)), name)
	}
}
