package stschain

import (
	"context"
	"time"

	"github.com/stschain-go/stschain/internal/refresh"
)

// What the tests of this package see beyond its API.

// SetRandom fixes the draws of jitter and backoff.
func (c *Cache) SetRandom(f func() float64) { c.needed().random = f }

// Idle reports that no attempt is in flight.
func (c *Cache) Idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inFlight == nil
}

// Inside is all that decides what a cache does next.
type Inside struct {
	State       refresh.State
	Now         int64 // by the clock that the state is on
	Err         error
	Elapsed     time.Duration // since the attempt in flight began
	Quiet       bool          // the attempt in flight cannot prompt
	From, Until int64         // of the snapshot
}

// Inside returns what a cache knows.
func (c *Cache) Inside() Inside {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, _ := c.now()
	i := Inside{State: c.state, Now: now, Err: c.failed().last}
	if c.inFlight != nil {
		i.Elapsed, i.Quiet = time.Since(c.inFlight.began), c.inFlight.quiet
	}
	if s := c.snapshot.Load(); s != nil {
		i.From, i.Until = s.from, s.until
	}
	return i
}

// Buckets returns how many entries each bucket of a pool's table has.
func (p *Pool[K]) Buckets() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	buckets := *p.table.buckets.Load()
	entries := make([]int, len(buckets))
	for i := range buckets {
		for e := buckets[i].Load(); e != nil; e = e.chained.Load() {
			entries[i]++
		}
	}
	return entries
}

// EnterFreedSlot returns the error of a refresh that begins to wait for its slot after it was abandoned.
func EnterFreedSlot(ctx context.Context) error {
	s, p := slots{most: 1, bound: 1}, new(slot)
	s.free(p, false)
	return s.enter(ctx, p)
}
