package stschain

import (
	"hash/maphash"
	"sync/atomic"
)

// poolTable finds entries by key, in chains of buckets. It is read without a lock: a map under one costs
// a hit more than the rest of it. A reader without the lock may miss an entry while the table grows. Writers
// hold the lock of the pool.
type poolTable[K comparable] struct {
	seed    maphash.Seed
	buckets atomic.Pointer[[]atomic.Pointer[poolEntry[K]]] // as many as a power of two; nil: none
	len     int
}

const poolBuckets = 64 // at first

func (t *poolTable[K]) hash(key K) uint64 { return maphash.Comparable(t.seed, key) }

// find returns the entry of a key and marks it as visited, or nil.
func (t *poolTable[K]) find(hash uint64, key K) *poolEntry[K] {
	buckets := t.buckets.Load()
	if buckets == nil {
		return nil
	}
	for e := bucket(*buckets, hash).Load(); e != nil; e = e.chained.Load() {
		if e.hash == hash && e.key == key { // most keys that differ are not read
			if !e.visited.Load() {
				e.visited.Store(true)
			}
			return e
		}
	}
	return nil
}

func bucket[T any](buckets []T, hash uint64) *T { return &buckets[hash&uint64(len(buckets)-1)] }

func (t *poolTable[K]) put(e *poolEntry[K]) {
	buckets := t.buckets.Load()
	if buckets == nil || 2*t.len >= len(*buckets) { // few share a bucket
		buckets = t.grow(buckets)
	}
	push(*buckets, e)
	t.len++
}

func push[K comparable](buckets []atomic.Pointer[poolEntry[K]], e *poolEntry[K]) {
	b := bucket(buckets, e.hash)
	e.chained.Store(b.Load())
	b.Store(e)
}

// grow doubles the number of buckets. A reader that is in a chain meanwhile gets into another one, and to its end.
func (t *poolTable[K]) grow(old *[]atomic.Pointer[poolEntry[K]]) *[]atomic.Pointer[poolEntry[K]] {
	if old == nil {
		old = &[]atomic.Pointer[poolEntry[K]]{}
	}
	buckets := make([]atomic.Pointer[poolEntry[K]], max(2*len(*old), poolBuckets))
	for i := range *old {
		for e := (*old)[i].Load(); e != nil; {
			next := e.chained.Load()
			push(buckets, e)
			e = next
		}
	}
	t.buckets.Store(&buckets)
	return &buckets
}

// drop removes an entry. Readers that are at it go on to those behind it.
func (t *poolTable[K]) drop(e *poolEntry[K]) {
	at := bucket(*t.buckets.Load(), e.hash)
	for at.Load() != e {
		at = &at.Load().chained
	}
	at.Store(e.chained.Load())
	t.len--
}

// poolCounter counts on a cache line of its own.
type poolCounter struct {
	n atomic.Uint64
	_ [56]byte
}

const poolCounters = 64 // a power of two

func (p *Pool[K]) hit(hash uint64) { bucket(p.hits[:], hash).n.Add(1) }
