package shared_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/storetest"
)

// Callers that give up: their context ends during an attempt.

// What the attempt has by then is returned, and a result is shared.
func TestLeavingWithCredentials(t *testing.T) {
	refuse := func(w *fleet) { w.store.SetGeneration(w.store.Keys()[0], 7) } // the Save of the one before
	for name, tt := range map[string]struct {
		fault  func(w *fleet, leave func()) func(storetest.Operation) storetest.Fault
		source func(w *fleet, leave func())
		calls  int
	}{
		"a fresh value": {fault: func(w *fleet, leave func()) func(storetest.Operation) storetest.Fault {
			w.get(w.process())
			return func(storetest.Operation) storetest.Fault {
				leave()
				return storetest.None
			}
		}, calls: 1},
		"a result":                            {source: func(_ *fleet, leave func()) { leave() }, calls: 1},
		"a result, and its Save is refused":   {source: func(w *fleet, leave func()) { leave(); refuse(w) }, calls: 1},
		"a result, and another process saved": {source: func(w *fleet, leave func()) { leave(); w.source = nil; w.store.Flush(); w.get(w.process()) }, calls: 2},
	} {
		bubble(t, func(t *testing.T, w *fleet) {
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			if tt.fault != nil {
				w.fault = tt.fault(w, leave)
			}
			if tt.source != nil {
				w.source = func(_ context.Context, n int) (stschain.Credentials, error) {
					tt.source(w, leave)
					return w.credentials(n), nil
				}
			}
			creds, err := w.process().Retrieve(ctx)
			require.NoError(t, err, name)
			require.Equal(t, "ASIA1", creds.AccessKeyID, name)
			_, events := w.did()
			require.Zero(t, count(events, "store failed"), name)
			w.get(w.process())
			require.Equal(t, tt.calls, w.called(), name)
			l, err := w.store.Lease(t.Context(), w.store.Keys()[0], "another", false, time.Second)
			require.NoError(t, err)
			require.Equal(t, "another", l.Owner, "%s: the lease ended", name)
		})
	}
}

// A failure of the provider after the deadline of the caller is the error, and pauses the others.
func TestLeavingWithFailure(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		w.source = func(ctx context.Context, _ int) (stschain.Credentials, error) {
			<-ctx.Done()
			return stschain.Credentials{}, errors.New("AccessDenied")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := w.process().Retrieve(ctx)
		require.EqualError(t, err, "shared: AccessDenied")
		require.ErrorContains(t, w.fails(w.process()), "another process could not refresh the credentials")
		require.Equal(t, 1, w.called())
	})
}

// With neither, the provider is not called, and the lease is free.
func TestLeavingWithNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		p := w.process()
		w.fault = func(op storetest.Operation) storetest.Fault {
			if op == opLease {
				leave()
			}
			return storetest.None
		}
		var requests []leaseRequest
		p.Store = requestSpy{p.Store, &requests}
		_, err := p.Retrieve(ctx)
		require.EqualError(t, err, "shared: test role=arn:aws:iam::123456789012:role/backup: waiting for the store, or for another process: context canceled")
		require.Zero(t, w.called())
		require.Equal(t, []leaseRequest{{false, 2 * time.Second}, {false, 0}}, requests)
		_, events := w.did()
		require.Empty(t, events)
	})
}

// leaseRequest is one of a Provider, of its own lease.
type leaseRequest struct {
	pause bool
	ttl   time.Duration
}

type requestSpy struct {
	shared.Store
	requests *[]leaseRequest
}

func (s requestSpy) Lease(ctx context.Context, key, owner string, pause bool, ttl time.Duration) (shared.Lease, error) {
	*s.requests = append(*s.requests, leaseRequest{pause, ttl})
	return s.Store.Lease(ctx, key, owner, pause, ttl)
}

// An operation that the caller did not wait for says nothing about the store: the next attempt uses it.
func TestLeavingSlowStore(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		w.fault = always(storetest.Slow)
		p := w.process()
		_, err := p.Retrieve(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		ops, events := w.did()
		require.Equal(t, []storetest.Operation{opLoad}, ops)
		require.Empty(t, events)
		w.fault = nil
		w.get(p)
		ops, events = w.did()
		require.Equal(t, []storetest.Operation{opLoad, opLease, opLoad, opSave}, ops)
		require.Equal(t, []string{"refreshed"}, events)
	})
}

// An operation that was executed shows that the store works, even if the caller left meanwhile.
func TestLeavingStoreThatWorks(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		w.fault = always(storetest.Down)
		p := w.process()
		p.Spread = time.Nanosecond
		w.get(p)
		after(5 * time.Second)
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		w.fault = func(storetest.Operation) storetest.Fault {
			leave()
			return storetest.None
		}
		_, err := p.Retrieve(ctx)
		require.ErrorIs(t, err, context.Canceled)
		w.did()
		w.get(p)
		ops, _ := w.did()
		require.Equal(t, []storetest.Operation{opLoad, opLease, opLoad, opSave}, ops)
	})
}

// The context of an operation ends with it, so that a store can release what belongs to it.
func TestOperationContext(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		p := w.process()
		var last context.Context
		p.Store = contextSpy{p.Store, &last}
		w.get(p)
		require.ErrorIs(t, last.Err(), context.Canceled)
	})
}

type contextSpy struct {
	shared.Store
	last *context.Context
}

func (s contextSpy) Load(ctx context.Context, key string) (shared.Value, error) {
	*s.last = ctx
	return s.Store.Load(ctx, key)
}

// A provider that panics does not keep the lease: it is not renewed, and ends.
func TestLeavingByPanic(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		w.source = func(_ context.Context, n int) (stschain.Credentials, error) {
			if n == 1 {
				panic("a bug")
			}
			return w.credentials(n), nil
		}
		require.PanicsWithValue(t, "a bug", func() { _, _ = w.process().Retrieve(t.Context()) })
		w.set(func() {
			w.fault = func(storetest.Operation) storetest.Fault {
				t.Error("the lease is renewed")
				runtime.Goexit()
				return storetest.None
			}
		})
		after(2 * time.Second)
		w.set(func() { w.fault = nil })
		began := time.Now()
		require.Equal(t, "ASIA2", w.get(w.process()))
		require.Zero(t, time.Since(began))
	})
}
