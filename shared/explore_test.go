package shared_test

import (
	"flag"
	"hash/maphash"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stschain-go/stschain/shared"
)

var exploreFull = flag.Bool("explore.full", false, "explore larger worlds, of up to millions of states")

// TestExplore explores all interleavings of single store operations of three processes, with faults. The processes
// run the protocol of the Provider, each below a Cache; store, source and Cache are models. Time passes in ticks, and
// only when no process is in the middle of an operation, unless that process is paused.
//
// Safety: no process returns what it saw rejected or what has expired; no value that a service rejected comes back; no call of the
// source is needless, beyond those that a fault explains; refusals and useless calls are spaced. Liveness: some time
// after the last fault each process has valid credentials.
func TestExplore(t *testing.T) {
	if raceDetector {
		t.Skip("the protocol runs on one goroutine")
	}
	for _, tt := range []world{
		{name: "no fault", until: 6, slow: 2},
		{name: "a source slower than Wait", until: 8, slow: 5},
		{name: "retrieved all the time, for three lifetimes", until: 26, slow: 1, eager: true, wide: true},
		{name: "refused", until: 12, slow: 1, refuse: true, eager: true},
		{name: "refused, backoff longer than Wait", until: 12, slow: 1, refuse: true, eager: true, backoff: 4},
		{name: "the end of the credentials is fixed", until: 9, fixed: 10, eager: true},
		{name: "poison", until: 5, slow: 1, budget: budget{poison: 1}},
		{name: "rejection", until: 6, eager: true, budget: budget{reject: 1}},
		{name: "a failure of the source", until: 6, budget: budget{transient: 1}},
		{name: "pause", until: 9, eager: true, budget: budget{pause: 1}},
		{name: "flush", until: 10, eager: true, budget: budget{flush: 1}},
		{name: "services reject all", until: 2, eager: true, always: true, budget: budget{reject: 3}},
		{name: "services reject all, five times", until: 4, eager: true, always: true, full: true, budget: budget{reject: 5}},
		{name: "crash, liveness", until: 7, slow: 1, eager: true, live: 9, budget: budget{crash: 1}},
		{name: "pause, liveness", until: 7, slow: 1, eager: true, live: 9, full: true, budget: budget{pause: 1}},
		{name: "rejection, flush, a Save that arrives later", until: 1, budget: budget{reject: 1, flush: 1, lateSave: 1}},
		{name: "failover, rejection", until: 3, full: true, budget: budget{failover: 1, reject: 1}},
		{name: "crash, pause", until: 4, slow: 1, full: true, budget: budget{crash: 1, pause: 1}},
		{name: "replay, generation reset, rejection", until: 3, full: true, budget: budget{replay: 1, resetGen: 1, reject: 1}},
		{name: "store down, pause", until: 2, slow: 1, full: true, budget: budget{storeDown: 1, pause: 1}},
		{name: "flush, rejection, liveness", until: 3, slow: 1, eager: true, live: 9, full: true, budget: budget{flush: 1, reject: 1}},
		{name: "two failures of the source, poison, liveness", until: 5, slow: 1, eager: true, live: 9, full: true, budget: budget{transient: 2, poison: 1}},
		{name: "store down, failover, liveness", until: 3, slow: 1, eager: true, live: 9, full: true, budget: budget{storeDown: 1, failover: 1}},
		{name: "replay, reset, rejection, liveness", until: 3, slow: 1, eager: true, live: 9, full: true, budget: budget{replay: 1, resetGen: 1, reject: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.full && !*exploreFull {
				t.Skip("-explore.full is not set")
			}
			t.Parallel()
			tt.explore(t)
		})
	}
}

const (
	procs  = 3
	tick   = 75 * time.Second
	life   = 8 // ticks: 10 min, so that the window of a Cache is 4 ticks, and 5 with the most jitter, as that of the protocol
	window = 4
	widest = 5
	most   = 15 // credentials
	poisonID
	noOwner = "" // has the lease
	gone    = "gone"
)

// world is what one exploration is about.
type world struct {
	name    string
	until   int8 // ticks
	slow    int8 // the source returns within so many ticks
	eager   bool // the Caches are called all the time
	wide    bool // the Cache of process 1 has a window that is wider by its jitter
	refuse  bool // the source refuses
	backoff int8 // of a refusal; 0: 2
	fixed   int8 // the source's credentials end at this tick; 0: after their life
	always  bool // services reject all
	live    int8 // ticks after the last fault in which all processes must have valid credentials; 0: not checked
	full    bool // only with -explore.full
	budget  budget
	explain bool // emit what happens
}

// budget is how many faults of each kind may still happen.
type budget struct {
	crash, pause, flush, failover, reject, storeDown, replay, poison, transient, lateSave, resetGen int8
}

type value struct {
	id, generation int8
}

type process struct {
	attempt      shared.Attempt
	next         shared.Action
	running      bool
	calling      bool
	since        int8   // of the call
	cached       int8   // by the Cache; 0: nothing
	window, rest int8   // of the Cache
	rejected     uint16 // that this process saw
	asleep       bool
	paused       bool // by the system, in the middle of its work
}

type state struct {
	now        int8
	p          [procs]process
	v          value
	generation int8
	owner      string
	end        int8
	pause      bool // the lease is kept as a pause
	down       bool

	before    value // the last write, for a failover
	beforeGen int8
	old       value // that was replaced, for a replay
	late      value // of a Save that timed out and arrives later

	ends     [most + 2]int8
	n        int8
	revoked  uint16
	rejected uint16

	excess, faults, rejections int8
	left                       budget
	lost, wasDown              bool // what explains more calls
	failedAt                   int8 // 1 + the tick of the last refusal or useless call
	calm                       int8 // ticks since the last fault, plus 1
	drawn                      int8
}

// node is a state that was reached: the nth of those that can follow its parent.
type node struct {
	parent, nth int32
}

func (w world) explore(t *testing.T) {
	limit := 400_000
	if w.full {
		limit = 4_000_000
	}
	if w.backoff == 0 {
		w.backoff = 2
	}
	seed := maphash.MakeSeed()
	first := state{left: w.budget}
	seen := map[uint64]struct{}{w.hash(seed, &first): {}}
	nodes := []node{{-1, 0}}
	level, at := []state{first}, []int32{0}
	for broken := false; len(level) > 0 && !broken; {
		var below []state
		var belowAt []int32
		for i := range level {
			nth := int32(-1)
			w.successors(&level[i], func(s state, _, violation string) {
				nth++
				if violation != "" && !broken {
					broken = true
					t.Errorf("%s:\n%s", violation, w.trace(first, append(nodes, node{at[i], nth})))
				}
				h := w.hash(seed, &s)
				if _, ok := seen[h]; ok || broken {
					return
				}
				seen[h] = struct{}{}
				nodes = append(nodes, node{at[i], nth})
				below, belowAt = append(below, s), append(belowAt, int32(len(nodes)-1))
			})
		}
		if len(seen) > limit {
			t.Fatalf("more than %d states", limit)
		}
		level, at = below, belowAt
	}
	t.Logf("%d states", len(seen))
}

// trace returns the events from the first state to the last node.
func (w world) trace(first state, nodes []node) string {
	var path []int32
	for i := int32(len(nodes) - 1); i > 0; i = nodes[i].parent {
		path = append(path, nodes[i].nth)
	}
	w.explain = true
	var events []string
	s := first
	for _, nth := range slices.Backward(path) {
		from := s
		w.successors(&from, func(t state, event, _ string) {
			if nth == 0 {
				s, events = t, append(events, event)
			}
			nth--
		})
	}
	return strings.Join(events, "\n")
}

// hash is the same for states that differ only in the order of the processes. Nothing depends on that order, except that the
// Cache of process 1 may have a wider window.
func (w world) hash(seed maphash.Seed, s *state) uint64 {
	var each [procs]uint64
	for i, p := range s.p {
		p.attempt.Owner = ""
		each[i] = maphash.Comparable(seed, p)
	}
	least := uint64(math.MaxUint64)
	for _, order := range [][procs]int{{0, 1, 2}, {2, 1, 0}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}} {
		if w.wide && order[1] != 1 {
			continue
		}
		renamed := func(name string) string {
			for to, from := range order {
				if name == owner(from) {
					return owner(to)
				}
			}
			return name
		}
		var permuted struct {
			each   [procs]uint64
			owners [procs + 1]string
		}
		for to, from := range order {
			permuted.each[to], permuted.owners[to] = each[from], renamed(s.p[from].attempt.Owner)
		}
		permuted.owners[procs] = renamed(s.owner)
		least = min(least, maphash.Comparable(seed, permuted))
	}
	rest := *s
	rest.p, rest.owner = [procs]process{}, ""
	return maphash.Comparable(seed, struct {
		processes uint64
		rest      state
	}{least, rest})
}

func at(ticks int8) time.Duration { return time.Duration(ticks) * tick }

func owner(i int) string { return strconv.Itoa(i) }

func (s *state) bit(id int8) uint16 { return 1 << id }

func (s *state) good(p *process, id int8) bool {
	return id != 0 && s.ends[id] > s.now && p.rejected&s.bit(id) == 0
}

// needs reports whether the Cache of a process begins a refresh when it is called.
func (s *state) needs(p *process) bool {
	return s.now >= p.rest && (!s.good(p, p.cached) || s.ends[p.cached]-s.now <= p.window)
}

// view is what process p sees in the store.
func (s *state) view(p *process) shared.View {
	v := shared.View{Generation: uint64(s.generation)}
	id := s.v.id
	if id == 0 || id == poisonID {
		return v
	}
	v.Kind, v.ID, v.Life, v.Left, v.Until = shared.Usable, strconv.Itoa(int(id)), at(life), at(s.ends[id]-s.now), at(s.ends[id])
	switch {
	case p.rejected&s.bit(id) != 0:
		v.Kind = shared.Rejected
	case s.good(p, p.cached) && s.ends[id] < s.ends[p.cached]:
		v.Kind = shared.Missing
	}
	return v
}

func idOf(v shared.View) int8 {
	id, _ := strconv.Atoi(v.ID)
	return int8(id)
}

// returns ends an attempt whose Cache gets the credentials with this id.
func (w world) returns(s *state, i int, id int8) (violation string) {
	p := &s.p[i]
	if id <= 0 || id > s.n {
		return "returned credentials that do not exist"
	}
	if !s.good(p, id) { // the Provider looks again
		s.fails(i, 1)
		return ""
	}
	if p.rejected&s.bit(id) != 0 || s.ends[id] <= s.now {
		violation = "returned credentials that were rejected, or have expired"
	}
	gains := !s.good(p, p.cached) || s.ends[id] > s.ends[p.cached]
	if left := s.ends[id] - s.now; id != p.cached {
		p.window = window
		if i == 1 && w.wide {
			p.window = widest
		}
		p.window = min(p.window, left*3/4)
	}
	p.cached, p.rest = id, s.now
	if !gains {
		p.rest += max(1, (s.ends[id]-s.now)/4)
	}
	s.stops(i)
	return violation
}

func (s *state) fails(i int, pause int8) {
	s.p[i].rest = s.now + pause
	s.stops(i)
}

// stops ends an attempt. Its owner string is not used again.
func (s *state) stops(i int) {
	p := &s.p[i]
	p.attempt, p.next, p.running, p.calling, p.since, p.asleep = shared.Attempt{}, shared.Action{}, false, false, 0, false
	if s.owner == owner(i) {
		s.owner = gone
	}
}
