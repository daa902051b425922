package stschain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/stschain-go/stschain/internal/system"
)

// slotClass is the priority of an attempt in a Pool. Lower ones go first.
type slotClass int

const (
	provenKey slotClass = iota // a key that worked, whose callers wait
	newKey                     // a key that has not worked yet
	warming                    // Pool.Warm
	slotClasses
)

// slots bounds the attempts of a Pool that are in flight. A throttled attempt halves the bound, and
// it grows by one for each round of attempts that were not.
type slots struct {
	mu      sync.Mutex
	most    int
	bound   int
	used    [slotClasses]int
	waiting [slotClasses][]*slot // in order
	skipped bool                 // a renewal found no slot since one was last free
	begun   uint64               // slots taken so far
	cut     uint64               // begun when the bound was last halved
	good    int                  // attempts since the bound last changed
}

// slot is the place of one attempt.
type slot struct {
	class slotClass
	state slotState
	order uint64
	ready chan struct{} // closed when the slot is taken
}

type slotState int

const (
	slotIdle slotState = iota
	slotWaiting
	slotTaken
	slotFreed
)

func (s *slots) inFlight() int {
	n := 0
	for _, used := range s.used {
		n += used
	}
	return n
}

// try returns a slot for a renewal in the background, or nil if none is free.
func (s *slots) try() *slot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inFlight() >= s.bound {
		s.skipped = true
		return nil
	}
	p := &slot{class: provenKey}
	s.take(p)
	return p
}

// enter waits until p is taken. If ctx ends first, it is not.
func (s *slots) enter(ctx context.Context, p *slot) error {
	s.mu.Lock()
	if p.state == slotIdle {
		p.state, p.ready = slotWaiting, make(chan struct{})
		s.waiting[p.class] = append(s.waiting[p.class], p)
		s.grant()
	}
	state, ready := p.state, p.ready
	s.mu.Unlock()
	switch state {
	case slotTaken:
		return nil
	case slotFreed:
		return errSlotFreed
	}
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stschain: waiting until fewer refreshes of the pool are in flight: %w", system.ContextErr(ctx))
	}
}

var errSlotFreed = errors.New("stschain: the refresh ended before it could begin")

// raise gives a waiting attempt the priority of the callers that joined it.
func (s *slots) raise(p *slot, class slotClass) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if class >= p.class || p.state > slotWaiting {
		return
	}
	if p.state == slotWaiting {
		s.remove(p)
		s.waiting[class] = append(s.waiting[class], p)
	}
	p.class = class
	s.grant()
}

// free ends the use of p, or its wait.
func (s *slots) free(p *slot, throttled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch p.state {
	case slotWaiting:
		s.remove(p)
	case slotTaken:
		s.used[p.class]--
		s.adapt(p, throttled)
	}
	p.state = slotFreed
	s.grant()
}

// adapt moves the bound. Attempts that began before it was halved do not halve it again.
func (s *slots) adapt(p *slot, throttled bool) {
	switch {
	case throttled && p.order > s.cut:
		s.bound, s.cut, s.good = max(s.bound/2, 1), s.begun, 0
	case throttled:
	case s.bound < s.most:
		if s.good++; s.good >= s.bound {
			s.bound, s.good = s.bound+1, 0
		}
	}
}

// grant gives free slots to those that wait. New keys get at most half of them while proven keys are
// short of slots.
func (s *slots) grant() {
	for s.inFlight() < s.bound {
		next := s.next()
		if next == nil {
			return
		}
		s.remove(next)
		s.take(next)
		close(next.ready)
	}
}

func (s *slots) next() *slot {
	for class, waiting := range s.waiting {
		if len(waiting) == 0 {
			continue
		}
		if slotClass(class) != provenKey && s.skipped && s.used[newKey]+s.used[warming] >= max(s.bound/2, 1) {
			return nil
		}
		return waiting[0]
	}
	s.skipped = false
	return nil
}

func (s *slots) take(p *slot) {
	s.begun++
	p.state, p.order = slotTaken, s.begun
	s.used[p.class]++
}

func (s *slots) remove(p *slot) {
	q := &s.waiting[p.class]
	i := slices.Index(*q, p)
	*q = slices.Delete(*q, i, i+1)
}
