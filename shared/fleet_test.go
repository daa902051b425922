package shared_test

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	fleetProcesses = flag.Int("fleet.processes", 50, "how many processes TestFleet has")
	fleetDays      = flag.Float64("fleet.days", 1, "how many virtual days each fleet lives")
	fleetSeeds     = flag.Int("fleet.seeds", 6, "how many fleets")
	fleetFirst     = flag.Uint64("fleet.first", 1, "the seed of the first of them; the others follow")
	fleetSeed      = flag.Uint64("fleet.seed", 0, "the one fleet that TestFleet replays; 0: all")
	fleetLife      = flag.Duration("fleet.life", 0, "the lifetime of credentials; 0: 1 h or 12 h, by seed")
)

// TestFleet lives through virtual days of fleets whose store, STS and clocks fail, and whose processes are killed. What must
// hold is in fleet_check_test.go. A fleet that fails prints its seed:
//
//	go test -run 'TestFleet$' ./shared -fleet.seed 4711
//	go test -run 'TestFleet$' ./shared -fleet.processes 50 -fleet.days 2 -fleet.seeds 1000 -timeout 0
//	go test -run 'TestFleet$' ./shared -fleet.processes 10000 -fleet.days 30 -fleet.seed 1 -fleet.life 12h -timeout 0
func TestFleet(t *testing.T) {
	if raceDetector {
		t.Skip("ThreadSanitizer fails a check of its own in such bubbles: golang/go#78156")
	}
	first, n := *fleetFirst, *fleetSeeds
	if *fleetSeed != 0 {
		first, n = *fleetSeed, 1
	}
	for i := range n {
		seed := first + uint64(i)
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := liveFleet(t, seed, *fleetProcesses, time.Duration(*fleetDays*float64(24*time.Hour)))
			require.NoError(t, w.broken, "seed %d", seed)
			if n == 1 {
				t.Logf("%d calls of %d roles, trace %016x", w.total, len(w.roles), w.trace)
			}
		})
		if !ok {
			return
		}
	}
}

// A seed always leads to the same calls of STS at the same times.
func TestFleetReplays(t *testing.T) {
	if raceDetector {
		t.Skip("as TestFleet")
	}
	for seed := range uint64(3) {
		a := liveFleet(t, 100+seed, 10, 12*time.Hour)
		b := liveFleet(t, 100+seed, 10, 12*time.Hour)
		require.Equal(t, a.calls, b.calls)
		require.Equal(t, a.trace, b.trace)
	}
}

// liveFleet returns a fleet at the end of its time. Every fifth has no faults, and every third has exact clocks.
func liveFleet(t *testing.T, seed uint64, processes int, last time.Duration) (w *region) {
	synctest.Test(t, func(t *testing.T) {
		draws := newStream(seed, 2)
		life := []time.Duration{time.Hour, 12 * time.Hour}[draws.n(2)]
		if *fleetLife > 0 {
			life = *fleetLife
		}
		w = newRegion(seed, 1+draws.n(3), life)
		if w.quota = 600; seed%3 != 0 {
			w.skew = 10 * time.Minute
		}
		w.demanding = draws.n(4) == 0
		for n := range processes {
			w.start(seed, n)
		}
		const recovery = 20 * time.Minute
		quiet := last - recovery
		started := processes
		for seed%5 != 0 {
			// About 30 faults a day
			time.Sleep(time.Second + draws.upTo(96*time.Minute))
			if time.Since(w.began) > quiet || w.isBroken() {
				break
			}
			started += w.fault(draws, seed, started)
		}
		w.mu.Lock()
		w.mode, w.source = "", ""
		w.mu.Unlock()
		if !w.isBroken() { // the last fault may have ended late
			time.Sleep(max(last-time.Since(w.began), recovery))
		}
		w.mustBeFresh()
		close(w.end)
		time.Sleep(5 * time.Minute) // until all attempts have ended
	})
	return w
}

func (w *region) isBroken() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken != nil
}

// mustBeFresh checks that all processes have credentials, some time after the last fault, and can get new ones.
func (w *region) mustBeFresh() {
	members := func(retrieve func(m *member) error) {
		for _, p := range w.processes {
			for _, m := range p.roles {
				if w.isBroken() || !p.alive() {
					continue
				}
				err := retrieve(m)
				if s := m.cache.Status(); p.alive() && (err != nil || s.Err != nil && !m.demands) { // RetrieveFor may have failed with fresh ones
					w.mu.Lock()
					w.breaks("process %d has no fresh credentials of %s: %v, %v", m.n, m.role.name, err, s.Err)
					w.mu.Unlock()
				}
			}
		}
	}
	members(func(m *member) error {
		creds, err := m.retrieve(0)
		for err == nil && !m.use(creds) { // services rejected them meanwhile
			creds, err = m.retrieve(0)
		}
		return err
	})
	const between = time.Minute // attempts that gain nothing, at most
	time.Sleep(between)
	members(func(m *member) error {
		if m.n >= 10 || m.demands || w.skew > 0 { // by clocks that differ, what the store has may be long enough for one process only
			return nil
		}
		longer := w.life - young - rounding
		_, err := m.retrieve(longer)
		if err != nil {
			time.Sleep(between)
			_, err = m.retrieve(longer)
		}
		return err
	})
}

// fault causes a fault, and returns how many processes were started to replace others.
func (w *region) fault(draws *stream, seed uint64, next int) (started int) {
	lasts := time.Second + draws.upTo([]time.Duration{5 * time.Second, time.Minute, time.Hour}[draws.n(3)])
	kind := draws.n(16)
	victim := w.processes[draws.n(len(w.processes))]
	during := func(f func(on bool)) {
		w.mu.Lock()
		f(true)
		w.mu.Unlock()
		time.Sleep(lasts)
		w.mu.Lock()
		f(false)
		w.mu.Unlock()
	}
	mode := func(mode string) {
		during(func(on bool) {
			if w.mode = mode; !on {
				w.mode, w.recovered = "", time.Now()
				w.loses(2, w.roles...)
			}
		})
	}
	source := func(source string) {
		during(func(on bool) {
			if w.source = source; !on {
				w.source = ""
			}
		})
	}
	lost := func() {
		w.mu.Lock()
		w.loses(2, w.roles...)
		w.mu.Unlock()
	}
	replay := func(key string) {
		lost()
		w.mu.Lock()
		w.replayed = true
		w.mu.Unlock()
		w.store.Replay(key)
	}
	keys := w.store.Keys()
	if len(keys) == 0 {
		return 0
	}
	one, other := keys[draws.n(len(keys))], keys[draws.n(len(keys))]
	switch kind {
	case 0:
		if draws.n(2) == 0 { // all are replaced meanwhile
			w.mu.Lock()
			old := slices.Clone(w.processes)
			w.mode = "down"
			for _, p := range old {
				p.killed = true
			}
			w.mu.Unlock()
			for i, p := range old {
				w.replace(p, w.launch(seed, next+i))
			}
			started = len(old)
		}
		mode("down")
	case 1:
		mode("slow")
	case 2:
		mode("flaky")
	case 3:
		lost()
		w.store.Flush()
	case 4:
		lost()
		w.store.Failover()
	case 5:
		lost()
		w.store.Corrupt(one)
	case 6:
		lost()
		w.store.Swap(one, other)
	case 7:
		replay(one)
	case 8:
		lost()
		w.store.SetGeneration(one, draws.Uint64()%(1<<52))
	case 9:
		for _, p := range w.processes {
			if w.skew > 0 && draws.n(2) == 0 {
				p.clock.offset.Store(int64(draws.upTo(2*w.skew) - w.skew))
			}
		}
	case 10:
		source("denied")
	case 11:
		source("out")
	case 12:
		source("slow")
	case 13: // before or after any operation of its next refresh
		lost()
		w.mu.Lock()
		victim.killIn = 1 + draws.n(14)
		w.mu.Unlock()
		time.Sleep(lasts)
		w.mu.Lock()
		killed := victim.killed
		w.loses(2, w.roles...)
		w.mu.Unlock()
		if killed {
			w.replace(victim, w.launch(seed, next))
			return 1
		}
	case 14: // services reject the credentials that were obtained last
		w.mu.Lock()
		r := w.roles[draws.n(len(w.roles))]
		r.revoked[r.newest] = true
		w.mu.Unlock()
	case 15: // services reject all that a process sends, for example because its clock is wrong
		p := w.launch(seed, next)
		w.mu.Lock()
		p.broken = true
		w.mu.Unlock()
		time.Sleep(lasts / 2)
		if draws.n(2) == 0 {
			replay(one)
		}
		time.Sleep(lasts / 2)
		w.mu.Lock()
		p.broken, victim.killed = false, true
		w.loses(2, w.roles...)
		w.mu.Unlock()
		w.replace(victim, p)
		return 1
	}
	return started
}

// replace puts a process in the place of one that was killed.
func (w *region) replace(victim, p *pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.processes {
		if w.processes[i] == victim {
			w.processes[i] = p
		}
	}
}
