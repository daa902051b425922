package stschain_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// Rule 4: keys that worked go before new ones, background refreshes take free slots only, and throttling
// lowers the number of slots for a while.
func TestPoolOrder(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		w.pool.MaxInFlight, w.pool.Configure, w.delay, w.lifetime = 1, evenDraws, time.Second, 20*time.Minute
		w.get(t, "old")
		w.get(t, "renewed")
		<-time.After(20 * time.Minute) // both have expired
		w.get(t, "renewed")
		<-time.After(20*time.Minute - 61*time.Second) // it is due

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
		require.Equal(t, 4, bound(3, nil))
		require.Equal(t, 5, bound(1, nil))
		require.Equal(t, 5, bound(4, nil))
		require.Equal(t, 6, bound(1, nil))
		require.Equal(t, 16, bound(200, nil))
		require.Equal(t, 16, w.most)
		for _, want := range []int{8, 4, 2, 1, 1} {
			require.Equal(t, want, bound(1, slow))
		}
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

// evenDraws makes refreshes due in the middle of the times that they are drawn from.
func evenDraws(_ string, c *stschain.Cache) { c.SetRandom(func() float64 { return 0.5 }) }

// slotsShort takes both slots of a pool with two and evenDraws: new1 has its for a second, new2 for half a second longer, while new3 waits and
// the renewal of a tenant finds no slot. It returns when new1 has ended.
func (w *tenants) slotsShort(t *testing.T) {
	w.set(func() { w.lifetime = 20 * time.Minute })
	w.get(t, "renewed")
	<-time.After(20*time.Minute - 61*time.Second) // it is due
	w.set(func() { w.delay = time.Second })
	w.begin(t.Context(), "new1")
	<-time.After(time.Second / 2)
	w.begin(t.Context(), "new2")
	w.begin(t.Context(), "new3")
	require.Equal(t, "ASIA-renewed-1", w.get(t, "renewed"))
	<-time.After(time.Second / 2)
	synctest.Wait()
}

// requireSlots checks how many refreshes have a slot, and how many wait for one.
func (w *tenants) requireSlots(t *testing.T, inFlight, waiting int) {
	t.Helper()
	st := w.pool.Status()
	require.Equal(t, []int{inFlight, waiting}, []int{st.InFlight, st.Waiting})
}

// With two slots, one of them waits for a renewal that found none, until no refresh waits.
func TestPoolRenewalSlot(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		w.pool.MaxInFlight, w.pool.Configure = 2, evenDraws
		w.slotsShort(t)
		w.requireSlots(t, 1, 1)
		<-time.After(time.Second / 2) // new2 ends
		synctest.Wait()
		w.requireSlots(t, 1, 0)
		<-time.After(time.Second) // new3 ends
		w.begin(t.Context(), "new4")
		w.begin(t.Context(), "new5")
		w.begin(t.Context(), "new6")
		w.requireSlots(t, 2, 1)
		<-time.After(time.Second)
		synctest.Wait()
		w.requireSlots(t, 1, 0)
		<-time.After(time.Minute)

		w.begin(t.Context(), "new7")
		<-time.After(time.Second / 2)
		for _, key := range []string{"new8", "new9", "new10"} {
			w.begin(t.Context(), key)
		}
		<-time.After(time.Second / 2)
		synctest.Wait()
		w.requireSlots(t, 2, 1)
		<-time.After(time.Minute)
	})
}

// Refreshes that Warm began count as those of new keys while renewals find no slot, and renewals do not.
func TestPoolRenewalSlotsByClass(t *testing.T) {
	for _, tt := range []struct {
		name              string
		took              func(t *testing.T, w *tenants) // two of the four slots
		inFlight, waiting int
	}{
		{"renewals", func(t *testing.T, w *tenants) { w.get(t, "a"); w.get(t, "b") }, 4, 0},
		{"warmed", func(t *testing.T, w *tenants) {
			for _, key := range []string{"new1", "new2"} {
				go func() { _ = w.pool.Warm(t.Context(), slices.Values([]string{key})) }()
			}
		}, 3, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *tenants) {
				w.pool.MaxInFlight, w.pool.Configure, w.lifetime = 4, evenDraws, 20*time.Minute
				for _, key := range []string{"a", "b", "renewed"} {
					w.get(t, key)
				}
				<-time.After(20*time.Minute - 61*time.Second) // they are due
				w.set(func() { w.delay = time.Second })
				w.begin(t.Context(), "first")
				<-time.After(time.Second / 2)
				tt.took(t, w)
				synctest.Wait()
				w.begin(t.Context(), "second")
				w.begin(t.Context(), "third")
				w.requireSlots(t, 4, 1)
				w.get(t, "renewed") // its refresh is skipped
				<-time.After(time.Second / 2)
				synctest.Wait()
				w.requireSlots(t, tt.inFlight, tt.waiting) // first has ended
				<-time.After(10 * time.Second)
				w.requireSlots(t, 0, 0)
			})
		})
	}
}

// A renewal has its slot before the call that begins it returns.
func TestPoolRenewalTakesItsSlot(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		w.pool.Configure, w.lifetime = evenDraws, 20*time.Minute
		for i := range 40 {
			w.get(t, fmt.Sprint(i))
		}
		<-time.After(20*time.Minute - 61*time.Second)
		w.set(func() { w.delay = time.Second })
		for i := range 40 {
			w.get(t, fmt.Sprint(i))
			require.Equal(t, i+1, w.pool.Status().InFlight)
		}
		<-time.After(time.Minute)
	})
}

// Callers that join a refresh which waits for its slot do not change its turn, unless they are of a higher priority.
func TestPoolSlotTurns(t *testing.T) {
	for name, join := range map[string]func(w *tenants, ctx context.Context){
		"a caller": func(w *tenants, ctx context.Context) { _, _ = w.pool.Retrieve(ctx, "a") },
		"Warm":     func(w *tenants, ctx context.Context) { _ = w.pool.Warm(ctx, slices.Values([]string{"a"})) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *tenants) {
				w.pool.MaxInFlight, w.delay = 1, time.Second
				for _, key := range []string{"first", "a", "b"} {
					w.begin(t.Context(), key)
				}
				go join(w, t.Context())
				<-time.After(4 * time.Second)
				require.Equal(t, []string{"first", "a", "b"}, w.order)
			})
		})
	}
}

// A caller that joins the warming of a key that worked gets it the slot which new keys may not have.
func TestPoolWarmRaisedToRenewalSlot(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		w.pool.MaxInFlight, w.pool.Configure, w.lifetime = 2, evenDraws, 20*time.Minute
		w.get(t, "old")
		<-time.After(2 * time.Minute)
		w.slotsShort(t) // and old has expired
		go func() { _ = w.pool.Warm(t.Context(), slices.Values([]string{"old"})) }()
		synctest.Wait()
		w.requireSlots(t, 1, 2)
		w.begin(t.Context(), "old")
		w.requireSlots(t, 2, 1)
		<-time.After(time.Minute)
	})
}

// A caller that joins Warm when it has its slot already changes nothing: the slot is returned as it was taken.
func TestPoolWarmJoinedInFlight(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		w.pool.MaxInFlight, w.pool.Configure, w.lifetime, w.delay = 2, evenDraws, 20*time.Minute, time.Second
		w.get(t, "old")
		<-time.After(20 * time.Minute) // it has expired
		go func() { _ = w.pool.Warm(t.Context(), slices.Values([]string{"old"})) }()
		synctest.Wait()
		w.begin(t.Context(), "old")
		<-time.After(time.Minute)
		require.Equal(t, 2, w.count(w.calls, "old"))
		w.slotsShort(t)
		w.requireSlots(t, 1, 1)
		<-time.After(time.Second / 2) // new2 ends
		synctest.Wait()
		w.requireSlots(t, 1, 0)
		<-time.After(time.Minute)
	})
}

// A refresh that gets no slot within its Timeout calls nothing, and its error says what it waited for.
func TestPoolNoSlot(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		w.pool.MaxInFlight = 1
		w.pool.Configure = func(tenant string, c *stschain.Cache) {
			if tenant == "hangs" {
				c.Timeout = time.Hour
			}
		}
		w.set(func() { w.hangs["hangs"] = true })
		w.begin(t.Context(), "hangs")
		_, err := w.pool.Retrieve(t.Context(), "a")
		require.EqualError(t, err, "stschain: waiting until fewer refreshes of the pool are in flight: context deadline exceeded")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, w.made["a"])
		w.requireSlots(t, 1, 0)
		<-time.After(3 * time.Hour)
	})
}

// A refresh that was abandoned before its goroutine ran does not call the provider: its slot may be another's by now.
func TestPoolSlotFreed(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.EqualError(t, stschain.EnterFreedSlot(ctx), "stschain: the refresh ended before it could begin")
}
