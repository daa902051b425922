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

// The rules at their limits: how a lease ends, what a result must gain, and how long a caller waits.

// Rules 3 to 6: an attempt that saves nothing frees its lease, or keeps it as a pause.
func TestRuleLeaseEnds(t *testing.T) {
	freed := leased{}
	// sameEnd is a source that takes 8 s, and has credentials that end when the first ones did.
	sameEnd := func(w *fleet, left time.Duration) {
		w.get(w.process())
		after(time.Hour - left - 8*time.Second)
		end := time.Now().Add(left + 8*time.Second)
		w.source = func(_ context.Context, n int) (stschain.Credentials, error) {
			after(8 * time.Second)
			creds := w.credentials(n)
			creds.Expires = end
			return creds, nil
		}
	}
	for name, tt := range map[string]struct {
		set  func(w *fleet, p *shared.Provider)
		want leased
	}{
		"another process saved": {func(w *fleet, _ *shared.Provider) { w.savedBefore(opLease) }, freed},
		"another process saved, and this clock is wrong": {func(w *fleet, p *shared.Provider) {
			p.Clock = clock(2 * time.Hour)
			w.savedBefore(opLease)
		}, freed},
		"another process saved as good a value": {func(w *fleet, _ *shared.Provider) { w.savedBefore(opSave) }, freed},
		"the credentials do not expire": {func(w *fleet, _ *shared.Provider) {
			w.source = func(_ context.Context, n int) (stschain.Credentials, error) {
				creds := w.credentials(n)
				creds.Expires = time.Time{}
				return creds, nil
			}
		}, freed},
		"a prompt is needed": {func(w *fleet, _ *shared.Provider) {
			w.source = func(context.Context, int) (stschain.Credentials, error) {
				return stschain.Credentials{}, stschain.ErrPrompt
			}
		}, freed},
		"the provider fails": {func(w *fleet, _ *shared.Provider) {
			w.source = func(context.Context, int) (stschain.Credentials, error) {
				return stschain.Credentials{}, errors.New("503")
			}
		}, leased{true, time.Second}},
		"nothing is gained, 8 min before the end":  {func(w *fleet, _ *shared.Provider) { sameEnd(w, 8*time.Minute) }, leased{true, time.Minute}},
		"nothing is gained, 2 min before the end":  {func(w *fleet, _ *shared.Provider) { sameEnd(w, 2*time.Minute) }, leased{true, 30 * time.Second}},
		"nothing is gained, 10 s before the end":   {func(w *fleet, _ *shared.Provider) { sameEnd(w, 10*time.Second) }, leased{true, 2500 * time.Millisecond}},
		"nothing is gained, a second to the end":   {func(w *fleet, _ *shared.Provider) { sameEnd(w, time.Second) }, leased{true, time.Second}},
		"nothing is gained, a moment from the end": {func(w *fleet, _ *shared.Provider) { sameEnd(w, 1) }, leased{true, time.Second}},
	} {
		bubble(t, func(t *testing.T, w *fleet) {
			p := w.process()
			p.SetRandom(func() uint64 { return 0 })
			tt.set(w, p)
			last := leased{ttl: -1}
			p.Store = leaseSpy{p.Store, &last}
			_, _ = p.Retrieve(t.Context())
			require.Equal(t, tt.want, last, name)
		})
	}
}

// savedBefore lets another process save new credentials before the first operation of this kind.
func (w *fleet) savedBefore(op storetest.Operation) {
	w.fault = func(o storetest.Operation) storetest.Fault {
		if o == op {
			w.set(func() { w.fault = nil })
			w.store.Flush()
			w.get(w.process())
		}
		return storetest.None
	}
}

// leased is how a lease was requested.
type leased struct {
	pause bool
	ttl   time.Duration
}

// leaseSpy keeps how a lease was requested last.
type leaseSpy struct {
	shared.Store
	last *leased
}

func (s leaseSpy) Lease(ctx context.Context, key, owner string, pause bool, ttl time.Duration) (shared.Lease, error) {
	*s.last = leased{pause, ttl}
	return s.Store.Lease(ctx, key, owner, pause, ttl)
}

// Rules 4 and 5: a result replaces the value if it outlives it by a second.
func TestRuleGain(t *testing.T) {
	for gain, saved := range map[time.Duration]string{time.Second - 1: "ASIA1", time.Second: "ASIA2"} {
		bubble(t, func(t *testing.T, w *fleet) {
			end := time.Now().Add(time.Hour)
			w.get(w.process())
			after(50 * time.Minute)
			w.source = func(_ context.Context, n int) (stschain.Credentials, error) {
				creds := w.credentials(n)
				creds.Expires = end.Add(gain)
				return creds, nil
			}
			require.Equal(t, "ASIA2", w.get(w.process()), "%v", gain)
			_, err := w.store.Lease(t.Context(), w.store.Keys()[0], "another", false, time.Hour)
			require.NoError(t, err)
			require.Equal(t, saved, w.get(w.process()), "%v", gain)
		})
	}
}

// Rule 7: a caller that waits loads after 10 to 20 ms, and then after half as long again, up to 200 to 400 ms.
func TestRuleWaitingLoads(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		p := w.process()
		p.SetRandom(func() uint64 { return 0 })
		_, err := w.store.Lease(t.Context(), w.keyOf(p), "another", false, 1100*time.Millisecond)
		require.NoError(t, err)
		var waits []time.Duration
		last := time.Now()
		w.fault = func(op storetest.Operation) storetest.Fault {
			if op == opLoad {
				waits, last = append(waits, time.Since(last)), time.Now()
			}
			return storetest.None
		}
		require.Equal(t, "ASIA1", w.get(p))
		ms := time.Millisecond
		require.Equal(t, []time.Duration{0, 10 * ms, 15 * ms, 22500 * time.Microsecond, 33750 * time.Microsecond, 50625 * time.Microsecond,
			75937500, 113906250, 170859375, 200 * ms, 200 * ms, 200 * ms, 200 * ms, 0}, waits, "the last is that of the process with the lease")
	})
}

// Rule 7: a lease that ends later than before was renewed, if it is later by more than a tenth of Lease: the response that had its end
// may have taken that long.
func TestRuleRenewed(t *testing.T) {
	for name, tt := range map[string]struct {
		later, called time.Duration
	}{
		"not renewed":             {0, 25 * time.Millisecond},
		"later by a tenth":        {200 * time.Millisecond, 25 * time.Millisecond},
		"later by more than that": {200*time.Millisecond + 1, 81250 * time.Microsecond},
	} {
		bubble(t, func(t *testing.T, w *fleet) {
			p := w.process()
			p.Lease, p.Wait, p.Spread = 2*time.Second, 25*time.Millisecond, time.Nanosecond
			p.SetRandom(func() uint64 { return 0 }) // it loads after 10, 25, 47.5 and 81.25 ms
			key := w.keyOf(p)
			_, err := w.store.Lease(t.Context(), key, "another", false, time.Hour)
			require.NoError(t, err)
			time.AfterFunc(12*time.Millisecond, func() {
				_, _ = w.store.Lease(t.Context(), key, "another", false, time.Hour-12*time.Millisecond+tt.later)
			})
			began := time.Now()
			require.Equal(t, "ASIA1", w.get(p), name)
			require.Equal(t, []time.Time{began.Add(tt.called)}, w.took(), name)
		})
	}
}

// Rule 7: the provider is called directly after one wait, though the store fails in it, and the result is saved if the store has a
// generation for it.
func TestRuleDirectWithoutStore(t *testing.T) {
	for name, tt := range map[string]struct {
		set func(w *fleet, key string) // while the direct call waits
		ops []storetest.Operation      // after that
	}{
		"the store fails":     {func(w *fleet, _ string) { w.fault = always(storetest.Down) }, []storetest.Operation{opLoad}},
		"no generation":       {func(w *fleet, key string) { w.store.SetGeneration(key, 0) }, []storetest.Operation{opLoad}},
		"the generation is 1": {func(w *fleet, key string) { w.store.SetGeneration(key, 1) }, []storetest.Operation{opLoad, opSave}},
	} {
		bubble(t, func(t *testing.T, w *fleet) {
			p := w.process()
			p.Wait, p.Spread = 25*time.Millisecond, 10*time.Second
			p.SetRandom(func() uint64 { return uint64(5 * time.Second) })
			key := w.keyOf(p)
			_, err := w.store.Lease(t.Context(), key, "another", false, time.Hour)
			require.NoError(t, err)
			var direct []time.Time
			p.OnEvent = func(e shared.Event) {
				if e.Kind == shared.Direct {
					direct = append(direct, time.Now())
					w.did()
					w.set(func() { tt.set(w, key) })
				}
			}
			require.Equal(t, "ASIA1", w.get(p), name)
			ops, _ := w.did()
			require.Equal(t, tt.ops, ops, name)
			require.Len(t, direct, 1, name)
			require.Equal(t, []time.Time{direct[0].Add(5 * time.Second)}, w.took(), name)
		})
	}
}

// Rule 7: a store that failed in an attempt is not used again in that attempt.
func TestRuleStoreFailedBefore(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		w.get(w.process())
		after(time.Hour) // the value has expired, and its generation is still there
		w.fault = func(op storetest.Operation) storetest.Fault {
			if op == opLease {
				return storetest.Down
			}
			return storetest.None
		}
		w.did()
		require.Equal(t, "ASIA2", w.get(w.process()))
		ops, _ := w.did()
		require.Equal(t, []storetest.Operation{opLoad, opLease}, ops)
	})
}
