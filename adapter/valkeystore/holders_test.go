//go:build unix

package valkeystore_test

import (
	"flag"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

var outage = flag.Duration("fleet.outage", 0, "how long the server of TestFleetOutage is away at least; 0: some seconds")

// stepClock stands still between steps.
type stepClock struct {
	began  time.Time
	offset atomic.Int64
}

func (c *stepClock) Now() time.Time { return c.began.Add(time.Duration(c.offset.Load())) }

// holders are processes with credentials of one hour, whose time and that of their server passes in steps, however slow the machine is.
type holders struct {
	*fleet
	clock  *stepClock
	caches []*stschain.Cache
	server *server         // nil: it is down
	last   time.Time       // when a step was made, in real time
	waits  []time.Duration // p99 of each step
}

// newHolders starts n processes, one of which calls STS. Its lease does not end on a slow machine.
func newHolders(t *testing.T, n int, server *server) *holders {
	clock := &stepClock{began: time.Now()}
	h := &holders{fleet: &fleet{delay: 50 * time.Millisecond, life: time.Hour, lease: time.Minute, clock: clock}, clock: clock, server: server, last: clock.began}
	h.caches = h.processes(t, n, server)
	_, _, errs := retrieve(t, h.caches)
	require.Empty(t, errs)
	require.Equal(t, 1, h.count())
	return h
}

// step lets d pass, and retrieves in all processes, none of which fails or waits. It returns when no refresh is in flight.
func (h *holders) step(t *testing.T, d time.Duration) (ids []string) {
	h.clock.offset.Add(int64(d))
	real := time.Since(h.last)
	if h.last = time.Now(); h.server != nil {
		h.server.do(t, "EVAL", `for _, key in ipairs(redis.call('KEYS', '*')) do redis.call('PEXPIRE', key, redis.call('PTTL', key) - ARGV[1]) end`,
			"0", strconv.FormatInt((d-real).Milliseconds(), 10))
	}
	waits, ids, errs := retrieve(t, h.caches)
	require.Empty(t, errs)
	h.waits = append(h.waits, waits[len(waits)*99/100])
	for _, c := range h.caches {
		await(t, "a refresh does not end", func() bool { return !c.Status().Refreshing })
		require.EqualValues(t, 1, c.Status().Waits, "callers wait for the first credentials only")
	}
	return ids
}

// refresh lets time pass until all processes have other credentials than before.
func (h *holders) refresh(t *testing.T) {
	old := map[string]bool{}
	for _, c := range h.caches {
		old[c.Status().AccessKeyID] = true
	}
	for _, c := range h.caches {
		for range 20 {
			if !old[c.Status().AccessKeyID] {
				break
			}
			h.step(t, 61*time.Second) // a Cache whose refresh got nothing new pauses for a minute
		}
		require.NotContains(t, old, c.Status().AccessKeyID)
	}
}

// One call for each session lifetime, and no caller waits after the first one.
func TestFleetLifetimes(t *testing.T) {
	h := newHolders(t, *processes, start(t))
	for lifetime := 2; lifetime <= 4; lifetime++ {
		age := h.clock.Now().Sub(h.calls[lifetime-2])
		h.step(t, 40*time.Minute-age) // the refresh window begins between 41:15 and 45:00
		require.Equal(t, lifetime-1, h.count())
		h.refresh(t)
		require.Equal(t, lifetime, h.count())
	}
	t.Logf("%d processes, three more lifetimes: one call each, longest p99 of a wait %v", len(h.caches), slices.Max(h.waits))
}

// While the server is away, no caller gets an error or waits, and processes call STS directly, spread over the rest of their window.
// When it is back empty, one more process calls, for all that have not.
func TestFleetOutage(t *testing.T) {
	const step, steps = 6 * time.Second, 90 // 9 of the 15 to 18:45 minutes of a window
	socket := filepath.Join(t.TempDir(), "s")
	server := startOn(t, socket)
	h := newHolders(t, *processes, server)
	h.step(t, 41*time.Minute)
	server.kill(t)
	h.server = nil
	for range steps {
		h.step(t, step)
		<-time.After(*outage / steps)
	}
	n, direct := len(h.caches), h.count()-1
	require.Positive(t, direct)
	require.Less(t, direct, n)
	perStep := map[time.Duration]int{}
	began := h.calls[0]
	for _, at := range h.calls[1:] {
		perStep[at.Sub(began)/step]++
	}
	busiest := slices.Max(slices.Collect(maps.Values(perStep)))
	require.Less(t, busiest, 20+3*n*int(step)/int(14*time.Minute), "a step")
	t.Logf("%d processes, server away: %d direct calls in %v, at most %d in %v, longest p99 of a wait %v", n, direct, steps*step, busiest, step, slices.Max(h.waits))

	h.server = startOn(t, socket)
	h.step(t, step) // the store is used again 5 s after it failed
	for h.clock.Now().Before(began.Add(55 * time.Minute)) {
		h.step(t, 61*time.Second)
	}
	require.Equal(t, 1+direct+1, h.count())
}

// If the server loses the lease of a process that calls STS, another one calls too, and both sessions are valid.
func TestFleetLostLease(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	server := startOn(t, socket)
	calling, release := make(chan struct{}), make(chan struct{})
	f := &fleet{life: time.Hour, lease: time.Minute, during: func(call int) {
		if call == 1 {
			close(calling)
			<-release
		}
	}}
	first := f.processes(t, 1, server)
	done := make(chan error, 1)
	go func() { _, err := first[0].Retrieve(t.Context()); done <- err }()
	<-calling
	server.kill(t)
	server = startOn(t, socket)
	_, ids, errs := retrieve(t, f.processes(t, *processes, server))
	require.Empty(t, errs)
	require.Equal(t, []string{"ASIA2"}, ids)
	close(release)
	require.NoError(t, <-done)
	require.Equal(t, 2, f.count())
}
