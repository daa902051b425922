// Package otelsts tells OpenTelemetry what a cache of credentials is doing, in
// spans and metrics. It is a module of its own, and uses the API of OpenTelemetry
// alone: the SDK is the program's.
//
//	telemetry := &otelsts.Telemetry{Cache: "uploads"}
//	cache := &stschain.Cache{Provider: role, OnEvent: telemetry.OnEvent}
//	registration, err := telemetry.Observe(cache)
//
// A cache has one OnEvent. Where there is also a log to write, a function calls
// both:
//
//	log := stschain.LogEvents(slog.Default())
//	cache.OnEvent = func(e stschain.Event) {
//		log(e)
//		telemetry.OnEvent(e)
//	}
//
// # Spans
//
// Each try of a refresh is a span "refresh credentials", from when the provider
// was asked to when its answer was taken. It is the root of a trace of its own: a
// refresh belongs to no caller, since many share it and the one who started it may
// leave. (The requests of a provider do belong to the context that they are made
// with: an instrumented stsquery.Client.HTTPClient puts them below the caller who
// started the refresh.)
//
//	stschain.cache.name          Telemetry.Cache
//	stschain.refresh.outcome     success or failure
//	stschain.credentials.source  Event.Origin: who made the credentials, or was asked
//	error.type                   of a failure; see below
//	aws.request_id               of a failure that has one
//
// # Metrics
//
//	stschain.refresh.duration        histogram, s          how long a try took
//	stschain.refreshes               counter, {refresh}    tries that ended
//	stschain.refresh.stale           counter, {refresh}    those that failed and left callers with expired credentials
//	stschain.credentials.rejections  counter, {rejection}  credentials that a service rejected
//	stschain.credentials.remaining   gauge, s              life that the held credentials have left, below 0 once they expired;
//	                                                       none if they never expire or none are held
//	stschain.waits                   counter, {wait}       callers that had to wait for a try
//
// The first four come from events, the last two from [stschain.Cache.Status] when
// they are collected, which asks nobody. All have stschain.cache.name. The first two
// also have stschain.refresh.outcome and, for failures, error.type. A refresh that
// failed is counted there, by outcome.
//
// # What is kept out
//
// error.type is a word from a fixed list: a code of STS (AccessDenied), a status of
// HTTP where the code is not known (503), timeout, canceled, network, unavailable
// ([stschain.Unavailable]), unattended (a person had to be asked), permanent
// ([stschain.ErrPermanent]) or _OTHER. An error's text, which may name access keys
// and hosts, is neither on a span nor in a metric; it is for the log. Metrics have no
// attribute that a provider or a server could fill, so there are not more series
// than caches times words.
package otelsts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// scope is the instrumentation scope of spans and metrics.
const scope = "github.com/stschain-go/stschain/adapter/otelsts"

// Telemetry makes spans and metrics of what one cache does. Its fields are not
// changed after first use, and it is not copied.
type Telemetry struct {
	Cache          string               // its name, the attribute stschain.cache.name; empty: there is no such attribute
	TracerProvider trace.TracerProvider // nil: the global one. The package trace/noop has one that makes no spans
	MeterProvider  metric.MeterProvider // nil: the global one. The package metric/noop has one that makes no metrics

	once       sync.Once // for setUp
	tracer     trace.Tracer
	meter      metric.Meter
	attributes []attribute.KeyValue

	duration                     metric.Float64Histogram
	refreshes, stale, rejections metric.Int64Counter
}

// OnEvent is for [stschain.Cache.OnEvent].
func (t *Telemetry) OnEvent(e stschain.Event) {
	t.once.Do(t.setUp)
	ctx := context.Background()
	switch e.Kind {
	case stschain.Refreshed, stschain.RefreshFailed:
		t.refreshed(ctx, e)
	case stschain.ServingStale:
		t.stale.Add(ctx, 1, metric.WithAttributes(t.attributes...))
	case stschain.Invalidated:
		t.rejections.Add(ctx, 1, metric.WithAttributes(t.attributes...))
	}
}

// refreshed tells of a try that ended.
func (t *Telemetry) refreshed(ctx context.Context, e stschain.Event) {
	outcome := t.with(attribute.String("stschain.refresh.outcome", "success"))
	if e.Kind == stschain.RefreshFailed {
		outcome = t.with(attribute.String("stschain.refresh.outcome", "failure"), attribute.String("error.type", class(e.Err)))
	}

	// It starts when it has ended: an event has both instants, so there is
	// nothing to remember from one event to the next.
	ctx, span := t.tracer.Start(ctx, "refresh credentials", trace.WithNewRoot(), trace.WithTimestamp(e.Time.Add(-e.Took)),
		trace.WithAttributes(outcome...), trace.WithAttributes(attribute.String("stschain.credentials.source", strings.ToValidUTF8(e.Origin, "?"))))
	if e.Kind == stschain.RefreshFailed {
		span.SetStatus(codes.Error, class(e.Err))
		if failure, ok := errors.AsType[*stsquery.Error](e.Err); ok && failure.RequestID != "" {
			span.SetAttributes(attribute.String("aws.request_id", failure.RequestID))
		}
	}
	span.End(trace.WithTimestamp(e.Time))

	t.duration.Record(ctx, e.Took.Seconds(), metric.WithAttributes(outcome...)) // ctx: for exemplars
	t.refreshes.Add(ctx, 1, metric.WithAttributes(outcome...))
}

// with returns the attributes of everything and more.
func (t *Telemetry) with(more ...attribute.KeyValue) []attribute.KeyValue {
	return append(t.attributes[:len(t.attributes):len(t.attributes)], more...)
}

// Observe has the metrics of a cache's status collected, until the registration is
// unregistered. It is called once for each cache.
func (t *Telemetry) Observe(c *stschain.Cache) (metric.Registration, error) {
	if c == nil {
		return nil, errors.New("otelsts: there is no cache to observe: it is nil")
	}
	t.once.Do(t.setUp)
	remaining, err := t.meter.Float64ObservableGauge("stschain.credentials.remaining", metric.WithUnit("s"),
		metric.WithDescription("Life that the held credentials have left."))
	if err != nil {
		return nil, fmt.Errorf("otelsts: %w", err)
	}
	waits, err := t.meter.Int64ObservableCounter("stschain.waits", metric.WithUnit("{wait}"),
		metric.WithDescription("Callers that had to wait for a refresh."))
	if err != nil {
		return nil, fmt.Errorf("otelsts: %w", err)
	}
	registration, err := t.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		status := c.Status()
		if !status.Expires.IsZero() {
			o.ObserveFloat64(remaining, status.Expires.Sub(now(c)).Seconds(), metric.WithAttributes(t.attributes...))
		}
		o.ObserveInt64(waits, int64(status.Waits), metric.WithAttributes(t.attributes...))
		return nil
	}, remaining, waits)
	if err != nil {
		return nil, fmt.Errorf("otelsts: %w", err)
	}
	return registration, nil
}

// now is the time by the cache's clock, on the wall.
func now(c *stschain.Cache) time.Time {
	if c.Clock == nil {
		return time.Now().Round(0)
	}
	return c.Clock.Now().Round(0)
}

// setUp makes the instruments. One that cannot be made as asked for still works
// somehow, by the contract of OpenTelemetry, and its error goes to the handler that
// the program gave that.
func (t *Telemetry) setUp() {
	tracers, meters := t.TracerProvider, t.MeterProvider
	if tracers == nil {
		tracers = otel.GetTracerProvider()
	}
	if meters == nil {
		meters = otel.GetMeterProvider()
	}
	t.tracer, t.meter = tracers.Tracer(scope), meters.Meter(scope)
	if t.Cache != "" {
		t.attributes = []attribute.KeyValue{attribute.String("stschain.cache.name", t.Cache)}
	}

	var failed [4]error
	t.duration, failed[0] = t.meter.Float64Histogram("stschain.refresh.duration", metric.WithUnit("s"),
		metric.WithDescription("How long a try to refresh the credentials took."),
		metric.WithExplicitBucketBoundaries(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300))
	t.refreshes, failed[1] = t.meter.Int64Counter("stschain.refreshes", metric.WithUnit("{refresh}"),
		metric.WithDescription("Tries to refresh the credentials that ended."))
	t.stale, failed[2] = t.meter.Int64Counter("stschain.refresh.stale", metric.WithUnit("{refresh}"),
		metric.WithDescription("Refreshes that failed and left callers with expired credentials."))
	t.rejections, failed[3] = t.meter.Int64Counter("stschain.credentials.rejections", metric.WithUnit("{rejection}"),
		metric.WithDescription("Credentials that a service rejected."))
	if err := errors.Join(failed[:]...); err != nil {
		otel.Handle(fmt.Errorf("otelsts: %w", err))
	}
}
