package stschain

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/stschain-go/stschain/internal/system"
)

// A Pool keeps two lists of entries: those on probation, of which the oldest is evicted first, and those
// that worked, evicted by SIEVE.

// add makes an entry for a new key. It waits for room on probation, where every entry may be in use.
func (p *Pool[K]) add(ctx context.Context, hash uint64, key K) (*poolEntry[K], error) {
	e := &poolEntry[K]{pool: p, key: key, hash: hash}
	e.cache.Clock = p.Clock
	if p.Configure != nil {
		p.Configure(key, &e.cache)
	}
	e.cache.Provider, e.cache.member = (*poolSource[K])(e), e
	var waited chan struct{}
	for {
		found, evicted, room := p.insert(e)
		switch {
		case evicted != nil:
			p.emit(evicted, Evicted)
		case found == nil:
			select {
			case <-room:
				waited = room
				continue
			case <-ctx.Done():
				p.leaveRoom(room)
				return nil, fmt.Errorf("stschain: waiting for one of %d new keys: %w", p.maxProbation(), system.ContextErr(ctx))
			}
		case waited != nil && found != e: // another caller's entry: it does not need the place
			p.leaveRoom(waited)
		}
		return found, nil
	}
}

// insert adds e to those on probation and returns it, or the entry that its key has by now. If they are
// full, it evicts the oldest one that is not in use. If all are in use, the caller waits for room.
func (p *Pool[K]) insert(e *poolEntry[K]) (found, evicted *poolEntry[K], room chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if other := p.table.find(e.hash, e.key); other != nil {
		other.busy.Add(1)
		p.hit(e.hash)
		return other, nil, nil
	}
	if p.probation.len >= p.maxProbation() {
		for evicted = p.probation.first; evicted != nil && evicted.busy.Load() > 0; evicted = evicted.next {
		}
		if evicted == nil {
			room = make(chan struct{})
			p.room = append(p.room, room)
			return nil, nil, room
		}
		p.remove(evicted)
		p.evictions++
	}
	e.busy.Add(1)
	e.bytes = poolEntryBytes
	p.bytes += int64(e.bytes)
	p.probation.push(e)
	p.table.put(e)
	p.misses++
	return e, evicted, nil
}

// leaveRoom is for a caller that waited for room and takes none. If it was woken already, it wakes another.
func (p *Pool[K]) leaveRoom(room chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.room, room); i >= 0 {
		p.room = slices.Delete(p.room, i, i+1)
		return
	}
	p.makeRoom()
}

// idle notes that a caller or an attempt does not use an entry any more, so that it may be evicted from
// probation.
func (p *Pool[K]) idle(e *poolEntry[K]) {
	if e.busy.Add(-1) > 0 || e.proven.Load() { // a key that worked is not on probation
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.makeRoom()
}

// makeRoom wakes the caller that has waited longest for room, for a place that became free: one that finds none
// waits again, after the others. Its callers hold the lock.
func (p *Pool[K]) makeRoom() {
	if len(p.room) > 0 {
		close(p.room[0])
		p.room = p.room[1:]
	}
}

// settle takes what an attempt brought into account: a key that brought credentials is on probation no
// longer.
func (p *Pool[K]) settle(e *poolEntry[K], creds Credentials) {
	var evicted []*poolEntry[K]
	p.mu.Lock()
	if e.bytes != 0 {
		bytes := int32(min(poolEntryBytes+len(creds.AccessKeyID)+len(creds.SecretAccessKey.Reveal())+len(creds.SessionToken.Reveal()), math.MaxInt32))
		p.bytes += int64(bytes - e.bytes)
		e.bytes = bytes
		if !e.proven.Swap(true) {
			p.probation.remove(e)
			p.proven.push(e)
			p.makeRoom()
		}
		for p.proven.len > p.maxEntries() || p.MaxBytes > 0 && p.bytes > p.MaxBytes && p.proven.len > 0 {
			last := p.leastUsed(e)
			p.remove(last)
			p.evictions++
			evicted = append(evicted, last)
		}
	}
	p.mu.Unlock()
	for _, e := range evicted {
		p.emit(e, Evicted)
	}
}

// leastUsed is the proven entry to evict, by SIEVE: the hand goes from the oldest to the newest, and
// takes the first that was not visited since it came by. The entry that just came goes last.
func (p *Pool[K]) leastUsed(came *poolEntry[K]) *poolEntry[K] {
	for {
		if p.hand == nil {
			p.hand = p.proven.first
		}
		e := p.hand
		if (e != came || p.proven.len == 1) && !e.visited.Swap(false) {
			return e
		}
		p.hand = e.next
	}
}

// remove takes an entry out of the pool. Its callers hold the lock.
func (p *Pool[K]) remove(e *poolEntry[K]) {
	if p.hand == e {
		p.hand = e.next
	}
	if e.proven.Load() {
		p.proven.remove(e)
	} else {
		p.probation.remove(e)
	}
	p.bytes -= int64(e.bytes)
	e.bytes = 0
	p.table.drop(e)
}

func (p *Pool[K]) emit(e *poolEntry[K], kind EventKind) {
	if p.OnEvent != nil {
		st := e.cache.Status()
		f, event := p.OnEvent, PoolEvent[K]{e.key, Event{Kind: kind, Time: system.Now(p.Clock), Origin: st.Origin, Expires: st.Expires}}
		p.events.push(func() { f(event) })
	}
}
