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
