package stschain_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

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

// An explanation has 64 levels below the first line, and 256 lines.
func TestExplainBounds(t *testing.T) {
	for name, tt := range map[string]struct {
		p    stschain.Provider
		want int
	}{
		"deep":           {&endless{1}, 65},
		"deep in calls":  {stschain.NewChain(stschain.NewChain(&endless{1})), 65},
		"deep, unlisted": {&leaf{"role", calls(&leaf{"base", calls(&endless{1})})}, 65},
		"wide":           {&endless{2}, 256},
		"wider":          {&endless{3}, 256},
	} {
		x := stschain.Explain(t.Context(), tt.p)
		require.Equal(t, stschain.Succeeded, x.Outcome)
		require.Equal(t, tt.want, strings.Count(x.String(), "\n"), name)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		x := stschain.Explain(ctx, stschain.NewChain(&member{name: "0", retrieve: hangs}, &member{name: "1"}))
		require.Equal(t, 3*time.Second, time.Since(start))
		require.Equal(t, "chain failed [0 failed; 1 not called]", tree(x))
	})
}

// Caches in caches are reported in one line, up to 63.
func TestExplainCachesInCaches(t *testing.T) {
	for caches, lines := range map[int]int{0: 1, 1: 1, 2: 1, 63: 1, 64: 2} {
		p := stschain.Provider(&member{name: "base"})
		for range caches {
			p = &stschain.Cache{Provider: p}
		}
		x := stschain.Explain(t.Context(), p)
		require.Equal(t, stschain.Succeeded, x.Outcome)
		require.Equal(t, lines, strings.Count(x.String(), "\n"), caches)
	}
	c := &stschain.Cache{}
	c.Provider = &member{name: "cycle", below: []stschain.Provider{c}}
	x := stschain.Explain(t.Context(), c)
	require.Equal(t, stschain.Failed, x.Outcome)
	require.Less(t, strings.Count(x.String(), "\n"), 66)
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
func (r *rude) Retrieve(context.Context) (stschain.Credentials, error) {
	r.in("Retrieve")
	return key(1, time.Hour), nil
}

func TestExplainSurvives(t *testing.T) {
	for does, do := range map[string]func(){
		"panics": func() { panic("oops") },
		"exits":  runtime.Goexit,
		"hangs":  func() { <-time.After(time.Hour) },
	} {
		for _, method := range []string{"String", "Providers", "Retrieve"} {
			t.Run(does+" in "+method, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					for _, p := range []stschain.Provider{&rude{method, do}, stschain.NewChain(&rude{method, do}), &stschain.Cache{Provider: &rude{method, do}}} {
						start := time.Now()
						x := stschain.Explain(t.Context(), p)
						require.NotEmpty(t, x.String())
						if method == "Retrieve" {
							require.Equal(t, stschain.Failed, x.Outcome)
						}
						require.Less(t, time.Since(start), 65*time.Second)
					}
					<-time.After(3 * time.Hour)
				})
			})
		}
	}
}

// String and Providers have a second for all providers, and are given up on 100 ms later. The context of the call ends with it.
func TestExplainContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func() { <-time.After(time.Hour) }
		requireExplanation(t, &rude{"Providers", hang}, "rude succeeded", 1100*time.Millisecond)
		requireExplanation(t, stschain.NewChain(&rude{"Providers", hang}, &rude{"Providers", hang}), "chain succeeded [rude succeeded; rude not called]", 1200*time.Millisecond)

		var ctx context.Context
		x := stschain.Explain(t.Context(), &leaf{"base", func(c context.Context) (stschain.Credentials, error) {
			require.NoError(t, c.Err())
			ctx = c
			return key(1, time.Hour), nil
		}})
		require.Equal(t, stschain.Succeeded, x.Outcome)
		require.ErrorIs(t, ctx.Err(), context.Canceled)
		<-time.After(2 * time.Hour)
	})
}

// The error says why Explain did not wait any longer for a provider that ignores its context, or has crashed.
func TestExplainErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := errors.New("the program ends")
		canceled, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(stop) })
		x := stschain.Explain(canceled, &leaf{"stuck", ignoresContext})
		require.EqualError(t, x.Err, "stschain: no result in time: context canceled: the program ends")
		require.ErrorIs(t, x.Err, stop)
		require.Equal(t, "failed          stuck: stschain: no result in time: context canceled: the program ends\n", x.String())

		x = stschain.Explain(t.Context(), &leaf{"stuck", ignoresContext})
		require.EqualError(t, x.Err, "stschain: no result in time: context deadline exceeded")

		x = stschain.Explain(t.Context(), &leaf{"crash", func(context.Context) (stschain.Credentials, error) { panic("oops") }})
		require.ErrorContains(t, x.Err, "stschain: *stschain_test.leaf panicked at ")
		require.ErrorContains(t, x.Err, ": oops")
		<-time.After(2 * time.Hour)
	})
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
	require.Equal(t, "chain not configured", tree(stschain.Explain(t.Context(), &stschain.Chain{})))
}

// bitter is an error that cannot be compared, and whose text panics.
type bitter struct{ parts []any }

func (b bitter) Error() string { panic(b.parts) }

// sour is an error that panics on being looked into.
type sour struct{}

func (sour) Error() string { panic("sour") }
func (sour) Is(error) bool { panic("sour") }

func TestExplanationOfErrorsThatPanic(t *testing.T) {
	for _, err := range []error{bitter{[]any{1}}, sour{}, fmt.Errorf("both: %w, %w", bitter{}, sour{})} {
		x := stschain.Explain(t.Context(), stschain.NewChain(&member{name: "x", retrieve: returns(err)}))
		require.Equal(t, "chain failed [x failed]", tree(x))
		require.Contains(t, x.String(), "PANIC=")
		_, err := json.Marshal(x)
		require.NoError(t, err)
	}
}
