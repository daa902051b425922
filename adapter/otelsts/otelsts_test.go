package otelsts_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/otelsts"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

var errDown = errors.New("the source is down")

// program is one with OpenTelemetry's SDK.
type program struct {
	spans     *tracetest.SpanRecorder
	reader    *sdkmetric.ManualReader
	telemetry *otelsts.Telemetry
}

func newProgram() *program {
	p := &program{spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader()}
	p.telemetry = &otelsts.Telemetry{
		Cache:          "uploads",
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(p.spans)),
		MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(p.reader)),
	}
	return p
}

// gauges are the sums that may go down.
var gauges = regexp.MustCompile(`^stschain\.pool\.(entry|refresh|size)`)

// collect returns what a collection brings, as lines.
func (p *program) collect(t *testing.T) (lines []string) {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, p.reader.Collect(context.Background(), &all))
	add := func(name string, set attribute.Set, value any) {
		var attrs []string
		for _, a := range set.ToSlice() {
			if a.Key != "stschain.cache.name" {
				attrs = append(attrs, a.Value.AsString())
			} else if a.Value.AsString() != "uploads" {
				t.Errorf("%s is of the cache %s", name, a.Value.AsString())
			}
		}
		slices.Sort(attrs)
		lines = append(lines, fmt.Sprintf("%s%v %v", strings.TrimPrefix(name, "stschain."), attrs, value))
	}
	for _, scope := range all.ScopeMetrics {
		require.Equal(t, "github.com/stschain-go/stschain/adapter/otelsts", scope.Scope.Name)
		for _, m := range scope.Metrics {
			require.NotEmpty(t, m.Description)
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				require.Equal(t, data.IsMonotonic, !gauges.MatchString(m.Name), m.Name)
				for _, point := range data.DataPoints {
					add(m.Name, point.Attributes, point.Value)
				}
			case metricdata.Gauge[float64]:
				for _, point := range data.DataPoints {
					add(m.Name, point.Attributes, point.Value)
				}
			case metricdata.Histogram[float64]:
				for _, point := range data.DataPoints {
					add(m.Name, point.Attributes, fmt.Sprintf("%d in %vs", point.Count, point.Sum))
				}
			default:
				t.Errorf("%s is a %T", m.Name, data)
			}
		}
	}
	return lines
}

// cache returns one over a provider, that p observes.
func (p *program) cache(t *testing.T, provider stschain.ProviderFunc) *stschain.Cache {
	t.Helper()
	cache := &stschain.Cache{Provider: provider, OnEvent: p.telemetry.OnEvent}
	registration, err := p.telemetry.Observe(cache)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, registration.Unregister()) })
	return cache
}

func credentials(life time.Duration) stschain.Credentials {
	return stschain.Credentials{
		AccessKeyID:     fmt.Sprintf("AKIDEXAMPLE%d", time.Now().Unix()),
		SecretAccessKey: stschain.NewSecret("hunter4711"),
		SessionToken:    stschain.NewSecret("token-hunter4711"),
		Expires:         time.Now().Add(life),
		Origin:          "vault",
	}
}

func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProgram()
		var err error
		cache := p.cache(t, func(context.Context) (stschain.Credentials, error) {
			<-time.After(2 * time.Second)
			return credentials(time.Hour), err
		})
		cache.MaxStale = time.Hour
		require.Equal(t, []string{"waits[] 0"}, p.collect(t))

		start := time.Now()
		_, failed := cache.Retrieve(t.Context())
		require.NoError(t, failed)
		synctest.Wait()
		require.ElementsMatch(t, []string{"refresh.duration[success] 1 in 2s", "refreshes[success] 1",
			"credentials.remaining[] 3600", "waits[] 1"}, p.collect(t))
		spans := p.spans.Ended()
		require.Len(t, spans, 1)
		require.Equal(t, "refresh credentials", spans[0].Name())
		require.Equal(t, []time.Time{start, start.Add(2 * time.Second)}, []time.Time{spans[0].StartTime().Local(), spans[0].EndTime().Local()})
		require.Equal(t, codes.Unset, spans[0].Status().Code)
		require.Equal(t, trace.SpanKindInternal, spans[0].SpanKind())

		pass(time.Hour + time.Minute)
		err = errDown
		_, failed = cache.Retrieve(t.Context())
		require.NoError(t, failed, "stale credentials are served")
		synctest.Wait()
		require.ElementsMatch(t, []string{"refresh.duration[success] 1 in 2s", "refresh.duration[_OTHER failure] 1 in 2s",
			"refreshes[success] 1", "refreshes[_OTHER failure] 1", "refresh.stale[] 1",
			"credentials.remaining[] -62", "waits[] 2"}, p.collect(t))
		spans = p.spans.Ended()
		require.Len(t, spans, 2)
		require.Equal(t, sdktrace.Status{Code: codes.Error, Description: "_OTHER"}, spans[1].Status())
		require.NotEqual(t, spans[0].SpanContext().TraceID(), spans[1].SpanContext().TraceID())

		pass(10 * time.Minute)
		cache.Invalidate(cacheKey(cache))
		synctest.Wait()
		require.Contains(t, p.collect(t), "credentials.rejections[] 1")
	})
}

func cacheKey(c *stschain.Cache) stschain.Credentials {
	return stschain.Credentials{AccessKeyID: c.Status().AccessKeyID}
}

// A caller who brings a span, a context that has ended, a provider that panics or
// returns what has expired: each attempt has a span, and the caller has none.
func TestTries(t *testing.T) {
	for name, test := range map[string]struct {
		provider stschain.ProviderFunc
		class    string // "": success
	}{
		"good": {func(context.Context) (stschain.Credentials, error) { return credentials(time.Hour), nil }, ""},
		"never expire": {func(context.Context) (stschain.Credentials, error) {
			c := credentials(0)
			c.Expires = time.Time{}
			return c, nil
		}, ""},
		"panic":   {func(context.Context) (stschain.Credentials, error) { panic("hunter4711") }, "_OTHER"},
		"expired": {func(context.Context) (stschain.Credentials, error) { return credentials(-time.Second), nil }, "_OTHER"},
		"hangs": {func(ctx context.Context) (stschain.Credentials, error) {
			<-ctx.Done()
			return stschain.Credentials{}, ctx.Err()
		}, "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProgram()
				cache := p.cache(t, test.provider)
				ctx, caller := p.telemetry.TracerProvider.Tracer("test").Start(t.Context(), "caller")
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(time.Minute, cancel)
				cache.Retrieve(ctx)
				cancel()
				pass(time.Minute)
				spans := p.spans.Ended()
				require.Len(t, spans, 1)
				require.False(t, spans[0].Parent().IsValid())
				require.NotEqual(t, caller.SpanContext().TraceID(), spans[0].SpanContext().TraceID())
				attrs := attribute.NewSet(spans[0].Attributes()...)
				got, _ := attrs.Value("error.type")
				require.Equal(t, test.class, got.AsString())
				outcome, _ := attrs.Value("stschain.refresh.outcome")
				require.Equal(t, test.class == "", outcome.AsString() == "success")
				require.Equal(t, name == "good", strings.Contains(fmt.Sprint(p.collect(t)), "remaining"), "only of what expires")
				require.Subset(t, p.collect(t), []string{"waits[] 1"})
			})
		})
	}
	t.Run("ended context", func(t *testing.T) { // no provider is called
		p := newProgram()
		cache := p.cache(t, func(context.Context) (stschain.Credentials, error) { return credentials(time.Hour), nil })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := cache.Retrieve(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, p.spans.Ended())
	})
}

// What a provider does in a refresh belongs to the caller who started it: so do the
// spans of an instrumented HTTP client.
func TestRequestsBelongToTheCaller(t *testing.T) {
	p := newProgram()
	var under trace.SpanContext
	cache := p.cache(t, func(ctx context.Context) (stschain.Credentials, error) {
		under = trace.SpanContextFromContext(ctx)
		return credentials(time.Hour), nil
	})
	ctx, caller := p.telemetry.TracerProvider.Tracer("test").Start(t.Context(), "caller")
	_, err := cache.Retrieve(ctx)
	require.NoError(t, err)
	require.Equal(t, caller.SpanContext(), under)
}

// A refusal of STS itself has its code and the ID of its request.
func TestRefusal(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.DenyUndeclared = true
	srv.AllowRefusals("AccessDenied")
	p := newProgram()
	done := make(chan bool)
	cache := &stschain.Cache{
		Provider: &assumerole.Provider{
			Client:      &stsquery.Client{Region: "eu-west-1", Credentials: srv.User(), HTTPClient: srv.Client()},
			RoleARN:     "arn:aws:iam::123456789012:role/backup",
			SessionName: "test",
		},
		OnEvent: func(e stschain.Event) {
			p.telemetry.OnEvent(e)
			if e.Kind == stschain.RefreshFailed {
				close(done)
			}
		},
	}
	_, err := cache.Retrieve(t.Context())
	var refused *stsquery.Error
	require.ErrorAs(t, err, &refused)
	<-done
	attrs := map[string]string{}
	for _, a := range p.spans.Ended()[0].Attributes() {
		attrs[string(a.Key)] = a.Value.AsString()
	}
	require.Equal(t, map[string]string{
		"stschain.cache.name":         "uploads",
		"stschain.refresh.outcome":    "failure",
		"stschain.credentials.origin": "assumerole arn:aws:iam::123456789012:role/backup",
		"error.type":                  "AccessDenied",
		"aws.request_id":              refused.RequestID,
	}, attrs)
	require.Contains(t, p.collect(t), "refreshes[AccessDenied failure] 1")
}

func TestObserve(t *testing.T) {
	p := newProgram()
	_, err := p.telemetry.Observe(nil)
	require.EqualError(t, err, "otelsts: the Cache to observe is nil")

	clk := clock.NewMock()
	registration, err := p.telemetry.Observe(cacheWith(t, clk, time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)))
	require.NoError(t, err)
	require.Contains(t, strings.Join(p.collect(t), "\n"), "credentials.remaining[] 9.22", "as far as a Duration goes")
	require.NoError(t, registration.Unregister())
	require.Empty(t, p.collect(t))

	registration, err = p.telemetry.Observe(cacheWith(t, clk, clk.Now().Add(90*time.Second)))
	require.NoError(t, err)
	clk.Add(time.Minute)
	require.Contains(t, p.collect(t), "credentials.remaining[] 30", "by the cache's clock")
	require.NoError(t, registration.Unregister())
}

func cacheWith(t *testing.T, clk stschain.Clock, expires time.Time) *stschain.Cache {
	cache := &stschain.Cache{Clock: clk, Provider: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		c := credentials(0)
		c.Expires = expires
		return c, nil
	})}
	_, err := cache.Retrieve(t.Context())
	require.NoError(t, err)
	return cache
}

// Two caches have metrics of their own, under one provider of each kind.
func TestTwoCaches(t *testing.T) {
	p := newProgram()
	other := &otelsts.Telemetry{Cache: "downloads", TracerProvider: p.telemetry.TracerProvider, MeterProvider: p.telemetry.MeterProvider}
	for _, telemetry := range []*otelsts.Telemetry{p.telemetry, other} {
		_, err := telemetry.Observe(cacheWith(t, nil, time.Time{}))
		require.NoError(t, err)
		telemetry.OnEvent(stschain.Event{Kind: stschain.Refreshed, Time: time.Now()})
	}
	var all metricdata.ResourceMetrics
	require.NoError(t, p.reader.Collect(t.Context(), &all))
	require.Len(t, all.ScopeMetrics, 1)
	for _, m := range all.ScopeMetrics[0].Metrics {
		if sum, ok := m.Data.(metricdata.Sum[int64]); ok {
			require.Len(t, sum.DataPoints, 2, m.Name)
		}
	}
}

// Without providers the global ones are used; without a name there is no
// attribute for it; and providers that do nothing do nothing.
func TestDefaults(t *testing.T) {
	p := newProgram()
	otel.SetTracerProvider(p.telemetry.TracerProvider)
	otel.SetMeterProvider(p.telemetry.MeterProvider)
	t.Cleanup(func() {
		otel.SetTracerProvider(tracenoop.NewTracerProvider())
		otel.SetMeterProvider(metricnoop.NewMeterProvider())
	})
	telemetry := &otelsts.Telemetry{}
	telemetry.OnEvent(stschain.Event{Kind: stschain.Refreshed, Time: time.Now(), Origin: "v\xffault"})
	require.Equal(t, []attribute.KeyValue{
		attribute.String("stschain.refresh.outcome", "success"),
		attribute.String("stschain.credentials.origin", "v?ault"),
	}, p.spans.Ended()[0].Attributes())
	require.Contains(t, p.collect(t), "refreshes[success] 1")

	silent := &otelsts.Telemetry{TracerProvider: tracenoop.NewTracerProvider(), MeterProvider: metricnoop.NewMeterProvider()}
	for kind := range 7 {
		silent.OnEvent(stschain.Event{Kind: stschain.EventKind(kind), Err: errDown})
	}
	_, err := silent.Observe(&stschain.Cache{})
	require.NoError(t, err)
	require.Len(t, p.spans.Ended(), 1)
}

// An instrument that the SDK refuses is an error where a caller can see it,
// and never a panic.
func TestBrokenMeter(t *testing.T) {
	var handled []error
	old := otel.GetErrorHandler()
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { handled = append(handled, err) }))
	t.Cleanup(func() { otel.SetErrorHandler(old) })
	telemetry := &otelsts.Telemetry{TracerProvider: tracenoop.NewTracerProvider(), MeterProvider: broken{}}
	telemetry.OnEvent(stschain.Event{Kind: stschain.Refreshed})
	require.Len(t, handled, 1)
	require.ErrorIs(t, handled[0], errDown)
	_, err := telemetry.Observe(&stschain.Cache{})
	require.ErrorIs(t, err, errDown)
	_, err = otelsts.ObservePool(telemetry, &stschain.Pool[string]{}, nil)
	require.ErrorIs(t, err, errDown)
}

type broken struct{ metricnoop.MeterProvider }

func (broken) Meter(string, ...metric.MeterOption) metric.Meter { return brokenMeter{} }

type brokenMeter struct{ metricnoop.Meter }

func (brokenMeter) Int64Counter(string, ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return metricnoop.Int64Counter{}, errDown
}

func (brokenMeter) RegisterCallback(metric.Callback, ...metric.Observable) (metric.Registration, error) {
	return nil, errDown
}

// No text of an error is recorded, and no key.
func TestNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProgram()
		results := []func() (stschain.Credentials, error){
			func() (stschain.Credentials, error) { return credentials(time.Second * 2), nil },
			func() (stschain.Credentials, error) { panic("hunter4711 for AKIDEXAMPLE") },
			func() (stschain.Credentials, error) {
				return stschain.Credentials{}, &stsquery.Error{Code: "hunter4711", Type: "hunter4711", Message: "hunter4711 of AKIDEXAMPLE", Endpoint: "sts.example", StatusCode: 403}
			},
			func() (stschain.Credentials, error) {
				return stschain.Credentials{}, fmt.Errorf("https://sts.example?token=hunter4711: %w", stschain.ErrPermanent)
			},
		}
		calls := 0
		cache := p.cache(t, func(context.Context) (stschain.Credentials, error) {
			calls++
			return results[(calls-1)%len(results)]()
		})
		cache.MaxStale = time.Hour
		for range 20 {
			cache.Retrieve(t.Context())
			cache.Invalidate(cacheKey(cache))
			pass(20 * time.Minute)
		}
		require.Greater(t, calls, 8)
		shown := strings.Join(p.collect(t), "\n")
		for _, span := range p.spans.Ended() {
			shown += fmt.Sprintln(span.Name(), span.Attributes(), span.Status(), span.Events(), span.Links())
		}
		require.NotContains(t, shown, "hunter4711")
		for _, kept := range []string{"AKIDEXAMPLE", "sts.example", "https:"} {
			require.NotContains(t, shown, kept)
		}
		require.Contains(t, shown, "refreshes[403 failure]")
		require.Contains(t, shown, "refreshes[failure permanent]")
	})
}

// What the package's manual names is what is made, and all of it.
func TestManual(t *testing.T) {
	code, err := os.ReadFile("otelsts.go")
	require.NoError(t, err)
	manual, rest, _ := strings.Cut(string(code), "\npackage otelsts")
	for _, file := range []string{"trace.go", "pool.go"} {
		code, err = os.ReadFile(file)
		require.NoError(t, err)
		rest += string(code)
	}
	for _, name := range regexp.MustCompile(`stschain(\.[a-z]+){2,}|error\.type|aws\.request_id`).FindAllString(rest, -1) {
		require.Contains(t, manual, name)
	}
	for _, name := range regexp.MustCompile(`(?m)^//\t(stschain\.[a-z.]+|error\.type|aws\.request_id)`).FindAllStringSubmatch(manual, -1) {
		require.Contains(t, rest, `"`+name[1]+`"`)
	}
}
