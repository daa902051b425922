//go:build unix

package valkeystore_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/valkeystore"
	"github.com/stschain-go/stschain/shared"
)

var processes = flag.Int("fleet.processes", 100, "processes of the fleets; 2,000 need a quiet machine")

// patient is a lease that a busy machine does not let expire: then a second call would be right.
const patient = 20 * time.Second

// fleet is many processes with one role, whose calls of STS it counts.
type fleet struct {
	delay, life time.Duration  // of a call, and of its credentials
	lease       time.Duration  // 0: 2 s
	clock       stschain.Clock // nil: the real one
	during      func(call int) // nil: nothing; it is called during each call

	mu    sync.Mutex
	calls []time.Time
	err   error
}

func (f *fleet) Retrieve(context.Context) (stschain.Credentials, error) {
	f.mu.Lock()
	f.calls = append(f.calls, f.now())
	n, err := len(f.calls), f.err
	f.mu.Unlock()
	if f.during != nil {
		f.during(n)
	}
	<-time.After(f.delay)
	if err != nil {
		return stschain.Credentials{}, err
	}
	return stschain.Credentials{AccessKeyID: fmt.Sprint("ASIA", n), SecretAccessKey: stschain.NewSecret("s"), AccountID: "123456789012", Expires: f.now().Add(f.life)}, nil
}

func (f *fleet) Identity(context.Context) (stschain.Identity, error) {
	return stschain.NewIdentity("test", "fleet"), nil
}

func (f *fleet) now() time.Time {
	if f.clock == nil {
		return time.Now()
	}
	return f.clock.Now()
}

func (f *fleet) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.calls)
}

// processes returns n caches over the tier. Eight processes share a connection here. Operations have time: the machine of a test
// may be slow.
func (f *fleet) processes(t *testing.T, n int, server *server) (caches []*stschain.Cache) {
	var s *valkeystore.Store
	for i := range n {
		if i%8 == 0 {
			s = server.store(t)
		}
		caches = append(caches, &stschain.Cache{Timeout: 5 * time.Minute, Clock: f.clock, Provider: &shared.Provider{
			Provider: f, Store: s, OpTimeout: time.Minute, Wait: time.Minute, Lease: f.lease, Clock: f.clock,
			Keys: []stschain.Secret{stschain.NewSecret(strings.Repeat("k", 32))}, NamingKey: stschain.NewSecret(strings.Repeat("n", 32)),
		}})
	}
	return caches
}

// retrieve returns how long each caller waited, sorted, and the access key IDs.
func retrieve(t *testing.T, caches []*stschain.Cache) (waits []time.Duration, ids []string, errs []error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, c := range caches {
		all.Go(func() {
			began := time.Now()
			creds, err := c.Retrieve(t.Context())
			mu.Lock()
			defer mu.Unlock()
			waits = append(waits, time.Since(began))
			if err != nil {
				errs = append(errs, err)
			} else if !slices.Contains(ids, creds.AccessKeyID) {
				ids = append(ids, creds.AccessKeyID)
			}
		})
	}
	all.Wait()
	slices.Sort(waits)
	return waits, ids, errs
}

// TestFleet is what shared promises, on a real server: 1 call for a cold start of many processes, however slow, and one more if the
// process with the lease dies; at most 1 in 1 to 5 s for a role that is denied; no error when the server is away.
func TestFleet(t *testing.T) {
	n := *processes
	for _, delay := range []time.Duration{200 * time.Millisecond, 5 * time.Second} {
		f := &fleet{delay: delay, life: time.Hour, lease: patient}
		waits, ids, errs := retrieve(t, f.processes(t, n, start(t)))
		require.Empty(t, errs)
		require.Equal(t, []string{"ASIA1"}, ids)
		require.Equal(t, 1, f.count())
		t.Logf("%d processes, cold, a source of %v: 1 call, wait p50 %v, p99 %v, longest %v", n, delay, waits[n/2], waits[n*99/100], waits[n-1])
	}

	server := start(t)
	f := &fleet{delay: 200 * time.Millisecond, life: time.Hour, lease: patient}
	f.takeLease(t, server, 2*time.Second)
	waits, ids, errs := retrieve(t, f.processes(t, n, server))
	require.Empty(t, errs)
	require.Len(t, ids, 1)
	require.Equal(t, 1, f.count())
	t.Logf("the process with a lease of 2 s died: 1 call, longest wait %v", waits[n-1])

	server.do(t, "FLUSHALL")
	_, _, errs = retrieve(t, f.processes(t, n, server))
	require.Empty(t, errs)
	require.Equal(t, 2, f.count(), "the server lost everything: one call")

	server.do(t, "FLUSHALL")
	f = &fleet{err: stschain.Permanent(fmt.Errorf("AccessDenied"))}
	began := time.Now()
	caches := f.processes(t, n/10, server)
	for time.Since(began) < 6*time.Second {
		_, ids, _ = retrieve(t, caches)
		require.Empty(t, ids)
		<-time.After(100 * time.Millisecond)
	}
	require.LessOrEqual(t, f.count(), 8)
	t.Logf("denied for 6 s: %d calls", f.count())
}

// takeLease takes the lease of the fleet's role for a process that has died.
func (f *fleet) takeLease(t *testing.T, server *server, ttl time.Duration) {
	var key string
	s := store(t, server.Address)
	p := f.processes(t, 1, server)[0].Provider.(*shared.Provider)
	p.Store = keySpy{s, &key}
	_, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	server.do(t, "FLUSHALL")
	f.calls = nil
	_, err = s.Lease(t.Context(), key, "died", false, ttl)
	require.NoError(t, err)
}

type keySpy struct {
	shared.Store
	key *string
}

func (s keySpy) Load(ctx context.Context, key string) (shared.Value, error) {
	*s.key = key
	return s.Store.Load(ctx, key)
}
