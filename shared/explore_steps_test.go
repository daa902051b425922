package shared_test

import (
	"cmp"
	"fmt"
	"strconv"

	"github.com/stschain-go/stschain/shared"
)

// successors calls emit with every state that can follow s.
func (w world) successors(s *state, emit func(t state, event, violation string)) {
	say := func(t state, i int, violation, format string, args ...any) {
		text, wrong := w.settle(&t, i)
		event := ""
		if w.explain {
			if i >= 0 {
				event = fmt.Sprintf("p%d ", i)
			}
			event = fmt.Sprintf("%d: %s%s%s", s.now, event, fmt.Sprintf(format, args...), text)
		}
		emit(t, event, cmp.Or(violation, wrong))
	}
	busy := false
	for i := range s.p {
		p := &s.p[i]
		switch {
		case p.paused:
			t := *s
			t.p[i].paused = false
			say(t, i, "", "resumes")
			busy = busy || s.calm > 0
		case !p.running && s.needs(p):
			busy = busy || w.eager || s.calm > 0
			t := *s
			q := &t.p[i]
			q.running = true
			q.attempt = shared.Attempt{Rules: shared.Rules{Lease: at(2), Wait: at(3)}}
			q.next = q.attempt.Begin(at(s.now))
			say(t, i, "", "begins")
		case !p.running, p.asleep:
		case p.calling:
			busy = busy || s.now-p.since >= w.slow
			w.sourceReturns(s, i, say)
		default:
			busy = true
			w.perform(s, i, say)
		}
	}
	if !busy && s.now < w.until+s.calm && (s.calm == 0 || s.calm <= w.live) {
		w.ticks(s, say)
	}
	if s.calm == 0 {
		w.faults(s, say)
	}
}

type sayFunc = func(t state, i int, violation, format string, args ...any)

// perform is the next operation of process i.
func (w world) perform(s *state, i int, say sayFunc) {
	t := *s
	p := &t.p[i]
	a, next := &p.attempt, p.next
	now := at(s.now)
	down := func() {
		p.next = a.Failed()
		say(t, i, "", "finds the store down")
	}
	switch next.Op {
	case shared.OpLoad:
		if s.down {
			down()
			return
		}
		v := s.view(&s.p[i])
		p.next = a.GotLoad(v)
		say(t, i, "", "loads %s, generation %d", stored{v.Kind, s.v.id}, s.generation)
	case shared.OpLease:
		if s.down {
			down()
			return
		}
		l := t.lease(owner(i), next.Pause, int8((next.TTL+tick-1)/tick))
		p.next = a.GotLease(l, l.Owner == owner(i), now)
		say(t, i, "", "lease (pause %v, %v): %s has it", next.Pause, next.TTL, l.Owner)
	case shared.OpRevoke:
		if s.down {
			down()
			return
		}
		violation := ""
		if uint64(s.generation) == next.Generation {
			if id := s.v.id; id != 0 && id != poisonID && s.rejected&s.bit(id) == 0 && !s.lost {
				violation = "Revoke dropped a value that no service rejected"
			}
			t.revoke()
		}
		p.next = a.GotRevoke()
		say(t, i, violation, "revokes generation %d", next.Generation)
	case shared.OpSave:
		w.save(s, i, say)
	case shared.OpSleep:
		violation := ""
		if id := idOf(a.Value); s.good(p, id) {
			violation = "waits, though a valid value was loaded"
		}
		p.next, p.asleep = shared.Action{Op: shared.OpLoad}, true
		say(t, i, violation, "waits")
	case shared.OpDirect:
		if s.good(p, p.cached) { // it has time, and returns what it has until it draws to call
			u := t
			w.returns(&u, i, p.cached)
			say(u, i, "", "would call directly, and returns what it has")
		}
		p.next = a.Directed()
		say(t, i, "", "will call directly")
	case shared.OpCall:
		violation := w.callBegins(&t, i)
		say(t, i, violation, "calls the source")
	}
}

// settle ends the attempt of process i if it returns, which is not an operation of its own: nothing happens in between.
func (w world) settle(t *state, i int) (text, violation string) {
	if i < 0 || !t.p[i].running {
		return "", ""
	}
	p := &t.p[i]
	value, result := idOf(p.attempt.Value), idOf(p.attempt.Result)
	leased := t.owner == owner(i) && !t.pause && !p.attempt.Down
	idle := w.eager && t.faults == 0 && p.next.Op == shared.ReturnValue && value == p.cached && t.owner == noOwner && t.good(p, value)
	switch p.next.Op {
	case shared.ReturnValue:
		text, violation = fmt.Sprintf(", returns #%d from the store", value), w.returns(t, i, value)
	case shared.ReturnResult:
		text, violation = fmt.Sprintf(", returns #%d", result), w.returns(t, i, result)
	case shared.ReturnFailure:
		if text = ", returns the failure"; t.good(p, value) {
			violation = "an error, though a valid value was loaded"
		}
		t.fails(i, w.backoff)
	case shared.FailPaused, shared.FailYoung:
		text = ", returns an error: paused, or too young"
		t.fails(i, 1)
	default:
		return "", ""
	}
	switch {
	case idle:
		violation = "a Cache began a refresh, and got what it has, though no other process refreshes"
	case leased:
		violation = "an attempt ended, and its lease did not"
	}
	return text, violation
}

// stored is what a Load brought.
type stored struct {
	kind shared.ViewKind
	id   int8
}

func (s stored) String() string {
	switch s.id {
	case 0:
		return "nothing"
	case poisonID:
		return "poison"
	}
	return fmt.Sprintf("#%d (kind %d)", s.id, s.kind)
}

// lease is Store.Lease.
func (s *state) lease(owner string, pause bool, ttl int8) shared.Lease {
	if s.owner == noOwner && s.generation == 0 {
		s.generation = 100 - 10*s.drawn // a process that remembers the highest one is wrong
		s.drawn++
	}
	if s.owner == noOwner || s.owner == owner {
		s.owner, s.end, s.pause = owner, s.now+ttl, pause
		if ttl == 0 {
			s.owner, s.end, s.pause = noOwner, 0, false
		}
	}
	if s.owner == noOwner {
		return shared.Lease{}
	}
	return shared.Lease{Owner: s.owner, Pause: s.pause, Left: at(s.end - s.now)}
}

func (s *state) write() { s.before, s.beforeGen = s.v, s.generation }

func (s *state) revoke() {
	s.write()
	if id := s.v.id; id != poisonID {
		s.revoked |= s.bit(id)
	}
	s.v = value{}
	s.generation++
}

// keep is Store.Save of process i.
func (s *state) keep(i int, id, generation int8) bool {
	if s.generation != generation || generation == 0 {
		return false
	}
	s.write()
	s.old = s.v
	s.generation++
	s.v = value{id, s.generation}
	if s.owner == owner(i) {
		s.owner = noOwner
	}
	return true
}

func (w world) save(s *state, i int, say sayFunc) {
	t := *s
	p := &t.p[i]
	id, generation := idOf(p.attempt.Result), int8(p.next.Generation)
	if s.down {
		p.next = p.attempt.Failed()
		say(t, i, "", "finds the store down")
		return
	}
	kept := t.keep(i, id, generation)
	violation := ""
	if kept && s.revoked&s.bit(id) != 0 && !s.lost {
		violation = "a revoked value was saved again"
	}
	if !kept {
		t.failedAt = s.now + 1
	}
	p.next = p.attempt.GotSave(kept, at(s.now))
	say(t, i, violation, "saves #%d after generation %d: %v", id, generation, kept)
	if s.left.lateSave > 0 && s.late.id == 0 && s.calm == 0 { // it is executed, and once more later
		u := *s
		u.left.lateSave--
		u.faults++
		u.keep(i, id, generation)
		u.late = value{id, generation}
		u.p[i].next = u.p[i].attempt.Failed()
		say(u, i, "", "saves #%d, gets no response, and it arrives again later", id)
	}
}

// callBegins returns the violation, if the call is needless.
func (w world) callBegins(s *state, i int) string {
	needless, again := false, false
	for j := range s.p {
		q := &s.p[j]
		if j != i && !q.paused && q.running && (q.calling || q.next.Op == shared.OpSave) && (s.owner == owner(j) || q.attempt.Direct) {
			needless = true
		}
	}
	for id := int8(1); id <= s.n; id++ {
		if s.ends[id]-s.now > widest && s.rejected&s.bit(id) == 0 {
			needless = true
		}
		if w.always && s.n > 0 && s.faults == s.rejections && s.now == s.ends[s.n]-life {
			again = true
		}
	}
	if needless {
		s.excess++
	}
	s.p[i].calling, s.p[i].since = true, s.now
	switch {
	case needless && !s.wasDown && s.excess > s.faults:
		return fmt.Sprintf("%d needless calls of the source, and %d faults", s.excess, s.faults)
	case again:
		return "two calls of the source for a value that was too young to be replaced"
	case w.fixed > 0 && s.failedAt > 0 && s.now < s.failedAt:
		return "useless calls are not spaced"
	case w.refuse && s.failedAt > 0 && s.faults == 0 && s.now < s.failedAt-1+w.backoff:
		return "the source was called again within the backoff after a refusal"
	}
	return ""
}

func (w world) sourceReturns(s *state, i int, say sayFunc) {
	fail := func(t state, event string) {
		q := &t.p[i]
		q.calling = false
		q.next = q.attempt.GotRefusal(true, at(w.backoff))
		say(t, i, "", "the source %s", event)
	}
	if w.refuse && s.calm == 0 {
		t := *s
		t.failedAt = s.now + 1
		fail(t, "refuses")
		return
	}
	if s.left.transient > 0 && s.calm == 0 {
		t := *s
		t.left.transient--
		t.faults++
		fail(t, "fails")
	}
	end := s.now + life
	if w.fixed > 0 {
		end = min(end, w.fixed)
	}
	switch {
	case s.n == most:
		return
	case end <= s.now:
		fail(*s, "has ended")
		return
	}
	t := *s
	t.n++
	t.ends[t.n] = end
	q := &t.p[i]
	q.calling = false
	left := at(end - s.now)
	result := shared.View{Kind: shared.Usable, ID: strconv.Itoa(int(t.n)), Life: left, Left: left, Until: at(end)}
	if w.fixed > 0 && q.attempt.Loaded.Kind == shared.Usable { // the source has what it returned before
		t.failedAt = s.now + 1
	}
	q.next = q.attempt.GotCall(result, true, at(s.now))
	say(t, i, "", "the source returns #%d until %d", t.n, end)
}
