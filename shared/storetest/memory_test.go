package storetest_test

import (
	"context"
	"math/bits"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/storetest"
)

var (
	one = strings.Repeat("1", 64)
	two = strings.Repeat("2", 64)
)

// put saves a value, and returns its generation.
func put(t *testing.T, m *storetest.Memory, key, sealed string) uint64 {
	t.Helper()
	_, err := m.Lease(t.Context(), key, "a", false, time.Hour)
	require.NoError(t, err)
	v, _ := m.Load(t.Context(), key)
	kept, err := m.Save(t.Context(), key, "a", shared.Value{Sealed: []byte(sealed), Left: time.Hour, Generation: v.Generation})
	require.NoError(t, err)
	require.True(t, kept)
	return v.Generation + 1
}

func requireValue(t *testing.T, m *storetest.Memory, key, sealed string, generation uint64) {
	t.Helper()
	v, err := m.Load(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, sealed, string(v.Sealed))
	require.Equal(t, generation, v.Generation)
}

// Faults of single operations, in a synctest bubble.
func TestMemoryFault(t *testing.T) {
	type result struct {
		err      error
		returned bool // as if it had been done
		done     bool
		after    time.Duration
	}
	for fault, want := range map[storetest.Fault]result{
		storetest.None:           {nil, true, true, 0},
		storetest.Down:           {storetest.ErrDown, false, false, 0},
		storetest.Slow:           {context.DeadlineExceeded, false, false, time.Second},
		storetest.SlowDone:       {context.DeadlineExceeded, false, true, time.Second},
		storetest.Dropped:        {nil, true, false, 0},
		storetest.Unacknowledged: {storetest.ErrDown, false, true, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			var m storetest.Memory
			generation := put(t, &m, one, "before")
			var ops []storetest.Operation
			m.Fault = func(op storetest.Operation, key string) storetest.Fault {
				require.Equal(t, one, key)
				ops = append(ops, op)
				return fault
			}
			second := func() context.Context {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				t.Cleanup(cancel)
				return ctx
			}
			began := time.Now()
			kept, err := m.Save(second(), one, "a", shared.Value{Sealed: []byte("after"), Left: time.Hour, Generation: generation})
			require.Equal(t, want, result{err, kept, want.done, time.Since(began)})

			lease, err := m.Lease(second(), one, "b", false, time.Hour)
			require.Equal(t, want.err, err)
			require.Equal(t, want.returned, lease.Owner == "b")
			_, err = m.Load(second(), one)
			require.Equal(t, want.err, err)
			require.Equal(t, want.err, m.Revoke(second(), one, 1))
			require.Equal(t, []storetest.Operation{storetest.Save, storetest.Lease, storetest.Load, storetest.Revoke}, ops)

			m.Fault = nil
			if want.done {
				requireValue(t, &m, one, "after", generation+1)
			} else {
				requireValue(t, &m, one, "before", generation)
			}
		})
	}
}

func TestMemoryFlush(t *testing.T) {
	var m storetest.Memory
	generation := put(t, &m, one, "value")
	m.Flush()
	require.Empty(t, m.Keys())
	v, err := m.Load(t.Context(), one)
	require.Equal(t, shared.ErrMissing, err)
	require.Zero(t, v)
	require.NotEqual(t, generation, put(t, &m, one, "value"))
}

func TestMemoryFailover(t *testing.T) {
	var m storetest.Memory
	m.Failover()
	generation := put(t, &m, one, "before")
	put(t, &m, two, "other")
	kept, err := m.Save(t.Context(), one, "a", shared.Value{Sealed: []byte("lost"), Left: time.Hour, Generation: generation})
	require.NoError(t, err)
	require.True(t, kept)
	m.Failover()
	requireValue(t, &m, one, "before", generation)
	m.Failover() // only the last write
	requireValue(t, &m, one, "before", generation)
}

func TestMemoryCorrupt(t *testing.T) {
	var m storetest.Memory
	m.Corrupt(one)
	generation := put(t, &m, one, "value")
	before, err := m.Load(t.Context(), one)
	require.NoError(t, err)
	m.Corrupt(one)
	after, err := m.Load(t.Context(), one)
	require.NoError(t, err)
	require.Equal(t, generation, after.Generation)
	flipped := 0
	for i := range before.Sealed {
		flipped += bits.OnesCount8(before.Sealed[i] ^ after.Sealed[i])
	}
	require.Equal(t, 1, flipped)
}

func TestMemorySwap(t *testing.T) {
	var m storetest.Memory
	m.Swap(one, two)
	a := put(t, &m, one, "one")
	b := put(t, &m, two, "two")
	require.Equal(t, []string{one, two}, m.Keys())
	m.Swap(one, two)
	requireValue(t, &m, one, "two", a)
	requireValue(t, &m, two, "one", b)
}

func TestMemoryReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m storetest.Memory
		m.Replay(one)
		generation := put(t, &m, one, "old")
		time.Sleep(time.Minute)
		put(t, &m, one, "new")
		m.Replay(one)
		requireValue(t, &m, one, "old", generation)
		v, err := m.Load(t.Context(), one)
		require.NoError(t, err)
		require.Equal(t, time.Hour, v.Left, "as when it was saved")
		require.NoError(t, m.Revoke(t.Context(), one, generation))
		m.Replay(one)
		requireValue(t, &m, one, "old", generation)
	})
}

func TestMemorySetGeneration(t *testing.T) {
	var m storetest.Memory
	put(t, &m, one, "value")
	m.SetGeneration(one, 7)
	requireValue(t, &m, one, "value", 7)
}

// Two with the same seed do the same.
func TestMemorySeed(t *testing.T) {
	generations := func(seed uint64) (all []uint64) {
		m := storetest.Memory{Seed: seed}
		for _, key := range []string{one, two} {
			all = append(all, put(t, &m, key, "value"))
		}
		return all
	}
	require.Equal(t, generations(1), generations(1))
	require.NotEqual(t, generations(1), generations(2))
}

func TestMemoryErrors(t *testing.T) {
	var m storetest.Memory
	_, err := m.Lease(t.Context(), one, "", false, time.Hour)
	require.EqualError(t, err, "storetest: a lease needs an owner")
	_, err = m.Save(t.Context(), one, "a", shared.Value{Sealed: make([]byte, 64<<10+1), Left: time.Hour, Generation: 1})
	require.EqualError(t, err, "storetest: the value has 65537 bytes, and 65536 is the limit")
}

func BenchmarkMemory(b *testing.B) {
	var m storetest.Memory
	ctx, sealed := context.Background(), make([]byte, 1500)
	_, _ = m.Lease(ctx, one, "a", false, time.Hour)
	for b.Loop() {
		v, _ := m.Load(ctx, one)
		_, _ = m.Lease(ctx, one, "a", false, time.Hour)
		v.Sealed, v.Left = sealed, time.Hour
		_, _ = m.Save(ctx, one, "a", v)
	}
}
