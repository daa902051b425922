package shared_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/storetest"
)

// The rows of the table of faults in docs/design.md.

func always(f storetest.Fault) func(storetest.Operation) storetest.Fault {
	return func(storetest.Operation) storetest.Fault { return f }
}

// The store is away: processes with credentials return them at once, and their direct calls are spread over the rest of the
// window. The others call after 0 to 5 s. None gets an error.
func TestStoreDown(t *testing.T) {
	for name, fault := range map[string]storetest.Fault{"down": storetest.Down, "slow": storetest.Slow} {
		bubble(t, func(t *testing.T, w *fleet) {
			var processes []*stschain.Cache
			for range 200 {
				processes = append(processes, &stschain.Cache{Provider: w.process()})
				w.get(processes[0])
				w.get(processes[len(processes)-1])
			}
			require.Equal(t, 1, w.called(), name)
			w.set(func() { w.fault = always(fault) })
			w.took()
			began := time.Now()
			for range 59 {
				after(time.Minute)
				for _, p := range processes {
					before := time.Now()
					w.get(p)
					require.Less(t, time.Since(before), 300*time.Millisecond)
				}
			}
			minutes, calls := map[int]int{}, w.took()
			for _, at := range calls {
				minutes[int(at.Sub(began)/time.Minute)]++
			}
			require.GreaterOrEqual(t, len(calls), 200)
			require.Greater(t, len(minutes), 10, "%v", minutes)
			for minute, n := range minutes {
				require.Less(t, n, 60, "minute %d of %v", minute, minutes)
			}

			began = time.Now()
			for range 200 {
				go func() { _, _ = w.process().Retrieve(t.Context()) }()
			}
			after(6 * time.Second)
			calls = w.took()
			require.Len(t, calls, 200)
			seconds := map[int]int{}
			for _, at := range calls {
				seconds[int(at.Sub(began)/time.Second)]++
			}
			require.GreaterOrEqual(t, len(seconds), 5)
		})
	}
}

// The circuit: after a failure the store is left alone for 5 s, and then one attempt probes it.
func TestStoreCircuit(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		p := w.process()
		p.Spread = time.Nanosecond
		w.fault = always(storetest.Down)
		for range 10 {
			w.get(p)
		}
		ops, events := w.did()
		require.Len(t, ops, 1)
		require.Equal(t, 1, count(events, "store failed"))
		after(5 * time.Second)
		w.get(p)
		w.get(p)
		ops, _ = w.did()
		require.Len(t, ops, 1)
		w.set(func() { w.fault = nil })
		after(5 * time.Second)
		calls := w.called()
		require.Equal(t, w.get(p), w.get(w.process()), "it is used again")
		require.Equal(t, calls+1, w.called())
	})
}

// Of attempts that begin together, one finds out whether the store works again.
func TestStoreProbe(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		p := w.process()
		p.Spread = time.Nanosecond
		w.fault = always(storetest.Slow)
		w.get(p)
		after(5 * time.Second)
		w.did()
		for range 10 {
			go func() { _, _ = p.Retrieve(t.Context()) }()
		}
		after(time.Second)
		ops, _ := w.did()
		require.Len(t, ops, 1)
	})
}

func count(events []string, kind string) (n int) {
	for _, e := range events {
		if e == kind {
			n++
		}
	}
	return n
}

// The store comes back empty: one call.
func TestStoreEmpty(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		for range 3 {
			w.store.Flush()
			for range 100 {
				w.get(w.process())
			}
		}
		require.Equal(t, 3, w.called())
	})
}

// The process with the lease dies: the others wait for its end, and one of them takes over.
func TestLeaderDies(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		_, err := w.store.Lease(t.Context(), w.keyOf(w.process()), "killed", false, 2*time.Second)
		require.NoError(t, err)
		began := time.Now()
		for range 100 {
			go w.get(w.process())
		}
		w.get(w.process())
		require.InDelta(t, 2.2, time.Since(began).Seconds(), 0.4)
		after(time.Second)
		require.Equal(t, 1, w.called())
	})
}

// A caller that gives up while its provider runs frees the lease.
func TestLeaderLeaves(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		ctx, cancel := context.WithCancel(t.Context())
		w.source = func(ctx context.Context, n int) (stschain.Credentials, error) {
			if n > 1 {
				return w.credentials(n), nil
			}
			cancel()
			return stschain.Credentials{}, ctx.Err()
		}
		_, err := w.process().Retrieve(ctx)
		require.ErrorIs(t, err, context.Canceled)
		began := time.Now()
		require.Equal(t, "ASIA2", w.get(w.process()))
		require.Zero(t, time.Since(began))
	})
}

// A caller that gives up before its provider is called frees the lease too.
func TestLeaderLeavesEarly(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		ctx, cancel := context.WithCancel(t.Context())
		loads := 0
		w.fault = func(op storetest.Operation) storetest.Fault {
			if op == opLoad {
				loads++
				if loads == 2 { // with the lease
					cancel()
				}
			}
			return storetest.None
		}
		_, err := w.process().Retrieve(ctx)
		require.ErrorIs(t, err, context.Canceled)
		began := time.Now()
		require.Equal(t, "ASIA1", w.get(w.process()))
		require.Zero(t, time.Since(began))
		require.Equal(t, 1, w.called())
	})
}

// A value that was changed, moved, cut or sealed with another key is as none: it is replaced, with an event, and no error.
func TestValueUnusable(t *testing.T) {
	for name, spoil := range map[string]func(w *fleet, key string){
		"a flipped bit":      func(w *fleet, key string) { w.store.Corrupt(key) },
		"another generation": func(w *fleet, key string) { w.store.SetGeneration(key, 1<<40) },
		"moved from another role": func(w *fleet, key string) {
			w.store.Swap(key, w.elsewhere(func(p *shared.Provider) { p.Provider = role{w, "other"} }))
		},
		"another key": func(w *fleet, key string) {
			w.reseal(key, func(p *shared.Provider) { p.Keys = []stschain.Secret{other} })
		},
		"garbage":  func(w *fleet, key string) { w.put(key, []byte("garbage")) },
		"nothing":  func(w *fleet, key string) { w.put(key, nil) },
		"too much": func(w *fleet, key string) { w.put(key, make([]byte, 64<<10)) },
		"another account": func(w *fleet, key string) {
			w.reseal(key, func(p *shared.Provider) { p.Account = "999999999999"; p.Provider = foreign{role{w, "backup"}} })
		},
	} {
		bubble(t, func(t *testing.T, w *fleet) {
			p := w.process()
			w.get(p)
			key := w.store.Keys()[0]
			spoil(w, key)
			w.did()
			calls := w.called()
			got := w.get(p)
			_, events := w.did()
			require.Equal(t, calls+1, w.called(), name)
			require.True(t, slices.Contains(events, "unusable"), "%s: %v", name, events)
			require.Equal(t, got, w.get(w.process()), name)
		})
	}
}

// elsewhere makes an entry of a changed process, and returns its key.
func (w *fleet) elsewhere(change func(*shared.Provider)) string {
	before := w.store.Keys()
	p := w.process()
	change(p)
	_, err := p.Retrieve(w.t.Context())
	require.NoError(w.t, err)
	for _, key := range w.store.Keys() {
		if !slices.Contains(before, key) {
			return key
		}
	}
	return before[0]
}

// reseal replaces the value of a key by that of a changed process.
func (w *fleet) reseal(key string, change func(*shared.Provider)) {
	w.store.Flush()
	require.Equal(w.t, key, w.elsewhere(change))
}

// put replaces the sealed bytes of a key.
func (w *fleet) put(key string, sealed []byte) {
	v, err := w.store.Load(w.t.Context(), key)
	require.NoError(w.t, err)
	v.Sealed = sealed
	kept, err := w.store.Save(w.t.Context(), key, "", v)
	require.NoError(w.t, err)
	require.True(w.t, kept)
}

// foreign returns credentials of another account.
type foreign struct{ role }

func (f foreign) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	creds, err := f.role.Retrieve(ctx)
	creds.AccountID = "999999999999"
	return creds, err
}

// The provider's own result is of another account: an error, and nothing is saved.
func TestResultOfAnotherAccount(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		p := w.process()
		p.Provider = foreign{role{w, "backup"}}
		err := w.fails(p)
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.EqualError(t, err, "shared: shared role backup returned credentials of account 999999999999, and 123456789012 is required")
	})
}

// Malformed credentials are an error, and not saved: all processes would find them unusable.
func TestResultMalformed(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		w.source = func(ctx context.Context, n int) (stschain.Credentials, error) {
			creds := w.credentials(n)
			creds.SecretAccessKey = stschain.NewSecret("with space")
			return creds, nil
		}
		require.EqualError(t, w.fails(w.process()), "shared: shared role backup: the secret access key contains white space; trim it where it is read")
		require.ErrorContains(t, w.fails(w.process()), "another process could not refresh the credentials")
	})
}

// Clocks differ: neither makes credentials last longer, and a process whose clock is wrong cannot make the fleet refresh.
func TestClocks(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		w.get(w.process())
		for offset, left := range map[time.Duration]time.Duration{-10 * time.Minute: time.Hour, 10 * time.Minute: 50 * time.Minute} {
			p := w.process()
			p.Clock = clock(offset)
			creds, err := p.Retrieve(t.Context())
			require.NoError(t, err)
			require.Equal(t, left, creds.Expires.Sub(p.Clock.Now()).Round(time.Second))
		}
		fast := w.process()
		fast.Clock = clock(2 * time.Hour)
		require.ErrorContains(t, w.fails(fast), "have expired by this machine's clock")
		began := time.Now()
		for time.Since(began) < 10*time.Minute {
			_, _ = fast.Retrieve(t.Context())
			w.get(w.process())
			after(time.Second)
		}
		require.LessOrEqual(t, w.called(), 21)
	})
}

type clock time.Duration

func (c clock) Now() time.Time { return time.Now().Add(time.Duration(c)) }

// The engine loses the last write in a failover: two sessions, both valid.
func TestFailover(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		a := w.process()
		require.Equal(t, "ASIA1", w.get(a))
		w.store.Failover()
		require.Equal(t, "ASIA2", w.get(w.process()), "the lease is not free: it waits for its end")
		require.Equal(t, "ASIA2", w.get(a))
		require.Equal(t, 2, w.called())
	})
}

// Keys are rotated: all keys open, the first one seals, and nothing is obtained anew.
func TestKeysRotate(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		with := func(keys ...stschain.Secret) *shared.Provider {
			p := w.process()
			p.Keys = keys
			return p
		}
		require.Equal(t, "ASIA1", w.get(with(key)))
		require.Equal(t, "ASIA1", w.get(with(key, other)), "every process learns the new key")
		require.Equal(t, "ASIA1", w.get(with(other, key)), "then it seals")
		after(45 * time.Minute)
		require.Equal(t, "ASIA2", w.get(with(other, key)))
		require.Equal(t, "ASIA2", w.get(with(other)), "then the old one goes")
	})
}

// Operations that are executed without a response, or acknowledged and lost, cost calls and nothing else.
func TestResponsesLost(t *testing.T) {
	for _, fault := range []storetest.Fault{storetest.Unacknowledged, storetest.SlowDone, storetest.Dropped, storetest.Slow, storetest.Down} {
		for _, op := range []storetest.Operation{opLoad, opLease, opSave, opRevoke} {
			bubble(t, func(t *testing.T, w *fleet) {
				w.fault = func(o storetest.Operation) storetest.Fault {
					if o == op {
						return fault
					}
					return storetest.None
				}
				p := w.process()
				creds, err := p.Retrieve(t.Context())
				require.NoError(t, err)
				after(time.Minute)
				p.Invalidate(creds)
				for range 3 {
					creds, err := p.Retrieve(t.Context())
					require.NoError(t, err, "%v %v", op, fault)
					require.NotEqual(t, "ASIA1", creds.AccessKeyID)
				}
				w.set(func() { w.fault = nil })
				after(time.Minute)
				require.NotEqual(t, "ASIA1", w.get(p))
			})
		}
	}
}

// The store fails when a lease is to become a pause: the provider is not called again.
func TestStoreFailsAtTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		w.source = func(context.Context, int) (stschain.Credentials, error) {
			w.set(func() { w.fault = always(storetest.Down) })
			return stschain.Credentials{}, errors.New("refused")
		}
		require.ErrorContains(t, w.fails(w.process()), "refused")
		require.Equal(t, 1, w.called())
	})
}

// The cache over the tier passes RetrieveFor on, and a hit in it does not reach the store.
func TestRetrieveFor(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		c := &stschain.Cache{Provider: w.process()}
		w.get(c)
		w.did()
		for range 10 {
			w.get(c)
		}
		ops, _ := w.did()
		require.Empty(t, ops)
		after(10 * time.Minute)
		creds, err := c.RetrieveFor(t.Context(), 55*time.Minute)
		require.NoError(t, err)
		require.Equal(t, "ASIA2", creds.AccessKeyID)
		_, err = c.RetrieveFor(t.Context(), 2*time.Hour)
		require.ErrorContains(t, err, "2h0m0s are required")
		_, err = w.process().RetrieveFor(t.Context(), 2*time.Hour)
		require.ErrorContains(t, err, "shared: credentials from role are valid for another 1h0m0s, and 2h0m0s are required")
		require.Equal(t, 2, w.called())
		require.Equal(t, "ASIA2", w.get(w.process()))

		after(10 * time.Minute)
		late := &stschain.Cache{Provider: w.process()}
		require.Equal(t, "ASIA2", w.get(late), "valid for 50 minutes")
		after(time.Second) // between attempts
		creds, err = late.RetrieveFor(t.Context(), 55*time.Minute)
		require.NoError(t, err, "new ones are valid for longer")
		require.Equal(t, "ASIA3", creds.AccessKeyID)
		after(time.Second)
		w.did()
		for range 10 {
			_, err = late.RetrieveFor(t.Context(), 2*time.Hour)
			require.ErrorContains(t, err, "2h0m0s are required")
			after(time.Second)
		}
		ops, _ = w.did()
		require.Len(t, ops, 2, "one attempt, which the cache does not repeat for a while")
	})
}

// RetrieveFor of more than what is left refreshes, if that can help and the value is not too young. In the meantime a value
// that is too short is not returned.
func TestRetrieveForRefreshes(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		p := w.process()
		require.Equal(t, "ASIA1", w.get(p))
		after(30*time.Second - 1)
		_, err := p.RetrieveFor(t.Context(), time.Hour)
		require.ErrorContains(t, err, "1h0m0s are required")
		after(1)
		_, err = p.RetrieveFor(t.Context(), time.Hour+1)
		require.ErrorContains(t, err, "are required")
		require.Equal(t, 1, w.called(), "it could not help")
		creds, err := p.RetrieveFor(t.Context(), time.Hour-30*time.Second)
		require.NoError(t, err)
		require.Equal(t, "ASIA1", creds.AccessKeyID, "it is valid for that long")
		creds, err = p.RetrieveFor(t.Context(), time.Hour)
		require.NoError(t, err)
		require.Equal(t, "ASIA2", creds.AccessKeyID)

		after(50 * time.Minute)
		_, err = w.store.Lease(t.Context(), w.store.Keys()[0], "another", false, 3*time.Second)
		require.NoError(t, err)
		require.Equal(t, "ASIA2", w.get(p))
		creds, err = p.RetrieveFor(t.Context(), 10*time.Minute)
		require.NoError(t, err)
		require.Equal(t, "ASIA2", creds.AccessKeyID)
		creds, err = p.RetrieveFor(t.Context(), 20*time.Minute)
		require.NoError(t, err)
		require.Equal(t, "ASIA3", creds.AccessKeyID)
	})
}

// Credentials that never expire, or that are valid for longer than 36 h, are returned and not shared.
func TestNotShared(t *testing.T) {
	for _, expires := range []time.Duration{0, 37 * time.Hour} {
		bubble(t, func(t *testing.T, w *fleet) {
			w.source = func(ctx context.Context, n int) (stschain.Credentials, error) {
				creds := w.credentials(n)
				if creds.Expires = time.Now().Add(expires); expires == 0 {
					creds.Expires = time.Time{}
				}
				return creds, nil
			}
			require.Equal(t, "ASIA1", w.get(w.process()))
			require.Equal(t, "ASIA2", w.get(w.process()))
			ops, _ := w.did()
			require.NotContains(t, ops, opSave)
		})
	}
}

// A tier over a tier: memory, machine, fleet.
func TestTiers(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		machines := make([]storetest.Memory, 5)
		for range 3 {
			for i := range machines {
				for range 10 {
					p := w.process()
					p.Provider, p.Store = w.process(), &machines[i]
					w.get(&stschain.Cache{Provider: p})
				}
			}
			after(50 * time.Minute)
		}
		require.Equal(t, 3, w.called())
	})
}

// Credentials that were returned before the wall clock was set back end when they would have ended without that.
func TestClockSetBack(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		clock := &wallClock{began: time.Now()}
		w.source = func(_ context.Context, n int) (stschain.Credentials, error) {
			if n > 1 {
				return stschain.Credentials{}, errors.New("503")
			}
			creds := w.credentials(n)
			creds.Expires = clock.Now().Round(0).Add(time.Hour)
			return creds, nil
		}
		p := w.process()
		p.Clock = clock
		require.Equal(t, "ASIA1", w.get(p))
		clock.offset.Store(int64(-10 * time.Minute))
		after(time.Hour - time.Second)
		require.Equal(t, "ASIA1", w.get(p))
		after(6 * time.Second) // after the pause of the refusal
		require.Error(t, w.fails(p))
	})
}
