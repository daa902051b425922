package stschain_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// tenants is an STS with one role for each tenant. Its pool's keys are their names. It runs in a synctest
// bubble, by the bubble's clock.
type tenants struct {
	pool     stschain.Pool[string]
	lifetime time.Duration // of credentials; 0: 1 h
	delay    time.Duration // of a call

	mu       sync.Mutex
	calls    map[string]int
	made     map[string]int   // calls of New
	fails    map[string]error // by tenant
	hangs    map[string]bool  // calls that ignore their context
	at       []time.Time      // of all calls
	inFlight int
	most     int // inFlight at most
}

func newTenants() *tenants {
	w := &tenants{calls: map[string]int{}, made: map[string]int{}, fails: map[string]error{}, hangs: map[string]bool{}}
	w.pool.New = func(tenant string) (stschain.Provider, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.made[tenant]++
		return stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) { return w.assume(ctx, tenant) }), nil
	}
	return w
}

func (w *tenants) assume(ctx context.Context, tenant string) (stschain.Credentials, error) {
	w.mu.Lock()
	w.calls[tenant]++
	w.at = append(w.at, time.Now())
	w.inFlight++
	w.most = max(w.most, w.inFlight)
	n, err, hangs, delay := w.calls[tenant], w.fails[tenant], w.hangs[tenant], w.delay
	w.mu.Unlock()
	switch {
	case hangs:
		<-ctx.Done()
		<-time.After(time.Hour)
	case delay > 0:
		<-time.After(delay)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inFlight--
	if err != nil {
		return stschain.Credentials{}, err
	}
	lifetime := w.lifetime
	if lifetime == 0 {
		lifetime = time.Hour
	}
	return stschain.Credentials{
		AccessKeyID:     fmt.Sprintf("ASIA-%s-%d", tenant, n),
		SecretAccessKey: stschain.NewSecret("secret"),
		SessionToken:    stschain.NewSecret("token"),
		Expires:         time.Now().Add(lifetime),
		Origin:          "role of " + tenant,
	}, nil
}

// get returns the access key ID that a tenant's caller gets.
func (w *tenants) get(t *testing.T, tenant string) string {
	t.Helper()
	creds, err := w.pool.Retrieve(t.Context(), tenant)
	require.NoError(t, err)
	return creds.AccessKeyID
}

func (w *tenants) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// count returns the number of calls or made for a tenant.
func (w *tenants) count(of map[string]int, tenant string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return of[tenant]
}

func (w *tenants) total() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, calls := range w.calls {
		n += calls
	}
	return n
}

func (w *tenants) keys() []string {
	var keys []string
	for key := range w.pool.All() {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func bubble(t *testing.T, f func(t *testing.T, w *tenants)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newTenants()) })
}

// Rule 1: what is not retrieved is not refreshed, and a pool runs no goroutine, however many keys it has: one
// would fail the bubble when it ends.
func TestPoolPullsOnly(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		w.pool.OnEvent = func(stschain.PoolEvent[string]) {}
		for i := range 100 {
			w.get(t, fmt.Sprint(i))
		}
		<-time.After(24 * time.Hour)
		synctest.Wait()
		require.Equal(t, 100, w.total())
	})
}

// Rule 2: callers of one key share one call of New and one refresh, and a hit needs neither.
func TestPoolShares(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		w.set(func() { w.delay = time.Second })
		var callers sync.WaitGroup
		for range 50 {
			callers.Go(func() {
				if _, err := w.pool.Retrieve(t.Context(), "a"); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		began := time.Now()
		require.Equal(t, "ASIA-a-1", w.get(t, "a"))
		require.Zero(t, time.Since(began))
		<-time.After(2 * time.Hour)
		require.Equal(t, "ASIA-a-2", w.get(t, "a"))
		require.Equal(t, map[string]int{"a": 1}, w.made)
		st := w.pool.Status()
		require.EqualValues(t, []uint64{51, 1}, []uint64{st.Hits, st.Misses})
	})
	bubble(t, func(t *testing.T, w *tenants) {
		w.pool.Configure = func(string, *stschain.Cache) { <-time.After(time.Second) } // while no caller has added the entry
		var callers sync.WaitGroup
		for range 5 {
			callers.Go(func() {
				if _, err := w.pool.Retrieve(t.Context(), "a"); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		require.Equal(t, map[string]int{"a": 1}, w.made)
		require.Equal(t, map[string]int{"a": 1}, w.calls)
	})
}

// Every key is found again while the table grows, and after others were removed.
func TestPoolFinds(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		const keys = 1_000
		for i := range keys {
			w.get(t, fmt.Sprint(i))
		}
		for i := 0; i < keys; i += 2 {
			w.pool.Forget(fmt.Sprint(i))
		}
		for i := 1; i < keys; i += 2 {
			require.Equal(t, fmt.Sprintf("ASIA-%d-1", i), w.get(t, fmt.Sprint(i)))
		}
		require.Equal(t, keys, w.total())
		require.Equal(t, keys/2, w.pool.Status().Entries)
	})
}

// Rule 3: names that do not work displace no tenant, and wait while there is no room for them.
func TestPoolProbation(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		w.pool.MaxEntries = 16 // and 2 on probation
		for i := range 16 {
			w.get(t, fmt.Sprintf("tenant%02d", i))
		}
		tenants := w.keys()
		for i := range 100 {
			guess := fmt.Sprint("guess", i)
			w.set(func() { w.fails[guess] = stschain.Permanent(errors.New("AccessDenied")) })
			_, err := w.pool.Retrieve(t.Context(), guess)
			require.ErrorIs(t, err, stschain.ErrPermanent)
		}
		require.Equal(t, append([]string{"guess98", "guess99"}, tenants...), w.keys())
		require.Equal(t, 16, w.pool.Status().Entries)

		w.set(func() { w.hangs["slow1"], w.hangs["slow2"] = true, true })
		for _, slow := range []string{"slow1", "slow2"} {
			go func() { _, _ = w.pool.Retrieve(t.Context(), slow) }()
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := w.pool.Retrieve(ctx, "new")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "waiting for one of 2 new keys")
		require.Zero(t, w.made["new"])

		began := time.Now() // the slow ones are abandoned after their Timeout of 30 s
		require.Equal(t, "ASIA-new-1", w.get(t, "new"))
		require.Equal(t, 29*time.Second, time.Since(began).Truncate(time.Second))
		<-time.After(2 * time.Hour)
	})
}

// Rule 4: keys that worked go before new ones, background refreshes take free slots only, and throttling
// lowers the number of slots for a while.
func TestPoolOrder(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		w.pool.MaxInFlight, w.delay, w.lifetime = 1, time.Second, 20*time.Minute
		w.get(t, "old")
		w.get(t, "renewed")
		<-time.After(20 * time.Minute) // both have expired
		w.get(t, "renewed")
		<-time.After(20*time.Minute - 61*time.Second) // its advisory window

		var (
			mu    sync.Mutex
			order []string
			all   sync.WaitGroup
		)
		start := func(ctx context.Context, key string) {
			all.Go(func() {
				creds, err := w.pool.Retrieve(ctx, key)
				mu.Lock()
				defer mu.Unlock()
				order = append(order, creds.AccessKeyID)
				if err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		start(t.Context(), "blocks")
		all.Go(func() {
			err := w.pool.Warm(t.Context(), slices.Values([]string{"warm"}))
			mu.Lock()
			defer mu.Unlock()
			order = append(order, "warm")
			if err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		start(t.Context(), "new")
		start(t.Context(), "renewed") // served at once; its refresh is skipped
		start(t.Context(), "old")
		require.Equal(t, 3, w.pool.Status().Waiting)
		all.Wait()
		require.Equal(t, []string{"ASIA-renewed-2", "ASIA-blocks-1", "ASIA-old-2", "ASIA-new-1", "warm"}, order)
		require.Equal(t, 1, w.count(w.calls, "warm"))
		require.Equal(t, 1, w.most)
		require.Equal(t, 2, w.count(w.calls, "renewed"))
		w.get(t, "renewed") // there is a free slot again
		<-time.After(2 * time.Second)
		require.Equal(t, 3, w.count(w.calls, "renewed"))
	})
}

func TestPoolThrottled(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		w.pool.MaxInFlight, w.delay = 16, time.Second
		slow := fmt.Errorf("slow down: %w", stschain.ErrThrottled)
		next := 0
		bound := func(keys int, err error) int {
			var all sync.WaitGroup
			for range keys {
				key := fmt.Sprint("key", next)
				next++
				w.set(func() { w.fails[key] = err })
				all.Go(func() { _, _ = w.pool.Retrieve(t.Context(), key) })
			}
			all.Wait()
			return w.pool.Status().Bound
		}
		require.Equal(t, 8, bound(16, slow), "attempts that began together halve it once")
		require.Equal(t, 4, bound(1, slow))
		require.Equal(t, 5, bound(4, nil))
		require.Equal(t, 16, bound(200, nil))
		require.Equal(t, 16, w.most)
	})
}

// New keys leave half of the slots while renewals find none.
func TestPoolProbationSlots(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		w.pool.MaxInFlight, w.delay, w.lifetime = 4, time.Minute/2, 20*time.Minute
		w.pool.Configure = func(_ string, c *stschain.Cache) { c.Timeout = time.Hour }
		tenant, due := "", time.Time{}
		for until := time.Now().Add(18 * time.Minute); due.IsZero() || due.After(until); { // early enough for what follows
			tenant += "x"
			w.get(t, tenant)
			for key, cache := range w.pool.All() {
				if key == tenant {
					due = cache.Status().Next
				}
			}
		}
		<-time.After(time.Until(due))
		for i := range 8 {
			go func() { _, _ = w.pool.Retrieve(t.Context(), fmt.Sprint("new", i)) }()
		}
		synctest.Wait()
		require.Equal(t, "ASIA-"+tenant+"-1", w.get(t, tenant), "no slot is free")
		<-time.After(31 * time.Second)
		require.Equal(t, 2, w.pool.Status().InFlight)
		w.get(t, tenant)
		synctest.Wait()
		require.Equal(t, 3, w.pool.Status().InFlight)
		<-time.After(5 * time.Minute)
		require.Zero(t, w.pool.Status().InFlight)
		require.Equal(t, 2, w.count(w.calls, tenant))
	})
}

// Rule 5: a refusal is remembered for 15 s, 30 s, 1 min and then 2 min, until Forget or a success.
func TestPoolRefusals(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		w.set(func() { w.fails["a"] = stschain.Permanent(errors.New("AccessDenied")) })
		for n, pause := range []time.Duration{15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 2 * time.Minute} {
			_, err := w.pool.Retrieve(t.Context(), "a")
			require.ErrorIs(t, err, w.fails["a"])
			<-time.After(pause - 1)
			_, err = w.pool.Retrieve(t.Context(), "a")
			require.ErrorIs(t, err, w.fails["a"])
			require.Equal(t, n+1, w.count(w.calls, "a"))
			<-time.After(time.Nanosecond)
		}
		_, err := w.pool.Retrieve(t.Context(), "a")
		require.Error(t, err)
		require.EqualValues(t, 6, w.pool.Status().Refusals)
		w.set(func() { delete(w.fails, "a") })
		w.pool.Forget("a")
		require.Equal(t, "ASIA-a-7", w.get(t, "a"))

		w.set(func() { w.fails["a"] = stschain.Permanent(errors.New("AccessDenied")) })
		<-time.After(time.Hour) // its credentials have expired
		for range 2 {
			_, err := w.pool.Retrieve(t.Context(), "a")
			require.ErrorIs(t, err, stschain.ErrPermanent)
			<-time.After(14 * time.Second)
		}
		require.Equal(t, 8, w.count(w.calls, "a"))
	})
}

// Rule 6: roles that are made in one minute and used all day are not renewed in one minute.
// At full size, 2,723,208 calls in a day, the highest minute has 1.28 times the average, 1,891. With 2,000 roles chance
// alone brings that to 2.1 now and then.
func TestPoolSpreads(t *testing.T) {
	roles, day := 5_000, 3*time.Hour
	if *poolFull {
		roles, day = 100_000, 24*time.Hour
	}
	bubble(t, func(t *testing.T, w *tenants) {
		w.pool.MaxInFlight, w.pool.MaxEntries = roles, roles
		for i := range roles {
			w.get(t, fmt.Sprint(i))
			<-time.After(time.Minute / time.Duration(roles))
		}
		began := time.Now()
		w.set(func() { w.at = nil })
		caches, due := maps.Collect(w.pool.All()), map[string]time.Time{}
		for time.Since(began) < day {
			<-time.After(time.Minute)
			var called []string
			for role := range caches {
				if time.Now().Before(due[role]) {
					continue // a call would do nothing
				}
				w.get(t, role)
				called = append(called, role)
			}
			synctest.Wait()
			for _, role := range called {
				due[role] = caches[role].Status().Next
			}
		}
		minutes := make([]int, day/time.Minute+1)
		for _, at := range w.at {
			minutes[at.Sub(began)/time.Minute]++
		}
		average := float64(len(w.at)) / day.Minutes()
		t.Logf("%d calls, %.1f a minute, %.2f times that at most", len(w.at), average, float64(slices.Max(minutes))/average)
		require.LessOrEqual(t, float64(slices.Max(minutes)), 2*average, "an average of %.1f", average)
		require.Less(t, len(w.at), roles*(int(day/time.Hour)*4/3+1))
	})
}

// Rule 7: an evicted key's refresh goes on, and a forgotten key's credentials are used by none of those
// that hold its provider.
func TestPoolForget(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		var events []string
		w.pool.OnEvent = func(e stschain.PoolEvent[string]) {
			if e.Kind == stschain.Evicted || e.Kind == stschain.Forgotten {
				events = append(events, e.Key+" "+e.Kind.String()+" "+e.Origin)
			}
		}
		holder := w.pool.Provider("a")
		first, err := holder.Retrieve(t.Context())
		require.NoError(t, err)
		w.pool.Forget("a")
		second, err := holder.RetrieveFor(t.Context(), time.Minute)
		require.NoError(t, err)
		require.Equal(t, []string{"ASIA-a-1", "ASIA-a-2"}, []string{first.AccessKeyID, second.AccessKeyID})
		require.Equal(t, 2, w.made["a"])

		w.set(func() { w.delay = time.Second })
		w.pool.Forget("a")
		waits := make(chan string)
		go func() { waits <- w.get(t, "a") }()
		synctest.Wait()
		w.pool.Forget("a")
		require.Equal(t, "ASIA-a-4", w.get(t, "a"), "a call of its own")
		require.Equal(t, "ASIA-a-3", <-waits)
		require.Equal(t, "ASIA-a-4", w.get(t, "a"))
		<-time.After(time.Second)
		holder.Invalidate(stschain.Credentials{AccessKeyID: "ASIA-a-4"})
		require.Equal(t, "ASIA-a-5", w.get(t, "a"))
		w.pool.Forget("b")
		synctest.Wait()
		require.Equal(t, []string{"a forgotten role of a", "a forgotten role of a", "a forgotten a new key of the pool"}, events)
	})
}

func TestPoolEvicts(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		w.pool.MaxEntries, w.delay, w.lifetime = 1, time.Second, 10*time.Minute
		evicted := make(chan string, 10)
		w.pool.OnEvent = func(e stschain.PoolEvent[string]) {
			if e.Kind == stschain.Evicted {
				evicted <- e.Key
			}
		}
		w.get(t, "a")
		<-time.After(10 * time.Minute)
		waits := make(chan string)
		go func() { waits <- w.get(t, "a") }()
		<-time.After(time.Second / 2)
		w.set(func() { w.delay = 0 })
		w.get(t, "b")
		require.Equal(t, "a", <-evicted)
		require.Equal(t, []string{"b"}, w.keys())
		require.Equal(t, "ASIA-a-2", <-waits)
		require.Equal(t, "ASIA-a-3", w.get(t, "a"), "what an evicted key brought is not kept")
		require.Equal(t, 1, w.pool.Status().Entries)
	})
	bubble(t, func(t *testing.T, w *tenants) {
		w.pool.MaxEntries = 8
		for _, key := range strings.Fields("a b c d e f g h a a i") { // a was used since the hand came by
			w.get(t, key)
		}
		require.Equal(t, strings.Fields("a c d e f g h i"), w.keys())
		require.EqualValues(t, 1, w.pool.Status().Evictions)
	})
	bubble(t, func(t *testing.T, w *tenants) {
		w.pool.MaxBytes = 3*1000 + 3*int64(len("ASIA-a-1secrettoken"))
		for _, key := range strings.Fields("a b c d e") {
			w.get(t, key)
		}
		require.Equal(t, strings.Fields("c d e"), w.keys())
		require.Equal(t, w.pool.MaxBytes, w.pool.Status().Bytes)
	})
}

func TestPoolWarm(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		w.pool.MaxInFlight, w.delay = 3, time.Second
		keys := strings.Fields("a b c d e f g")
		began := time.Now()
		require.NoError(t, w.pool.Warm(t.Context(), slices.Values(keys)))
		require.Equal(t, 3*time.Second, time.Since(began))
		require.Equal(t, keys, w.keys())
		require.Equal(t, 3, w.most)

		w.set(func() { w.fails["x"] = errors.New("down") })
		err := w.pool.Warm(t.Context(), slices.Values([]string{"a", "x"}))
		require.ErrorIs(t, err, w.fails["x"])
		require.EqualError(t, err, "stschain: Pool.Warm: 1 of 2 keys failed, the first with: down")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, w.pool.Warm(ctx, slices.Values(keys)), context.Canceled)
	})
}

// A caller that joins the warming of its key does not wait behind the others.
func TestPoolWarmRaised(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		ctx := t.Context()
		w.pool.MaxInFlight, w.delay = 1, time.Second
		go func() { _ = w.pool.Warm(t.Context(), slices.Values([]string{"a"})) }()
		synctest.Wait()
		go func() { _, _ = w.pool.Retrieve(ctx, "b") }()
		synctest.Wait()
		done := make(chan error)
		go func() { done <- w.pool.Warm(ctx, slices.Values([]string{"c"})) }()
		synctest.Wait()
		go func() { _, _ = w.pool.Retrieve(ctx, "c") }()
		synctest.Wait()
		go func() { _, _ = w.pool.Retrieve(ctx, "d") }()
		<-time.After(2*time.Second + 1)
		require.Equal(t, 1, w.count(w.calls, "c"))
		require.Zero(t, w.count(w.calls, "d"), "d waits behind c")
		require.NoError(t, <-done)
		<-time.After(2 * time.Second)
	})
}

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

func TestPoolZero(t *testing.T) {
	var none stschain.Pool[int]
	_, err := none.Retrieve(t.Context(), 1)
	require.ErrorIs(t, err, stschain.ErrPermanent)
	require.EqualError(t, err, "stschain: Pool.New is required")
	require.ErrorIs(t, none.Warm(t.Context(), slices.Values([]int{1})), stschain.ErrPermanent)
	require.Zero(t, none.Status())
	none.Forget(1)
	none.Provider(1).Invalidate(stschain.Credentials{})
	require.Equal(t, "a new key of the pool", fmt.Sprint(none.Provider(1)))
	negative := stschain.Pool[int]{New: func(int) (stschain.Provider, error) { return nil, nil }, MaxBytes: -1}
	_, err = negative.Retrieve(t.Context(), 1)
	require.ErrorContains(t, err, "MaxBytes -1")
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

// A tenant that is not configured never signs with the gateway's own identity, and one whose STS hangs
// holds up no other.
func TestPoolIsolation(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		w.set(func() { w.fails["a"] = stschain.Unavailable("nothing names a role") })
		own := stschain.Static("AKIAOWN", "secret", "")
		_, err := stschain.NewChain(w.pool.Provider("a"), own).Retrieve(t.Context())
		require.ErrorContains(t, err, "nothing names a role")
		w.pool.New = func(string) (stschain.Provider, error) { return nil, w.fails["a"] }
		_, err = w.pool.Retrieve(t.Context(), "other")
		require.Error(t, err)
		require.False(t, stschain.IsUnavailable(err))
	})
	bubble(t, func(t *testing.T, w *tenants) {
		w.pool.MaxInFlight = 2
		w.set(func() { w.hangs["hangs"] = true })
		w.get(t, "rejected")
		w.get(t, "other")
		<-time.After(time.Second)
		w.pool.Provider("rejected").Invalidate(stschain.Credentials{AccessKeyID: "ASIA-rejected-1"})
		require.Equal(t, "ASIA-rejected-2", w.get(t, "rejected"))
		require.Equal(t, "ASIA-other-1", w.get(t, "other"))

		_, err := w.pool.Retrieve(t.Context(), "hangs")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, w.pool.Status().InFlight, "an abandoned attempt gives its slot back")
		<-time.After(3 * time.Hour)
	})
}
