package stschain_test

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var (
	exploreDepth   = flag.Int("explore.depth", 4, "how many events the sequences of TestExplore have")
	exploreSetting = flag.String("explore.setting", "", "the one setting of the cache that TestExplore explores; empty: all")
	exploreEvents  = flag.String("explore.events", "", "the events, by name with commas between; empty: all")
	exploreTrace   = flag.String("explore.trace", "", "the one sequence of events that TestExplore replays, with commas between")
	exploreLimit   = flag.Duration("explore.limit", 0, "when TestExplore stops early, and says how far it got; 0: never")
)

// TestExplore runs every sequence of events against a real Cache: calls, results of its provider,
// rejections, time that passes and clocks that are set. After each event the cache must keep what its documentation
// promises (world.do, checkBegun, settle and check). From each state it must recover once the
// faults stop (world.recovers).
//
// It goes breadth first, so the first violation has the fewest events. Sequences that lead to the same state
// are continued once. A violation prints its sequence, which can be replayed:
//
//	go test -run TestExplore . -v -explore.setting plain -explore.trace retrieve,ok,reject
//	go test -run TestExplore . -v -explore.depth 6 -timeout 0
//	go test -run TestExplore . -v -explore.depth 12 -explore.events retrieve,retrieve-for,boundary,ok,short,fail,permanent,same,reject -timeout 0
func TestExplore(t *testing.T) {
	kinds := namedEvents(t, *exploreEvents)
	for _, s := range settings {
		if *exploreSetting != "" && *exploreSetting != s.name {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			if *exploreTrace != "" {
				trace := namedEvents(t, *exploreTrace)
				for i := range trace {
					r := replay(t, s, trace[:i+1], nil, nil)
					t.Logf("%s: %s", events[trace[i]].name, r.shown)
					for _, v := range r.violations {
						t.Error(v)
					}
				}
				return
			}
			e := &explorer{setting: s, kinds: kinds, seen: map[stateHash]bool{}, began: time.Now()}
			e.explore(t, *exploreDepth)
		})
	}
}

// namedEvents are the indexes of events, a byte each.
func namedEvents(t *testing.T, names string) (trace string) {
	if names == "" {
		for i := range events {
			trace += string(rune(i))
		}
		return trace
	}
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(events, func(e worldEvent) bool { return e.name == name })
		if i < 0 {
			t.Fatalf("there is no event %q", name)
		}
		trace += string(rune(i))
	}
	return trace
}

func traceNames(trace string) string {
	var names []string
	for _, i := range []byte(trace) {
		names = append(names, events[i].name)
	}
	return strings.Join(names, ",")
}

type stateHash [16]byte

// replayed is what the replay of a sequence of events found.
type replayed struct {
	state      stateHash
	next       []byte // the events that are possible now
	violations []string
	shown      string
}

// replay plays a sequence of events in a bubble of its own. What is wrong before the last
// of them was found by a shorter sequence. From a state that was seen it does not recover again.
func replay(t *testing.T, s setting, trace string, kinds []byte, seen map[stateHash]bool) (r replayed) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(s)
		for i, e := range []byte(trace) {
			if i == len(trace)-1 {
				w.violations = nil
			}
			w.do(events[e])
		}
		key := w.key()
		sum := sha256.Sum256([]byte(key))
		r.state, r.shown = stateHash(sum[:16]), key
		for _, e := range kinds {
			if events[e].possible == nil || events[e].possible(w) {
				r.next = append(r.next, e)
			}
		}
		if !seen[r.state] {
			w.recovers()
		}
		w.end()
		r.violations = w.violations
	})
	return r
}

// path is a sequence of events that led to a new state, and the events that are possible there.
type path struct {
	trace string
	next  []byte
}

type explorer struct {
	setting setting
	kinds   string
	seen    map[stateHash]bool
	runs    atomic.Int64
	began   time.Time
}

func (e *explorer) explore(t *testing.T, depth int) {
	start := replay(t, e.setting, "", []byte(e.kinds), nil)
	e.seen[start.state] = true
	frontier := []path{{"", start.next}}
	for d := 1; d <= depth && !t.Failed(); d++ {
		var done int
		frontier, done = e.deeper(t, frontier)
		how := "done"
		if done >= 0 {
			how = fmt.Sprintf("STOPPED by -explore.limit after %d sequences of the depth before", done)
		}
		t.Logf("%s, depth %d: %s, %d runs, %d states, %d of them new, %v", e.setting.name, d, how, e.runs.Load(), len(e.seen), len(frontier), time.Since(e.began).Round(time.Second))
		if done >= 0 {
			return
		}
	}
}

// deeper continues each path by each event that is possible there. It returns those that led to new states,
// and how many of the paths were continued, -1 if all were.
func (e *explorer) deeper(t *testing.T, frontier []path) (next []path, done int) {
	found := make([][]replayed, len(frontier))
	var at atomic.Int64
	var workers sync.WaitGroup
	for i := range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				for !e.late() {
					i := int(at.Add(1)) - 1
					if i >= len(frontier) {
						return
					}
					for _, kind := range frontier[i].next {
						found[i] = append(found[i], replay(t, e.setting, frontier[i].trace+string([]byte{kind}), []byte(e.kinds), e.seen))
						e.runs.Add(1)
					}
				}
			})
		})
	}
	workers.Wait()
	for i, rs := range found {
		for j, r := range rs {
			trace := frontier[i].trace + string(frontier[i].next[j:j+1])
			if len(r.violations) > 0 { // the first one, for the others follow from it
				t.Errorf("%s\n  -explore.setting %s -explore.trace %s", r.violations[0], e.setting.name, traceNames(trace))
			}
			if !e.seen[r.state] {
				e.seen[r.state] = true
				next = append(next, path{trace, r.next})
			}
		}
	}
	if done = int(at.Load()); done >= len(frontier) {
		done = -1
	}
	return next, done
}

func (e *explorer) late() bool { return *exploreLimit > 0 && time.Since(e.began) > *exploreLimit }
