package stschain_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// member is a provider with a name, and providers below it, as a test wants it.
type member struct {
	name        string
	below       []stschain.Provider
	interactive bool
	retrieve    func(context.Context) (stschain.Credentials, error) // nil: brings credentials

	mu    sync.Mutex
	calls int
}

func (m *member) String() string                 { return m.name }
func (m *member) Providers() []stschain.Provider { return m.below }
func (m *member) Interactive() bool              { return m.interactive }

func (m *member) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	m.mu.Lock()
	m.calls++
	m.mu.Unlock()
	if m.retrieve != nil {
		return m.retrieve(ctx)
	}
	creds := key(0, time.Hour)
	creds.AccessKeyID, creds.AccountID = "AKIA-"+m.name, "123456789012"
	return creds, nil
}

func (m *member) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls
}

func answers(err error) func(context.Context) (stschain.Credentials, error) {
	return func(context.Context) (stschain.Credentials, error) { return stschain.Credentials{}, err }
}

func hangs(ctx context.Context) (stschain.Credentials, error) {
	<-ctx.Done()
	return stschain.Credentials{}, ctx.Err()
}

var unavailable = answers(stschain.Unavailable("env: its variable is not set"))

// tree is what an explanation says, in short.
func tree(x stschain.Explanation) string {
	text := x.Provider + " " + x.Outcome.String()
	if len(x.Below) == 0 {
		return text
	}
	var below []string
	for _, b := range x.Below {
		below = append(below, tree(b))
	}
	return text + " [" + strings.Join(below, "; ") + "]"
}

// requireExplanation explains p, which must take this long.
func requireExplanation(t *testing.T, p stschain.Provider, want string, takes time.Duration) stschain.Explanation {
	t.Helper()
	start := time.Now()
	x := stschain.Explain(t.Context(), p)
	require.Equal(t, takes, time.Since(start))
	require.Equal(t, want, tree(x))
	return x
}

func TestExplainChain(t *testing.T) {
	for name, tt := range map[string]struct {
		second func(context.Context) (stschain.Credentials, error)
		want   string
		takes  time.Duration
		err    string // of the second
	}{
		"applied": {nil, "chain applied [first not applicable; second applied; third not asked]", 0, ""},
		"none":    {unavailable, "chain applied [first not applicable; second not applicable; third applied]", 0, "its variable is not set"},
		"failed":  {answers(errDown), "chain failed [first not applicable; second failed; third not asked]", 0, "the source is down"},
		"hangs": {hangs, "chain failed [first not applicable; second failed; third not asked]", 10 * time.Second,
			"stschain: second did not answer within 10s: context deadline exceeded"},
		"late, not absent": {func(ctx context.Context) (stschain.Credentials, error) { <-ctx.Done(); return unavailable(ctx) },
			"chain failed [first not applicable; second failed; third not asked]", 10 * time.Second, "did not answer within 10s"},
		"ignores its context": {func(context.Context) (stschain.Credentials, error) {
			<-time.After(time.Hour)
			return key(1, time.Hour), nil
		},
			"chain failed [first not applicable; second failed; third not asked]", 10*time.Second + 100*time.Millisecond, "did not answer within 10s"},
		"says where it was stuck": {func(ctx context.Context) (stschain.Credentials, error) {
			<-ctx.Done()
			return stschain.Credentials{}, fmt.Errorf("dialing 192.0.2.1: %w", ctx.Err())
		}, "chain failed [first not applicable; second failed; third not asked]", 10 * time.Second, "dialing 192.0.2.1: context deadline exceeded"},
		"empty answer": {answers(nil), "chain failed [first not applicable; second failed; third not asked]", 0, "answered with no credentials and no error"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, second, third := &member{name: "first", retrieve: unavailable}, &member{name: "second", retrieve: tt.second}, &member{name: "third"}
				x := requireExplanation(t, stschain.NewChain(first, second, third), tt.want, tt.takes)
				require.Equal(t, 1, first.count())
				require.Equal(t, 1, second.count())
				require.Equal(t, tt.takes, x.Below[1].Took)
				require.Zero(t, x.Took, "without what it asked")
				if tt.err != "" {
					require.ErrorContains(t, x.Below[1].Err, tt.err)
					require.Contains(t, x.String(), strings.TrimPrefix(tt.err, "stschain: second "))
				}
				require.Equal(t, x.Outcome == stschain.Applied, x.Err == nil)
				<-time.After(2 * time.Hour) // for those that are left behind
			})
		})
	}
}

// What an explanation found is what callers get from then on.
func TestExplainIsACallLikeOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here := false
		first := &member{name: "first", retrieve: func(ctx context.Context) (stschain.Credentials, error) {
			if !here {
				return unavailable(ctx)
			}
			return key(1, time.Hour), nil
		}}
		chain := stschain.NewChain(first, &member{name: "second"})
		requireExplanation(t, chain, "chain applied [first not applicable; second applied]", 0)
		here = true
		requireGet(t, chain, "AKIA-second")
		requireExplanation(t, chain, "chain applied [first not asked; second applied]", 0)
		require.Equal(t, 1, first.count())
	})
}

func TestExplainCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &member{name: "source"}
		c := &stschain.Cache{Provider: src}
		explain := func(want string, held bool, calls int) stschain.Explanation {
			t.Helper()
			x := requireExplanation(t, c, want, 0)
			require.Equal(t, held, x.Held)
			require.Equal(t, calls, src.count())
			require.Equal(t, c.Status(), *x.Cache)
			synctest.Wait()
			return x
		}
		x := explain("source applied", false, 1)
		require.Equal(t, "AKIA-source", x.AccessKeyID)
		requireGet(t, c, "AKIA-source")
		require.Equal(t, stschain.Fresh, x.Cache.Phase)
		explain("source applied", true, 1)

		pass(55 * time.Minute) // advisory: an explanation starts no refresh
		require.Equal(t, stschain.Advisory, explain("source applied", true, 1).Cache.Phase)
		src.retrieve = answers(errDown)
		mustGet(t, c)
		synctest.Wait()
		x = explain("source applied", true, 2)
		require.ErrorIs(t, x.Cache.Err, errDown)
		require.Regexp(t, `^applied         source: AKIA-source of account 123456789012, expires at \S+ \(in 5m0s\), held, advisory, last refresh failed: the source is down, next try in \S+s\n$`, x.String())

		pass(6 * time.Minute) // expired
		_, err := c.Retrieve(t.Context())
		require.ErrorIs(t, err, errDown)
		x = explain("source failed", true, src.count())
		require.ErrorIs(t, x.Err, errDown)
		require.Regexp(t, `^failed          source: the source is down, next try in \S+s\n$`, x.String())

		pass(time.Minute) // a failure of an explanation leaves the cache as it was
		before, calls := c.Status(), src.count()
		x = explain("source failed", false, calls+1)
		require.Equal(t, before, *x.Cache)

		src.retrieve = nil
		explain("source applied", false, calls+2)
		explain("source applied", true, calls+2)
		pass(59*time.Minute + 30*time.Second) // mandatory: callers would wait, and have what is held
		require.Equal(t, stschain.Mandatory, explain("source applied", true, calls+2).Cache.Phase)
		c.Invalidate(stschain.Credentials{AccessKeyID: "AKIA-source"})
		pass(10 * time.Second)
		x = explain("source applied", false, calls+3) // as callers get them too
		require.True(t, x.Cache.Rejected)
		require.Contains(t, x.String(), "rejected by a service, last refresh failed: stschain: source answered with AKIA-source again")
	})
}

// Every leaf is asked once, also where several ask it, and its answer reaches them through
// their caches.
func TestExplainAsksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := &member{name: "base"}
		needs := func(name string, below ...stschain.Provider) *member {
			return &member{name: name, below: below, retrieve: func(ctx context.Context) (stschain.Credentials, error) {
				for _, b := range below {
					if creds, err := b.Retrieve(ctx); err != nil {
						return creds, err
					}
				}
				creds := key(0, time.Hour)
				creds.AccessKeyID = "ASIA-" + name
				return creds, nil
			}}
		}
		landing := needs("landing", stschain.Cached(base))
		target := needs("target", stschain.Cached(landing), &stschain.Cache{Provider: base})
		x := requireExplanation(t, stschain.NewChain(target), "chain applied [target applied [landing applied [base applied]; base applied]]", 0)
		for _, m := range []*member{base, landing, target} {
			require.Equal(t, 1, m.count(), m.name)
		}
		require.True(t, x.Below[0].Below[1].Again)
		require.Equal(t, "ASIA-target", x.AccessKeyID)
		require.Equal(t, "AKIA-base", x.Below[0].Below[1].AccessKeyID)

		// A role whose base is not there failed, though it is not its fault.
		missing := needs("role", stschain.Cached(&member{name: "nothing", retrieve: unavailable}))
		x = requireExplanation(t, stschain.NewChain(missing, base), "chain failed [role failed [nothing not applicable]; base not asked]", 0)
		require.False(t, stschain.IsUnavailable(x.Err))
		require.Zero(t, missing.count())
	})
}

func TestExplainAsksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := &member{name: "base"}
		mfa := &member{name: "mfa", interactive: true, below: []stschain.Provider{stschain.Cached(base)}}
		asks := &member{name: "asks"}
		for _, tt := range []struct {
			p    stschain.Provider
			want string
		}{
			{mfa, "mfa would prompt [base applied]"},
			{stschain.Cached(mfa), "mfa would prompt [base applied]"},
			{&stschain.Cache{Provider: asks, Interactive: true}, "asks would prompt"},
			{stschain.NewChain(stschain.Cached(mfa), base), "chain would prompt [mfa would prompt [base applied]; base not asked]"},
			{&member{name: "role", below: []stschain.Provider{stschain.Cached(mfa)}}, "role would prompt [mfa would prompt [base applied]]"},
		} {
			x := requireExplanation(t, tt.p, tt.want, 0)
			require.ErrorContains(t, x.Err, "asks a person, which an explanation does not")
		}
		require.Zero(t, mfa.count()+asks.count())

		held := &stschain.Cache{Provider: asks, Interactive: true}
		mustGet(t, held)
		requireExplanation(t, held, "asks applied", 0)
	})
}

// Explanations and calls at once: under the race detector.
func TestExplainAmongCallers(t *testing.T) {
	src := &member{name: "source"}
	c := &stschain.Cache{Provider: stschain.NewChain(notHere, src)}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { c.Retrieve(t.Context()) })
		all.Go(func() {
			if x := stschain.Explain(t.Context(), c); x.Outcome != stschain.Applied {
				t.Error(x)
			}
		})
	}
	all.Wait()
	got, _ := mustGet(t, c)
	require.Equal(t, "AKIA-source", got)
}
