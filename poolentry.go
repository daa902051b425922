package stschain

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/stschain-go/stschain/internal/refresh"
	"github.com/stschain-go/stschain/internal/system"
)

// poolEntry is a key of a Pool with its cache.
type poolEntry[K comparable] struct {
	key     K
	hash    uint64
	chained atomic.Pointer[poolEntry[K]] // the next one of its bucket
	visited atomic.Bool
	proven  atomic.Bool  // it has brought credentials
	busy    atomic.Int32 // callers that made it and attempts: with any, it is not evicted from probation
	bytes   int32        // under the lock of the pool; 0: the entry is not in it
	cache   Cache        // after what a hit also reads, in the same cache lines if the key is short
	pool    *Pool[K]

	// Under the lock of the cache.
	made   Provider      // nil: New has not returned a provider
	making chan struct{} // closed when New returns; nil: it is not being called

	// Under the lock of the pool.
	prev, next *poolEntry[K]
}

// poolList is a list of entries, the oldest first.
type poolList[K comparable] struct {
	first, last *poolEntry[K]
	len         int
}

func (l *poolList[K]) push(e *poolEntry[K]) {
	e.prev, e.next = l.last, nil
	if l.last == nil {
		l.first = e
	} else {
		l.last.next = e
	}
	l.last = e
	l.len++
}

func (l *poolList[K]) remove(e *poolEntry[K]) {
	if e.prev == nil {
		l.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		l.last = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.prev, e.next = nil, nil
	l.len--
}

// member is what a Pool does for a cache of it. The methods up to observe are called under the lock of
// the cache.
type member interface {
	admit() *slot // of a refresh in the background; nil: none is free
	begin(ctx context.Context, a *attempt)
	join(ctx context.Context, a *attempt)
	observe(e Event)
	enter(a *attempt) error // waits for the slot of a
	leave(a *attempt, r result, o outcome)
}

func (e *poolEntry[K]) admit() *slot { return e.pool.slots.try() }

func (e *poolEntry[K]) begin(ctx context.Context, a *attempt) {
	e.busy.Add(1)
	if a.slot == nil {
		a.slot = &slot{class: e.class(ctx)}
	}
}

func (e *poolEntry[K]) join(ctx context.Context, a *attempt) {
	e.pool.slots.raise(a.slot, e.class(ctx))
}

func (e *poolEntry[K]) class(ctx context.Context) slotClass {
	switch {
	case ctx.Value(warmKey{}) != nil:
		return warming
	case e.proven.Load():
		return provenKey
	}
	return newKey
}

func (e *poolEntry[K]) observe(event Event) {
	if p := e.pool; p.OnEvent != nil {
		f, event := p.OnEvent, PoolEvent[K]{e.key, event}
		p.events.push(func() { f(event) })
	}
}

func (e *poolEntry[K]) enter(a *attempt) error { return e.pool.slots.enter(a, a.slot) }

func (e *poolEntry[K]) leave(a *attempt, r result, o outcome) {
	e.pool.slots.free(a.slot, r.throttled)
	switch {
	case o.err == nil:
		e.pool.settle(e, o.creds)
	case r.class == refresh.Permanent:
		e.pool.refusals.Add(1)
	}
	e.pool.idle(e)
}

// poolSource is the provider of an entry's cache.
type poolSource[K comparable] poolEntry[K]

func (s *poolSource[K]) Retrieve(ctx context.Context) (Credentials, error) {
	p, err := s.provider(ctx)
	if err != nil {
		return Credentials{}, fmt.Errorf("stschain: Pool.New: %w", err)
	}
	creds, err := p.Retrieve(ctx)
	if IsUnavailable(err) { // or a chain above the pool would fall through to another identity
		err = fmt.Errorf("stschain: a key of the pool is not configured: %w", err)
	}
	return creds, err
}

// provider returns what New made of the key. It is called once, unless it fails.
func (s *poolSource[K]) provider(ctx context.Context) (Provider, error) {
	for {
		s.cache.mu.Lock()
		made, making := s.made, s.making
		if made == nil && making == nil {
			s.making = make(chan struct{})
		}
		s.cache.mu.Unlock()
		switch {
		case made != nil:
			return made, nil
		case making == nil:
			return s.make()
		}
		select { // an earlier attempt, which has taken too long, waits for it
		case <-making:
		case <-ctx.Done():
			return nil, system.ContextErr(ctx)
		}
	}
}

func (s *poolSource[K]) make() (p Provider, err error) {
	defer func() { // p is nil also if New panics
		s.cache.mu.Lock()
		defer s.cache.mu.Unlock()
		close(s.making)
		s.made, s.making = p, nil
	}()
	if p, err = s.pool.New(s.key); err != nil {
		return nil, err
	}
	if p == nil {
		return nil, Permanent(errors.New("it returned no provider"))
	}
	return p, nil
}

// known returns the provider if New has made it, otherwise nil.
func (s *poolSource[K]) known() Provider {
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	return s.made
}

// Invalidate passes a rejection on.
func (s *poolSource[K]) Invalidate(rejected Credentials) {
	if i, ok := s.known().(Invalidator); ok {
		i.Invalidate(rejected)
	}
}

func (s *poolSource[K]) Providers() []Provider {
	if p := s.known(); p != nil {
		return []Provider{p}
	}
	return nil
}

// String is the name of the provider, if New has made it.
func (s *poolSource[K]) String() string {
	if p := s.known(); p != nil {
		return name(p)
	}
	return "a new key of the pool"
}

// pooled is what Pool.Provider returns.
type pooled[K comparable] struct {
	pool *Pool[K]
	key  K
}

func (h *pooled[K]) Retrieve(ctx context.Context) (Credentials, error) {
	return h.pool.retrieve(ctx, h.key, 0)
}

func (h *pooled[K]) RetrieveFor(ctx context.Context, atLeast time.Duration) (Credentials, error) {
	return h.pool.retrieve(ctx, h.key, atLeast)
}

// Invalidate invalidates the credentials of the key, if it has an entry.
func (h *pooled[K]) Invalidate(rejected Credentials) {
	if e := h.entry(); e != nil {
		e.cache.Invalidate(rejected)
	}
}

func (h *pooled[K]) Providers() []Provider {
	if e := h.entry(); e != nil {
		return []Provider{&e.cache}
	}
	return nil
}

func (h *pooled[K]) String() string {
	if e := h.entry(); e != nil {
		return e.cache.String()
	}
	return "a new key of the pool"
}

func (h *pooled[K]) entry() *poolEntry[K] {
	p := h.pool
	if p.check() != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.table.find(p.table.hash(h.key), h.key)
}
