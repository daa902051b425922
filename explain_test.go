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

// member is a provider with a name that retrieves from those below it first.
type member struct {
	name     string
	below    []stschain.Provider
	prompts  bool
	retrieve func(context.Context) (stschain.Credentials, error) // nil: returns credentials

	mu    sync.Mutex
	calls int
}

func (m *member) String() string                 { return m.name }
func (m *member) Providers() []stschain.Provider { return m.below }

func (m *member) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	m.mu.Lock()
	m.calls++
	m.mu.Unlock()
	for _, b := range m.below {
		if _, err := b.Retrieve(ctx); err != nil {
			return stschain.Credentials{}, fmt.Errorf("%s: %w", m.name, err)
		}
	}
	if m.prompts {
		if err := stschain.Prompt(ctx); err != nil {
			return stschain.Credentials{}, err
		}
	}
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

func returns(err error) func(context.Context) (stschain.Credentials, error) {
	return func(context.Context) (stschain.Credentials, error) { return stschain.Credentials{}, err }
}

func hangs(ctx context.Context) (stschain.Credentials, error) {
	<-ctx.Done()
	return stschain.Credentials{}, ctx.Err()
}

// ignoresContext returns long after its context ended.
func ignoresContext(context.Context) (stschain.Credentials, error) {
	<-time.After(time.Hour)
	return key(1, time.Hour), nil
}

var unavailable = returns(stschain.Unavailable("its variable is not set"))

// tree is an explanation in short.
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
		"succeeds":    {nil, "chain succeeded [first not configured; second succeeded; third not called]", 0, ""},
		"unavailable": {unavailable, "chain succeeded [first not configured; second not configured; third succeeded]", 0, "its variable is not set"},
		"fails":       {returns(errDown), "chain failed [first not configured; second failed; third not called]", 0, "the source is down"},
		"hangs":       {hangs, "chain failed [first not configured; second failed; third not called]", time.Minute, "context deadline exceeded"},
		"late, not absent": {func(ctx context.Context) (stschain.Credentials, error) { <-ctx.Done(); return unavailable(ctx) },
			"chain failed [first not configured; second failed; third not called]", time.Minute, "context deadline exceeded"},
		"ignores its context": {ignoresContext, "chain failed [first not configured; second failed; third not called]", time.Minute + 100*time.Millisecond, "the provider has not returned"},
		"says where it was stuck": {func(ctx context.Context) (stschain.Credentials, error) {
			<-ctx.Done()
			return stschain.Credentials{}, fmt.Errorf("dialing 192.0.2.1: %w", ctx.Err())
		}, "chain failed [first not configured; second failed; third not called]", time.Minute, "dialing 192.0.2.1: context deadline exceeded"},
		"returns nothing": {returns(nil), "chain failed [first not configured; second failed; third not called]", 0, "no credentials and no error"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, second, third := &member{name: "first", retrieve: unavailable}, &member{name: "second", retrieve: tt.second}, &member{name: "third"}
				x := requireExplanation(t, stschain.NewChain(first, second, third), tt.want, tt.takes)
				require.Equal(t, 1, first.count())
				require.Equal(t, 1, second.count())
				if tt.err != "" {
					require.ErrorContains(t, x.Below[1].Err, tt.err)
					require.Contains(t, x.String(), tt.err)
				}
				require.Equal(t, x.Outcome == stschain.Succeeded, x.Err == nil)
				<-time.After(2 * time.Hour) // for those that are left behind
			})
		})
	}
}

// Explain pins a chain, as any call does.
func TestExplainIsAnOrdinaryCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		configured := false
		first := &member{name: "first", retrieve: func(ctx context.Context) (stschain.Credentials, error) {
			if !configured {
				return unavailable(ctx)
			}
			return key(1, time.Hour), nil
		}}
		chain := stschain.NewChain(first, &member{name: "second"})
		requireExplanation(t, chain, "chain succeeded [first not configured; second succeeded]", 0)
		configured = true
		requireGet(t, chain, "AKIA-second")
		requireExplanation(t, chain, "chain succeeded [first not called; second succeeded]", 0)
		require.Equal(t, 1, first.count())
	})
}

func TestExplainCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &member{name: "source"}
		c := noJitter(&stschain.Cache{Provider: src})
		explain := func(want string, cached bool, calls int) stschain.Explanation {
			t.Helper()
			x := requireExplanation(t, c, want, 0)
			synctest.Wait()
			require.Equal(t, cached, x.Cached)
			require.Equal(t, calls, src.count())
			return x
		}
		x := explain("source succeeded", false, 1)
		require.Equal(t, "AKIA-source", x.AccessKeyID)
		require.Equal(t, stschain.Fresh, x.Cache.Phase)
		explain("source succeeded", true, 1)

		pass(55 * time.Minute) // advisory: it begins a refresh in the background, as any call does
		src.retrieve = returns(errDown)
		require.Equal(t, stschain.Advisory, explain("source succeeded", true, 2).Cache.Phase)
		x = explain("source succeeded", true, 2)
		require.ErrorIs(t, x.Cache.Err, errDown)
		require.Regexp(t, `^succeeded       source: AKIA-source of account 123456789012, expires at \S+ \(in 5m0s\), cached, advisory, last refresh failed: the source is down, next attempt in 2m0s\n$`, x.String())

		pass(6 * time.Minute) // expired
		x = explain("source failed", false, 3)
		require.ErrorIs(t, x.Err, errDown)
		pass(100 * time.Millisecond)
		x = explain("source failed", true, 3) // remembered
		require.Equal(t, "failed          source: the source is down, next attempt in 900ms\n", x.String())

		pass(time.Minute)
		src.retrieve = nil
		explain("source succeeded", false, 4)
		pass(time.Minute)
		c.Invalidate(stschain.Credentials{AccessKeyID: "AKIA-source"})
		x = explain("source succeeded", false, 5) // with the rejected ones, as other callers
		require.True(t, x.Cache.Rejected)
		require.Contains(t, x.String(), "rejected by a service, last refresh failed: stschain: source returned AKIA-source again")
	})
}

// Cached means that the result was in the cache, not only that there is one.
func TestExplainCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &member{name: "source", retrieve: returns(nil)}
		c := noJitter(&stschain.Cache{Provider: src, Timeout: 10 * time.Second})
		requireCached := func(cached bool, want string, takes time.Duration) {
			t.Helper()
			x := requireExplanation(t, c, want, takes)
			require.Equal(t, cached, x.Cached)
			require.False(t, x.Joined)
			synctest.Wait()
		}
		src.retrieve = func(context.Context) (stschain.Credentials, error) { return key(0, -time.Hour), nil }
		requireCached(false, "source failed", 0)
		requireCached(true, "source failed", 0) // the error
		pass(time.Minute)
		src.retrieve = ignoresContext
		requireCached(false, "source failed", 10*time.Second+100*time.Millisecond)
		pass(time.Hour)
		src.retrieve = nil
		requireCached(false, "source succeeded", 0)
		pass(59 * time.Minute) // mandatory: it waits for a refresh
		src.retrieve = hangs
		requireCached(true, "source succeeded", 5*time.Second)
		pass(time.Hour)
	})
}

// The tree shows calls through caches, and each provider is called once.
func TestExplainTree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := &member{name: "base"}
		landing := &member{name: "landing", below: []stschain.Provider{stschain.Cached(base)}}
		unused := stschain.Cached(&member{name: "unused"})
		target := &member{name: "target", below: []stschain.Provider{stschain.Cached(landing), stschain.Cached(landing)}}
		top := stschain.NewChain(target, unused)
		x := requireExplanation(t, top, "chain succeeded [target succeeded [landing succeeded [base succeeded]; landing succeeded [base not called]]; unused not called]", 0)
		require.Equal(t, "AKIA-target", x.AccessKeyID)
		require.Contains(t, x.String(), "base: has AKIA-base, fresh") // landing calls it without a Step
		require.Equal(t, stschain.Empty, x.Below[1].Cache.Phase)
		require.Equal(t, 1, base.count())

		missing := &member{name: "role", below: []stschain.Provider{stschain.Cached(&member{name: "nothing", retrieve: unavailable})}}
		x = requireExplanation(t, stschain.NewChain(missing, base), "chain failed [role failed [nothing not configured]; base not called]", 0)
		require.False(t, stschain.IsUnavailable(x.Err))
	})
}

func TestExplainDoesNotPrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := &member{name: "base"}
		mfa := &member{name: "mfa", prompts: true, below: []stschain.Provider{stschain.Cached(base)}}
		for _, tt := range []struct {
			p    stschain.Provider
			want string
		}{
			{mfa, "mfa needs prompt [base succeeded]"},
			{stschain.Cached(mfa), "mfa needs prompt [base succeeded]"},
			{stschain.NewChain(stschain.Cached(mfa), base), "chain needs prompt [mfa needs prompt [base not called]; base not called]"},
		} {
			x := stschain.Explain(t.Context(), tt.p)
			require.Equal(t, tt.want[:12], tree(x)[:12])
			require.ErrorIs(t, x.Err, stschain.ErrPrompt)
		}
		cached := &stschain.Cache{Provider: mfa}
		mustGet(t, cached)
		requireExplanation(t, cached, "mfa succeeded [base not called]", 0)
	})
}

func TestExplainJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &member{name: "slow", retrieve: func(context.Context) (stschain.Credentials, error) {
			<-time.After(2 * time.Second)
			return key(1, time.Hour), nil
		}}
		c := &stschain.Cache{Provider: slow}
		go c.Retrieve(t.Context())
		synctest.Wait()
		x := requireExplanation(t, c, "slow succeeded", 2*time.Second)
		require.True(t, x.Joined)
		require.Contains(t, x.String(), "joined the refresh of another caller")
		require.Equal(t, 1, slow.count())
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
			if x := stschain.Explain(t.Context(), c); x.Outcome != stschain.Succeeded {
				t.Error(x)
			}
		})
	}
	all.Wait()
	got, _ := mustGet(t, c)
	require.Equal(t, "AKIA-source", got)
}
