package stschain_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

var poolFull = flag.Bool("pool.full", false, "run the load tests of Pool at their full size")

// Callers that come at once make one call a key, and never more than MaxInFlight at once.
func TestPoolColdStart(t *testing.T) {
	keys, callers := 5_000, 1_000
	if *poolFull {
		keys = 100_000
	}
	bubble(t, func(t *testing.T, w *tenants) {
		w.pool.MaxEntries, w.delay = keys, 50*time.Millisecond
		var next atomic.Int64
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				for i := next.Add(1); i <= int64(keys); i = next.Add(1) {
					if _, err := w.pool.Retrieve(t.Context(), fmt.Sprint(i)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		require.Equal(t, 64, w.most)
		require.Len(t, w.calls, keys)
		require.Equal(t, keys, w.total())
		require.Equal(t, keys, w.pool.Status().Entries)
	})
}

// Guessed names together with tenants that work: no tenant is evicted or waits for long, every one is renewed
// before it expires, and the guesses cost neither memory nor calls without bound.
func TestPoolGuesses(t *testing.T) {
	working, perSecond, during := 200, 100, 30*time.Minute
	if testing.Short() {
		working, perSecond, during = 64, 30, 10*time.Minute
	}
	if *poolFull {
		working, perSecond, during = 5_000, 1_000, time.Hour
	}
	bubble(t, func(t *testing.T, w *tenants) {
		w.pool.MaxEntries, w.delay, w.lifetime = working, 50*time.Millisecond, 20*time.Minute
		name := func(i int) string { return fmt.Sprint("tenant", i) }
		get := func(i int) {
			began := time.Now()
			creds, err := w.pool.Retrieve(t.Context(), name(i))
			if err != nil || time.Until(creds.Expires) <= 0 || time.Since(began) > time.Second {
				t.Errorf("%s: %v after %v, valid for %v", name(i), err, time.Since(began), time.Until(creds.Expires))
			}
		}
		keys := func(yield func(string) bool) {
			for i := range working {
				if !yield(name(i)) {
					return
				}
			}
		}
		require.NoError(t, w.pool.Warm(t.Context(), keys))
		guess := stschain.Permanent(errors.New("AccessDenied"))
		ended := make(chan struct{})
		for g := range 8 {
			go func() {
				for i := 0; ; i++ {
					select {
					case <-ended:
						return
					case <-time.After(8 * time.Second / time.Duration(perSecond)):
					}
					key := fmt.Sprint("guess", g, "-", i)
					w.set(func() { w.fails[key] = guess })
					go func() {
						ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
						defer cancel()
						_, _ = w.pool.Retrieve(ctx, key)
						w.set(func() { delete(w.fails, key); delete(w.calls, key); delete(w.made, key) })
					}()
				}
			}()
		}
		most := 0
		for began := time.Now(); time.Since(began) < during; <-time.After(time.Second) {
			var all sync.WaitGroup
			for i := range working / 10 {
				all.Go(func() { get(i*10 + int(time.Since(began)/time.Second)%10) })
			}
			all.Wait()
			most = max(most, w.pool.Status().New)
		}
		close(ended)
		<-time.After(time.Minute)
		synctest.Wait()
		st := w.pool.Status()
		require.Equal(t, working, st.Entries)
		require.LessOrEqual(t, most, working/8)
		for i := range working {
			require.Equal(t, 1, w.made[name(i)], "a tenant was evicted")
		}
		require.LessOrEqual(t, w.most, 64)
	})
}

// The bytes that a key costs in addition to its token.
func TestHeapOfPool(t *testing.T) {
	const keys, most = 20_000, 920
	for _, size := range []int{800, 4096} {
		names, tokens := make([]string, keys), make([]stschain.Secret, keys)
		for i := range names {
			names[i] = fmt.Sprintf("arn:aws:iam::123456789012:role/%06d", i)
			tokens[i] = stschain.NewSecret(names[i] + strings.Repeat("x", size-len(names[i])))
		}
		before := heapInUse()
		pool := &stschain.Pool[string]{MaxEntries: keys, New: func(key string) (stschain.Provider, error) {
			var i int
			_, err := fmt.Sscanf(key, "arn:aws:iam::123456789012:role/%d", &i)
			return &fixed{key, tokens[i]}, err
		}}
		for _, name := range names {
			_, err := pool.Retrieve(t.Context(), name)
			require.NoError(t, err)
		}
		each := int(heapInUse()-before) / keys
		t.Logf("%d bytes a key in addition to a token of %d bytes", each, size)
		require.LessOrEqual(t, each, most)
		runtime.KeepAlive(pool)
		runtime.KeepAlive(names)
		runtime.KeepAlive(tokens)
	}
}

// fixed returns credentials of a role.
type fixed struct {
	role  string
	token stschain.Secret
}

func (f *fixed) Retrieve(context.Context) (stschain.Credentials, error) {
	return stschain.Credentials{
		AccessKeyID:     "ASIA" + f.role[len(f.role)-4:] + "EXAMPLE",
		SecretAccessKey: stschain.NewSecret(strings.Repeat("k", 34) + f.role[len(f.role)-6:]),
		SessionToken:    f.token,
		Expires:         time.Now().Add(time.Hour),
		Origin:          f.role,
	}, nil
}
