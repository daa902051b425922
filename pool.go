package stschain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stschain-go/stschain/internal/system"
)

// Pool keeps the credentials of many identities, each in a [Cache] of its own: for a gateway, a
// controller or a backup service that signs for the roles of its customers.
//
// A key that is retrieved for the first time is on probation until it has brought credentials once.
// There is room for MaxEntries/8 such keys, at least one, in addition to MaxEntries keys that worked, so that
// made-up names cannot displace tenants. Where there is no room, the key that was not retrieved for
// longest, about, is evicted. A refresh in flight goes on after that, and its callers get its result.
//
// Refreshes share MaxInFlight slots. Keys that worked and whose callers wait go first, then new keys,
// then [Pool.Warm]. A refresh in the background takes a slot only if one is free, and otherwise the next
// call begins it. A refresh that fails with [ErrThrottled] halves the number of slots, which then
// grows again by one for each round of refreshes that are not throttled.
//
// A permanent failure of a key without valid credentials is remembered for 15 s, doubling to 2 minutes;
// [Pool.Forget] lifts it. The first refresh of a key is due at a random time in the last three quarters
// of the lifetime of its credentials, later ones at a random time in the advisory window, so that keys
// which came together are not refreshed together.
//
// Nothing is refreshed that is not retrieved: a Pool runs no goroutine between calls, and needs no Close.
// An error of a key is never [Unavailable], so a [Chain] does not fall through to another identity.
//
// The fields are not changed after first use, and a Pool is not copied.
type Pool[K comparable] struct {
	// New makes the provider of a key. It is required. It sees nothing but the key, so all that decides
	// whose credentials come is part of the key. It is called once for an entry, in the first refresh
	// and under its Timeout; what it returns is kept until the entry is evicted or forgotten. After an
	// error it is called again for the next refresh; an error made by [Permanent], such as for a tenant
	// that does not exist, is remembered as above.
	New func(key K) (Provider, error)

	Configure   func(key K, c *Cache) // sets windows, MaxStale, OnEvent of the cache of a key; nil: defaults
	MaxEntries  int                   // keys that worked; 0: 10,000
	MaxBytes    int64                 // of key IDs, secrets and tokens, plus 1,000 a key; 0: no bound. A token has up to 4,096 bytes
	MaxInFlight int                   // refreshes at once; 0: 64. One that outlived its Timeout does not count
	Clock       Clock                 // of the caches; nil: the real one
	OnEvent     func(PoolEvent[K])    // nil: none. Called in order on a goroutine of its own; while it blocks, at most 1,024 events are kept for it

	once   sync.Once
	table  poolTable[K]
	hits   [poolCounters]poolCounter
	slots  slots
	events eventQueue

	// No code of others runs under the lock. It is never taken under that of a cache.
	// A hit does not take it.
	mu        sync.Mutex
	proven    poolList[K] // in the order of SIEVE
	hand      *poolEntry[K]
	probation poolList[K]     // in the order they came
	room      []chan struct{} // callers that wait for room on probation
	bytes     int64
	misses    uint64
	evictions uint64
	refusals  atomic.Uint64
}

// PoolEvent is something that happened to a key of a [Pool]. Its Kind is also [Evicted] or [Forgotten].
// Whether it holds a secret depends on the key.
type PoolEvent[K comparable] struct {
	Key K
	Event
}

const (
	poolEntries    = 10_000
	poolInFlight   = 64
	poolEntryBytes = 1000
	poolRefusal    = 15 * time.Second
)

// Provider returns the provider of a key. It is cheap and calls nothing. It can be kept: it finds the
// entry of the key at each call, also after that was evicted or forgotten.
func (p *Pool[K]) Provider(key K) CachedProvider { return &pooled[K]{pool: p, key: key} }

// Retrieve returns the credentials of a key, as [Cache.Retrieve] does.
func (p *Pool[K]) Retrieve(ctx context.Context, key K) (Credentials, error) {
	return p.retrieve(ctx, key, 0)
}

func (p *Pool[K]) retrieve(ctx context.Context, key K, atLeast time.Duration) (Credentials, error) {
	if err := p.check(); err != nil {
		return Credentials{}, err
	}
	hash := p.table.hash(key)
	e := p.table.find(hash, key)
	if e == nil {
		return p.retrieveNew(ctx, hash, key, atLeast)
	}
	p.hit(hash)
	if atLeast > 0 {
		return e.cache.RetrieveFor(ctx, atLeast)
	}
	return e.cache.Retrieve(ctx)
}

func (p *Pool[K]) retrieveNew(ctx context.Context, hash uint64, key K, atLeast time.Duration) (Credentials, error) {
	e, err := p.add(ctx, hash, key)
	if err != nil {
		return Credentials{}, err
	}
	defer p.idle(e)
	return e.cache.RetrieveFor(ctx, atLeast)
}

// Warm retrieves the credentials of keys, such as those of the tenants that were active before a restart,
// after all other callers. It returns when all are done or ctx ends. The error counts the keys that
// failed and wraps the first failure. Keys beyond MaxEntries displace those before them.
func (p *Pool[K]) Warm(ctx context.Context, keys iter.Seq[K]) error {
	if err := p.check(); err != nil {
		return err
	}
	ctx = context.WithValue(ctx, warmKey{}, warmKey{})
	var (
		workers     sync.WaitGroup
		mu          sync.Mutex
		total, bad  int
		first       error
		concurrency = make(chan struct{}, p.maxInFlight())
	)
	for key := range keys {
		if ctx.Err() != nil {
			break
		}
		concurrency <- struct{}{}
		total++
		workers.Go(func() {
			defer func() { <-concurrency }()
			if _, err := p.retrieve(ctx, key, 0); err != nil {
				mu.Lock()
				defer mu.Unlock()
				if bad++; first == nil {
					first = err
				}
			}
		})
	}
	workers.Wait()
	switch err := system.ContextErr(ctx); {
	case err != nil:
		return fmt.Errorf("stschain: Pool.Warm: %w", err)
	case bad > 0:
		return fmt.Errorf("stschain: Pool.Warm: %d of %d keys failed, the first with: %w", bad, total, first)
	}
	return nil
}

type warmKey struct{}

// Forget drops a key with its credentials, its provider and what is remembered of its failures: the
// tenant was deleted, or its trust policy repaired. Callers that wait for a refresh get its result, and
// every later call begins anew.
func (p *Pool[K]) Forget(key K) {
	if p.check() != nil {
		return
	}
	hash := p.table.hash(key)
	p.mu.Lock()
	e := p.table.find(hash, key)
	if e != nil {
		p.remove(e)
		if !e.proven.Load() {
			p.makeRoom()
		}
	}
	p.mu.Unlock()
	if e != nil {
		p.emit(e, Forgotten)
	}
}

// All returns the caches of the keys, in no order. It calls nothing of others.
func (p *Pool[K]) All() iter.Seq2[K, *Cache] {
	return func(yield func(K, *Cache) bool) {
		p.mu.Lock()
		entries := make([]*poolEntry[K], 0, p.proven.len+p.probation.len)
		for _, list := range []*poolList[K]{&p.proven, &p.probation} {
			for e := list.first; e != nil; e = e.next {
				entries = append(entries, e)
			}
		}
		p.mu.Unlock()
		for _, e := range entries {
			if !yield(e.key, &e.cache) {
				return
			}
		}
	}
}

// PoolStatus is what a [Pool] knows at one moment.
type PoolStatus struct {
	Entries   int    // keys that have brought credentials
	New       int    // keys on probation
	Bytes     int64  // as MaxBytes counts
	InFlight  int    // refreshes that have a slot
	Waiting   int    // refreshes that wait for one
	Bound     int    // MaxInFlight, or less after ErrThrottled
	Hits      uint64 // calls that found an entry of their key
	Misses    uint64 // calls that made one
	Evictions uint64
	Refusals  uint64 // permanent failures of keys without valid credentials
}

// Status reports what the pool knows, and calls nothing of others.
func (p *Pool[K]) Status() PoolStatus {
	if p.check() != nil {
		return PoolStatus{}
	}
	st := PoolStatus{Refusals: p.refusals.Load()}
	for i := range p.hits {
		st.Hits += p.hits[i].n.Load()
	}
	p.mu.Lock()
	st.Misses = p.misses
	st.Entries, st.New, st.Bytes, st.Evictions = p.proven.len, p.probation.len, p.bytes, p.evictions
	p.mu.Unlock()
	p.slots.mu.Lock()
	defer p.slots.mu.Unlock()
	st.InFlight, st.Bound = p.slots.inFlight(), p.slots.bound
	for _, waiting := range p.slots.waiting {
		st.Waiting += len(waiting)
	}
	return st
}

func (p *Pool[K]) check() error {
	switch {
	case p.New == nil:
		return Permanent(errors.New("stschain: Pool.New is required"))
	case p.MaxEntries < 0, p.MaxBytes < 0, p.MaxInFlight < 0:
		return Permanent(fmt.Errorf("stschain: a Pool's bounds must not be negative: MaxEntries %d, MaxBytes %d, MaxInFlight %d", p.MaxEntries, p.MaxBytes, p.MaxInFlight))
	}
	p.once.Do(func() {
		p.table.seed = maphash.MakeSeed()
		p.slots.most, p.slots.bound = p.maxInFlight(), p.maxInFlight()
	})
	return nil
}

func (p *Pool[K]) maxInFlight() int { return cmp.Or(p.MaxInFlight, poolInFlight) }

func (p *Pool[K]) maxEntries() int { return cmp.Or(p.MaxEntries, poolEntries) }

func (p *Pool[K]) maxProbation() int { return max(p.maxEntries()/8, 1) }
