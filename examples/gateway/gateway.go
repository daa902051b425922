package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/statuspage"
	"github.com/stschain-go/stschain/stsquery"
)

// tenant is what a customer configured: the role in its account, and the external ID that the role's
// trust policy requires. It is the key of the pool, so every input of AssumeRole is part of the key.
type tenant struct {
	roleARN, externalID string
}

// gateway signs the requests of tenants with the credentials of their roles.
type gateway struct {
	pool  stschain.Pool[tenant]
	proxy httputil.ReverseProxy

	mu      sync.RWMutex
	tenants map[string]tenant // by name, from the database of a real gateway
}

var errUnknown = errors.New("unknown tenant")

// newGateway returns a gateway in front of a service of AWS. sts calls STS with the gateway's own
// credentials.
func newGateway(sts *stsquery.Client, service *url.URL, signer *sigv4.Transport) *gateway {
	g := &gateway{tenants: map[string]tenant{}}
	g.pool.New = func(t tenant) (stschain.Provider, error) {
		return &assumerole.Provider{Client: sts, RoleARN: t.roleARN, ExternalID: t.externalID, SessionName: "gateway"}, nil
	}
	// The log has the role, but not the external ID, and no refreshes that succeeded.
	warnings := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	g.pool.OnEvent = stschain.LogPoolEvents(warnings, func(t tenant) string { return t.roleARN })
	signer.CredentialsFor = func(r *http.Request) (stschain.CachedProvider, error) {
		t, err := g.tenantOf(r)
		if err != nil {
			return nil, err
		}
		return g.pool.Provider(t), nil
	}
	g.proxy = httputil.ReverseProxy{
		Transport:    signer,
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(service) },
		ErrorHandler: respondError,
	}
	return g
}

// status returns the page with the state of the pool. Its keys are shown as in the log, without the external ID.
func (g *gateway) status() http.Handler {
	return &statuspage.Handler{
		Title: "gateway",
		Pools: []statuspage.Pool{statuspage.NewPool("tenants", &g.pool, func(t tenant) string { return t.roleARN })},
	}
}

// tenantOf returns the tenant of a request. A real gateway authenticates its clients; here they send a name.
func (g *gateway) tenantOf(r *http.Request) (tenant, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	t, ok := g.tenants[r.Header.Get("X-Tenant")]
	if !ok {
		return tenant{}, errUnknown
	}
	return t, nil
}

// set adds or changes a tenant. What is cached of its earlier role is dropped.
func (g *gateway) set(name string, t tenant) {
	g.mu.Lock()
	old := g.tenants[name]
	g.tenants[name] = t
	g.mu.Unlock()
	g.pool.Forget(old)
}

// remove deletes a tenant with its credentials: from now on its requests are not signed.
func (g *gateway) remove(name string) {
	g.mu.Lock()
	old := g.tenants[name]
	delete(g.tenants, name)
	g.mu.Unlock()
	g.pool.Forget(old)
}

// repaired is called when a tenant says that its trust policy was repaired, so that it need not wait
// until the refusal is forgotten.
func (g *gateway) repaired(name string) {
	g.mu.RLock()
	t := g.tenants[name]
	g.mu.RUnlock()
	g.pool.Forget(t)
}

// respondError responds with what the client can change, without details of the gateway.
func respondError(w http.ResponseWriter, _ *http.Request, err error) {
	status := http.StatusBadGateway
	switch {
	case errors.Is(err, errUnknown):
		status = http.StatusNotFound
	case errors.Is(err, stschain.ErrPermanent): // the role does not trust the gateway
		status = http.StatusForbidden
	case errors.Is(err, stschain.ErrThrottled):
		status = http.StatusServiceUnavailable
	}
	http.Error(w, http.StatusText(status), status)
}

// metrics responds with the state of the pool, for Prometheus. A real gateway registers the PoolCollector of
// adapter/promsts, a separate module: it has these metrics and more, by the same names.
func (g *gateway) metrics(w http.ResponseWriter, _ *http.Request) {
	s := g.pool.Status()
	for _, m := range []struct {
		name  string
		value any
	}{
		{"entries", s.Entries}, {"new_entries", s.New}, {"bytes", s.Bytes},
		{"refreshes_in_flight", s.InFlight}, {"refreshes_waiting", s.Waiting}, {"refreshes_bound", s.Bound},
		{"hits_total", s.Hits}, {"misses_total", s.Misses}, {"evictions_total", s.Evictions}, {"refusals_total", s.Refusals},
	} {
		fmt.Fprintf(w, "stschain_pool_%s{pool=\"tenants\"} %d\n", m.name, m.value)
	}
}
