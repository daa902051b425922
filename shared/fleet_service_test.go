package shared_test

import (
	"context"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/shared"
)

// Services that reject credentials, and callers that require credentials for longer than the rest of an entry.

// young is how old credentials are, at least, when the fleet replaces them because they were rejected or are too short.
const young = 30 * time.Second

// atLeast draws how long the credentials must be valid that a caller requires; 0: any time.
func (m *member) atLeast() time.Duration {
	if !m.demands {
		return 0
	}
	return m.own.upTo(m.w.life * 11 / 10) // sometimes for longer than any are
}

// patience is how long a caller waits at most before it repeats what failed.
func (p *pod) patience() time.Duration {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if p.broken {
		return 5 * time.Second
	}
	return time.Minute
}

// use uses credentials, and reports whether the service accepts them.
func (m *member) use(creds stschain.Credentials) bool {
	takes := m.own.upTo(10 * time.Millisecond)
	if m.own.n(2) == 0 {
		takes = m.own.upTo(2 * time.Second)
	}
	if !m.w.sleep(takes) {
		return true
	}
	w, id := m.w, creds.AccessKeyID
	w.mu.Lock()
	accepted := !m.broken && !m.role.revoked[id]
	w.mu.Unlock()
	if accepted || !m.alive() {
		return true
	}
	m.cache.Invalidate(creds)
	w.mu.Lock()
	defer w.mu.Unlock()
	if m.rejected[id] = true; id == m.role.newest {
		m.role.refused = true
	}
	return false
}

// tier is the shared.Provider under the Cache of a member. It checks what that returns.
type tier struct {
	*shared.Provider
	m *member
}

func (t tier) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	creds, err := t.Provider.Retrieve(ctx)
	return creds, t.check(creds, err, 0)
}

type atLeastKey struct{}

// RetrieveFor passes atLeast on to sts, which checks that a call was due.
func (t tier) RetrieveFor(ctx context.Context, atLeast time.Duration) (stschain.Credentials, error) {
	creds, err := t.Provider.RetrieveFor(context.WithValue(ctx, atLeastKey{}, atLeast), atLeast)
	return creds, t.check(creds, err, atLeast)
}

// check checks what a process got that requires credentials for at least a time. It returns err.
func (t tier) check(creds stschain.Credentials, err error, atLeast time.Duration) error {
	w, m, id := t.m.w, t.m, creds.AccessKeyID
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil || m.killed {
		return err
	}
	if left := time.Until(m.role.ends[id]); atLeast > 0 && left <= atLeast-w.tolerance() {
		w.breaks("process %d got %s from the store for another %v, and required %v", m.n, id, left, atLeast)
	}
	if m.rejected[id] {
		w.breaks("process %d got %s from the store, which it saw rejected", m.n, id)
	}
	if had, now := m.role.ends[m.got], time.Now(); now.Before(had) && !m.rejected[m.got] && m.role.ends[id].Before(had.Add(-time.Second-2*w.skew)) {
		w.breaks("process %d got %s from the store, which ends %v before %s, which it has", m.n, id, had.Sub(m.role.ends[id]), m.got)
	}
	m.got = id
	return nil
}

// gap returns how long after the last call of a role the next one may follow, without a fault, by a process that
// requires credentials for at least a time.
func (w *region) gap(m *member, atLeast time.Duration) time.Duration {
	r, inaccurate := m.role, 2*w.skew+rounding
	switch gap := w.life - shared.WindowOf(w.life) - inaccurate; {
	case !r.ok:
		return time.Second
	case m.got != r.newest && r.ends[r.newest].Sub(r.ends[m.got]) < 2*w.skew: // by their clocks, newest ends before what m has
		return 0
	case r.refused:
		return young
	case atLeast <= w.life:
		return min(gap, max(w.life-atLeast-inaccurate, young))
	default:
		return gap
	}
}
