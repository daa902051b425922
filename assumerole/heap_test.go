package assumerole_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/stsquery"
)

// TestHeapOfTenants bounds the memory of a gateway's tenant without its token: an entry of a Pool with the provider of a
// role. A client of its own costs several times as much as one that all of them share.
func TestHeapOfTenants(t *testing.T) {
	const tenants = 5_000
	base := stschain.Static("AKIAIOSFODNN7EXAMPLE", "secret", "")
	sts := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		form, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		query, err := url.ParseQuery(string(form))
		number := query.Get("ExternalId")
		body := `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA` + number + `EXAMPLE</AccessKeyId><SecretAccessKey>` +
			strings.Repeat("k", 34) + number + `</SecretAccessKey><SessionToken>` + token(number) + `</SessionToken><Expiration>` +
			time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `</Expiration></Credentials><AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/tenant-` +
			number + `/gateway</Arn><AssumedRoleId>AROA:gateway</AssumedRoleId></AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>`
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, err
	})}
	newClient := func() *stsquery.Client {
		return &stsquery.Client{Credentials: base, Region: "eu-west-1", HTTPClient: sts}
	}
	shared := newClient()
	for _, tt := range []struct {
		name   string
		client func() *stsquery.Client
		most   int
	}{
		{"shared client", func() *stsquery.Client { return shared }, 1_250},
		{"client of its own", newClient, 4_300},
	} {
		t.Run(tt.name, func(t *testing.T) {
			names, tokens := make([]string, tenants), make([]stschain.Secret, tenants)
			for i := range names {
				number := fmt.Sprintf("%06d", i)
				names[i], tokens[i] = "arn:aws:iam::123456789012:role/tenant-"+number, stschain.NewSecret(token(number))
			}
			pool := &stschain.Pool[string]{MaxEntries: tenants, New: func(key string) (stschain.Provider, error) {
				return &assumerole.Provider{Client: tt.client(), RoleARN: key, SessionName: "gateway", ExternalID: key[len(key)-6:]}, nil
			}}
			before := heapInUse()
			for _, name := range names {
				_, err := pool.Retrieve(t.Context(), name)
				require.NoError(t, err)
			}
			each := (int(heapInUse()) - int(before)) / tenants
			t.Logf("%d bytes for a tenant, without the token", each)
			require.LessOrEqual(t, each, tt.most)
			runtime.KeepAlive(pool)
			runtime.KeepAlive(names)
			runtime.KeepAlive(tokens)
		})
	}
}

func token(number string) string { return strings.Repeat("t", 800-len(number)) + number }

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC() // the second frees what the first had finalizers and weak pointers for
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
