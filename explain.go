package stschain

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"
)

const (
	explainLimit = time.Minute
	reportLimit  = time.Second // for what the providers say of themselves
	maxDepth     = 64
	maxLines     = 256
)

// Explain calls p.Retrieve as any caller would, and reports which provider was called by which, and how
// that ended. It is for somebody whose program gets no credentials, or others than expected: print
// what it returns. The credentials are not part of it.
//
// It is one ordinary call with a [Trace]: a [Chain] is then pinned, and a [Cache] keeps what it
// got. A Cache that has valid credentials, or is in a backoff after a failure, calls nothing, and the
// report says so. Providers that were not called are reported too, as far as a [Parent] names them.
//
// It does not prompt, see [WithoutPrompt]. A program that a profile runs may still open a window.
//
// It takes as long as ctx allows, and at most a minute. A provider that has not returned by then
// is reported as such.
func Explain(ctx context.Context, p Provider) Explanation {
	ctx, cancel := context.WithTimeout(WithoutPrompt(ctx), explainLimit)
	defer cancel()
	e := &explainer{steps: []explained{{Step: Step{Name: fmt.Sprintf("%T", p), Provider: p}, above: -1}}}
	traced := WithTrace(context.WithValue(ctx, aboveKey{}, 0), &Trace{Begin: e.begin, End: e.end})
	r := bounded(ctx, p, func() (r result) {
		r.creds, r.err = attemptProvider(traced, p)
		return r
	})
	if r.err != nil && r.err == ctx.Err() {
		r.err = fmt.Errorf("stschain: no result in time: %w", ended(ctx))
	}
	e.mu.Lock()
	steps := slices.Clone(e.steps) // providers that were left behind may go on
	e.mu.Unlock()
	top := min(1, len(steps)-1) // the first step is that of p, if its name was to be had
	steps[top].describe(r.creds, r.err)
	steps[top].ended = true
	return report(steps, top)
}

// explainer collects the steps of a call.
type explainer struct {
	mu    sync.Mutex
	steps []explained
}

// explained is a step.
type explained struct {
	Step
	above int // the step that it belongs to
	ended bool
}

type aboveKey struct{}

func (e *explainer) begin(ctx context.Context, s Step) context.Context {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.steps = append(e.steps, explained{Step: s, above: ctx.Value(aboveKey{}).(int)})
	return context.WithValue(ctx, aboveKey{}, len(e.steps)-1)
}

func (e *explainer) end(ctx context.Context, s Step) {
	e.mu.Lock()
	defer e.mu.Unlock()
	step := &e.steps[ctx.Value(aboveKey{}).(int)]
	step.Step, step.ended = s, true
}

// report makes the explanation. The methods of providers that it calls may block or panic: then the
// explanation consists of the steps alone.
func report(steps []explained, top int) Explanation {
	ctx, cancel := context.WithTimeout(context.Background(), reportLimit)
	defer cancel()
	reports := make(chan Explanation, 1)
	bounded(ctx, steps[top].Provider, func() result {
		reports <- (&reporter{steps: steps, parents: true}).called(top, 0)
		return result{}
	})
	x := (&reporter{steps: steps}).called(top, 0)
	select {
	case x = <-reports:
	default:
	}
	return x
}

// reporter makes lines of steps, and of the providers that were not called.
type reporter struct {
	steps   []explained
	parents bool // whether to call Providers
	lines   int
}

// called reports a step.
func (r *reporter) called(i, depth int) Explanation {
	r.lines++
	s := r.steps[i]
	x := Explanation{Provider: s.Name, Took: s.Took, Joined: s.Joined, at: time.Now()}
	if !s.ended {
		s.Err = errors.New("stschain: it has not returned")
	}
	x.take(s.Step)
	layers := r.layers(&x, s.Provider)
	x.Cached = x.Cache != nil && s.Kind != StepRefresh // unless it is the result of a refresh below
	below := r.below(layers[len(layers)-1])
	others := r.others(&x, i, layers, below)
	for _, b := range below {
		if at := slices.IndexFunc(others, func(o int) bool { return alike(r.steps[o].Provider, b) }); at >= 0 {
			x.Below = append(x.Below, r.called(others[at], depth+1))
			others = slices.Delete(others, at, at+1)
		} else if depth < maxDepth && r.lines < maxLines {
			x.Below = append(x.Below, r.notCalled(b, depth+1))
		}
	}
	for _, o := range others {
		x.Below = append(x.Below, r.called(o, depth+1))
	}
	return x
}

// others returns the steps below a step that are lines of their own. No line of its own has a refresh of x itself, the call of
// what its cache is over, and a chain that x does not list, which is how it does its work.
func (r *reporter) others(x *Explanation, above int, layers, listed []Provider) (others []int) {
	for i, s := range r.steps {
		if s.above != above || s.Kind == StepRequest {
			continue
		}
		is := func(p Provider) bool { return alike(p, s.Provider) }
		if _, chain := s.Provider.(*Chain); slices.ContainsFunc(layers, is) || chain && !slices.ContainsFunc(listed, is) {
			x.Cached = x.Cached && !(s.Kind == StepRefresh && s.ended && s.AccessKeyID == x.AccessKeyID && (s.Err == nil) == (x.Err == nil))
			x.Joined = x.Joined || s.Joined
			others = append(others, r.others(x, i, layers, listed)...)
			continue
		}
		x.Took = max(x.Took-s.Took, 0)
		again := slices.ContainsFunc(others, func(o int) bool { return same(r.steps[o].Provider, s.Provider) })
		if !again || s.Err != nil { // to call it again changed nothing
			others = append(others, i)
		}
	}
	return others
}

// notCalled reports a provider that was not called, and what is below it.
func (r *reporter) notCalled(p Provider, depth int) Explanation {
	r.lines++
	x := Explanation{Provider: name(p), at: time.Now()}
	layers := r.layers(&x, p)
	for _, b := range r.below(layers[len(layers)-1]) {
		if depth < maxDepth && r.lines < maxLines {
			x.Below = append(x.Below, r.notCalled(b, depth+1))
		}
	}
	return x
}

// layers returns p and what it is over, if it is a Cache, which is the same line.
func (r *reporter) layers(x *Explanation, p Provider) []Provider {
	layers := []Provider{p}
	for len(layers) < maxDepth {
		c, ok := p.(*Cache)
		if !ok || c.check() != nil {
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
	if parent, ok := p.(Parent); ok && r.parents {
		return parent.Providers()
	}
	return nil
}

// alike is like same, and takes functions of one type, which cannot be compared, for the same.
func alike(a, b Provider) bool {
	return same(a, b) || !canCompare(a) && !canCompare(b) && reflect.TypeOf(a) == reflect.TypeOf(b)
}
