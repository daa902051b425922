package otelsts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/stschain-go/stschain"
)

// ObservePool registers the metrics of a pool's status with t, until the registration is unregistered. Call it once
// for each pool, with a Telemetry of its own.
//
// label returns the attribute stschain.pool.key for a key, such as the ID of a tenant or of its plan; nil: no
// attribute. Keys with the same value share a series. The values are visible in the metrics, so they must not be
// secret. It is called in each collection for each key that has brought credentials.
func ObservePool[K comparable](t *Telemetry, p *stschain.Pool[K], label func(key K) string) (metric.Registration, error) {
	if t == nil || p == nil {
		return nil, errors.New("otelsts: the Telemetry and the Pool to observe must not be nil")
	}
	t.once.Do(t.setUp)
	instruments, err := newPoolInstruments(t.meter)
	if err != nil {
		return nil, fmt.Errorf("otelsts: %w", err)
	}
	registration, err := t.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		attrs := metric.WithAttributes(t.attributes...)
		instruments.observe(o, p.Status(), attrs)
		if label == nil {
			instruments.observeKeys(o, count(p, nil)[""], now(p.Clock), attrs)
			return nil
		}
		for value, keys := range count(p, label) {
			instruments.observeKeys(o, keys, now(p.Clock), metric.WithAttributes(t.with(attribute.String("stschain.pool.key", value))...))
		}
		return nil
	}, instruments.all...)
	if err != nil {
		return nil, fmt.Errorf("otelsts: %w", err)
	}
	return registration, nil
}

// tally counts keys with cached credentials.
type tally struct {
	failing, expired int64
	expires          time.Time // the earliest; zero: none expire
}

// count returns the tallies of the keys by label, which is "" for all if label is nil.
func count[K comparable](p *stschain.Pool[K], label func(K) string) map[string]tally {
	tallies := map[string]tally{}
	for key, cache := range p.All() {
		status, value := cache.Status(), ""
		if status.Phase == stschain.Empty {
			continue
		}
		if label != nil {
			value = strings.ToValidUTF8(label(key), "?")
		}
		t := tallies[value]
		if !status.Expires.IsZero() && (t.expires.IsZero() || status.Expires.Before(t.expires)) {
			t.expires = status.Expires
		}
		if status.Err != nil {
			t.failing++
			if status.Phase == stschain.Expired {
				t.expired++
			}
		}
		tallies[value] = t
	}
	return tallies
}

// poolInstruments are the instruments of a pool.
type poolInstruments struct {
	ofPool           []poolNumber
	failing, expired metric.Int64ObservableUpDownCounter
	remaining        metric.Float64ObservableGauge
	all              []metric.Observable
}

// poolNumber is an instrument whose value is read from the status of a pool.
type poolNumber struct {
	instrument metric.Int64Observable
	value      func(stschain.PoolStatus) int64
}

func newPoolInstruments(m metric.Meter) (*poolInstruments, error) {
	i := &poolInstruments{}
	var failed []error
	number := func(name, unit, description string, value func(stschain.PoolStatus) int64) {
		n, err := m.Int64ObservableUpDownCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
		i.ofPool, i.all, failed = append(i.ofPool, poolNumber{n, value}), append(i.all, n), append(failed, err)
	}
	counter := func(name, unit, description string, value func(stschain.PoolStatus) uint64) {
		n, err := m.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
		count := func(s stschain.PoolStatus) int64 { return int64(value(s)) }
		i.ofPool, i.all, failed = append(i.ofPool, poolNumber{n, count}), append(i.all, n), append(failed, err)
	}
	number("stschain.pool.entry.count", "{entry}", "Keys that have brought credentials.",
		func(s stschain.PoolStatus) int64 { return int64(s.Entries) })
	number("stschain.pool.entry.new", "{entry}", "Keys on probation, which have not brought credentials.",
		func(s stschain.PoolStatus) int64 { return int64(s.New) })
	number("stschain.pool.size", "By", "Memory for credentials and entries, as MaxBytes counts.",
		func(s stschain.PoolStatus) int64 { return s.Bytes })
	number("stschain.pool.refresh.active", "{refresh}", "Refreshes that have a slot.",
		func(s stschain.PoolStatus) int64 { return int64(s.InFlight) })
	number("stschain.pool.refresh.waiting", "{refresh}", "Refreshes that wait for a slot.",
		func(s stschain.PoolStatus) int64 { return int64(s.Waiting) })
	number("stschain.pool.refresh.bound", "{refresh}", "Slots for refreshes: MaxInFlight, or less after STS throttled.",
		func(s stschain.PoolStatus) int64 { return int64(s.Bound) })
	counter("stschain.pool.hits", "{call}", "Calls that found an entry of their key.",
		func(s stschain.PoolStatus) uint64 { return s.Hits })
	counter("stschain.pool.misses", "{call}", "Calls that made an entry of their key.",
		func(s stschain.PoolStatus) uint64 { return s.Misses })
	counter("stschain.pool.evictions", "{eviction}", "Keys that another key displaced.",
		func(s stschain.PoolStatus) uint64 { return s.Evictions })
	counter("stschain.pool.refusals", "{refusal}", "Permanent failures of keys without valid credentials.",
		func(s stschain.PoolStatus) uint64 { return s.Refusals })

	var err [3]error
	i.failing, err[0] = m.Int64ObservableUpDownCounter("stschain.pool.entry.failing", metric.WithUnit("{entry}"),
		metric.WithDescription("Keys with cached credentials whose last refresh failed."))
	i.expired, err[1] = m.Int64ObservableUpDownCounter("stschain.pool.entry.expired", metric.WithUnit("{entry}"),
		metric.WithDescription("Keys whose credentials have expired and whose last refresh failed."))
	i.remaining, err[2] = m.Float64ObservableGauge("stschain.pool.credentials.remaining", metric.WithUnit("s"),
		metric.WithDescription("Shortest remaining lifetime of the cached credentials."))
	i.all = append(i.all, i.failing, i.expired, i.remaining)
	return i, errors.Join(append(failed, err[:]...)...)
}

func (i *poolInstruments) observe(o metric.Observer, s stschain.PoolStatus, attrs metric.ObserveOption) {
	for _, n := range i.ofPool {
		o.ObserveInt64(n.instrument, n.value(s), attrs)
	}
}

func (i *poolInstruments) observeKeys(o metric.Observer, t tally, now time.Time, attrs metric.ObserveOption) {
	o.ObserveInt64(i.failing, t.failing, attrs)
	o.ObserveInt64(i.expired, t.expired, attrs)
	if !t.expires.IsZero() {
		o.ObserveFloat64(i.remaining, t.expires.Sub(now).Seconds(), attrs)
	}
}
