// Package otelsts reports what a cache or pool of credentials does to OpenTelemetry, in
// spans and metrics. It is a separate module, and uses only the API of OpenTelemetry: the program chooses the SDK.
//
//	telemetry := &otelsts.Telemetry{Cache: "uploads"}
//	cache := &stschain.Cache{Provider: role, OnEvent: telemetry.OnEvent}
//	registration, err := telemetry.Observe(cache)
//
// A cache has one OnEvent. A program that also logs combines both:
//
//	cache.OnEvent = stschain.CombineEvents(stschain.LogEvents(slog.Default()), telemetry.OnEvent)
//
// A pool is reported like one cache, with metrics of its own:
//
//	telemetry := &otelsts.Telemetry{Cache: "tenants"}
//	pool := &stschain.Pool[tenant]{New: newRole, OnEvent: func(e stschain.PoolEvent[tenant]) { telemetry.OnEvent(e.Event) }}
//	registration, err := otelsts.ObservePool(telemetry, pool, nil)
//
// # Spans
//
// There are two ways to get spans, and a Telemetry uses one of them, so that no refresh is
// reported twice.
//
// OnEvent alone creates a span "refresh credentials" for each refresh. It is
// the root of a separate trace: a refresh does not belong to one caller, since
// many share it and the one that began it may give up. It needs no change where
// credentials are retrieved, and shows how often refreshes happen and how long
// they take, but not why.
//
// [Telemetry.Trace] creates spans for each step to the credentials, nested below the span of the caller.
// It shows which provider, refresh or request took the time. After Trace was called, OnEvent only records metrics.
//
//	ctx = stschain.WithTrace(ctx, telemetry.Trace())
//	creds, err := cache.Retrieve(ctx)
//
//	retrieve credentials  the call of a provider
//	refresh credentials   a refresh of a cache, which many callers may share
//	AssumeRole            a request, by its operation; of the kind client
//
// The refresh is below the span of the caller that begins it, even if that gives up and the refresh ends later. A
// caller that joins it has a span "refresh credentials" with stschain.refresh.joined, for as long as it waits,
// and a link to the refresh. There is no span for credentials that a cache returns immediately, nor for a refresh
// that a caller without the trace begins. A provider of a chain that is not configured has an error.type, but the
// status of its span is not an error: the chain calls the next.
//
// The attributes of spans:
//
//	stschain.cache.name          Telemetry.Cache
//	stschain.credentials.origin  where the credentials came from, of a request those that signed it; of OnEvent, the
//	                             provider if there are none
//	stschain.refresh.outcome     success or failure; of OnEvent
//	stschain.refresh.joined      true if another caller began the refresh; of Trace
//	stschain.step.kind           provider, refresh or request; of Trace
//	stschain.step.name           the provider, or the operation and the host of a request; of Trace
//	stschain.step.outcome        success or failure; of Trace
//	error.type                   of a failure; see below
//	aws.request_id               of a failure that has one
//
// # Metrics
//
//	stschain.refresh.duration        histogram, s          how long a refresh took
//	stschain.refreshes               counter, {refresh}    refreshes that ended
//	stschain.refresh.stale           counter, {refresh}    those that failed, so that callers got expired credentials
//	stschain.credentials.rejections  counter, {rejection}  credentials that a service rejected
//	stschain.credentials.remaining   gauge, s              remaining lifetime of the cached credentials, below 0 after they expired;
//	                                                       none if they never expire or none are cached
//	stschain.waits                   counter, {wait}       callers that had to wait for a refresh
//
// The first four come from events, the last two from [stschain.Cache.Status] when
// they are collected, which calls no provider. All have stschain.cache.name. The first two
// also have stschain.refresh.outcome and, for failures, error.type. A refresh that
// failed is counted there, by outcome.
//
// # Metrics of a pool
//
// The first four above come from the events of a pool, of all keys. These come from [stschain.Pool.Status] and the
// status of each cache when they are collected, which calls no provider and does not count as a use of a key:
//
//	stschain.pool.entry.count            updowncounter, {entry}    keys that have brought credentials
//	stschain.pool.entry.new              updowncounter, {entry}    keys on probation, which have not
//	stschain.pool.size                   updowncounter, By         as Pool.MaxBytes counts
//	stschain.pool.refresh.active         updowncounter, {refresh}  refreshes that have a slot
//	stschain.pool.refresh.waiting        updowncounter, {refresh}  refreshes that wait for a slot
//	stschain.pool.refresh.bound          updowncounter, {refresh}  Pool.MaxInFlight, or less after STS throttled
//	stschain.pool.hits                   counter, {call}           calls that found an entry of their key
//	stschain.pool.misses                 counter, {call}           calls that made one
//	stschain.pool.evictions              counter, {eviction}       of keys on probation too
//	stschain.pool.refusals               counter, {refusal}        permanent failures of keys without valid credentials
//	stschain.pool.entry.failing          updowncounter, {entry}    keys with cached credentials whose last refresh failed
//	stschain.pool.entry.expired          updowncounter, {entry}    those of them whose credentials have expired
//	stschain.pool.credentials.remaining  gauge, s                  the shortest remaining lifetime of cached credentials, below 0
//	                                                               after they expired, as those of a key that is not retrieved do
//
// All have stschain.cache.name. With a label function of [ObservePool] the last three also have stschain.pool.key,
// until the last entry with its value is evicted or forgotten. A key that has never brought credentials has none, so
// made-up names create no series. The SDK drops the key of all beyond 2,000, or what WithCardinalityLimit says.
//
// # Attribute values
//
// error.type is one of a fixed list: an error code of STS (AccessDenied), an HTTP status
// if the code is not known (503), timeout, canceled, network, unavailable
// ([stschain.Unavailable]), prompt_required ([stschain.ErrPrompt]), permanent
// ([stschain.ErrPermanent]) or _OTHER. The text of an error, which may name access keys
// and hosts, is neither on a span nor in a metric; it is for the log. Metrics have no
// attribute that a provider or a server could fill, so the number of series is at most
// the number of caches times that of the values of that list, unless a pool has a label function.
package otelsts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
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

// Telemetry creates the spans and metrics of one cache or pool. Do not change its fields after first use, and do not copy it.
type Telemetry struct {
	Cache          string               // its name, the attribute stschain.cache.name; empty: no attribute
	TracerProvider trace.TracerProvider // nil: the global one. The package trace/noop has one without spans
	MeterProvider  metric.MeterProvider // nil: the global one. The package metric/noop has one without metrics

	once       sync.Once   // for setUp
	traces     atomic.Bool // Trace makes the spans
	refreshing sync.Map    // of Trace: the *stepSpan of the refresh in flight, by *stschain.Cache
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

// refreshed reports a refresh that ended.
func (t *Telemetry) refreshed(ctx context.Context, e stschain.Event) {
	outcome := t.with(attribute.String("stschain.refresh.outcome", "success"))
	if e.Kind == stschain.RefreshFailed {
		outcome = t.with(attribute.String("stschain.refresh.outcome", "failure"), attribute.String("error.type", class(e.Err)))
	}
	if !t.traces.Load() {
		ctx = t.root(ctx, e, outcome)
	}
	t.duration.Record(ctx, e.Took.Seconds(), metric.WithAttributes(outcome...)) // ctx: for exemplars
	t.refreshes.Add(ctx, 1, metric.WithAttributes(outcome...))
}

// root creates the span of a refresh that ended: an event has the start and the end, so there is no state between events.
func (t *Telemetry) root(ctx context.Context, e stschain.Event, outcome []attribute.KeyValue) context.Context {
	ctx, span := t.tracer.Start(ctx, "refresh credentials", trace.WithNewRoot(), trace.WithTimestamp(e.Time.Add(-e.Took)),
		trace.WithAttributes(outcome...), trace.WithAttributes(text("stschain.credentials.origin", e.Origin)))
	if e.Kind == stschain.RefreshFailed {
		span.SetStatus(codes.Error, class(e.Err))
		span.SetAttributes(requestID(e.Err)...)
	}
	span.End(trace.WithTimestamp(e.Time))
	return ctx
}

// text returns an attribute with a text of a provider or a server.
func text(key attribute.Key, value string) attribute.KeyValue {
	return key.String(strings.ToValidUTF8(value, "?"))
}

// requestID returns the attribute of an error of STS.
func requestID(err error) []attribute.KeyValue {
	if failure, ok := errors.AsType[*stsquery.Error](err); ok && failure.RequestID != "" {
		return []attribute.KeyValue{text("aws.request_id", failure.RequestID)}
	}
	return nil
}

// with returns the common attributes and more.
func (t *Telemetry) with(more ...attribute.KeyValue) []attribute.KeyValue {
	return append(t.attributes[:len(t.attributes):len(t.attributes)], more...)
}

// Observe registers the metrics of a cache's status, until the registration is unregistered. Call it once for each cache.
func (t *Telemetry) Observe(c *stschain.Cache) (metric.Registration, error) {
	if c == nil {
		return nil, errors.New("otelsts: the Cache to observe is nil")
	}
	t.once.Do(t.setUp)
	remaining, err := t.meter.Float64ObservableGauge("stschain.credentials.remaining", metric.WithUnit("s"),
		metric.WithDescription("Remaining life of the cached credentials."))
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
			o.ObserveFloat64(remaining, status.Expires.Sub(now(c.Clock)).Seconds(), metric.WithAttributes(t.attributes...))
		}
		o.ObserveInt64(waits, int64(status.Waits), metric.WithAttributes(t.attributes...))
		return nil
	}, remaining, waits)
	if err != nil {
		return nil, fmt.Errorf("otelsts: %w", err)
	}
	return registration, nil
}

// now returns the wall time by a clock; nil: the system clock.
func now(c stschain.Clock) time.Time {
	if c == nil {
		return time.Now().Round(0)
	}
	return c.Now().Round(0)
}

// setUp creates the instruments. According to the contract of OpenTelemetry one
// that cannot be created is still usable, without effect, and its error goes to
// the global error handler.
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
		metric.WithDescription("How long a refresh of the credentials took."),
		metric.WithExplicitBucketBoundaries(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300))
	t.refreshes, failed[1] = t.meter.Int64Counter("stschain.refreshes", metric.WithUnit("{refresh}"),
		metric.WithDescription("Refreshes of the credentials that ended."))
	t.stale, failed[2] = t.meter.Int64Counter("stschain.refresh.stale", metric.WithUnit("{refresh}"),
		metric.WithDescription("Refreshes that failed and left callers with expired credentials."))
	t.rejections, failed[3] = t.meter.Int64Counter("stschain.credentials.rejections", metric.WithUnit("{rejection}"),
		metric.WithDescription("Credentials that a service rejected."))
	if err := errors.Join(failed[:]...); err != nil {
		otel.Handle(fmt.Errorf("otelsts: %w", err))
	}
}
