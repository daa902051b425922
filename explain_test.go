package stschain_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/canary"
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

var unavailable = answers(fmt.Errorf("other: %w: its variable is not set", stschain.ErrUnavailable))

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
		require.NotErrorIs(t, x.Err, stschain.ErrUnavailable)
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
			require.ErrorContains(t, x.Err, "asks a person")
		}
		require.Zero(t, mfa.count()+asks.count())

		held := &stschain.Cache{Provider: asks, Interactive: true}
		mustGet(t, held)
		requireExplanation(t, held, "asks applied", 0)
	})
}

func TestExplainCircles(t *testing.T) {
	a, b := &member{name: "a"}, &member{name: "b"}
	a.below, b.below = []stschain.Provider{b}, []stschain.Provider{stschain.Cached(a)}
	self := &member{name: "self"}
	self.below = []stschain.Provider{stschain.Static("A", "s", ""), self}
	back := new(detour)
	back.to = stschain.NewChain(&member{name: "first", retrieve: unavailable}, back)
	for _, tt := range []struct {
		p         stschain.Provider
		want, err string
	}{
		{a, "a failed [b failed [a failed]]", "circle: a -> b -> a"},
		{stschain.Cached(b), "b failed [a failed [b failed]]", "circle: b -> a -> b"},
		{self, "self failed [static applied; self failed]", "circle: self"},
		{back.to, "chain failed [first not applicable; detour failed [chain failed]]", "circle: chain -> detour -> chain"},
	} {
		x := stschain.Explain(t.Context(), tt.p)
		require.Equal(t, tt.want, tree(x))
		require.ErrorContains(t, x.Err, tt.err)
	}
	for _, m := range []*member{a, b, self} {
		require.Zero(t, m.count(), "it would ask itself without an end")
	}
}

// detour passes on what another provider answers.
type detour struct{ to stschain.Provider }

func (d *detour) String() string                 { return "detour" }
func (d *detour) Providers() []stschain.Provider { return []stschain.Provider{d.to} }
func (d *detour) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	return d.RetrieveVia(ctx, stschain.Provider.Retrieve)
}
func (d *detour) RetrieveVia(ctx context.Context, ask stschain.Ask) (stschain.Credentials, error) {
	return ask(d.to, ctx)
}

// endless makes new providers each time it is looked at.
type endless struct{ width int }

func (e *endless) Retrieve(context.Context) (stschain.Credentials, error) {
	return key(1, time.Hour), nil
}

func (e *endless) Providers() []stschain.Provider {
	var below []stschain.Provider
	for range e.width {
		below = append(below, &endless{e.width})
	}
	return below
}

func TestExplainBounds(t *testing.T) {
	for width := 1; width <= 3; width++ {
		x := stschain.Explain(t.Context(), &endless{width})
		require.Equal(t, stschain.Failed, x.Outcome)
		text := x.String()
		require.Contains(t, text, "providers")
		require.Less(t, strings.Count(text, "\n"), 400)
	}
	synctest.Test(t, func(t *testing.T) { // a minute for all, or less
		all := &member{name: "all"}
		for i := range 20 {
			all.below = append(all.below, &member{name: fmt.Sprint(i), retrieve: hangs})
		}
		start := time.Now()
		x := stschain.Explain(t.Context(), all)
		require.Equal(t, time.Minute, time.Since(start))
		require.Equal(t, stschain.Failed, x.Below[5].Outcome)
		require.Equal(t, stschain.NotAsked, x.Below[7].Outcome)
		require.ErrorContains(t, x.Below[7].Err, "no time left")

		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start = time.Now()
		x = stschain.Explain(ctx, stschain.NewChain(all.below[0], all.below[1]))
		require.Equal(t, 3*time.Second, time.Since(start))
		require.Equal(t, "chain failed [0 failed; 1 not asked]", tree(x))
		require.ErrorContains(t, x.Below[0].Err, "did not answer within 3s")

		cancel()
		require.Equal(t, "all not asked", tree(stschain.Explain(ctx, all)))
	})
}

// rude does what no provider should, in the method of a name.
type rude struct {
	method string
	do     func()
}

func (r *rude) in(method string) {
	if r.method == method {
		r.do()
	}
}

func (r *rude) String() string                 { r.in("String"); return "rude" }
func (r *rude) Providers() []stschain.Provider { r.in("Providers"); return nil }
func (r *rude) Interactive() bool              { r.in("Interactive"); return false }
func (r *rude) Retrieve(context.Context) (stschain.Credentials, error) {
	r.in("Retrieve")
	return key(1, time.Hour), nil
}

// asking is rude as a Delegator.
type asking struct{ rude }

func (r *asking) RetrieveVia(ctx context.Context, ask stschain.Ask) (stschain.Credentials, error) {
	creds, err := ask(stschain.Static("A", "s", ""), ctx)
	r.in("RetrieveVia")
	return creds, err
}

func TestExplainSurvives(t *testing.T) {
	for does, do := range map[string]func(){
		"panics": func() { panic("oops") },
		"exits":  runtime.Goexit,
		"hangs":  func() { <-time.After(time.Hour) },
	} {
		for _, method := range []string{"String", "Providers", "Interactive", "Retrieve", "RetrieveVia"} {
			t.Run(does+" in "+method, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					start := time.Now()
					providers := []stschain.Provider{&rude{method, do}, &asking{rude{method, do}}, stschain.NewChain(&rude{method, do})}
					if does+method != "hangsString" { // it would under the lock of the cache, and virtual time waits for no lock
						providers = append(providers, &stschain.Cache{Provider: &rude{method, do}})
					}
					for _, p := range providers {
						x := stschain.Explain(t.Context(), p)
						require.NotEmpty(t, x.String())
						if _, delegates := p.(*asking); delegates == (method == "RetrieveVia") && (method == "Retrieve" || method == "RetrieveVia") {
							require.Equal(t, stschain.Failed, x.Outcome)
						}
					}
					require.Less(t, time.Since(start), time.Minute)
					<-time.After(3 * time.Hour)
				})
			})
		}
	}
}

func TestExplainNil(t *testing.T) {
	for _, p := range []stschain.Provider{
		nil, stschain.ProviderFunc(nil), (*stschain.Cache)(nil), &stschain.Cache{}, (*stschain.Chain)(nil), (*nameless)(nil), (*member)(nil),
		stschain.NewChain(nil), stschain.NewChain((*stschain.Cache)(nil)), stschain.Cached((*nameless)(nil)), &stschain.Cache{Provider: (*stschain.Cache)(nil)},
	} {
		x := stschain.Explain(t.Context(), p)
		require.Equal(t, stschain.Failed, x.Outcome, "%T", p)
		require.Error(t, x.Err, "%T", p)
		require.NotEmpty(t, x.String(), "%T", p)
		_, err := json.Marshal(x)
		require.NoError(t, err)
	}
	require.Equal(t, "chain not applicable", tree(stschain.Explain(t.Context(), &stschain.Chain{})))
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

func TestExplanationText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &member{name: "assumerole arn:aws:iam::123456789012:role/backup"}
		slow.retrieve = func(context.Context) (stschain.Credentials, error) {
			<-time.After(312 * time.Millisecond)
			creds := key(0, time.Hour)
			creds.AccessKeyID, creds.AccountID, creds.Source = "ASIAROLE", "123456789012", slow.name
			return creds, nil
		}
		slow.below = []stschain.Provider{stschain.Cached(stschain.Static("AKIABASE", "s", ""))}
		chain := stschain.NewChain(&member{name: "env", retrieve: unavailable}, slow, &member{name: "imds\x1b[31m"})
		x := stschain.Explain(t.Context(), chain)
		require.Equal(t, `applied         chain
not applicable    env: its variable is not set
applied           assumerole arn:aws:iam::123456789012:role/backup: ASIAROLE of account 123456789012, expires at 2000-01-01T01:00:00Z (in 1h0m0s), took 312ms
applied             static: AKIABASE, no expiry
not asked         imds�[31m
`, x.String())
		text, err := json.Marshal(x.Below[1])
		require.NoError(t, err)
		require.JSONEq(t, `{
			"provider": "assumerole arn:aws:iam::123456789012:role/backup", "outcome": "applied", "tookMs": 312,
			"credentials": {"accessKeyId": "ASIAROLE", "accountId": "123456789012", "source": "assumerole arn:aws:iam::123456789012:role/backup", "expires": "2000-01-01T01:00:00.312Z"},
			"below": [{"provider": "static", "outcome": "applied", "tookMs": 0,
				"credentials": {"accessKeyId": "AKIABASE", "source": "static"},
				"cache": {"phase": "fresh", "next": "2000-01-01T00:15:00Z", "tries": 1, "failures": 0, "waits": 0}}]
		}`, string(text))

		multi := stschain.Explain(t.Context(), &member{name: "x", retrieve: answers(errors.New("one\n  two\r\nthree\ta"))})
		require.Equal(t, "failed          x: one;   two; three a\n", multi.String())
		old := key(1, -time.Hour)
		require.Contains(t, stschain.Explain(t.Context(), stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return old, nil })).String(), "EXPIRED at 1999-12-31T23:00:00Z")
		far := key(1, 0)
		far.Expires = time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC)
		_, err = json.Marshal(stschain.Explain(t.Context(), stschain.Cached(stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return far, nil }))))
		require.NoError(t, err)
	})
}

// bitter is an error that cannot be compared, and whose text panics.
type bitter struct{ parts []any }

func (b bitter) Error() string { panic(b.parts) }

func TestExplanationOfUnpleasantErrors(t *testing.T) {
	x := stschain.Explain(t.Context(), stschain.NewChain(&member{name: "x", retrieve: answers(bitter{[]any{1}})}))
	require.Equal(t, "chain failed [x failed]", tree(x))
	require.Contains(t, x.String(), "PANIC=")
	_, err := json.Marshal(x)
	require.NoError(t, err)
}

// No explanation shows a secret, whatever state it tells of.
func TestExplainCanary(t *testing.T) { synctest.Test(t, testExplainCanary) }

func testExplainCanary(t *testing.T) {
	const secret = "Canary/secret+key=4711"
	creds := stschain.Credentials{
		AccessKeyID: "AKIDEXAMPLE", AccountID: "123456789012", Source: "test", Expires: time.Now().Add(time.Hour),
		SecretAccessKey: stschain.NewSecret(secret), SessionToken: stschain.NewSecret(secret),
	}
	brings := func(context.Context) (stschain.Credentials, error) { return creds, nil }
	with := func(change func(*stschain.Credentials)) func(context.Context) (stschain.Credentials, error) {
		c := creds
		change(&c)
		return func(context.Context) (stschain.Credentials, error) { return c, nil }
	}
	seen := map[stschain.Outcome]bool{}
	for _, retrieve := range []func(context.Context) (stschain.Credentials, error){
		brings, unavailable, answers(errDown), answers(errRefused), hangs,
		with(func(c *stschain.Credentials) { c.AccessKeyID = "" }),
		with(func(c *stschain.Credentials) { c.SecretAccessKey = stschain.Secret{} }),
		with(func(c *stschain.Credentials) { c.Expires = time.Unix(1, 0) }),
		func(context.Context) (stschain.Credentials, error) { return creds, errDown },
		func(context.Context) (stschain.Credentials, error) { panic(creds) },
		func(context.Context) (stschain.Credentials, error) { panic(fmt.Sprintf("%+v", creds)) },
	} {
		for _, interactive := range []bool{false, true} {
			leaf := &member{name: "leaf", retrieve: retrieve, interactive: interactive}
			cache := stschain.Cached(leaf)
			role := &member{name: "role", retrieve: brings, below: []stschain.Provider{cache}}
			chain := stschain.NewChain(&member{name: "none", retrieve: unavailable}, cache, role, stschain.Static("AKID", secret, secret))
			for _, p := range []stschain.Provider{leaf, chain, cache} {
				x := stschain.Explain(t.Context(), p)
				seen[x.Outcome] = true
				for _, b := range x.Below {
					seen[b.Outcome] = true
				}
				canary.Check(t, secret, x)
			}
			cache.Invalidate(creds)
			canary.Check(t, secret, stschain.Explain(t.Context(), cache), stschain.Explain(t.Context(), role).Err)
		}
	}
	for _, o := range []stschain.Outcome{stschain.NotAsked, stschain.Applied, stschain.NotApplicable, stschain.Failed, stschain.WouldPrompt} {
		require.True(t, seen[o], o)
	}
	require.Equal(t, "Outcome(99)", stschain.Outcome(99).String())
}
