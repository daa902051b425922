package stschain_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

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

// A table has two to four buckets a key, at least 64, of which few are shared. It does not grow while keys come and go. By
// default, 10,000 keys are kept.
func TestPoolTable(t *testing.T) {
	pool := stschain.Pool[int]{New: func(int) (stschain.Provider, error) { return stschain.Static("AKIA1", "secret", ""), nil }}
	get := func(key int) {
		_, err := pool.Retrieve(t.Context(), key)
		require.NoError(t, err)
	}
	const keys = 4_000
	for i := range keys {
		get(i)
		if n := i + 1; n <= 300 {
			buckets := len(pool.Buckets())
			require.GreaterOrEqual(t, buckets, 2*n)
			require.LessOrEqual(t, buckets, max(4*n, 64))
		}
	}
	buckets, used := pool.Buckets(), 0
	for _, n := range buckets {
		if n > 0 {
			used++
		}
	}
	require.Len(t, buckets, 8192)
	require.LessOrEqual(t, slices.Max(buckets), 12)
	require.Greater(t, used, 2850, "of 3,165 expected") // 2,550 if half of the buckets were not used
	for i := range keys {
		pool.Forget(i)
		get(keys + i)
	}
	require.Len(t, pool.Buckets(), len(buckets))

	for i := range 10_001 {
		get(i)
	}
	st := pool.Status()
	require.Equal(t, 10_000, st.Entries)
	require.EqualValues(t, 1, st.Evictions)
}

// A program may stop reading the caches of a pool.
func TestPoolAllStops(t *testing.T) {
	bubble(t, func(t *testing.T, w *tenants) {
		for _, key := range []string{"a", "b", "c"} {
			w.get(t, key)
		}
		n := 0
		for range w.pool.All() {
			if n++; n == 2 {
				break
			}
		}
		require.Equal(t, 2, n)
	})
}
