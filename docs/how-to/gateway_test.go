package howto_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/statuspage"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

type tenant struct{ roleARN, externalID string }

// The code of gateway.md: the service sees the role of the tenant that sent the request.
func TestGateway(t *testing.T) {
	fake := ststest.NewTest(t)
	sts := &stsquery.Client{Credentials: fake.User(), Region: "eu-west-1", HTTPClient: fake.Client()}
	tenantOf := func(r *http.Request) (tenant, error) {
		if r.Header.Get("X-Tenant") != "a" {
			return tenant{}, errors.New("unknown tenant")
		}
		return tenant{roleARN: "arn:aws:iam::123456789012:role/a"}, nil
	}
	telemetry := make(events, 10)

	pool := &stschain.Pool[tenant]{New: func(t tenant) (stschain.Provider, error) {
		return &assumerole.Provider{Client: sts, RoleARN: t.roleARN, ExternalID: t.externalID, SessionName: "gateway"}, nil
	}}
	pool.OnEvent = stschain.CombineEvents(
		stschain.LogPoolEvents(slog.Default(), func(t tenant) string { return t.roleARN }),
		func(e stschain.PoolEvent[tenant]) { telemetry.OnEvent(e.Event) }, // durations and error.type, of all tenants together
	)

	page := &statuspage.Handler{
		Title: "gateway",
		Pools: []statuspage.Pool{statuspage.NewPool("tenants", pool, func(t tenant) string { return t.roleARN })},
	}

	transport := &sigv4.Transport{
		Service: "execute-api", Region: "eu-west-1",
		Hosts: []string{"api.example.com"},
		CredentialsFor: func(r *http.Request) (stschain.CachedProvider, error) {
			t, err := tenantOf(r) // authenticates the client
			if err != nil {
				return nil, err
			}
			return pool.Provider(t), nil
		},
	}
	transport.Base = ststest.InProcess(fake.Protect("execute-api", "eu-west-1", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := ststest.CallerFrom(r.Context())
		io.WriteString(w, caller.ARN)
	})))
	for name, want := range map[string]string{"a": "arn:aws:sts::123456789012:assumed-role/a/gateway", "b": ""} {
		r := httptest.NewRequest(http.MethodGet, "https://api.example.com/", nil)
		r.RequestURI = ""
		r.Header.Set("X-Tenant", name)
		resp, err := (&http.Client{Transport: transport}).Do(r)
		if want == "" {
			require.ErrorContains(t, err, "unknown tenant")
			continue
		}
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		require.NoError(t, err)
		require.Equal(t, want, string(body))
	}
	require.Equal(t, stschain.RefreshStarted, (<-telemetry).Kind)
	server := httptest.NewServer(page)
	defer server.Close()
	resp, err := http.Get(server.URL)
	require.NoError(t, err)
	defer resp.Body.Close()
	shown, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, string(shown), "arn:aws:iam::123456789012:role/a")
}

// events are those that a sink of telemetry gets.
type events chan stschain.Event

func (all events) OnEvent(e stschain.Event) { all <- e }
