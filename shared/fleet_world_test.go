package shared_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/storetest"
)

// region is a fleet in virtual time: processes, their store, and an STS. Its time passes in a synctest bubble.
type region struct {
	alone     bool          // processes do not share
	demanding bool          // some processes require credentials for longer than the rest of an entry
	skew      time.Duration // of the processes' clocks, at most
	life      time.Duration // of credentials
	quota     int           // calls a second; 0: any number
	roles     []*roleState
	began     time.Time
	store     storetest.Memory
	end       chan struct{} // closed when the world ends

	faults *stream // of the operations of the store

	mu        sync.Mutex
	mode      string // of the store: "", down, slow or flaky
	recovered time.Time
	source    string // of STS: "", denied, out or slow
	replayed  bool
	processes []*pod
	calls     []int // in each second
	total     int
	trace     uint64 // of the calls
	broken    error  // the first invariant that did not hold
}

// roleState is what is known about a role.
type roleState struct {
	name     string
	ends     map[string]time.Time // of credentials, in true time
	inFlight int
	last     time.Time // when a call ended
	ok       bool      // it succeeded
	losses   []time.Time
	progress time.Time       // of the process that has the lease
	newest   string          // key ID
	refused  bool            // a process saw newest rejected
	revoked  map[string]bool // key IDs that services reject
}

// stream draws numbers for several goroutines, which never draw at the same instant.
type stream struct {
	mu  sync.Mutex
	pcg *rand.PCG
}

func newStream(seed, n uint64) *stream { return &stream{pcg: rand.NewPCG(seed, n)} }

// Uint64 implements rand.Source.
func (s *stream) Uint64() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pcg.Uint64()
}

func (s *stream) upTo(d time.Duration) time.Duration {
	return time.Duration(s.Uint64() % uint64(d+1))
}
func (s *stream) n(n int) int { return int(s.Uint64() % uint64(n)) }

func newRegion(seed uint64, roles int, life time.Duration) *region {
	w := &region{life: life, began: time.Now(), end: make(chan struct{}), faults: newStream(seed, 1)}
	for i := range roles {
		w.roles = append(w.roles, &roleState{name: fmt.Sprintf("role%d", i), ends: map[string]time.Time{}, revoked: map[string]bool{}})
	}
	w.store.Seed = seed
	w.store.Fault = func(storetest.Operation, string) storetest.Fault {
		w.mu.Lock()
		defer w.mu.Unlock()
		switch {
		case w.mode == "down":
			return storetest.Down
		case w.mode == "slow":
			return storetest.Slow
		case w.mode == "flaky" && w.faults.n(4) == 0:
			return storetest.Fault(1 + w.faults.n(int(storetest.Unacknowledged)))
		}
		return storetest.None
	}
	return w
}

func (w *region) ended() bool {
	select {
	case <-w.end:
		return true
	default:
		return false
	}
}

// sleep reports whether the world goes on after d.
func (w *region) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return !w.ended()
	case <-w.end:
		return false
	}
}

var errKilled = errors.New("the process was killed")

// engine is the store as a member of the fleet sees it.
type engine struct{ m *member }

func (e engine) operate(ctx context.Context, op func() error) error {
	if !e.m.step() {
		return errKilled
	}
	select {
	case <-time.After(100*time.Microsecond + e.m.random.upTo(5*time.Millisecond)):
	case <-ctx.Done():
		return ctx.Err()
	}
	err := op()
	if !e.m.step() {
		return errKilled
	}
	return err
}

func (e engine) Load(ctx context.Context, key string) (v shared.Value, err error) {
	err = e.operate(ctx, func() (err error) { v, err = e.m.w.store.Load(ctx, key); return err })
	return v, err
}

func (e engine) Lease(ctx context.Context, key, owner string, pause bool, ttl time.Duration) (l shared.Lease, err error) {
	err = e.operate(ctx, func() (err error) {
		l, err = e.m.w.store.Lease(ctx, key, owner, pause, ttl)
		if err == nil && (l.Owner == owner || ttl == 0) {
			e.m.progress()
		}
		return err
	})
	return l, err
}

func (e engine) Save(ctx context.Context, key, owner string, v shared.Value) (kept bool, err error) {
	err = e.operate(ctx, func() (err error) { kept, err = e.m.w.store.Save(ctx, key, owner, v); return err })
	return kept && err == nil, err
}

func (e engine) Revoke(ctx context.Context, key string, generation uint64) error {
	return e.operate(ctx, func() error { return e.m.w.store.Revoke(ctx, key, generation) })
}

// sts is the source as a member of the fleet sees it.
type sts struct{ m *member }

func (s sts) Identity(context.Context) (stschain.Identity, error) {
	return stschain.NewIdentity("test", "role=arn:aws:iam::"+account+":role/"+s.m.role.name), nil
}

func (s sts) String() string { return s.m.role.name }

func (s sts) Retrieve(ctx context.Context) (creds stschain.Credentials, err error) {
	m, w := s.m, s.m.w
	if !m.step() {
		return creds, errKilled
	}
	atLeast, _ := ctx.Value(atLeastKey{}).(time.Duration)
	source, throttled := w.call(m, atLeast)
	took := 50*time.Millisecond + m.random.upTo(time.Second)
	if source == "slow" {
		took += m.random.upTo(8 * time.Second)
	}
	select {
	case <-time.After(took):
	case <-ctx.Done():
		err = ctx.Err()
	}
	switch {
	case err != nil:
	case throttled:
		err = errors.Join(errors.New("Rate exceeded"), stschain.ErrThrottled)
	case source == "denied":
		err = stschain.Permanent(errors.New("AccessDenied"))
	case source == "out":
		err = errors.New("503")
	}
	w.mu.Lock()
	m.role.inFlight--
	m.role.last, m.role.progress, m.role.ok = time.Now(), time.Now(), err == nil
	if err == nil {
		id := fmt.Sprintf("ASIA%s%07d", m.role.name, len(m.role.ends))
		m.role.ends[id] = time.Now().Add(w.life)
		m.role.newest, m.role.refused = id, false
		creds = stschain.Credentials{
			AccessKeyID: id, SecretAccessKey: stschain.NewSecret("secret-of-" + id), SessionToken: stschain.NewSecret("token"),
			AccountID: account, Origin: m.role.name, Expires: m.clock.Now().Round(0).Add(w.life),
		}
	}
	w.mu.Unlock()
	if !m.step() {
		return stschain.Credentials{}, errKilled
	}
	return creds, err
}
