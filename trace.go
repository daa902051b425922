package stschain

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Trace reports the calls by which credentials are obtained, in the manner of net/http/httptrace: which
// provider calls which other one, and how each call ends. It gets names, access key IDs and
// errors, but no secrets. [Explain] uses one.
//
// A refresh of a [Cache] is shared by its callers, so both functions may be called concurrently, and
// after Retrieve has returned. The trace of the caller that began the refresh gets its steps. The trace of a caller
// that joined it gets one step, with Joined set. If a Cache returns credentials immediately, there is no step.
type Trace struct {
	// Begin is called when a step begins. It returns the context of the nested
	// steps: ctx or a context derived from it. nil: not called.
	Begin func(ctx context.Context, s Step) context.Context

	// End is called when a step ends, with the context that Begin returned. nil: not called.
	End func(ctx context.Context, s Step)
}

// Step is a call of a provider, a refresh, or a request to a service.
type Step struct {
	Kind     StepKind
	Name     string   // of the provider or the request
	Provider Provider // nil for a request
	Joined   bool     // of a refresh: another caller began it

	// Set when the step ends. If Err is nil, the rest describes the credentials, if there are any.
	Err         error
	Took        time.Duration
	AccessKeyID string
	AccountID   string
	Origin      string
	Expires     time.Time
	Note        string // remarks of the provider, see [Note]
}

// StepKind is the kind of a [Step].
type StepKind int

// The kinds of steps.
const (
	StepProvider StepKind = iota // the call of Provider
	StepRefresh                  // a refresh of the *Cache that Provider is
	StepRequest                  // a request to a service
)

// String returns the kind as text.
func (k StepKind) String() string { return enumText(k, "StepKind", "provider", "refresh", "request") }

type traceKey struct{}

// traced is the value of a context: its traces, outermost first, and the provider of the current step.
type traced struct {
	traces   []*Trace
	provider Provider
	notes    *notes
}

// WithTrace returns a context whose steps are reported to t, and to the traces that ctx already has.
func WithTrace(ctx context.Context, t *Trace) context.Context {
	outer, _ := ctx.Value(traceKey{}).(traced)
	return context.WithValue(ctx, traceKey{}, traced{traces: append(slices.Clip(outer.traces), t)})
}

// Start reports that the step begins to the trace of ctx, if there is one. It returns the context of
// the nested steps, and the function to call when the step ends. Call it in a provider that calls
// other providers. If the step is the call of the provider of the current step, it is not reported
// again, so both a caller and the provider may call Start. Name is filled in.
func (s Step) Start(ctx context.Context) (context.Context, func(Credentials, error)) {
	t, ok := ctx.Value(traceKey{}).(traced)
	if !ok || s.Kind == StepProvider && same(s.Provider, t.provider) {
		return ctx, func(Credentials, error) {}
	}
	step, began := s, time.Now() // s stays on the stack if there is no trace
	if step.Provider != nil && step.Name == "" {
		step.Name = name(step.Provider)
	}
	for _, trace := range t.traces {
		if trace.Begin != nil {
			ctx = trace.Begin(ctx, step)
		}
	}
	t.provider, t.notes = step.Provider, new(notes)
	return context.WithValue(ctx, traceKey{}, t), func(creds Credentials, err error) {
		step.Took = time.Since(began)
		step.describe(creds, err)
		step.Note = t.notes.String()
		for i := len(t.traces) - 1; i >= 0; i-- {
			if end := t.traces[i].End; end != nil {
				end(ctx, step)
			}
		}
	}
}

func (s *Step) describe(creds Credentials, err error) {
	if err == nil && s.Kind != StepRequest && creds.complete() != nil { // the provider panicked
		err = errors.New("stschain: the provider did not return")
	}
	if s.Err = err; err == nil {
		s.AccessKeyID, s.AccountID, s.Origin, s.Expires = creds.AccessKeyID, creds.AccountID, creds.Origin, creds.Expires
	}
}

// same reports whether a and b are the same provider. It is false for those that cannot be compared, for which == panics.
func same(a, b Provider) (equal bool) {
	defer func() { _ = recover() }()
	return a != nil && a == b
}
