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

type depthKey struct{}

// recorder records the steps of a call, indented by depth.
type recorder struct {
	mu    sync.Mutex
	lines []string
	steps []stschain.Step
}

func (r *recorder) trace() *stschain.Trace {
	return &stschain.Trace{
		Begin: func(ctx context.Context, s stschain.Step) context.Context {
			depth, _ := ctx.Value(depthKey{}).(int)
			r.add(s, depth, "begins")
			return context.WithValue(ctx, depthKey{}, depth+1)
		},
		End: func(ctx context.Context, s stschain.Step) {
			depth, _ := ctx.Value(depthKey{}).(int)
			how := s.AccessKeyID
			if s.Err != nil {
				how = s.Err.Error()
			}
			r.add(s, depth-1, how)
		},
	}
}

func (r *recorder) add(s stschain.Step, depth int, what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kind := s.Kind.String()
	if s.Joined {
		kind = "joined " + kind
	}
	r.lines = append(r.lines, fmt.Sprintf("%s%s %s: %s", strings.Repeat("  ", depth), kind, s.Name, what))
	r.steps = append(r.steps, s)
}

func TestTrace(t *testing.T) {
	var r recorder
	base := &member{name: "base"}
	role := &member{name: "role", below: []stschain.Provider{stschain.Cached(base)}}
	chain := stschain.NewChain(&member{name: "env", retrieve: unavailable}, stschain.Cached(role))
	_, err := chain.Retrieve(stschain.WithTrace(t.Context(), r.trace()))
	require.NoError(t, err)
	require.Equal(t, []string{
		"provider chain: begins",
		"  provider env: begins",
		"  provider env: its variable is not set",
		"  provider role: begins",
		"    refresh role: begins",
		"      refresh base: begins",
		"      refresh base: AKIA-base",
		"    refresh role: AKIA-role",
		"  provider role: AKIA-role",
		"provider chain: AKIA-role",
	}, r.lines)

	r.lines = nil
	_, err = chain.Retrieve(stschain.WithTrace(t.Context(), r.trace()))
	require.NoError(t, err)
	require.Equal(t, []string{ // a cache that returns at once has no step
		"provider chain: begins",
		"  provider role: begins",
		"  provider role: AKIA-role",
		"provider chain: AKIA-role",
	}, r.lines)
}

// The trace of the caller that began a refresh gets its steps, even after the caller gave up.
func TestTraceOfJoinedRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &stschain.Cache{Provider: &source{takes: 2 * time.Second}}
		var first, second recorder
		gone, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go c.Retrieve(stschain.WithTrace(gone, first.trace()))
		synctest.Wait()
		_, err := c.Retrieve(stschain.WithTrace(t.Context(), second.trace()))
		require.NoError(t, err)
		require.Equal(t, []string{"refresh source: begins", "refresh source: key-1"}, first.lines)
		require.Equal(t, []string{"joined refresh source: begins", "joined refresh source: key-1"}, second.lines)
		require.Equal(t, 2*time.Second, second.steps[1].Took)
	})
}

// A trace within a trace: both get the steps. Functions that are nil are not called.
func TestTraceWithinTrace(t *testing.T) {
	var outer, inner recorder
	ctx := stschain.WithTrace(stschain.WithTrace(t.Context(), outer.trace()), &stschain.Trace{})
	ctx = stschain.WithTrace(ctx, &stschain.Trace{End: inner.trace().End})
	_, err := stschain.NewChain(&member{name: "a"}).Retrieve(ctx)
	require.NoError(t, err)
	require.Len(t, outer.lines, 4)
	require.Len(t, inner.lines, 2)
}

// A step reports a panic.
func TestStepOfAPanic(t *testing.T) {
	var r recorder
	p := &member{name: "panics", retrieve: func(context.Context) (stschain.Credentials, error) { panic("oh") }}
	require.Panics(t, func() { stschain.NewChain(p).Retrieve(stschain.WithTrace(t.Context(), r.trace())) })
	require.Equal(t, "  provider panics: stschain: the provider did not return", r.lines[2])

	r.lines = nil
	_, err := stschain.Cached(p).Retrieve(stschain.WithTrace(t.Context(), r.trace()))
	require.ErrorContains(t, err, "panicked")
	require.Equal(t, "refresh panics: stschain: the provider did not return", r.lines[1])
}

// A request ends without credentials. A step that has a name keeps it.
func TestStepNames(t *testing.T) {
	var r recorder
	ctx := stschain.WithTrace(t.Context(), r.trace())
	p := &member{name: "role"}
	for _, s := range []stschain.Step{{Kind: stschain.StepRequest, Name: "AssumeRole"}, {Provider: p, Name: "the role"}, {Provider: p}, {Kind: stschain.StepRequest}} {
		_, end := s.Start(ctx)
		if end(stschain.Credentials{}, nil); s.Kind == stschain.StepRequest {
			require.NoError(t, r.steps[len(r.steps)-1].Err)
		}
	}
	require.Equal(t, []string{
		"request AssumeRole: begins", "request AssumeRole: ",
		"provider the role: begins", "provider the role: stschain: the provider did not return",
		"provider role: begins", "provider role: stschain: the provider did not return",
		"request : begins", "request : ",
	}, r.lines)
}

// Start costs nothing without a trace.
func TestStepStart(t *testing.T) {
	p := &member{name: "role"}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		ctx, end := stschain.Step{Provider: p}.Start(t.Context())
		if end(stschain.Credentials{}, nil); ctx != t.Context() {
			t.Error("another context")
		}
	}))
}

// Functions that block delay only the refresh that they trace.
func TestTraceThatBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := noJitter(&stschain.Cache{Provider: &source{}})
		requireGet(t, c, "key-1")
		pass(50 * time.Minute)
		blocks := &stschain.Trace{Begin: func(ctx context.Context, _ stschain.Step) context.Context { <-time.After(time.Hour); return ctx }}
		start := time.Now()
		_, err := c.Retrieve(stschain.WithTrace(t.Context(), blocks))
		require.NoError(t, err)
		require.Zero(t, time.Since(start))
		requireGet(t, c, "key-1")
		pass(2 * time.Hour)
	})
}
