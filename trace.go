package stschain

import (
	"context"
	"errors"
	"reflect"
	"time"
)

// Trace is told what happens on the way to credentials, in the manner of net/http/httptrace: which
// provider is called, by which, and how that ends. It sees names, access key IDs and
// errors, and no secret. [Explain] is made of one.
//
// A refresh of a [Cache] belongs to no caller. So the functions may be called concurrently, and
// after Retrieve has returned. The caller that began the refresh sees what it consists of; a caller
// that joined it sees one step, with Joined. Credentials that a Cache returns at once are no step.
type Trace struct {
	// Begin is called when a step begins. It returns the context of the steps below, which is ctx
	// or derived from it. nil: not called.
	Begin func(ctx context.Context, s Step) context.Context

	// End is called when a step ends, with the context that Begin returned. nil: not called.
	End func(ctx context.Context, s Step)
}

// Step is something on the way to credentials: the call of a provider, a refresh, or a request.
type Step struct {
	Kind     StepKind
	Name     string   // of the provider, what its String returns; or of the request
	Provider Provider // nil for a request
	Joined   bool     // of a refresh: it waits for one that another caller began

	// Set when the step ends. Without Err, the rest describes the credentials, if there are any.
	Err         error
	Took        time.Duration
	AccessKeyID string
	AccountID   string
	Origin      string
	Expires     time.Time
	Note        string // remarks of the provider, see [Note]
}

// StepKind is what a step is.
type StepKind int

// The kinds of steps.
const (
	StepProvider StepKind = iota // the call of Provider
	StepRefresh                  // a refresh of the *Cache that Provider is
	StepRequest                  // a request to a service
)

// String returns the kind in a word.
func (k StepKind) String() string { return word(k, "StepKind", "provider", "refresh", "request") }

type traceKey struct{}

// traced is a Trace, and the provider whose call is the current step.
type traced struct {
	*Trace
	provider Provider
	notes    *notes
}

// WithTrace returns a context whose calls tell t. A trace that ctx has already is told as well.
func WithTrace(ctx context.Context, t *Trace) context.Context {
	if outer, ok := ctx.Value(traceKey{}).(traced); ok {
		inner := t
		t = &Trace{
			Begin: func(ctx context.Context, s Step) context.Context { return inner.begin(outer.begin(ctx, s), s) },
			End:   func(ctx context.Context, s Step) { inner.end(ctx, s); outer.end(ctx, s) },
		}
	}
	return context.WithValue(ctx, traceKey{}, traced{Trace: t})
}

func (t *Trace) begin(ctx context.Context, s Step) context.Context {
	if t.Begin != nil {
		return t.Begin(ctx, s)
	}
	return ctx
}

func (t *Trace) end(ctx context.Context, s Step) {
	if t.End != nil {
		t.End(ctx, s)
	}
}

// Start tells the trace of ctx, if there is one, that the step begins, and returns the context of
// what is below, and the function to call when the step ends. It is for providers that call other
// providers, and calls none by itself. Of a provider whose call is the current step already, it tells
// nothing, so that both the caller and the called may start one. Name is filled in.
func (s Step) Start(ctx context.Context) (context.Context, func(Credentials, error)) {
	t, ok := ctx.Value(traceKey{}).(traced)
	if !ok || s.Kind == StepProvider && same(s.Provider, t.provider) {
		return ctx, func(Credentials, error) {}
	}
	step, began := s, time.Now() // s stays off the heap where there is no trace
	if step.Provider != nil && step.Name == "" {
		step.Name = name(step.Provider)
	}
	ctx = t.begin(ctx, step)
	t.provider, t.notes = step.Provider, new(notes)
	return context.WithValue(ctx, traceKey{}, t), func(creds Credentials, err error) {
		step.Took = time.Since(began)
		step.describe(creds, err)
		step.Note = t.notes.String()
		t.end(ctx, step)
	}
}

func (s *Step) describe(creds Credentials, err error) {
	if err == nil && s.Kind != StepRequest && creds.complete() != nil { // a deferred end during a panic
		err = errors.New("stschain: it did not return")
	}
	if s.Err = err; err == nil {
		s.AccessKeyID, s.AccountID, s.Origin, s.Expires = creds.AccessKeyID, creds.AccountID, creds.Origin, creds.Expires
	}
}

// same reports whether a and b are one provider.
func same(a, b Provider) bool { return canCompare(a) && canCompare(b) && a == b }

func canCompare(p Provider) bool { return p != nil && reflect.ValueOf(p).Comparable() }
