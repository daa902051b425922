package promsts_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/promsts"
)

// tenant is a key with a secret.
type tenant struct{ name, externalID string }

// tenants is a pool whose first tenant has credentials for an hour, the second for an hour and a minute, and so on.
type tenants struct {
	pool  stschain.Pool[tenant]
	clk   *clock.Mock
	fails map[string]error
	calls atomic.Int64 // of New, Configure and providers
}

func newTenants() *tenants {
	w := &tenants{clk: clock.NewMock(), fails: map[string]error{}}
	w.pool.Clock = w.clk
	w.pool.New = func(t tenant) (stschain.Provider, error) {
		w.calls.Add(1)
		return stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			w.calls.Add(1)
			lifetime := time.Hour + time.Duration(t.name[0]-'a')*time.Minute
			return stschain.Credentials{
				AccessKeyID:     "AKIDEXAMPLE",
				SecretAccessKey: stschain.NewSecret("hunter4711"),
				Expires:         w.clk.Now().Add(lifetime),
			}, w.fails[t.name]
		}), nil
	}
	w.pool.Configure = func(tenant, *stschain.Cache) { w.calls.Add(1) }
	return w
}

func key(name string) tenant { return tenant{name, "hunter4711"} }

// get retrieves the credentials of tenants, which must fail if they are in fails.
func (w *tenants) get(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		_, err := w.pool.Retrieve(t.Context(), key(name))
		require.ErrorIs(t, err, w.fails[name])
	}
}

func (w *tenants) collector(label func(tenant) string) *promsts.PoolCollector[tenant] {
	return &promsts.PoolCollector[tenant]{Name: "tenants", Pool: &w.pool, Label: label}
}

func name(t tenant) string { return t.name }

// keyed returns the samples by key, without prefix and pool.
func keyed(t *testing.T, c prometheus.Collector) (lines []string) {
	t.Helper()
	for line := range strings.Lines(text(t, c)) {
		if rest, ok := strings.CutPrefix(line, "stschain_pool_key_"); ok {
			lines = append(lines, strings.TrimSpace(strings.Replace(rest, `,pool="tenants"`, "", 1)))
		}
	}
	return lines
}

func TestPool(t *testing.T) {
	w := newTenants()
	w.fails["x"] = stschain.Permanent(errDown)
	c := w.collector(nil)
	require.NotContains(t, text(t, c), "expiry", "no credentials are cached")

	w.get(t, "b", "a", "a", "x")
	require.Equal(t, `# HELP stschain_pool_bytes Memory for credentials and entries, as MaxBytes counts.
# TYPE stschain_pool_bytes gauge
stschain_pool_bytes{pool="tenants"} 3042
# HELP stschain_pool_entries Keys that have brought credentials.
# TYPE stschain_pool_entries gauge
stschain_pool_entries{pool="tenants"} 2
# HELP stschain_pool_evictions_total Keys that another key displaced.
# TYPE stschain_pool_evictions_total counter
stschain_pool_evictions_total{pool="tenants"} 0
# HELP stschain_pool_expired_entries Keys whose credentials have expired and whose last refresh failed.
# TYPE stschain_pool_expired_entries gauge
stschain_pool_expired_entries{pool="tenants"} 0
# HELP stschain_pool_expiry_timestamp_seconds When the first of the cached credentials expire, in Unix time; +Inf if none do.
# TYPE stschain_pool_expiry_timestamp_seconds gauge
stschain_pool_expiry_timestamp_seconds{pool="tenants"} 3600
# HELP stschain_pool_failing_entries Keys with cached credentials whose last refresh failed.
# TYPE stschain_pool_failing_entries gauge
stschain_pool_failing_entries{pool="tenants"} 0
# HELP stschain_pool_hits_total Calls that found an entry of their key.
# TYPE stschain_pool_hits_total counter
stschain_pool_hits_total{pool="tenants"} 1
# HELP stschain_pool_misses_total Calls that made an entry of their key.
# TYPE stschain_pool_misses_total counter
stschain_pool_misses_total{pool="tenants"} 3
# HELP stschain_pool_new_entries Keys on probation, which have not brought credentials.
# TYPE stschain_pool_new_entries gauge
stschain_pool_new_entries{pool="tenants"} 1
# HELP stschain_pool_refreshes_bound Slots for refreshes: MaxInFlight, or less after STS throttled.
# TYPE stschain_pool_refreshes_bound gauge
stschain_pool_refreshes_bound{pool="tenants"} 64
# HELP stschain_pool_refreshes_in_flight Refreshes that have a slot.
# TYPE stschain_pool_refreshes_in_flight gauge
stschain_pool_refreshes_in_flight{pool="tenants"} 0
# HELP stschain_pool_refreshes_waiting Refreshes that wait for a slot.
# TYPE stschain_pool_refreshes_waiting gauge
stschain_pool_refreshes_waiting{pool="tenants"} 0
# HELP stschain_pool_refusals_total Permanent failures of keys without valid credentials.
# TYPE stschain_pool_refusals_total counter
stschain_pool_refusals_total{pool="tenants"} 1
`, text(t, c))
}

// Credentials that expire are a failure only if their refresh failed.
func TestPoolFailing(t *testing.T) {
	w := newTenants()
	c := w.collector(nil)
	values := func() (samples []string) {
		for line := range strings.Lines(text(t, c, "stschain_pool_failing_entries", "stschain_pool_expired_entries")) {
			if sample, ok := strings.CutPrefix(strings.TrimSpace(line), "stschain_pool_"); ok {
				samples = append(samples, strings.Replace(sample, `{pool="tenants"}`, "", 1))
			}
		}
		return samples
	}
	w.get(t, "a", "b", "c")
	w.clk.Add(2 * time.Hour)
	require.Equal(t, []string{"expired_entries 0", "failing_entries 0"}, values(), "idle")
	w.fails["b"] = errDown
	w.get(t, "a", "b")
	require.Equal(t, []string{"expired_entries 1", "failing_entries 1"}, values())
	w.get(t, "c")
	w.fails["c"] = errDown
	w.clk.Add(5 * time.Minute)
	w.pool.Provider(key("c")).(stschain.Invalidator).Invalidate(stschain.Credentials{AccessKeyID: "AKIDEXAMPLE"})
	_, err := w.pool.Retrieve(t.Context(), key("c"))
	require.NoError(t, err, "they may still be valid elsewhere")
	require.Equal(t, []string{"expired_entries 1", "failing_entries 2"}, values())
}

// The series of a tenant is there as long as its entry, and those of made-up names never.
func TestPoolLabel(t *testing.T) {
	w := newTenants()
	w.pool.MaxEntries = 2
	w.fails["x"] = stschain.Permanent(errDown)
	c := w.collector(name)
	require.Empty(t, keyed(t, c))
	w.get(t, "a", "b", "x")
	require.Equal(t, []string{
		`expired_entries{key="a"} 0`, `expired_entries{key="b"} 0`,
		`expiry_timestamp_seconds{key="a"} 3600`, `expiry_timestamp_seconds{key="b"} 3660`,
		`failing_entries{key="a"} 0`, `failing_entries{key="b"} 0`,
	}, keyed(t, c))
	require.Contains(t, text(t, c), `stschain_pool_expiry_timestamp_seconds{pool="tenants"} 3600`, "as without labels")

	w.get(t, "c")
	require.Equal(t, []string{
		`expired_entries{key="b"} 0`, `expired_entries{key="c"} 0`,
		`expiry_timestamp_seconds{key="b"} 3660`, `expiry_timestamp_seconds{key="c"} 3720`,
		`failing_entries{key="b"} 0`, `failing_entries{key="c"} 0`,
	}, keyed(t, c), "a was evicted")
	w.pool.Forget(key("b"))
	w.pool.Forget(key("c"))
	require.Empty(t, keyed(t, c))
}

func TestPoolLabelOfSeveralKeys(t *testing.T) {
	for text, label := range map[string]func(tenant) string{
		"small": func(tenant) string { return "small" },
		"":      func(tenant) string { return "" },
		"?":     func(t tenant) string { return map[string]string{"a": "?", "b": "\xff", "c": "\xfe"}[t.name] },
	} {
		w := newTenants()
		w.get(t, "b", "a", "c")
		w.clk.Add(2 * time.Hour)
		w.fails["a"], w.fails["c"] = errDown, errDown
		w.get(t, "a", "c")
		require.Equal(t, []string{
			fmt.Sprintf("expired_entries{key=%q} 2", text),
			fmt.Sprintf("expiry_timestamp_seconds{key=%q} 3600", text),
			fmt.Sprintf("failing_entries{key=%q} 2", text),
		}, keyed(t, w.collector(label)))
	}
}

// A scrape calls neither New, Configure nor a provider, and is not a use of a key.
func TestPoolScrapeIsNoUse(t *testing.T) {
	w := newTenants()
	w.pool.MaxEntries = 8
	scrapes := func() {
		calls, status := w.calls.Load(), w.pool.Status()
		for range 3 {
			text(t, w.collector(name))
		}
		require.Equal(t, calls, w.calls.Load())
		require.Equal(t, status, w.pool.Status())
	}
	scrapes()
	for _, name := range strings.Fields("a b c d e f g h a a i j k") {
		w.get(t, name)
		scrapes()
	}
	var kept []string
	for key := range w.pool.All() {
		kept = append(kept, key.name)
	}
	require.ElementsMatch(t, strings.Fields("a e f g h i j k"), kept, "a was used twice, and b, c and d were evicted")
}

// The text of a scrape has no key and no secret, unless Label returns it.
func TestPoolNoSecret(t *testing.T) {
	w := newTenants()
	w.fails["x"] = fmt.Errorf("hunter4711 for AKIDEXAMPLE: %w", errDown)
	w.get(t, "a", "x")
	for _, c := range []*promsts.PoolCollector[tenant]{w.collector(nil), w.collector(name)} {
		out := text(t, c)
		require.NotContains(t, out, "hunter4711")
		require.NotContains(t, out, "AKIDEXAMPLE")
		require.Equal(t, c.Label != nil, strings.Contains(out, "key="))
	}
}

// Tenants come and go during scrapes.
func TestPoolConcurrentScrapes(t *testing.T) {
	w := newTenants()
	w.pool.MaxEntries = 4
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(w.collector(func(t tenant) string { return t.name[:1] })))
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for n := range 50 {
				k := key(fmt.Sprintf("%c%d", 'a'+n%5, n%(g+7)))
				if _, err := w.pool.Retrieve(context.Background(), k); err != nil {
					t.Error(err)
				}
				if n%10 == 0 {
					w.pool.Forget(k)
				}
			}
		})
	}
	for range 2 {
		all.Go(func() {
			for range 20 {
				if _, err := registry.Gather(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	require.Positive(t, w.pool.Status().Evictions)
}

func TestPoolLint(t *testing.T) {
	w := newTenants()
	w.get(t, "a")
	problems, err := testutil.CollectAndLint(w.collector(name))
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestPoolRegister(t *testing.T) {
	w, other := newTenants(), newTenants()
	w.get(t, "a")
	other.get(t, "a")
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(w.collector(nil)))
	require.NoError(t, registry.Register(&promsts.PoolCollector[tenant]{Name: "others", Pool: &other.pool, Label: name}), "with labels")
	require.NoError(t, registry.Register(&promsts.PoolCollector[string]{Name: "empty", Pool: &stschain.Pool[string]{}, Label: strings.ToUpper}), "with other keys")
	require.NoError(t, registry.Register(collector("c", &stschain.Cache{})), "and of caches")
	var already prometheus.AlreadyRegisteredError
	require.ErrorAs(t, registry.Register(w.collector(nil)), &already)
	families, err := registry.Gather()
	require.NoError(t, err)
	series := map[string]int{}
	for _, family := range families {
		series[family.GetName()] = len(family.GetMetric())
	}
	require.Equal(t, 3, series["stschain_pool_entries"])
	require.Equal(t, 2, series["stschain_pool_expiry_timestamp_seconds"], "the third has no credentials")
	require.Equal(t, 1, series["stschain_pool_key_failing_entries"])

	for want, c := range map[string]*promsts.PoolCollector[tenant]{
		"promsts: PoolCollector.Name is required":         {Pool: &w.pool},
		`promsts: PoolCollector.Pool is required for "a"`: {Name: "a"},
		`label value "\xff" is not valid UTF-8`:           {Name: "\xff", Pool: &w.pool},
	} {
		require.ErrorContains(t, prometheus.NewRegistry().Register(c), want)
	}
	metrics := make(chan prometheus.Metric, 1)
	(&promsts.PoolCollector[tenant]{}).Collect(metrics)
	require.ErrorContains(t, (<-metrics).Write(nil), "PoolCollector.Name is required")
}
