package shared_test

import "fmt"

// ticks lets time pass.
func (w world) ticks(s *state, say sayFunc) {
	t := *s
	t.now++
	if t.calm > 0 {
		t.calm++
	}
	for i := range t.p {
		q := &t.p[i]
		q.asleep = false
		q.rest = max(q.rest, t.now)                                                        // what is past makes no difference
		if t.owner == owner(i) && q.calling && !q.paused && !q.attempt.Direct && !t.down { // renewed while the source is called
			t.end = t.now + 2
		}
	}
	if t.owner != noOwner && t.end <= t.now {
		t.owner, t.end, t.pause = noOwner, 0, false
	}
	if id := t.v.id; id != 0 && id != poisonID && t.ends[id] <= t.now {
		t.v = value{}
	}
	violation := ""
	for i := range t.p {
		q := &t.p[i]
		switch good := t.good(q, q.cached); {
		case w.eager && s.faults == 0 && !w.refuse && w.fixed == 0 && q.cached != 0 && !good:
			violation = fmt.Sprintf("p%d came to the end of its credentials without any fault", i)
		case w.live > 0 && t.calm == w.live+1 && !good:
			violation = fmt.Sprintf("p%d has no valid credentials %d ticks after the last fault", i, w.live)
		}
	}
	say(t, -1, violation, "tick")
}

// faults are all that can go wrong now.
func (w world) faults(s *state, say sayFunc) {
	fault := func(left func(*budget) *int8, when bool, i int, event string, f func(t *state)) {
		t := *s
		n := left(&t.left)
		if *n == 0 || !when {
			return
		}
		*n--
		t.faults++
		f(&t)
		say(t, i, "", "%s", event)
	}
	if w.live > 0 && s.faults > 0 {
		t := *s
		t.calm, t.down, t.left, t.late = 1, false, budget{}, value{}
		say(t, -1, "", "the faults end")
	}
	for i := range s.p {
		p := &s.p[i]
		fault(func(b *budget) *int8 { return &b.crash }, p.running || p.cached != 0, i, "crashes", func(t *state) {
			t.stops(i)
			t.p[i] = process{}
		})
		fault(func(b *budget) *int8 { return &b.pause }, p.running && !p.paused, i, "is paused", func(t *state) { t.p[i].paused = true })
		fault(func(b *budget) *int8 { return &b.reject }, !p.paused && s.good(p, p.cached), i, fmt.Sprintf("sees #%d rejected", p.cached), func(t *state) {
			t.p[i].rejected |= s.bit(p.cached)
			t.p[i].rest = s.now
			t.rejected |= s.bit(p.cached)
			t.rejections++
		})
	}
	fault(func(b *budget) *int8 { return &b.flush }, !s.down, -1, "the store loses everything", func(t *state) {
		if t.owner != noOwner { // the lease is lost too
			t.faults++
		}
		t.v, t.generation, t.owner, t.end, t.pause = value{}, 0, noOwner, 0, false
	})
	fault(func(b *budget) *int8 { return &b.failover }, s.v != s.before || s.generation != s.beforeGen, -1, "failover: the last write is lost", func(t *state) {
		t.faults++
		t.v, t.generation, t.lost = s.before, s.beforeGen, true
		if id := t.v.id; id != 0 && id != poisonID && t.ends[id] <= t.now {
			t.v = value{}
		}
	})
	fault(func(b *budget) *int8 { return &b.storeDown }, !s.down, -1, "the store goes down", func(t *state) { t.down, t.wasDown = true, true })
	if s.down {
		t := *s
		t.down = false
		say(t, -1, "", "the store is up")
	}
	fault(func(b *budget) *int8 { return &b.replay }, s.old.id != 0 && s.old.id != poisonID && s.ends[s.old.id] > s.now, -1, "an old value is replayed", func(t *state) {
		t.v, t.generation, t.lost = s.old, s.old.generation, true
	})
	fault(func(b *budget) *int8 { return &b.resetGen }, s.generation > 0, -1, "the generation is reset", func(t *state) {
		t.faults++ // a Save has no generation until the next Lease
		t.v, t.generation, t.lost = value{}, 0, true
	})
	fault(func(b *budget) *int8 { return &b.poison }, true, -1, "poison is written", func(t *state) { t.v = value{poisonID, s.generation} })
	if s.late.id != 0 {
		t := *s
		t.late = value{}
		violation := ""
		if id := s.late.id; s.ends[id] > s.now && t.keep(-1, id, s.late.generation) && s.revoked&s.bit(id) != 0 && !s.lost {
			violation = "a revoked value was saved again"
		}
		say(t, -1, violation, "the Save arrives again")
	}
}
