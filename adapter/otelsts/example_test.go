package otelsts_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/otelsts"
)

func ExampleTelemetry() {
	// A program sets its providers up once, with exporters.
	spans := tracetest.NewSpanRecorder()
	metrics := sdkmetric.NewManualReader()
	telemetry := &otelsts.Telemetry{
		Cache:          "uploads",
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)),
		MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(metrics)),
	}

	refreshed := make(chan bool)
	cache := &stschain.Cache{
		Provider: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			return stschain.Credentials{
				AccessKeyID:     "AKIDEXAMPLE",
				SecretAccessKey: stschain.NewSecret("s3cr3t"),
				Expires:         time.Now().Add(time.Hour),
				Origin:          "vault",
			}, nil
		}),
		OnEvent: stschain.CombineEvents( // called later, on a goroutine of the cache
			stschain.LogEvents(slog.New(slog.DiscardHandler)),
			telemetry.OnEvent,
			func(e stschain.Event) {
				if e.Kind == stschain.Refreshed {
					close(refreshed)
				}
			},
		),
	}
	registration, err := telemetry.Observe(cache)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer registration.Unregister()

	if _, err := cache.Retrieve(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	<-refreshed

	for _, span := range spans.Ended() {
		fmt.Println(span.Name())
		for _, a := range span.Attributes() {
			fmt.Println("  ", a.Key, a.Value.AsString())
		}
	}
	var collected metricdata.ResourceMetrics
	if err := metrics.Collect(context.Background(), &collected); err != nil {
		fmt.Println(err)
	}
	for _, m := range collected.ScopeMetrics[0].Metrics {
		fmt.Println(m.Name, m.Unit)
	}
	// Output:
	// refresh credentials
	//    stschain.cache.name uploads
	//    stschain.refresh.outcome success
	//    stschain.credentials.origin vault
	// stschain.refresh.duration s
	// stschain.refreshes {refresh}
	// stschain.credentials.remaining s
	// stschain.waits {wait}
}

// The metrics of a pool have no attribute by tenant, unless there is a label function.
func ExampleObservePool() {
	metrics := sdkmetric.NewManualReader()
	telemetry := &otelsts.Telemetry{
		Cache:         "tenants",
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(metrics)),
	}
	pool := &stschain.Pool[string]{New: func(tenant string) (stschain.Provider, error) { // usually an assumerole.Provider
		return stschain.Static("AKIDEXAMPLE", "s3cr3t", ""), nil
	}}
	registration, err := otelsts.ObservePool(telemetry, pool, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer registration.Unregister()
	for _, tenant := range []string{"ann", "bob", "ann"} {
		if _, err := pool.Retrieve(context.Background(), tenant); err != nil {
			fmt.Println(err)
		}
	}

	var collected metricdata.ResourceMetrics
	if err := metrics.Collect(context.Background(), &collected); err != nil {
		fmt.Println(err)
	}
	for _, m := range collected.ScopeMetrics[0].Metrics {
		if sum, ok := m.Data.(metricdata.Sum[int64]); ok && sum.DataPoints[0].Value > 0 {
			fmt.Println(m.Name, sum.DataPoints[0].Value, m.Unit)
		}
	}
	// Output:
	// stschain.pool.entry.count 2 {entry}
	// stschain.pool.size 2034 By
	// stschain.pool.refresh.bound 64 {refresh}
	// stschain.pool.hits 1 {call}
	// stschain.pool.misses 2 {call}
}
