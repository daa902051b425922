package otelsts_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/otelsts"
)

// tenant is a key with a secret.
type tenant struct{ name, externalID string }

func key(name string) tenant { return tenant{name, "hunter4711"} }

func nameOf(t tenant) string { return t.name }

// tenants is a pool whose first tenant has credentials for an hour, the second for an hour and a minute, and so on.
type tenants struct {
	*program
	pool  stschain.Pool[tenant]
	clk   *clock.Mock
	fails map[string]error
	calls atomic.Int64 // of New and providers
}

func newTenants(t *testing.T, label func(tenant) string) *tenants {
	w := &tenants{program: newProgram(), clk: clock.NewMock(), fails: map[string]error{}}
	w.pool.Clock = w.clk
	w.pool.New = func(t tenant) (stschain.Provider, error) {
		w.calls.Add(1)
		return stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			w.calls.Add(1)
			creds := credentials(0)
			creds.AccessKeyID = "AKIDEXAMPLE"
			creds.Expires = w.clk.Now().Add(time.Hour + time.Duration(t.name[0]-'a')*time.Minute)
			return creds, w.fails[t.name]
		}), nil
	}
	registration, err := otelsts.ObservePool(w.telemetry, &w.pool, label)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, registration.Unregister()) })
	return w
}

// get retrieves the credentials of tenants, which must fail if they are in fails.
func (w *tenants) get(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		_, err := w.pool.Retrieve(t.Context(), key(name))
		require.ErrorIs(t, err, w.fails[name])
	}
}

// keys returns what is collected by key.
func (w *tenants) keys(t *testing.T) (lines []string) {
	t.Helper()
	for _, line := range w.collect(t) {
		if !strings.Contains(line, "[] ") {
			lines = append(lines, strings.TrimPrefix(line, "pool."))
		}
	}
	return lines
}

func TestPool(t *testing.T) {
	w := newTenants(t, nil)
	w.fails["x"] = stschain.Permanent(errDown)
	require.NotContains(t, strings.Join(w.collect(t), "\n"), "remaining")
	w.get(t, "b", "a", "a", "x")
	w.clk.Add(time.Minute)
	require.ElementsMatch(t, []string{
		"pool.entry.count[] 2", "pool.entry.new[] 1", fmt.Sprintf("pool.size[] %d", w.pool.Status().Bytes),
		"pool.refresh.active[] 0", "pool.refresh.waiting[] 0", "pool.refresh.bound[] 64",
		"pool.hits[] 1", "pool.misses[] 3", "pool.evictions[] 0", "pool.refusals[] 1",
		"pool.entry.failing[] 0", "pool.entry.expired[] 0", "pool.credentials.remaining[] 3540",
	}, w.collect(t))

	w.clk.Add(2 * time.Hour)
	require.Subset(t, w.collect(t), []string{"pool.entry.failing[] 0", "pool.entry.expired[] 0", "pool.credentials.remaining[] -3660"}, "idle")
	w.fails["a"] = errDown
	w.get(t, "a", "b")
	require.Subset(t, w.collect(t), []string{"pool.entry.failing[] 1", "pool.entry.expired[] 1"})
}

// The series of a tenant is there as long as its entry, and those of made-up names never.
func TestPoolLabel(t *testing.T) {
	w := newTenants(t, nameOf)
	w.pool.MaxEntries = 2
	w.fails["x"] = stschain.Permanent(errDown)
	w.get(t, "a", "b", "x")
	require.ElementsMatch(t, []string{
		"entry.failing[a] 0", "entry.expired[a] 0", "credentials.remaining[a] 3600",
		"entry.failing[b] 0", "entry.expired[b] 0", "credentials.remaining[b] 3660",
	}, w.keys(t))
	w.get(t, "c")
	require.ElementsMatch(t, []string{
		"entry.failing[b] 0", "entry.expired[b] 0", "credentials.remaining[b] 3660",
		"entry.failing[c] 0", "entry.expired[c] 0", "credentials.remaining[c] 3720",
	}, w.keys(t), "a was evicted")
	w.pool.Forget(key("b"))
	w.pool.Forget(key("c"))
	require.Empty(t, w.keys(t))
}

func TestPoolLabelOfSeveralKeys(t *testing.T) {
	w := newTenants(t, func(t tenant) string { return map[string]string{"a": "?", "b": "\xff", "c": "\xfe"}[t.name] })
	w.get(t, "b", "a", "c")
	w.clk.Add(2 * time.Hour)
	w.fails["a"], w.fails["c"] = errDown, errDown
	w.get(t, "a", "c")
	require.ElementsMatch(t, []string{"entry.failing[?] 2", "entry.expired[?] 2", "credentials.remaining[?] -3600"}, w.keys(t))
}

// A collection calls neither New nor a provider, and is not a use of a key.
func TestPoolCollectIsNoUse(t *testing.T) {
	w := newTenants(t, nameOf)
	w.pool.MaxEntries = 8
	for _, name := range strings.Fields("a b c d e f g h a a i j k") {
		w.get(t, name)
		calls, status := w.calls.Load(), w.pool.Status()
		for range 3 {
			w.collect(t)
		}
		require.Equal(t, calls, w.calls.Load())
		require.Equal(t, status, w.pool.Status())
	}
	var kept []string
	for key := range w.pool.All() {
		kept = append(kept, key.name)
	}
	require.ElementsMatch(t, strings.Fields("a e f g h i j k"), kept, "a was used twice, and b, c and d were evicted")
}

// Tenants come and go during collections.
func TestPoolConcurrentCollections(t *testing.T) {
	w := newTenants(t, func(t tenant) string { return t.name[:1] })
	w.pool.MaxEntries = 4
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
	for range 20 {
		w.collect(t)
	}
	all.Wait()
	require.Positive(t, w.pool.Status().Evictions)
}

// The events of all keys are those of one cache, and no metric has a key.
func TestPoolEvents(t *testing.T) {
	w := newTenants(t, nil)
	var done sync.WaitGroup
	done.Add(2)
	w.pool.OnEvent = func(e stschain.PoolEvent[tenant]) {
		w.telemetry.OnEvent(e.Event)
		if e.Kind == stschain.Refreshed || e.Kind == stschain.RefreshFailed {
			done.Done()
		}
	}
	w.fails["x"] = stschain.Permanent(fmt.Errorf("hunter4711: %w", errDown))
	w.get(t, "a", "x")
	done.Wait()
	lines := w.collect(t)
	require.Subset(t, lines, []string{"refreshes[success] 1", "refreshes[failure permanent] 1"})
	require.NotContains(t, strings.Join(lines, "\n"), "hunter4711")
	require.Len(t, w.spans.Ended(), 2)
}

func TestObservePool(t *testing.T) {
	const missing = "otelsts: the Telemetry and the Pool to observe must not be nil"
	_, err := otelsts.ObservePool[string](&otelsts.Telemetry{}, nil, nil)
	require.EqualError(t, err, missing)
	_, err = otelsts.ObservePool(nil, &stschain.Pool[string]{}, nil)
	require.EqualError(t, err, missing)

	p := newProgram()
	registration, err := otelsts.ObservePool(p.telemetry, &stschain.Pool[string]{}, nil)
	require.NoError(t, err)
	require.Contains(t, p.collect(t), "pool.entry.count[] 0", "a pool without New has nothing")
	require.NoError(t, registration.Unregister())
	require.Empty(t, p.collect(t))

	silent := &otelsts.Telemetry{TracerProvider: tracenoop.NewTracerProvider(), MeterProvider: metricnoop.NewMeterProvider()}
	_, err = otelsts.ObservePool(silent, &stschain.Pool[string]{}, nil)
	require.NoError(t, err)
}
