package stschain_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

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

// Keys that failed give their places to later ones, the oldest first, and an event says so.
func TestPoolEvictsFromProbation(t *testing.T) {
	for most, places := range map[int]int{1: 1, 8: 1, 15: 1, 16: 2, 24: 3} {
		bubble(t, func(t *testing.T, w *tenants) {
			w.pool.MaxEntries = most
			var events []string
			w.pool.OnEvent = func(e stschain.PoolEvent[string]) {
				if e.Kind == stschain.Evicted || e.Kind == stschain.Forgotten {
					events = append(events, e.Key+" "+e.Kind.String())
				}
			}
			var want []string
			for i := range places + 2 {
				guess := fmt.Sprint("guess", i)
				w.set(func() { w.fails[guess] = stschain.Permanent(errors.New("AccessDenied")) })
				_, err := w.pool.Retrieve(t.Context(), guess)
				require.ErrorIs(t, err, stschain.ErrPermanent)
				want = append(want, guess+" evicted")
			}
			synctest.Wait()
			require.Equal(t, want[:2], events)
			st := w.pool.Status()
			require.Equal(t, places, st.New)
			require.EqualValues(t, 1000*places, st.Bytes)
			require.EqualValues(t, 2, st.Evictions)
		})
	}
}

// A bound that no key fits in keeps none that worked, and its callers get their credentials.
func TestPoolTooFewBytes(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		w.pool.MaxBytes = 1
		w.set(func() { w.fails["guess"] = stschain.Permanent(errors.New("AccessDenied")) })
		_, err := w.pool.Retrieve(t.Context(), "guess")
		require.Error(t, err)
		require.Equal(t, "ASIA-a-1", w.get(t, "a"))
		st := w.pool.Status()
		require.EqualValues(t, []int{0, 1, 1000}, []int{st.Entries, st.New, int(st.Bytes)})
	})
}

// A key that was forgotten in its first refresh does not come back with the result.
func TestPoolForgetsFirstRefresh(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		w.set(func() { w.delay = time.Second })
		w.begin(t.Context(), "a")
		w.pool.Forget("a")
		<-time.After(time.Minute)
		st := w.pool.Status()
		require.Empty(t, w.keys())
		require.Equal(t, [3]int{}, [3]int{st.Entries, st.New, int(st.Bytes)})
	})
}

// Callers that wait for room on probation get it in the order they came, when a refresh ends and not before.
func TestPoolRoomInOrder(t *testing.T) {
	for name, fails := range map[string]error{"works": nil, "fails": stschain.Permanent(errors.New("AccessDenied"))} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *tenants) {
				w.pool.MaxEntries, w.delay = 8, 10*time.Second // and one on probation
				for _, key := range []string{"a", "b", "c", "d"} {
					w.set(func() { w.fails[key] = fails })
				}
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				w.begin(ctx, "a") // the refresh goes on after its caller gave up
				<-time.After(time.Second)
				for _, key := range []string{"b", "c"} {
					w.begin(t.Context(), key)
				}
				short, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				w.begin(short, "gives up")
				w.begin(t.Context(), "d")
				<-time.After(time.Hour)
				require.Equal(t, []string{"a", "b", "c", "d"}, w.order)
				for i, at := range w.at {
					require.Equal(t, time.Duration(i)*10*time.Second, at.Sub(began))
				}
			})
		})
	}
}

// The place of a key that is forgotten goes to a caller that waits, not to one that just gave up.
func TestPoolRoomPassedOn(t *testing.T) {
	for range 50 { // the caller that gives up is woken as well, or is gone by then
		bubble(t, func(t *testing.T, w *tenants) {
			w.pool.MaxEntries = 8
			w.set(func() { w.hangs["a"] = true })
			w.begin(t.Context(), "a")
			ctx, cancel := context.WithCancel(t.Context())
			w.begin(ctx, "gives up")
			w.begin(t.Context(), "b")
			cancel()
			w.pool.Forget("a")
			synctest.Wait()
			require.Equal(t, []string{"a", "b"}, w.order)
			<-time.After(3 * time.Hour)
		})
	}
}

// A caller that waited for room and finds that another one has its key by now takes no place from those after it.
func TestPoolRoomForOneKey(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		w.pool.MaxEntries = 16 // and 2 on probation
		w.set(func() { w.hangs["slow1"], w.hangs["slow2"], w.hangs["a"] = true, true, true })
		for _, key := range []string{"slow1", "slow2", "a", "a"} {
			go func() { _, _ = w.pool.Retrieve(t.Context(), key) }()
			synctest.Wait()
		}
		began := time.Now() // the slow ones are abandoned after their Timeout of 30 s
		require.Equal(t, "ASIA-b-1", w.get(t, "b"))
		require.Equal(t, 30*time.Second, time.Since(began).Truncate(time.Second))
		<-time.After(2 * time.Hour)
	})
}

// A key whose callers came at once is on probation until its refresh ends, also when all of them gave up.
func TestPoolRoomOfSharedKey(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		w.pool.MaxEntries, w.delay = 8, 10*time.Second
		w.pool.Configure = func(tenant string, _ *stschain.Cache) {
			if tenant == "a" {
				<-time.After(time.Second) // while no caller has added the entry
			}
		}
		w.set(func() { w.fails["a"] = stschain.Permanent(errors.New("AccessDenied")) })
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		w.begin(ctx, "a")
		w.begin(ctx, "a")
		<-time.After(4 * time.Second)
		waits, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := w.pool.Retrieve(waits, "b")
		require.NoError(t, err)
		require.Equal(t, 21*time.Second, time.Since(began), "from 11 s on")
		require.Equal(t, []string{"a", "b"}, w.order)
	})
}

// A cache that a program keeps after its key was forgotten keeps nothing of other keys in memory.
func TestPoolForgottenIsCollected(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		for _, key := range []string{"a", "b", "c"} {
			w.get(t, key)
		}
		caches := maps.Collect(w.pool.All())
		kept, other := caches["a"], weak.Make(caches["b"])
		caches = nil
		<-time.After(time.Minute) // the timers of the refreshes are over
		w.pool.Forget("a")
		w.pool.Forget("b")
		runtime.GC()
		require.Nil(t, other.Value())
		runtime.KeepAlive(kept)
	})
}
