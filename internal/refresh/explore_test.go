package refresh_test

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stschain-go/stschain/internal/refresh"
)

var exploreDepth = flag.Int("explore.depth", 6, "how many events the sequences of TestExplore have")

// event is one thing that happens to a model. It reports false if it cannot happen there.
type event struct {
	name string
	do   func(m *model) (bool, error)
}

const life = time.Hour // of what the source returns

// half draws the middle of every range.
var half = [2]float64{0.5, 0.5}

var events = []event{
	{"call", call(refresh.Need{})},
	{"call without prompts", call(refresh.Need{NoPrompt: true})},
	{"call for 10 min", call(refresh.Need{AtLeast: 10 * time.Minute})},
	{"call for 2 h", call(refresh.Need{AtLeast: 2 * time.Hour})},

	{"a second", pass(func(*model) time.Duration { return time.Second })},
	{"to the next limit", pass(toLimit)},
	{"1 ns before it", pass(func(m *model) time.Duration { return toLimit(m) - 1 })},

	{"success", ends(func(m *model) error { return m.succeed(another(m, m.now+int64(life)), half) })},
	{"short entry", ends(func(m *model) error { return m.succeed(another(m, m.now+int64(30*time.Second)), half) })},
	{"entry without end", ends(func(m *model) error { return m.succeed(another(m, refresh.Never), half) })},
	{"expired entry", ends(func(m *model) error { return m.succeed(another(m, m.now), half) })},
	{"another with the same end", endsHolding(func(m *model) error { return m.succeed(another(m, m.entry.Expires), half) })},
	{"same entry", endsHolding(func(m *model) error { return m.succeed(m.entry, half) })},
	{"same ID, longer life", endsHolding(func(m *model) error {
		return m.succeed(refresh.Entry{ID: m.entry.ID, Expires: m.now + int64(life)}, half)
	})},
	{"failure", ends(func(m *model) error { return m.fail(refresh.Transient, half) })},
	{"refusal", ends(func(m *model) error { return m.fail(refresh.Permanent, half) })},
	{"prompt", ends(func(m *model) error {
		class := refresh.PromptFailed
		if m.noPrompt {
			class = refresh.NoPrompt
		}
		return m.fail(class, half)
	})},

	{"rejection", func(m *model) (bool, error) { return m.holding() && !m.rejected, m.reject() }},
	{"clock back", setClock(-20*time.Minute, false)},
	{"clock ahead", setClock(20*time.Minute, false)},
	{"clock back, noticed", setClock(-20*time.Minute, true)},
	{"blocked", func(m *model) (bool, error) {
		m.blocked = !m.blocked
		return !m.state.InFlight, nil
	}},
}

func call(need refresh.Need) func(*model) (bool, error) {
	return func(m *model) (bool, error) {
		_, err := m.call(need)
		return true, err
	}
}

// pass lets time pass. An attempt that takes too long fails.
func pass(long func(*model) time.Duration) func(*model) (bool, error) {
	return func(m *model) (bool, error) {
		d := long(m)
		if d <= 0 {
			return false, nil
		}
		if left := m.began + maxTimeout - m.age; m.state.InFlight && d >= left {
			m.wait(left)
			return true, m.fail(refresh.Transient, half)
		}
		m.wait(d)
		return true, nil
	}
}

// ends ends the attempt in flight.
func ends(end func(*model) error) func(*model) (bool, error) {
	return func(m *model) (bool, error) {
		if !m.state.InFlight {
			return false, nil
		}
		return true, end(m)
	}
}

// endsHolding is ends where there is an entry.
func endsHolding(end func(*model) error) func(*model) (bool, error) {
	return func(m *model) (bool, error) {
		if !m.state.InFlight || !m.holding() {
			return false, nil
		}
		return true, end(m)
	}
}

func setClock(d time.Duration, noticed bool) func(*model) (bool, error) {
	return func(m *model) (bool, error) { return true, m.setClock(d, noticed) }
}

// another returns an entry with another ID than the cached one.
func another(m *model, expires int64) refresh.Entry {
	if m.entry.ID == "a" {
		return refresh.Entry{ID: "b", Expires: expires}
	}
	return refresh.Entry{ID: "a", Expires: expires}
}

// toLimit is the time to the next instant at which a decision may change; 0: there is none.
func toLimit(m *model) time.Duration {
	s := m.state
	limits := []int64{s.BackoffFrom, s.BackoffUntil, s.RejectFrom, s.Entry.Expires, refresh.Plus(s.Entry.Expires, m.cfg.MaxStale),
		refresh.Plus(s.Entry.Expires, -s.Windows.Advisory), refresh.Plus(s.Entry.Expires, -s.Windows.Mandatory)}
	if s.InFlight {
		age := m.age - m.began
		limits = append(limits, m.now+int64(patience-age), m.now+int64(maxTimeout-age))
	}
	if s.Entry.Expires == refresh.Never {
		limits = append(limits, s.Received+int64(15*time.Minute))
	}
	next := int64(refresh.Never)
	for _, t := range limits {
		if t > m.now && t < next {
			next = t
		}
	}
	if next == refresh.Never {
		return 0
	}
	return time.Duration(next - m.now)
}

// normal is m moved to the instant 0. Two models with the same normal behave alike.
func normal(m model) model {
	d := -time.Duration(m.now)
	m.state = refresh.Shift(m.state, d)
	m.entry.Expires = refresh.Plus(m.entry.Expires, d)
	m.now = 0
	if !m.state.InFlight {
		m.began = m.age
	}
	m.ended = max(m.ended-m.age, -time.Hour) // what is checked looks back for minutes
	m.began -= m.age
	m.age = 0
	m.from, m.until = 0, 0
	return m
}

// TestExplore does every sequence of events, up to a length, in every configuration, breadth first. Models that
// are alike are followed once. From each of them it lets everything recover.
//
//	go test -run TestExplore -v ./internal/refresh -explore.depth 8
func TestExplore(t *testing.T) {
	for name, cfg := range map[string]refresh.Config{
		"defaults":            {},
		"MaxStale":            {MaxStale: 10 * time.Minute},
		"FailFast":            {FailFast: true},
		"FailFast, MaxStale":  {FailFast: true, MaxStale: 10 * time.Minute},
		"windows":             {Advisory: 2 * time.Hour, Mandatory: 10 * time.Minute},
		"windows of a second": {Advisory: time.Second, MaxStale: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			explore(t, newModel(cfg, 1_800_000_000e9), *exploreDepth)
		})
	}
}

// step is how a model was reached.
type step struct {
	from  int // the step before it
	event int
}

func explore(t *testing.T, start model, depth int) {
	seen := map[model]bool{normal(start): true}
	steps, models := []step{{}}, []model{start} // models[i] is reached by steps[first+i]
	first := 0
	trace := func(i, last int) string {
		names := []string{events[last].name}
		for ; i > 0; i = steps[i].from {
			names = append(names, events[steps[i].event].name)
		}
		slices.Reverse(names)
		return strings.Join(names, "; ")
	}
	failures := 0
	for range depth {
		begin := first
		first = len(steps)
		var next []model
		for i, m := range models {
			for e := range events {
				m := m
				happens, err := events[e].do(&m)
				if !happens {
					continue
				}
				key := normal(m)
				if seen[key] && err == nil {
					continue
				}
				seen[key] = true
				if err == nil {
					err = recovers(m)
				}
				if err != nil {
					t.Errorf("%s: %v\nstate %+v\nnow %d", trace(begin+i, e), err, m.state, m.now)
					if failures++; failures == 5 {
						t.FailNow()
					}
					continue
				}
				next = append(next, m)
				steps = append(steps, step{begin + i, e})
			}
		}
		models = next
	}
	t.Logf("%d models after up to %d events", len(seen), depth)
}

// recovers checks that everything is fresh in time once nothing is wrong any more, for callers of each kind.
func recovers(m model) error {
	for _, need := range []refresh.Need{{}, {NoPrompt: true}} {
		if err := recoversFor(m, need); err != nil {
			return fmt.Errorf("and then nothing wrong: %w", err)
		}
	}
	return nil
}

func recoversFor(m model, need refresh.Need) error {
	m.blocked = false
	if m.state.InFlight {
		if err := m.succeed(another(&m, m.now+int64(life)), half); err != nil {
			return err
		}
	}
	attempts := 0
	healthy := m.age
	for _, quiet := range []time.Duration{0, 1, time.Second, 3 * time.Second, 5*time.Second + 1, 30 * time.Second, 61 * time.Second,
		3 * time.Minute, 5 * time.Minute, 8 * time.Minute, mostBackoff, mostBackoff + time.Second, mostBackoff + mostRefusal, mostBackoff + mostRefusal + 1, 12 * time.Minute} {
		m.wait(healthy + quiet - m.age)
		d, err := m.call(need)
		if err != nil {
			return err
		}
		if err := m.checkRecovered(d, need, quiet); err != nil {
			return err
		}
		if m.state.InFlight {
			attempts++
			if err := m.succeed(another(&m, m.now+int64(life)), half); err != nil {
				return err
			}
		}
	}
	switch {
	case m.rejected || refresh.Phase(m.state, m.now) != refresh.Fresh:
		return fmt.Errorf("not fresh after %v", m.age-healthy)
	case attempts > 2:
		return fmt.Errorf("%d attempts", attempts)
	}
	return nil
}
