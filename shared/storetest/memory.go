package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/shared"
)

// Memory is a [shared.Store] in memory, with the faults of real ones. With the same Seed, Clock and operations it
// always does the same. The zero value is ready to use. Its fields must not change during an operation.
//
// Fault breaks single operations. Methods such as [Memory.Flush] break what is stored. A Clock that jumps or runs at
// another speed is the store's own clock, not that of its callers.
type Memory struct {
	Clock stschain.Clock // nil: the system clock
	Seed  uint64         // of generations, and of bits to flip

	// Fault returns how an operation fails. It is called before each operation, by each caller on its own goroutine.
	// nil: no operation fails.
	Fault func(op Operation, key string) Fault

	mu      sync.Mutex
	entries map[string]entry
	last    *write
	random  *rand.PCG
}

// Operation is a method of [shared.Store].
type Operation string

// The operations of a store.
const (
	Load   Operation = "Load"
	Lease  Operation = "Lease"
	Save   Operation = "Save"
	Revoke Operation = "Revoke"
)

// Fault is how an operation of a [Memory] fails.
type Fault int

// The faults of an operation.
const (
	None           Fault = iota
	Down                 // it returns ErrDown, and is not done
	Slow                 // it returns when its ctx ends, and is not done
	SlowDone             // it is done, and returns the error of its ctx when that ends
	Dropped              // it returns as if it had been done, but changes nothing
	Unacknowledged       // it is done, and returns ErrDown
)

// ErrDown is the error of an operation with a fault.
var ErrDown = errors.New("storetest: the store is down")

var _ shared.Store = (*Memory)(nil)

// maxSealed is the largest value, in bytes.
const maxSealed = 64 << 10

// entry is the state of a key. It is immutable once it is in the map, as is what it points to.
type entry struct {
	generation uint64 // 0: none
	value      *value // nil: none
	previous   *value // the one that was replaced or revoked last
	owner      string // "": the lease is free
	pause      bool
	ends       time.Time // the lease
}

type value struct {
	sealed     []byte
	left       time.Duration // when it was saved
	expires    time.Time
	generation uint64
}

// write is what a key had before it changed.
type write struct {
	key    string
	before entry
}

// Load implements [shared.Store].
func (m *Memory) Load(ctx context.Context, key string) (v shared.Value, err error) {
	found := false
	err = m.operate(ctx, Load, key, func(e *entry, now time.Time) bool {
		v.Generation = e.generation
		if found = e.valid(now); found {
			v.Sealed, v.Left = bytes.Clone(e.value.sealed), e.value.expires.Sub(now)
		}
		return false
	})
	switch {
	case err != nil:
		return shared.Value{}, err
	case !found:
		return v, shared.ErrMissing
	}
	return v, nil
}

// Lease implements [shared.Store].
func (m *Memory) Lease(ctx context.Context, key, owner string, pause bool, ttl time.Duration) (lease shared.Lease, err error) {
	if owner == "" {
		return lease, errors.New("storetest: a lease needs an owner")
	}
	err = m.operate(ctx, Lease, key, func(e *entry, now time.Time) bool {
		if e.generation == 0 {
			e.generation = m.drawGeneration()
		}
		if !now.Before(e.ends) {
			e.owner = ""
		}
		if e.owner == "" || e.owner == owner {
			e.owner, e.pause, e.ends = owner, pause, now.Add(ttl)
		}
		if now.Before(e.ends) {
			lease = shared.Lease{Owner: e.owner, Pause: e.pause, Left: e.ends.Sub(now)}
			return true
		}
		e.owner, e.pause, e.ends = "", false, time.Time{}
		return true
	})
	if err != nil {
		return shared.Lease{}, err
	}
	return lease, nil
}

// Save implements [shared.Store].
func (m *Memory) Save(ctx context.Context, key, owner string, v shared.Value) (kept bool, err error) {
	if len(v.Sealed) > maxSealed {
		return false, fmt.Errorf("storetest: the value has %d bytes, and %d is the limit", len(v.Sealed), maxSealed)
	}
	sealed := bytes.Clone(v.Sealed)
	err = m.operate(ctx, Save, key, func(e *entry, now time.Time) bool {
		if kept = v.Generation != 0 && v.Generation == e.generation; !kept {
			return false
		}
		e.drop()
		e.generation++
		e.value = &value{sealed, v.Left, now.Add(v.Left), e.generation}
		if e.owner == owner {
			e.owner, e.pause, e.ends = "", false, time.Time{}
		}
		return true
	})
	return kept && err == nil, err
}

// Revoke implements [shared.Store].
func (m *Memory) Revoke(ctx context.Context, key string, generation uint64) error {
	return m.operate(ctx, Revoke, key, func(e *entry, now time.Time) bool {
		if generation != e.generation || !e.valid(now) {
			return false
		}
		e.drop()
		e.generation++
		return true
	})
}

// valid reports whether there is a value that has not expired.
func (e *entry) valid(now time.Time) bool { return e.value != nil && now.Before(e.value.expires) }

func (e *entry) drop() {
	if e.value != nil {
		e.value, e.previous = nil, e.value
	}
}

// operate calls do with a copy of the entry, which is kept if do reports a change, unless the fault of op prevents it.
func (m *Memory) operate(ctx context.Context, op Operation, key string, do func(e *entry, now time.Time) (changed bool)) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	fault := None
	if m.Fault != nil {
		fault = m.Fault(op, key)
	}
	switch fault {
	case Down:
		return ErrDown
	case Slow:
		<-ctx.Done()
		return ctx.Err()
	}
	m.change(key, func(e *entry) bool { return do(e, m.now()) && fault != Dropped })
	switch fault {
	case SlowDone:
		<-ctx.Done()
		return ctx.Err()
	case Unacknowledged:
		return ErrDown
	}
	return nil
}

// change calls do with a copy of the entry, which is kept if do reports a change.
func (m *Memory) change(key string, do func(*entry) (changed bool)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.entries[key]
	e := before
	if !do(&e) {
		return
	}
	if m.entries == nil {
		m.entries = map[string]entry{}
	}
	m.entries[key] = e
	m.last = &write{key, before}
}

func (m *Memory) now() time.Time {
	if m.Clock == nil {
		return time.Now()
	}
	return m.Clock.Now()
}

// draw returns a random number. The caller has the lock.
func (m *Memory) draw() uint64 {
	if m.random == nil {
		m.random = rand.NewPCG(m.Seed, 0)
	}
	return m.random.Uint64()
}

func (m *Memory) drawGeneration() uint64 { return 1 + m.draw()%(1<<52-1) }

// Keys returns the keys with an entry, sorted.
func (m *Memory) Keys() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.entries))
}

// Flush loses everything: values, leases, and generations.
func (m *Memory) Flush() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries, m.last = nil, nil
}

// Failover loses the last write, as a replica does that is promoted before it received it.
func (m *Memory) Failover() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last != nil {
		m.entries[m.last.key] = m.last.before
		m.last = nil
	}
}

// Corrupt flips a bit of the value of a key.
func (m *Memory) Corrupt(key string) {
	m.change(key, func(e *entry) bool {
		if e.value == nil || len(e.value.sealed) == 0 {
			return false
		}
		corrupt := *e.value
		corrupt.sealed = bytes.Clone(corrupt.sealed)
		bit := m.draw() % uint64(8*len(corrupt.sealed))
		corrupt.sealed[bit/8] ^= 1 << (bit % 8)
		e.value = &corrupt
		return true
	})
}

// Swap exchanges the values of two keys, but neither their generations nor their leases.
func (m *Memory) Swap(key, other string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, b := m.entries[key], m.entries[other]
	a.value, b.value = b.value, a.value
	if m.entries != nil {
		m.entries[key], m.entries[other] = a, b
	}
}

// Replay stores the value before the current one again, with its generation, for as long as when it was saved first.
// It does nothing if there is none.
func (m *Memory) Replay(key string) {
	m.change(key, func(e *entry) bool {
		if e.previous == nil {
			return false
		}
		again := *e.previous
		again.expires = m.now().Add(again.left)
		e.previous, e.value, e.generation = e.value, &again, again.generation
		return true
	})
}

// SetGeneration changes the generation of a key: to an earlier one, to one that will come, or to 0, which is none.
func (m *Memory) SetGeneration(key string, generation uint64) {
	m.change(key, func(e *entry) bool { e.generation = generation; return true })
}
