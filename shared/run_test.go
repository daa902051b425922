package shared_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/storetest"
)

// Of the value of the store and the credentials that the process has, a refresh that does not succeed returns the
// later one, if it can be used by then.
func TestWithoutRefresh(t *testing.T) {
	bubbles := func(name string, test func(t *testing.T, w *fleet, p *shared.Provider)) {
		t.Helper()
		bubble(t, func(t *testing.T, w *fleet) {
			defer func() {
				if t.Failed() {
					t.Log(name)
				}
			}()
			p := w.process()
			p.SetRandom(func() uint64 { return uint64(time.Millisecond) })
			test(t, w, p)
		})
	}
	// Both ways not to succeed.
	for name, broken := range map[string]func(w *fleet){
		"the store fails": func(w *fleet) {
			w.fault = func(op storetest.Operation) storetest.Fault {
				if op == opLease {
					return storetest.Down
				}
				return storetest.None
			}
		},
		"the provider fails": func(w *fleet) { w.source = refusal(0, func() {}) },
	} {
		bubbles(name+", and the process has none", func(t *testing.T, w *fleet, p *shared.Provider) {
			w.get(w.process())
			after(50 * time.Minute)
			broken(w)
			require.Equal(t, "ASIA1", w.get(p))
		})
		bubbles(name+", and the value is later", func(t *testing.T, w *fleet, p *shared.Provider) {
			require.Equal(t, "ASIA1", w.get(p))
			after(50 * time.Minute)
			w.life = 12 * time.Minute
			require.Equal(t, "ASIA2", w.get(w.process()))
			after(9 * time.Minute)
			broken(w)
			require.Equal(t, "ASIA2", w.get(p))
		})
		bubbles(name+", and the value is earlier", func(t *testing.T, w *fleet, p *shared.Provider) {
			require.Equal(t, "ASIA1", w.get(p))
			w.store.Flush()
			w.life = time.Hour - time.Second
			require.Equal(t, "ASIA2", w.get(w.process()))
			after(50 * time.Minute)
			broken(w)
			require.Equal(t, "ASIA1", w.get(p))
		})
	}

	// Only the provider takes long.
	late := func(w *fleet, p *shared.Provider, left, takes time.Duration, then func()) {
		require.Equal(w.t, "ASIA1", w.get(w.process()))
		after(time.Hour - left)
		w.source = refusal(takes, then)
	}
	nothing := func() {}
	bubbles("it lasts as long as required", func(t *testing.T, w *fleet, p *shared.Provider) {
		late(w, p, 10*time.Minute, time.Minute, nothing)
		creds, err := p.RetrieveFor(t.Context(), 9*time.Minute)
		require.NoError(t, err)
		require.Equal(t, "ASIA1", creds.AccessKeyID)
	})
	bubbles("it does not last as long any more", func(t *testing.T, w *fleet, p *shared.Provider) {
		late(w, p, 10*time.Minute, time.Minute, nothing)
		_, err := p.RetrieveFor(t.Context(), 9*time.Minute+1)
		require.EqualError(t, err, "shared: 503")
	})
	bubbles("it expired meanwhile", func(t *testing.T, w *fleet, p *shared.Provider) {
		late(w, p, time.Minute, time.Minute, nothing)
		require.EqualError(t, w.fails(p), "shared: 503")
	})
	bubbles("it was rejected meanwhile", func(t *testing.T, w *fleet, p *shared.Provider) {
		late(w, p, 10*time.Minute, time.Minute, func() { p.Invalidate(w.credentials(1)) })
		require.EqualError(t, w.fails(p), "shared: 503")
	})
	bubbles("it was rejected meanwhile, and the process has others", func(t *testing.T, w *fleet, p *shared.Provider) {
		require.Equal(t, "ASIA1", w.get(p))
		after(50 * time.Minute)
		w.life = 12 * time.Minute
		require.Equal(t, "ASIA2", w.get(w.process()))
		after(9 * time.Minute)
		w.source = refusal(0, func() { p.Invalidate(w.credentials(2)) })
		require.Equal(t, "ASIA1", w.get(p))
	})
	bubbles("it never expires", func(t *testing.T, w *fleet, p *shared.Provider) {
		w.source = func(_ context.Context, n int) (stschain.Credentials, error) {
			creds := w.credentials(n)
			creds.Expires = time.Time{}
			return creds, nil
		}
		require.Equal(t, "ASIA1", w.get(p))
		w.source = refusal(0, nothing)
		creds, err := p.RetrieveFor(t.Context(), time.Hour)
		require.NoError(t, err)
		require.Equal(t, "ASIA1", creds.AccessKeyID)
	})
}

// refusal is a source that takes so long, does something, and fails.
func refusal(takes time.Duration, then func()) func(context.Context, int) (stschain.Credentials, error) {
	return func(context.Context, int) (stschain.Credentials, error) {
		after(takes)
		then()
		return stschain.Credentials{}, errors.New("503")
	}
}

// Credentials without an account are of the account of the role, for all processes.
func TestResultWithoutAccount(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		w.source = func(_ context.Context, n int) (stschain.Credentials, error) {
			creds := w.credentials(n)
			creds.AccountID = ""
			return creds, nil
		}
		require.Equal(t, "ASIA1", w.get(w.process()))
		require.Equal(t, "ASIA1", w.get(w.process()))
	})
}

// Credentials that are valid for 36 h are shared.
func TestSharedLongest(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		w.life = 36 * time.Hour
		require.Equal(t, "ASIA1", w.get(w.process()))
		require.Equal(t, "ASIA1", w.get(w.process()))
	})
}

// Rule 3: the lease is renewed each third of it, until the provider returns.
func TestRenewals(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		p := w.process()
		p.Lease = 3 * time.Second
		began := time.Now()
		var requests []time.Duration
		p.Store = spy{p.Store, func(string) { requests = append(requests, time.Since(began)) }}
		w.source = func(_ context.Context, n int) (stschain.Credentials, error) {
			after(3500 * time.Millisecond)
			return w.credentials(n), nil
		}
		w.get(p)
		after(time.Minute)
		require.Equal(t, []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second}, requests)
	})
}

// Rule 7: half of the time between the loads of a caller that waits is random.
func TestWaitingIsRandom(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		p := w.process()
		p.SetRandom(func() uint64 { return uint64(9 * time.Millisecond) })
		_, err := w.store.Lease(t.Context(), w.keyOf(p), "another", false, 50*time.Millisecond)
		require.NoError(t, err)
		began := time.Now()
		var loads []time.Duration
		w.fault = func(op storetest.Operation) storetest.Fault {
			if op == opLoad {
				loads = append(loads, time.Since(began))
			}
			return storetest.None
		}
		w.get(p)
		ms := time.Millisecond
		require.Equal(t, []time.Duration{0, 19 * ms, 43 * ms, 74500 * time.Microsecond, 74500 * time.Microsecond}, loads, "the last one has the lease")
	})
}

// Rule 7: Wait begins with the attempt, if leases are no progress: they ended before the response came.
func TestWaitBegins(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		p := w.process()
		p.Store = endedLeases{p.Store}
		p.Wait, p.Spread = 25*time.Millisecond, time.Nanosecond
		p.SetRandom(func() uint64 { return 0 }) // it loads after 10 and 25 ms
		began := time.Now()
		w.get(p)
		require.Equal(t, []time.Time{began.Add(25 * time.Millisecond)}, w.took())
	})
}

type endedLeases struct{ shared.Store }

func (endedLeases) Lease(context.Context, string, string, bool, time.Duration) (shared.Lease, error) {
	return shared.Lease{}, nil
}
