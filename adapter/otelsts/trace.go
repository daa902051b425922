package otelsts

import (
	"context"
	"errors"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/stschain-go/stschain"
)

// Trace returns a trace for [stschain.WithTrace]. It creates a span for each
// step to the credentials, below the span of the context that the step begins
// with. After it was called, OnEvent creates no spans.
func (t *Telemetry) Trace() *stschain.Trace {
	t.once.Do(t.setUp)
	t.traces.Store(true)
	return &stschain.Trace{Begin: t.begin, End: t.end}
}

// stepSpan is the span of a step, identified by its address.
type stepSpan struct{ trace.Span }

// spanKey is the key of the *stepSpan of a context, which may have that of another Telemetry too.
type spanKey struct{ *Telemetry }

func (t *Telemetry) begin(ctx context.Context, s stschain.Step) context.Context {
	name, kind := "retrieve credentials", trace.SpanKindInternal
	var options []trace.SpanStartOption
	switch s.Kind {
	case stschain.StepRefresh:
		name = "refresh credentials"
		options = t.joined(s)
	case stschain.StepRequest:
		name, kind = operation(s), trace.SpanKindClient
	}
	ctx, span := t.tracer.Start(ctx, name, append(options, trace.WithSpanKind(kind), trace.WithAttributes(t.with(
		attribute.String("stschain.step.kind", s.Kind.String()), text("stschain.step.name", s.Name))...))...)
	own := &stepSpan{span}
	if c := refreshOf(s); c != nil {
		t.refreshing.Store(c, own)
	}
	return context.WithValue(ctx, spanKey{t}, own)
}

// refreshOf returns the cache that s refreshes, nil if s is not a refresh or joins one.
func refreshOf(s stschain.Step) *stschain.Cache {
	if c, ok := s.Provider.(*stschain.Cache); ok && s.Kind == stschain.StepRefresh && !s.Joined {
		return c
	}
	return nil
}

// joined marks the span of a caller that waits for the refresh of another, and links it to that refresh.
func (t *Telemetry) joined(s stschain.Step) []trace.SpanStartOption {
	if !s.Joined {
		return nil
	}
	options := []trace.SpanStartOption{trace.WithAttributes(attribute.Bool("stschain.refresh.joined", true))}
	if c, ok := s.Provider.(*stschain.Cache); ok {
		if refresh, ok := t.refreshing.Load(c); ok {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: refresh.(*stepSpan).SpanContext()}))
		}
	}
	return options
}

// operation returns the name of a request without its host, so that there are few span names.
func operation(s stschain.Step) string {
	name, _, _ := strings.Cut(strings.ToValidUTF8(s.Name, "?"), " ")
	return name
}

func (t *Telemetry) end(ctx context.Context, s stschain.Step) {
	span := ctx.Value(spanKey{t}).(*stepSpan)
	if c := refreshOf(s); c != nil {
		t.refreshing.CompareAndDelete(c, span)
	}
	if s.Err != nil {
		span.SetAttributes(attribute.String("stschain.step.outcome", "failure"), attribute.String("error.type", class(s.Err)))
		span.SetAttributes(requestID(s.Err)...)
		if !skipped(s.Err) {
			span.SetStatus(codes.Error, class(s.Err))
		}
	} else {
		span.SetAttributes(attribute.String("stschain.step.outcome", "success"))
		if s.Origin != "" {
			span.SetAttributes(text("stschain.credentials.origin", s.Origin))
		}
	}
	span.End()
}

// skipped reports whether err is that of a provider which is not configured, so
// that a chain calls the next. A chain in which no provider is configured has
// failed.
func skipped(err error) bool {
	_, chain := errors.AsType[*stschain.ChainError](err)
	return stschain.IsUnavailable(err) && !chain
}
