package stschain_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

func TestPoolNew(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		works := w.pool.New
		unknown := stschain.Permanent(errors.New("no such tenant"))
		calls := map[string]int{}
		w.pool.New = func(key string) (stschain.Provider, error) {
			w.mu.Lock()
			calls[key]++
			n := calls[key]
			w.mu.Unlock()
			switch key {
			case "unknown":
				return nil, unknown
			case "nil":
				return nil, nil
			case "panics":
				panic("no")
			case "exits":
				runtime.Goexit()
			case "itself":
				_, err := w.pool.Retrieve(context.Background(), key)
				return nil, err
			case "once":
				if n == 1 {
					return nil, errors.New("the database is down")
				}
			case "slow":
				<-time.After(10 * time.Second)
			case "hangs":
				if n == 1 {
					<-time.After(45 * time.Second)
				}
			}
			return works(key)
		}
		for range 2 {
			_, err := w.pool.Retrieve(t.Context(), "unknown")
			require.ErrorIs(t, err, unknown)
		}
		require.Equal(t, 1, w.count(calls, "unknown"))
		for _, tt := range [][2]string{
			{"nil", "stschain: Pool.New: it returned no provider"},
			{"panics", ": no"},
			{"exits", "called runtime.Goexit"},
			{"itself", "deadline exceeded"}, // after the Timeout: New has no context that would end
			{"once", "the database is down"},
			{"hangs", "did not return within 30s"},
		} {
			_, err := w.pool.Retrieve(t.Context(), tt[0])
			require.ErrorContains(t, err, tt[1], tt[0])
		}
		require.Equal(t, "ASIA-slow-1", w.get(t, "slow"))
		<-time.After(time.Second)
		require.Equal(t, "ASIA-once-1", w.get(t, "once"))
		require.Contains(t, w.get(t, "hangs"), "ASIA-hangs")
		require.Equal(t, 1, w.count(calls, "hangs"))
		<-time.After(time.Hour)
	})
}

// Keys may be structs. Their providers are caches of the pool's.
func TestPoolStructKeys(t *testing.T) {
	type role struct{ account, name, externalID string }
	pool := stschain.Pool[role]{New: func(r role) (stschain.Provider, error) {
		return stschain.Static("AKIA"+r.externalID, "secret", ""), nil
	}}
	for _, id := range []string{"x", "y", "x"} {
		p := pool.Provider(role{"1", "r", id})
		require.Equal(t, p, stschain.Cached(p))
		creds, err := p.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, "AKIA"+id, creds.AccessKeyID)
		require.IsType(t, &stschain.Cache{}, p.(stschain.Parent).Providers()[0])
	}
	require.Equal(t, 2, pool.Status().Entries)
}

// While its source is down, the expired credentials of a key are served for MaxStale, but not as valid for any time.
func TestPoolStale(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		w.pool.Configure = func(_ string, c *stschain.Cache) { c.MaxStale = time.Hour }
		w.get(t, "a")
		w.set(func() { w.fails["a"] = errors.New("down") })
		<-time.After(time.Hour + time.Minute)
		require.Equal(t, "ASIA-a-1", w.get(t, "a"))
		holder := w.pool.Provider("a")
		creds, err := holder.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, "ASIA-a-1", creds.AccessKeyID)
		require.NoError(t, w.pool.Warm(t.Context(), slices.Values([]string{"a"})))
		for _, atLeast := range []time.Duration{1, time.Minute} {
			_, err = holder.RetrieveFor(t.Context(), atLeast)
			require.ErrorContains(t, err, "the last refresh failed: down")
		}
		require.Equal(t, 2, w.total())
	})
}

// notable is a provider with a name that sees rejections.
type notable struct {
	stschain.Provider
	rejected []string
}

func (n *notable) Invalidate(rejected stschain.Credentials) {
	n.rejected = append(n.rejected, rejected.AccessKeyID)
}

func (n *notable) String() string { return "the provider of a tenant" }

// The provider that New made is the parent of the key's cache, gives it its name, and sees rejections.
func TestPoolProvider(t *testing.T) {
	made := &notable{Provider: stschain.Static("AKIA1", "secret", "")}
	down := errors.New("down")
	pool := stschain.Pool[string]{New: func(string) (stschain.Provider, error) {
		if down != nil {
			return nil, down
		}
		return made, nil
	}}
	const unknown = "a new key of the pool"
	p := pool.Provider("a")
	parents := func(p stschain.Provider) []stschain.Provider { return p.(stschain.Parent).Providers() }
	require.Empty(t, parents(p))
	require.Equal(t, unknown, fmt.Sprint(p))
	_, err := p.Retrieve(t.Context())
	require.ErrorIs(t, err, down)
	source := parents(parents(p)[0])[0]
	require.Empty(t, parents(source))
	require.Equal(t, []string{unknown, unknown}, []string{fmt.Sprint(p), fmt.Sprint(source)})
	p.Invalidate(stschain.Credentials{AccessKeyID: "AKIA0"})

	down = nil
	pool.Forget("a")
	creds, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	source = parents(parents(p)[0])[0]
	require.Equal(t, []stschain.Provider{made}, parents(source))
	require.Equal(t, []string{made.String(), made.String()}, []string{fmt.Sprint(p), fmt.Sprint(source)})
	p.Invalidate(creds)
	require.Equal(t, []string{"AKIA1"}, made.rejected)
}

// A refresh that waits for the New of an earlier one has its own Timeout.
func TestPoolNewHangs(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		works := w.pool.New
		w.pool.New = func(tenant string) (stschain.Provider, error) {
			<-time.After(2 * time.Minute)
			return works(tenant)
		}
		for _, want := range []string{
			"stschain: a new key of the pool did not return within 30s: context deadline exceeded",
			"stschain: Pool.New: context deadline exceeded",
		} {
			_, err := w.pool.Retrieve(t.Context(), "a")
			require.EqualError(t, err, want)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			<-time.After(10 * time.Second) // longer than the backoff
		}
		<-time.After(time.Hour)
		require.Contains(t, w.get(t, "a"), "ASIA-a-")
		require.Equal(t, 1, w.made["a"])
	})
}

// Credentials expire by the Clock of the pool.
func TestPoolClock(t *testing.T) {
	clk := clock.NewMock()
	clk.Set(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))
	calls := 0
	pool := stschain.Pool[string]{Clock: clk, New: func(string) (stschain.Provider, error) {
		return stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			calls++
			return stschain.Credentials{AccessKeyID: fmt.Sprint("ASIA", calls), SecretAccessKey: stschain.NewSecret("s"), Expires: clk.Now().Add(time.Hour)}, nil
		}), nil
	}}
	for _, want := range []string{"ASIA1", "ASIA2"} {
		creds, err := pool.Retrieve(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, want, creds.AccessKeyID)
		clk.Add(time.Hour)
	}
}

// slowClock blocks in the first call of Now after it is armed.
type slowClock struct {
	armed          atomic.Bool
	blocked, until chan struct{}
}

func (c *slowClock) Now() time.Time {
	if c.armed.CompareAndSwap(true, false) {
		close(c.blocked)
		<-c.until
	}
	return time.Now()
}

// A hit takes no lock: it does not wait for a caller that is in its cache.
func TestPoolHitTakesNoLock(t *testing.T) {
	clk := &slowClock{blocked: make(chan struct{}), until: make(chan struct{})}
	pool := stschain.Pool[string]{Clock: clk, New: func(string) (stschain.Provider, error) { return stschain.Static("AKIA1", "secret", ""), nil }}
	_, err := pool.Retrieve(t.Context(), "a")
	require.NoError(t, err)
	done := make(chan error, 2)
	clk.armed.Store(true)
	go func() {
		_, err := pool.Provider("a").RetrieveFor(t.Context(), time.Minute) // it reads the clock under the lock
		done <- err
	}()
	<-clk.blocked
	go func() {
		_, err := pool.Retrieve(t.Context(), "a")
		done <- err
	}()
	select {
	case err := <-done:
		require.NoError(t, err)
	case <-time.After(5 * time.Second):
		t.Error("the hit waits for the lock")
	}
	close(clk.until)
	require.NoError(t, <-done)
}
