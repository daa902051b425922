package stschain_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

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
	return d.RetrieveVia(ctx, func(ctx context.Context, p stschain.Provider) (stschain.Credentials, error) { return p.Retrieve(ctx) })
}
func (d *detour) RetrieveVia(ctx context.Context, ask stschain.Ask) (stschain.Credentials, error) {
	return ask(ctx, d.to)
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
	creds, err := ask(ctx, stschain.Static("A", "s", ""))
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

// bitter is an error that cannot be compared, and whose text panics.
type bitter struct{ parts []any }

func (b bitter) Error() string { panic(b.parts) }

func TestExplanationOfUnpleasantErrors(t *testing.T) {
	for _, err := range []error{bitter{[]any{1}}, sour{}, fmt.Errorf("both: %w, %w", bitter{}, sour{})} {
		x := stschain.Explain(t.Context(), stschain.NewChain(&member{name: "x", retrieve: answers(err)}))
		require.Equal(t, "chain failed [x failed]", tree(x))
		require.Contains(t, x.String(), "PANIC=")
		_, err := json.Marshal(x)
		require.NoError(t, err)
	}
}

// sour is an error that panics on being looked into.
type sour struct{}

func (sour) Error() string { panic("sour") }
func (sour) Is(error) bool { panic("sour") }

// However many hang in methods that do no work, it ends.
func TestExplainOfManyThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := &member{name: "all"}
		for range 300 {
			all.below = append(all.below, &rude{"String", func() { <-time.After(time.Hour) }})
		}
		start := time.Now()
		x := stschain.Explain(t.Context(), all)
		require.Equal(t, 256, len(x.Below))
		require.Equal(t, "*stschain_test.rude", x.Below[0].Provider)
		require.Less(t, time.Since(start), 65*time.Second)
		<-time.After(2 * time.Hour)
	})
}

// A chain that runs out of time tells where.
func TestExplainOutOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ignores := &member{name: "ignores", retrieve: func(context.Context) (stschain.Credentials, error) {
			<-time.After(time.Hour)
			return key(1, time.Hour), nil
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		x := stschain.Explain(ctx, stschain.NewChain(stschain.NewChain(ignores), &member{name: "second"}))
		require.Less(t, time.Since(start), 2*time.Second)
		require.Equal(t, "chain failed [chain failed [ignores failed]; second not asked]", tree(x))
		<-time.After(2 * time.Hour)
	})
}
