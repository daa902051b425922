package shared_test

import (
	"reflect"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/shared"
)

// pod is a process of the fleet. It is killed at the next killIn steps: before or after an operation of the store or of
// STS. From then on it does nothing.
type pod struct {
	w      *region
	clock  *wallClock
	killed bool
	broken bool // services reject all that it sends
	killIn int  // 0: it is not killed
	roles  []*member
}

// member is what a process has of a role: a Cache over a shared.Provider.
type member struct {
	*pod
	n      int
	role   *roleState
	cache  *stschain.Cache
	random *stream // of what runs in the background
	own    *stream // of the caller

	demands  bool            // it requires credentials for longer than the rest of an entry
	rejected map[string]bool // key IDs
	got      string          // key ID that the shared.Provider returned last
	last     string          // key ID that the Cache returned last
}

// wallClock is off by an offset that jumps. The monotonic readings of its times are right.
type wallClock struct {
	began  time.Time // in virtual time
	offset atomic.Int64
}

// realBegan has a monotonic reading, which times in a bubble do not have, and no fraction of a second.
var realBegan = func() time.Time {
	now := time.Now()
	return now.Add(-time.Duration(now.Nanosecond()))
}()

// Now makes a time.Time by hand: no API sets its monotonic reading, which is the second word.
func (c *wallClock) Now() time.Time {
	offset := c.offset.Load()
	t := realBegan.Add(time.Since(c.began) + time.Duration(offset))
	(*[3]int64)(unsafe.Pointer(&t))[1] -= offset
	return t
}

// start adds a process to the fleet.
func (w *region) start(seed uint64, n int) {
	p := w.launch(seed, n)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.processes = append(w.processes, p)
}

// launch starts process n.
func (w *region) launch(seed uint64, n int) *pod {
	p := &pod{w: w, clock: &wallClock{began: w.began}}
	draws := newStream(seed, uint64(n)<<8)
	if w.skew > 0 {
		p.clock.offset.Store(int64(draws.upTo(2*w.skew) - w.skew))
	}
	for i, role := range w.roles {
		stream := uint64(n)<<8 + 16*uint64(i)
		m := &member{pod: p, n: n, role: role, random: newStream(seed, stream+1), own: newStream(seed, stream+2), rejected: map[string]bool{}}
		m.demands = w.demanding && n%10 == 0
		m.cache = &stschain.Cache{Provider: sts{m}, Clock: p.clock}
		if !w.alone {
			provider := &shared.Provider{Provider: sts{m}, Store: engine{m}, Keys: []stschain.Secret{key}, NamingKey: names, Clock: p.clock}
			provider.SetRandom(m.random.Uint64)
			m.cache.Provider = tier{provider, m}
		}
		setJitter(m.cache, m.random)
		p.roles = append(p.roles, m)
		go m.live()
	}
	return p
}

// setJitter replaces the random numbers of a Cache, or no seed would replay. It writes an unexported field: the
// export_test.go of another package is out of reach, and no user needs this.
func setJitter(c *stschain.Cache, s *stream) {
	writable := func(in reflect.Value, name string) reflect.Value {
		field := in.FieldByName(name)
		return reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Elem()
	}
	rare := writable(reflect.ValueOf(c).Elem(), "rare")
	rare.Set(reflect.New(rare.Type().Elem()))
	random := func() float64 { return float64(s.Uint64()>>11) / (1 << 53) }
	writable(rare.Elem(), "random").Set(reflect.ValueOf(random))
}

// live retrieves credentials when the Cache is due, and at random times.
func (m *member) live() {
	if !m.w.sleep(m.own.upTo(time.Second)) {
		return
	}
	retry := 200 * time.Millisecond
	for m.alive() {
		creds, err := m.retrieve(m.atLeast())
		if !m.alive() {
			return
		}
		accepted := err == nil && m.use(creds)
		wait := retry/2 + m.own.upTo(retry)
		if retry = min(retry*2, m.patience()); accepted {
			retry = 200 * time.Millisecond
			wait = max(m.cache.Status().Next.Sub(m.clock.Now().Round(0)), 0)
			if m.own.n(4) == 0 {
				wait = m.own.upTo(wait)
			}
			wait += time.Second + m.own.upTo(time.Minute)
		}
		if !m.w.sleep(wait) {
			return
		}
	}
}

// retrieve retrieves credentials that are valid for at least a time, and checks them.
func (m *member) retrieve(atLeast time.Duration) (creds stschain.Credentials, err error) {
	began := time.Now()
	if atLeast > 0 {
		creds, err = m.cache.RetrieveFor(m.w.context(), atLeast)
	} else {
		creds, err = m.cache.Retrieve(m.w.context())
	}
	if m.alive() {
		m.w.check(m, atLeast, creds, err, began)
	}
	return creds, err
}

func (p *pod) alive() bool {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	return !p.killed && !p.w.ended()
}

// step is where a process may be killed. If it was, step blocks until the world ends, and returns false.
func (p *pod) step() bool {
	p.w.mu.Lock()
	if p.killIn > 0 {
		if p.killIn--; p.killIn == 0 {
			p.killed = true
			p.w.loses(2, p.w.roles...)
		}
	}
	killed := p.killed
	p.w.mu.Unlock()
	if killed {
		<-p.w.end
	}
	return !killed && !p.w.ended()
}

func (m *member) progress() {
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	m.role.progress = time.Now()
}
