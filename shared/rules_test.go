package shared_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/storetest"
)

// The rules are those of docs/design.md.

const (
	opLoad, opLease, opSave, opRevoke = storetest.Load, storetest.Lease, storetest.Save, storetest.Revoke
)

// Rule 1: processes adopt the generation that the store has, even if it is lower than one that they saw.
func TestRuleGeneration(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		a, b := w.process(), w.process()
		require.Equal(t, "ASIA1", w.get(a))
		w.store.Flush()
		require.Equal(t, "ASIA2", w.get(b))
		require.Equal(t, "ASIA2", w.get(a))
		w.store.SetGeneration(w.store.Keys()[0], 1)
		require.Equal(t, "ASIA3", w.get(a), "the value does not open under another generation")
		require.Equal(t, "ASIA3", w.get(b))
	})
}

// Rule 2: a value is returned until its window, which is a quarter wider than that of a Cache. In the window the process
// with the lease calls the provider, and the others get the value at once.
func TestRuleWindow(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		a, b := w.process(), w.process()
		require.Equal(t, "ASIA1", w.get(a))
		window := 15 * time.Minute * 5 / 4
		after(time.Hour - window - time.Millisecond)
		w.did()
		require.Equal(t, "ASIA1", w.get(b))
		ops, _ := w.did()
		require.Equal(t, []storetest.Operation{opLoad}, ops)
		after(time.Millisecond)
		w.source = func(ctx context.Context, n int) (stschain.Credentials, error) {
			after(10 * time.Second)
			return w.credentials(n), nil
		}
		done := make(chan string)
		go func() { done <- w.get(a) }()
		synctest.Wait()
		began := time.Now()
		require.Equal(t, "ASIA1", w.get(b))
		require.Zero(t, time.Since(began))
		require.Equal(t, "ASIA2", <-done)
		require.Equal(t, "ASIA2", w.get(b))
		require.Equal(t, 2, w.called())
	})
}

// Rule 3: the process with the lease loads again: another one may have saved since it loaded.
func TestRuleLeader(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		a, b := w.process(), w.process()
		first := true
		w.fault = func(op storetest.Operation) storetest.Fault {
			if op == opLease && first {
				first = false
				require.Equal(t, "ASIA1", w.get(b)) // between Load and Lease of a
			}
			return storetest.None
		}
		require.Equal(t, "ASIA1", w.get(a))
		require.Equal(t, 1, w.called())
		l, err := w.store.Lease(t.Context(), w.store.Keys()[0], "another", false, time.Second)
		require.NoError(t, err)
		require.Equal(t, "another", l.Owner, "the lease was freed")
	})
}

// Rule 3: the same if this process can use neither that value, which is expired by its clock, nor replace it.
func TestRuleLeaderWithWrongClock(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		fast, b := w.process(), w.process()
		fast.Clock = clock(2 * time.Hour)
		first := true
		w.fault = func(op storetest.Operation) storetest.Fault {
			if op == opLease && first {
				first = false
				require.Equal(t, "ASIA1", w.get(b))
			}
			return storetest.None
		}
		require.ErrorContains(t, w.fails(fast), "have expired by this machine's clock")
		l, err := w.store.Lease(t.Context(), w.store.Keys()[0], "another", false, time.Second)
		require.NoError(t, err)
		require.Equal(t, "another", l.Owner)
	})
}

// Rule 3: the lease is renewed while the provider runs, even for much longer than Wait.
func TestRuleLeaseIsRenewed(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		w.source = func(ctx context.Context, n int) (stschain.Credentials, error) {
			after(25 * time.Second)
			return w.credentials(n), nil
		}
		began := time.Now()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if creds, err := w.process().Retrieve(t.Context()); err != nil || creds.AccessKeyID != "ASIA1" {
					t.Error(creds.AccessKeyID, err)
				}
			})
		}
		all.Wait()
		require.Equal(t, 1, w.called())
		require.Less(t, time.Since(began), 25*time.Second+400*time.Millisecond, "they load that often")
	})
}

// Rule 3: a renewal in flight when the provider returns does not take the lease again after it was freed.
func TestRuleLeaseIsFreed(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		leases := 0
		w.fault = func(op storetest.Operation) storetest.Fault {
			if op == opLease {
				leases++
				if leases == 2 { // the renewal after a third of the lease
					after(200 * time.Millisecond)
				}
			}
			return storetest.None
		}
		w.source = func(_ context.Context, n int) (stschain.Credentials, error) {
			if n == 1 {
				after(1100 * time.Millisecond)
				return stschain.Credentials{}, stschain.ErrPrompt
			}
			return w.credentials(n), nil
		}
		p := w.process()
		p.Lease = 3 * time.Second
		w.fails(p)
		after(time.Second)
		began := time.Now()
		require.Equal(t, "ASIA2", w.get(w.process()))
		require.Zero(t, time.Since(began))
	})
}

// Rule 3: each attempt draws an owner, so processes that were cloned do not share a lease.
func TestRuleOwner(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		owners := map[string]bool{}
		p := w.process()
		p.Store = spy{p.Store, func(owner string) { owners[owner] = true }}
		for range 10 {
			w.get(p)
			w.store.Flush()
		}
		require.Len(t, owners, 10)
	})
}

// spy reports the owners of leases.
type spy struct {
	shared.Store
	lease func(owner string)
}

func (s spy) Lease(ctx context.Context, key, owner string, pause bool, ttl time.Duration) (shared.Lease, error) {
	s.lease(owner)
	return s.Store.Lease(ctx, key, owner, pause, ttl)
}

// Rule 4: the result of a process that was paused across its lease is saved, if it gains something.
func TestRuleSave(t *testing.T) {
	for name, tt := range map[string]struct {
		late, saved string
		age         time.Duration // of the late result when it comes
	}{
		"as good as what another process saved": {"ASIA1", "ASIA2", 0},
		"better by less than a second":          {"ASIA1", "ASIA2", -(time.Second - 1)},
		"better by a second":                    {"ASIA1", "ASIA1", -time.Second},
		"better than that":                      {"ASIA1", "ASIA1", -10 * time.Minute},
	} {
		bubble(t, func(t *testing.T, w *fleet) {
			w.source = func(ctx context.Context, n int) (stschain.Credentials, error) {
				if n == 1 {
					w.store.Flush() // the lease is lost
					require.Equal(t, "ASIA2", w.get(w.process()))
				}
				creds := w.credentials(n)
				if n == 1 {
					creds.Expires = creds.Expires.Add(-tt.age)
				}
				return creds, nil
			}
			require.Equal(t, tt.late, w.get(w.process()), name)
			require.Equal(t, tt.saved, w.get(w.process()), name)
			require.Equal(t, 2, w.called(), name)
		})
	}
}

// Rule 4: a Save that is refused again and again is not repeated a third time, and refreshes pause.
func TestRuleSaveTwice(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		saves := uint64(0)
		w.fault = func(op storetest.Operation) storetest.Fault {
			if op == opSave && saves < 10 {
				saves++
				w.store.SetGeneration(w.store.Keys()[0], saves)
			}
			return storetest.None
		}
		require.Equal(t, "ASIA1", w.get(w.process()))
		ops, _ := w.did()
		require.Equal(t, []storetest.Operation{opLoad, opLease, opLoad, opSave, opLoad, opSave, opLease}, ops)
		require.EqualValues(t, 2, saves)
		require.ErrorContains(t, w.fails(w.process()), "the next attempt is allowed in 1m0s")
	})
}

// Rule 5: after a result that outlives the value by less than a second, no process calls the provider for a quarter of the
// remaining time, at least 1 s and at most 60 s.
func TestRuleGainedNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		end := time.Now().Add(time.Hour)
		w.source = func(ctx context.Context, n int) (stschain.Credentials, error) {
			creds := w.credentials(n)
			creds.Expires = end.Add(time.Duration(n) * 100 * time.Millisecond)
			return creds, nil
		}
		a, b := w.process(), w.process()
		w.get(a)
		after(50 * time.Minute)
		require.Equal(t, "ASIA2", w.get(a))
		require.Equal(t, "ASIA1", w.get(b))
		after(time.Minute - time.Millisecond)
		require.Equal(t, "ASIA1", w.get(b))
		after(time.Millisecond)
		require.Equal(t, "ASIA3", w.get(b))
		after(8*time.Minute + 58*time.Second) // 2 s are left
		w.get(a)
		after(time.Second - time.Millisecond)
		calls := w.called()
		w.get(b)
		require.Equal(t, calls, w.called())
	})
}

// Rule 6: if the provider fails, a valid value is returned, with an event. Without one there is an error. For the next 1 to 5 s no
// process calls the provider.
func TestRuleFailure(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		a := w.process()
		w.get(a)
		w.source = func(context.Context, int) (stschain.Credentials, error) {
			return stschain.Credentials{}, stschain.Permanent(errors.New("AccessDenied"))
		}
		after(50 * time.Minute)
		w.did()
		require.Equal(t, "ASIA1", w.get(a))
		_, events := w.did()
		require.Equal(t, []string{"refresh failed"}, events)
		for range 1000 {
			require.Equal(t, "ASIA1", w.get(w.process()))
		}
		require.Equal(t, 2, w.called())
		w.store.Flush()
		require.Equal(t, "ASIA1", w.get(a), "the process has it, though the store does not")

		after(10 * time.Minute)
		calls := w.called()
		require.ErrorIs(t, w.fails(a), stschain.ErrPermanent)
		began := time.Now()
		require.ErrorContains(t, w.fails(w.process()), "another process could not refresh the credentials")
		require.Zero(t, time.Since(began), "it neither waits nor calls")
		for time.Since(began) < 100*time.Second {
			err := w.fails(w.process())
			if !errors.Is(err, stschain.ErrPermanent) {
				require.ErrorContains(t, err, "another process could not refresh the credentials, and the next attempt is allowed in ")
			}
			after(10 * time.Millisecond)
		}
		require.Greater(t, w.called()-calls, 20)
		require.Less(t, w.called()-calls, 100)
	})
}

// Rule 6: the pause is 1 to 5 s, and 30 s after credentials that had expired when they came, since this clock may be wrong.
func TestRuleBackoff(t *testing.T) {
	for name, tt := range map[string]struct {
		random uint64
		creds  bool
		pause  time.Duration
	}{
		"the shortest": {0, false, time.Second},
		"the longest":  {uint64(4 * time.Second), false, 5 * time.Second},
		"expired":      {0, true, 30 * time.Second},
	} {
		bubble(t, func(t *testing.T, w *fleet) {
			w.source = func(_ context.Context, n int) (stschain.Credentials, error) {
				if creds := w.credentials(n); tt.creds {
					creds.Expires = time.Now()
					return creds, nil
				}
				return stschain.Credentials{}, errors.New("503")
			}
			p := w.process()
			p.SetRandom(func() uint64 { return tt.random })
			w.fails(p)
			after(tt.pause - 1)
			w.fails(w.process())
			require.Equal(t, 1, w.called(), name)
			after(1)
			w.fails(w.process())
			require.Equal(t, 2, w.called(), name)
		})
	}
}

// Rule 6: a refresh that needed a prompt does not pause those that may prompt.
func TestRulePrompt(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		w.source = func(ctx context.Context, n int) (stschain.Credentials, error) {
			if err := stschain.Prompt(ctx); err != nil {
				return stschain.Credentials{}, err
			}
			return w.credentials(n), nil
		}
		_, err := w.process().Retrieve(stschain.WithoutPrompt(t.Context()))
		require.ErrorIs(t, err, stschain.ErrPrompt)
		began := time.Now()
		require.Equal(t, "ASIA2", w.get(w.process()))
		require.Zero(t, time.Since(began))
	})
}

// Rule 7: a caller without credentials waits while other processes make progress. After Wait without progress it calls
// the provider.
func TestRuleWaiting(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		p := w.process()
		p.Wait, p.Spread = 3*time.Second, time.Nanosecond
		_, err := w.store.Lease(t.Context(), w.keyOf(p), "another", false, time.Hour) // that process gets nowhere
		require.NoError(t, err)
		began := time.Now()
		require.Equal(t, "ASIA1", w.get(p))
		require.InDelta(t, 3, time.Since(began).Seconds(), 0.5)
		require.Equal(t, "ASIA1", w.get(w.process()), "the result was saved")
	})
}

// Rule 7: another owner is progress, even if its lease ends earlier.
func TestRuleProgress(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		p := w.process()
		p.Wait, p.Spread = 3*time.Second, time.Nanosecond
		key := w.keyOf(p)
		lease := func(owner string, ttl time.Duration) {
			_, err := w.store.Lease(t.Context(), key, owner, false, ttl)
			require.NoError(t, err)
		}
		lease("first", time.Hour)
		began, done := time.Now(), make(chan string)
		go func() { done <- w.get(p) }()
		after(2 * time.Second)
		lease("first", 0)
		lease("second", 2*time.Second)
		require.Equal(t, "ASIA1", <-done)
		require.InDelta(t, 4.2, time.Since(began).Seconds(), 0.2)
	})
}

// Rule 7: after the wait that spreads direct calls, a process loads again.
func TestRuleDirect(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		p := w.process()
		p.Wait, p.Spread = 3*time.Second, 10*time.Second
		p.SetRandom(func() uint64 { return uint64(5 * time.Second) })
		key := w.keyOf(p)
		_, err := w.store.Lease(t.Context(), key, "another", false, time.Hour)
		require.NoError(t, err)
		began, done := time.Now(), make(chan string)
		go func() { done <- w.get(p) }()
		after(4 * time.Second)
		_, err = w.store.Lease(t.Context(), key, "another", false, 0)
		require.NoError(t, err)
		require.Equal(t, "ASIA1", w.get(w.process()))
		require.Equal(t, "ASIA1", <-done)
		require.Greater(t, time.Since(began), 7*time.Second)
		require.Equal(t, 1, w.called())
	})
}

// A direct call does not take the lease, which the next attempt of another process may get.
func TestRuleDirectHasNoLease(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		p := w.process()
		_, err := w.store.Lease(t.Context(), w.keyOf(p), "another", false, time.Hour)
		require.NoError(t, err)
		var ops []storetest.Operation
		w.source = func(_ context.Context, n int) (stschain.Credentials, error) {
			w.did()
			after(10 * time.Second)
			ops, _ = w.did()
			return w.credentials(n), nil
		}
		require.Equal(t, "ASIA1", w.get(p))
		require.Empty(t, ops)
	})
}

// keyOf returns the key of a role in the store.
func (w *fleet) keyOf(p *shared.Provider) (key string) {
	w.t.Helper()
	probe := &shared.Provider{Provider: p.Provider, Keys: p.Keys, NamingKey: p.NamingKey, Store: keySpy{p.Store, &key}}
	_, err := probe.Retrieve(w.t.Context())
	require.NoError(w.t, err)
	w.store.Flush()
	w.set(func() { w.calls = nil })
	return key
}

type keySpy struct {
	shared.Store
	key *string
}

func (s keySpy) Load(ctx context.Context, key string) (shared.Value, error) {
	*s.key = key
	return s.Store.Load(ctx, key)
}

// Rule 8: rejections and the expiry are looked at again when credentials are returned.
func TestRuleReturn(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		p := w.process()
		w.source = func(ctx context.Context, n int) (stschain.Credentials, error) {
			creds := w.credentials(n)
			p.Invalidate(creds)
			return creds, nil
		}
		require.ErrorContains(t, w.fails(p), "a service rejected ASIA1 while it was retrieved")

		w.source = nil
		p = w.process()
		w.store.Flush()
		w.fault = func(op storetest.Operation) storetest.Fault {
			if op == opSave {
				after(200 * time.Millisecond)
			}
			return storetest.None
		}
		w.life = 100 * time.Millisecond
		require.ErrorContains(t, w.fails(p), "while it was retrieved, by this machine's clock")
	})
}

// Rule 9: rejected credentials are dropped from the store if they are still there, but not before they are 30 s old. A
// process never takes back what it saw rejected.
func TestRuleRejection(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		a, b := w.process(), w.process()
		creds, err := a.Retrieve(t.Context())
		require.NoError(t, err)
		a.Invalidate(creds)
		require.ErrorContains(t, w.fails(a), "they are not replaced for another 30s")
		after(10 * time.Second)
		require.ErrorContains(t, w.fails(a), "they are not replaced for another 20s")
		after(20*time.Second - 1)
		w.fails(a)
		require.Equal(t, "ASIA1", w.get(b), "it was not rejected there")
		after(1)
		w.did()
		require.Equal(t, "ASIA2", w.get(a))
		ops, events := w.did()
		require.Equal(t, []storetest.Operation{opLoad, opRevoke, opLoad, opLease, opLoad, opSave}, ops)
		require.Equal(t, []string{"revoked", "refreshed"}, events)
		b.Invalidate(creds)
		require.Equal(t, "ASIA2", w.get(b), "another process had replaced it")
		require.Equal(t, 2, w.called())

		w.store.Replay(w.store.Keys()[0]) // the store's owner stores the rejected value again, as if it were new
		w.fails(a)
		after(30 * time.Second)
		require.Equal(t, "ASIA3", w.get(a))
	})
}

// Rule 9: services that reject everything cause one call in 30 s, of all processes.
func TestRuleRejectedForever(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		var processes []*shared.Provider
		for range 20 {
			processes = append(processes, w.process())
		}
		began := time.Now()
		for time.Since(began) < 10*time.Minute {
			for _, p := range processes {
				if creds, err := p.Retrieve(t.Context()); err == nil {
					p.Invalidate(creds)
				}
			}
			after(time.Second)
		}
		require.LessOrEqual(t, w.called(), 21)
		require.Greater(t, w.called(), 15)
	})
}

// Rule 9: a process does not go back to credentials that end more than a second before those that it has.
func TestRuleOlder(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		a := w.process()
		require.Equal(t, "ASIA1", w.get(a))
		after(50 * time.Minute)
		require.Equal(t, "ASIA2", w.get(a))
		w.store.Replay(w.store.Keys()[0]) // ASIA1, as if it were new
		require.Equal(t, "ASIA3", w.get(a))

		w.store.Flush()
		w.life = time.Hour - time.Second
		require.Equal(t, "ASIA4", w.get(w.process()))
		require.Equal(t, "ASIA4", w.get(a), "a second earlier is as good")

		w.store.Flush()
		w.life = time.Hour - 2*time.Second - 1
		require.Equal(t, "ASIA5", w.get(w.process()))
		w.life = 0
		require.Equal(t, "ASIA6", w.get(a), "more than a second is not")
	})
}
