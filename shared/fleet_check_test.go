package shared_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
)

// The invariants of a fleet, which are checked at each call of STS, and at each return to a caller.

const (
	slowest  = 10 * time.Second // a call of STS
	settling = 15 * time.Second // after the store recovered: direct calls that had begun to wait
	rounding = 2 * time.Second  // how long after their end credentials are returned at most: a Cache disregards less than a second, and the response of a store takes time
)

func (w *region) context() context.Context { return context.Background() }

// breaks records that an invariant did not hold. The caller has the lock.
func (w *region) breaks(format string, args ...any) {
	if w.broken == nil {
		w.broken = fmt.Errorf("after %v: "+format, append([]any{time.Since(w.began)}, args...)...)
	}
}

// loses records that a fault explains n calls of each of these roles. The caller has the lock.
func (w *region) loses(n int, roles ...*roleState) {
	for _, r := range roles {
		for range n {
			r.losses = append(r.losses, time.Now())
		}
	}
}

// call records a call of STS by an attempt that requires credentials for at least a time. It returns how STS works, and
// whether the call exceeds the quota.
func (w *region) call(m *member, atLeast time.Duration) (source string, throttled bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, r := time.Now(), m.role
	since := now.Sub(w.began)
	w.total++
	for _, v := range []uint64{uint64(since), uint64(m.n), uint64(r.name[len(r.name)-1])} {
		w.trace = (w.trace ^ v) * 0x100000001b3
	}
	second := int(since / time.Second)
	for len(w.calls) <= second {
		w.calls = append(w.calls, 0)
	}
	w.calls[second]++
	r.inFlight++
	throttled = w.quota > 0 && w.calls[second] > w.quota
	if w.alone {
		return w.source, throttled
	}
	if w.mode != "" || now.Sub(w.recovered) < settling && !w.recovered.IsZero() {
		mean := float64(len(w.processes)*len(w.roles)) / 5
		if mean > float64(w.quota) { // those that are throttled call again, after a backoff and another wait
			mean *= 5 / 3.
		}
		if most := mean + 6*math.Sqrt(mean) + 5; float64(w.calls[second]) > most {
			w.breaks("%d calls a second without the store, and at most %.0f are expected", w.calls[second], most)
		}
		return w.source, throttled
	}
	if !r.last.IsZero() && now.Sub(r.last) < w.gap(m, atLeast) || r.inFlight > 1 {
		for len(r.losses) > 0 && now.Sub(r.losses[0]) > w.life {
			r.losses = r.losses[1:]
		}
		if len(r.losses) == 0 {
			w.breaks("process %d called STS for %s, %v after the last call ended (success: %t), with %d in flight, and no fault explains that", m.n, r.name, now.Sub(r.last), r.ok, r.inFlight)
			return w.source, throttled
		}
		r.losses = r.losses[1:]
	}
	return w.source, throttled
}

// check checks what a caller got that required credentials for at least a time.
func (w *region) check(m *member, atLeast time.Duration, creds stschain.Credentials, err error, began time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, r := time.Now(), m.role
	if r.progress.After(began) {
		began = r.progress
	}
	// shared.Provider.Wait, Spread, and operations that time out
	most := 5*time.Second + 5*time.Second + slowest + 3*time.Second
	if atLeast > 0 { // a Cache calls Retrieve if RetrieveFor failed
		most *= 2
	}
	if now.Sub(began) > most {
		w.breaks("a caller of process %d waited for %v without progress of %s: %v", m.n, now.Sub(began), r.name, err)
	}
	if err != nil {
		return
	}
	ends, ok := r.ends[creds.AccessKeyID]
	switch {
	case !ok, creds.SecretAccessKey.Reveal() != "secret-of-"+creds.AccessKeyID, !strings.Contains(creds.AccessKeyID, r.name):
		w.breaks("process %d got %s for %s", m.n, creds.AccessKeyID, r.name)
	case m.rejected[creds.AccessKeyID] && creds.AccessKeyID != m.last:
		w.breaks("process %d took back %s, which it saw rejected", m.n, creds.AccessKeyID)
	case atLeast > 0 && ends.Sub(now) <= atLeast-w.tolerance():
		w.breaks("process %d got %s for another %v, and required %v", m.n, creds.AccessKeyID, ends.Sub(now), atLeast)
	case now.Sub(ends) >= w.tolerance():
		w.breaks("process %d got %s, which expired %v ago", m.n, creds.AccessKeyID, now.Sub(ends))
	}
	m.last = creds.AccessKeyID
}

// tolerance is how long after their end credentials are returned at most. The caller has the lock.
func (w *region) tolerance() time.Duration {
	if w.replayed { // a store that replays a value lies about its age, so the clocks decide when it ends
		return rounding + 2*w.skew
	}
	return rounding
}
