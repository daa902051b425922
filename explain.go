package stschain

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/stschain-go/stschain/internal/system"
)

const (
	explainLimit = time.Minute
	reportLimit  = time.Second // for String and Providers of the providers that were not called
	maxDepth     = 64
	maxLines     = 256
)

// Explain calls p.Retrieve and reports which providers were called, in which order, and how each call
// ended. Print the result to find out why a program gets no credentials, or unexpected ones. It does not
// contain the credentials.
//
// The call is an ordinary one with a [Trace]: it pins a [Chain], and a [Cache] caches the result. If a Cache has valid
// credentials or is in backoff, it calls no provider, and the report says so. Providers that were not called are
// listed too, if a [Parent] returns them.
//
// Explain does not prompt, see [WithoutPrompt]. However, a program that a profile runs may prompt.
//
// It returns when ctx ends, and after a minute at most. A provider that has not returned by then
// is reported as failed.
func Explain(ctx context.Context, p Provider) Explanation {
	ctx, cancel := context.WithTimeout(WithoutPrompt(ctx), explainLimit)
	defer cancel()
	e := &explainer{steps: []explained{{Step: Step{Name: fmt.Sprintf("%T", p), Provider: p}, called: true, above: -1}}}
	traced := WithTrace(context.WithValue(ctx, aboveKey{}, 0), &Trace{Begin: e.begin, End: e.end})
	r, err := bounded(ctx, p, func() (r result) {
		r.creds, r.err = attemptProvider(traced, p)
		return r
	})
	if err != nil && err == ctx.Err() {
		err = fmt.Errorf("stschain: no result in time: %w", system.ContextErr(ctx))
	}
	e.mu.Lock()
	steps := slices.Clone(e.steps) // providers that have not returned may add more
	e.mu.Unlock()
	top := min(1, len(steps)-1) // step 1 is that of p, unless its String did not return
	steps[top].describe(r.creds, cmp.Or(r.err, err))
	steps[top].ended = true
	ctx, cancel = context.WithTimeout(context.Background(), reportLimit)
	defer cancel()
	return (&reporter{ctx: ctx, steps: steps}).line(top, 0)
}

// explainer collects the steps of a call.
type explainer struct {
	mu    sync.Mutex
	steps []explained
}

// explained is a step, or a provider that was not called.
type explained struct {
	Step
	called bool
	ended  bool
	above  int // the index of the enclosing step
}

type aboveKey struct{}

func (e *explainer) begin(ctx context.Context, s Step) context.Context {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.steps = append(e.steps, explained{Step: s, called: true, above: ctx.Value(aboveKey{}).(int)})
	return context.WithValue(ctx, aboveKey{}, len(e.steps)-1)
}

func (e *explainer) end(ctx context.Context, s Step) {
	e.mu.Lock()
	defer e.mu.Unlock()
	step := &e.steps[ctx.Value(aboveKey{}).(int)]
	step.Step, step.ended = s, true
}

// reporter turns steps, and providers that were not called, into lines.
type reporter struct {
	ctx   context.Context // bounds the calls of String and Providers
	steps []explained
	lines int
}

// line reports a step, and below it the nested steps and the providers that were not called.
func (r *reporter) line(i, depth int) Explanation {
	r.lines++
	s := r.steps[i]
	x := Explanation{Provider: s.Name, Took: s.Took, Joined: s.Joined, at: time.Now()}
	if s.called {
		x.take(s)
	}
	layers := r.layers(&x, s.Provider)
	x.Cached = s.called && x.Cache != nil && s.Kind != StepRefresh // others clears it for the result of a refresh
	below := r.below(layers[len(layers)-1])
	if x.Outcome == Succeeded {
		x.Requests = r.requests(i, layers)
	}
	others := r.others(&x, i, layers, below)
	for _, b := range below {
		at := slices.IndexFunc(others, func(o int) bool { return alike(r.steps[o].Provider, b) })
		switch {
		case at >= 0:
			x.Below = append(x.Below, r.line(others[at], depth+1))
			others = slices.Delete(others, at, at+1)
		case depth < maxDepth && r.lines < maxLines:
			r.steps = append(r.steps, explained{Step: Step{Name: r.name(b), Provider: b}, above: -1})
			x.Below = append(x.Below, r.line(len(r.steps)-1, depth+1))
		}
	}
	for _, o := range others {
		x.Below = append(x.Below, r.line(o, depth+1))
	}
	return x
}

// others returns the nested steps that get their own lines. These do not: a refresh of x itself, the call of
// the provider in its cache, and a chain that x does not list, because it is an implementation detail.
func (r *reporter) others(x *Explanation, above int, layers, listed []Provider) (others []int) {
	for i, s := range r.steps {
		if s.above != above {
			continue
		}
		if s.Kind == StepRequest {
			x.Note = cmp.Or(s.Note, x.Note) // those of retries are alike
			continue
		}
		is := func(p Provider) bool { return alike(p, s.Provider) }
		if _, chain := s.Provider.(*Chain); slices.ContainsFunc(layers, is) || chain && !slices.ContainsFunc(listed, is) {
			x.Cached = x.Cached && x.Err == nil && s.AccessKeyID != x.AccessKeyID
			x.Joined = x.Joined || s.Joined
			others = append(others, r.others(x, i, layers, listed)...)
			continue
		}
		x.Took = max(x.Took-s.Took, 0)
		again := slices.ContainsFunc(others, func(o int) bool { return same(r.steps[o].Provider, s.Provider) })
		if !again || s.Err != nil { // a repeated call adds no information
			others = append(others, i)
		}
	}
	return others
}

// requests returns those of a step, and of a refresh of its cache, if one of them failed.
func (r *reporter) requests(above int, layers []Provider) (list []Step) {
	for i, s := range r.steps {
		switch {
		case s.above != above || !s.ended:
		case s.Kind == StepRequest:
			list = append(list, s.Step)
		case slices.ContainsFunc(layers, func(p Provider) bool { return alike(p, s.Provider) }):
			list = append(list, r.requests(i, layers)...)
		}
	}
	if !slices.ContainsFunc(list, func(s Step) bool { return s.Err != nil }) {
		return nil
	}
	return list
}

// layers returns p and, if p is a Cache, the provider in it, which is reported in the same line.
func (r *reporter) layers(x *Explanation, p Provider) []Provider {
	layers := []Provider{p}
	for len(layers) < maxDepth {
		c, ok := p.(*Cache)
		if !ok || c == nil || c.check() != nil {
			break
		}
		if x.Cache == nil {
			status := c.Status()
			x.Cache, x.at = &status, c.time().Round(0)
		}
		p = c.Provider
		layers = append(layers, p)
	}
	return layers
}

// below returns the providers that p retrieves from.
func (r *reporter) below(p Provider) []Provider {
	parent, ok := p.(Parent)
	if !ok {
		return nil
	}
	providers, _ := bounded(r.ctx, p, parent.Providers)
	return providers
}

func (r *reporter) name(p Provider) string {
	text, _ := bounded(r.ctx, p, func() string { return name(p) })
	return cmp.Or(text, fmt.Sprintf("%T", p))
}

// alike is like same, but also reports true for functions of one type, which cannot be compared.
func alike(a, b Provider) bool {
	return same(a, b) || !reflect.ValueOf(a).Comparable() && !reflect.ValueOf(b).Comparable() && reflect.TypeOf(a) == reflect.TypeOf(b)
}
