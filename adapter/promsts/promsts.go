// Package promsts exports the state of credential caches and pools to Prometheus. It is a separate
// module, because it requires client_golang.
//
//	cache := &stschain.Cache{Provider: role}
//	prometheus.MustRegister(&promsts.Collector{
//		Caches: map[string]*stschain.Cache{"uploads": cache},
//	})
//	pool := &stschain.Pool[tenant]{New: newRole}
//	prometheus.MustRegister(&promsts.PoolCollector[tenant]{Name: "tenants", Pool: pool})
//
// A scrape reads [stschain.Cache.Status] and [stschain.Pool.Status]: it calls no provider, sends nothing and
// does not wait. It does not count as a use of a key, so it does not affect which key a pool evicts.
//
// No label has a value from a server or a provider: no origin, no error text, no access key ID.
//
// # Metrics of a cache
//
// All have the label cache, a key of [Collector.Caches].
//
//	stschain_credentials_expiry_timestamp_seconds   gauge; +Inf: never. Missing while none are cached
//	stschain_credentials_phase{phase}               gauge, 1 for the phase they are in, 0 for the others:
//	                                                empty, fresh, advisory, mandatory or expired
//	stschain_credentials_rejected                   gauge, 1 after a service rejected the cached ones
//	stschain_refresh_in_progress                    gauge, 1 while a refresh is in flight
//	stschain_refresh_failing                        gauge, 1 after a refresh that failed
//	stschain_refresh_last_success_timestamp_seconds gauge; missing before there was one
//	stschain_refresh_next_timestamp_seconds         gauge; missing if the next call may refresh, or none will
//	stschain_refresh_attempts_total                 counter of refreshes
//	stschain_refresh_failures_total                 counter of refreshes that failed
//	stschain_refresh_stale_total                    counter of failed refreshes after which callers get expired credentials
//	stschain_waits_total                            counter of callers that waited for a refresh
//
// # Metrics of a pool
//
// All have the label pool, which is [PoolCollector.Name]. The last three are of the keys with cached
// credentials. Those of a key that is not retrieved expire, so an expiry in the past alone is not a failure. A
// key that failed and is not retrieved again counts until it is evicted or forgotten.
//
//	stschain_pool_entries                           gauge of keys that have brought credentials
//	stschain_pool_new_entries                       gauge of keys on probation, which have not
//	stschain_pool_bytes                             gauge; as Pool.MaxBytes counts
//	stschain_pool_refreshes_in_flight               gauge of refreshes that have a slot
//	stschain_pool_refreshes_waiting                 gauge of refreshes that wait for a slot
//	stschain_pool_refreshes_bound                   gauge, Pool.MaxInFlight or less after STS throttled
//	stschain_pool_hits_total                        counter of calls that found an entry of their key
//	stschain_pool_misses_total                      counter of calls that made one
//	stschain_pool_evictions_total                   counter, of keys on probation too
//	stschain_pool_refusals_total                    counter of permanent failures of keys without valid credentials
//	stschain_pool_expiry_timestamp_seconds          gauge, the earliest; +Inf: none expire. Missing while none are cached
//	stschain_pool_failing_entries                   gauge of keys whose last refresh failed
//	stschain_pool_expired_entries                   gauge of those of them whose credentials have expired
//
// With [PoolCollector.Label] there are also these, with the labels pool and key. They disappear with the
// last entry that has their label value. A key that has never brought credentials has none, so made-up names
// create no series.
//
//	stschain_pool_key_expiry_timestamp_seconds      gauge, the earliest of the keys with the label value
//	stschain_pool_key_failing_entries               gauge
//	stschain_pool_key_expired_entries               gauge
//
// # Alerts
//
// A cache refreshes when it is called. In an idle program credentials expire, and
// nothing is wrong: an alert on the expiry alone would be false, so these also check
// whether refreshes fail.
//
//	# Requests are about to fail, or already do.
//	- alert: CredentialsExpire
//	  expr: stschain_credentials_expiry_timestamp_seconds - time() < 300 and stschain_refresh_failing == 1
//	# Callers get expired credentials, because Cache.MaxStale allows it.
//	- alert: CredentialsStale
//	  expr: increase(stschain_refresh_stale_total[15m]) > 0
//	# Callers get errors or expired credentials.
//	- alert: CredentialsExpired
//	  expr: stschain_credentials_phase{phase="expired"} == 1 and ignoring(phase) stschain_refresh_failing == 1
//	# There never were credentials.
//	- alert: NoCredentials
//	  expr: stschain_credentials_phase{phase="empty"} == 1 and ignoring(phase) stschain_refresh_failing == 1
//	  for: 5m
//	# The cached credentials are still valid, and refreshes continue.
//	- alert: CredentialsNotRefreshed
//	  expr: increase(stschain_refresh_failures_total[30m]) > 2
//	# Callers wait, so refreshes come too late: the lifetime is too short.
//	- alert: CredentialsLate
//	  expr: rate(stschain_waits_total[15m]) > 0.1
//	  for: 30m # all wait at the start
//
// In a pool some tenants always fail, because their trust policies are wrong, so these compare with the
// number of keys. Choose the shares by what is normal.
//
//	# Tenants get errors or expired credentials.
//	- alert: PoolExpired
//	  expr: stschain_pool_expired_entries > 0.01 * stschain_pool_entries
//	  for: 5m
//	# Refreshes of many tenants fail. Most of their credentials are still valid.
//	- alert: PoolNotRefreshed
//	  expr: stschain_pool_failing_entries > 0.05 * stschain_pool_entries
//	  for: 5m
//	# No tenant ever had credentials: those of the program itself may be wrong.
//	- alert: PoolEmpty
//	  expr: stschain_pool_entries == 0 and stschain_pool_new_entries > 0
//	  for: 5m
//	# STS throttles, so there are fewer refreshes at once than MaxInFlight.
//	- alert: PoolThrottled
//	  expr: stschain_pool_refreshes_bound < max_over_time(stschain_pool_refreshes_bound[1d])
//	  for: 10m
//	# Refreshes always queue: STS is slow, or MaxInFlight is too small.
//	- alert: PoolQueues
//	  expr: min_over_time(stschain_pool_refreshes_waiting[5m]) > 0
//	# MaxEntries or MaxBytes is too small, or, if refusals rise as well, clients make names up.
//	- alert: PoolEvicts
//	  expr: increase(stschain_pool_evictions_total[1h]) > 0.1 * stschain_pool_entries
package promsts

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stschain-go/stschain"
)

// Collector is a prometheus.Collector of the state of caches. Several can be
// registered with one Registerer if their names are distinct. Do not change its
// fields after first use.
//
// Register returns an error if a cache is nil.
type Collector struct {
	Caches map[string]*stschain.Cache // required; by name, the value of the label cache

	prepare sync.Once
	series  []series
	err     error // of the settings
}

// series is one metric of one cache.
type series struct {
	cache *stschain.Cache
	described[stschain.Status]
}

// Describe sends what Collect may send.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	c.prepare.Do(c.build)
	if c.err != nil {
		ch <- prometheus.NewInvalidDesc(c.err)
	}
	for _, s := range c.series {
		ch <- s.desc
	}
}

// Collect sends the state of each cache at this moment.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	c.prepare.Do(c.build)
	if c.err != nil {
		ch <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(c.err), c.err)
	}
	var status stschain.Status
	var of *stschain.Cache
	for _, s := range c.series {
		if s.cache != of { // all series of a cache are from the same moment
			of, status = s.cache, s.cache.Status()
		}
		s.send(ch, status)
	}
}

func (c *Collector) build() {
	if c.Caches == nil {
		c.err = errors.New("promsts: Collector.Caches is required")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.Caches)) {
		cache := c.Caches[name]
		if cache == nil {
			c.err = fmt.Errorf("promsts: Collector.Caches[%q] is nil", name)
			return
		}
		for _, m := range metrics() {
			labels := prometheus.Labels{"cache": name}
			if m.phase != "" {
				labels["phase"] = m.phase
			}
			c.series = append(c.series, series{cache, describe("stschain_", m, labels)})
		}
	}
}

// metric is a value that is read from a state S, such as the status of a cache.
type metric[S any] struct {
	name, help string
	phase      string // a label; "" for metrics that have none
	kind       prometheus.ValueType
	value      func(S) (float64, bool) // false: there is none now
}

// described is a metric with its descriptor.
type described[S any] struct {
	desc *prometheus.Desc
	metric[S]
}

func describe[S any](prefix string, m metric[S], constant prometheus.Labels, variable ...string) described[S] {
	return described[S]{prometheus.NewDesc(prefix+m.name, m.help, variable, constant), m}
}

// send sends the value of the metric, if there is one now, with the values of its variable labels.
func (d described[S]) send(ch chan<- prometheus.Metric, state S, labels ...string) {
	if value, ok := d.value(state); ok {
		ch <- prometheus.MustNewConstMetric(d.desc, d.kind, value, labels...)
	}
}

func metrics() []metric[stschain.Status] {
	list := []metric[stschain.Status]{
		timestamp("credentials_expiry_timestamp_seconds", "When the cached credentials expire, in Unix time; +Inf if they never do.",
			func(s stschain.Status) (time.Time, bool) { return s.Expires, s.Phase != stschain.Empty }),
		gauge("credentials_rejected", "Whether a service rejected the cached credentials.",
			func(s stschain.Status) bool { return s.Rejected }),
		gauge("refresh_in_progress", "Whether a refresh is in flight.",
			func(s stschain.Status) bool { return s.Refreshing }),
		gauge("refresh_failing", "Whether the last refresh failed.",
			func(s stschain.Status) bool { return s.Err != nil }),
		timestamp("refresh_last_success_timestamp_seconds", "When the last successful refresh ended, in Unix time.",
			func(s stschain.Status) (time.Time, bool) { return s.Refreshed, !s.Refreshed.IsZero() }),
		timestamp("refresh_next_timestamp_seconds", "The earliest time of the next refresh, in Unix time.",
			func(s stschain.Status) (time.Time, bool) { return s.Next, !s.Next.IsZero() }),
		counter("refresh_attempts_total", "Refreshes that began.",
			func(s stschain.Status) uint64 { return s.Attempts }),
		counter("refresh_failures_total", "Refreshes that failed.",
			func(s stschain.Status) uint64 { return s.Failures }),
		counter("refresh_stale_total", "Failed refreshes after which callers got expired credentials.",
			func(s stschain.Status) uint64 { return s.Stale }),
		counter("waits_total", "Callers that waited for a refresh.",
			func(s stschain.Status) uint64 { return s.Waits }),
	}
	for phase := stschain.Empty; phase <= stschain.Expired; phase++ {
		m := gauge("credentials_phase", "Whether the cached credentials are in this phase of their lifetime.",
			func(s stschain.Status) bool { return s.Phase == phase })
		m.phase = phase.String()
		list = append(list, m)
	}
	return list
}

func gauge(name, help string, holds func(stschain.Status) bool) metric[stschain.Status] {
	return number(name, help, func(s stschain.Status) int64 {
		if holds(s) {
			return 1
		}
		return 0
	})
}

// number is a gauge of a quantity.
func number[S any](name, help string, n func(S) int64) metric[S] {
	return metric[S]{name: name, help: help, kind: prometheus.GaugeValue, value: func(s S) (float64, bool) {
		return float64(n(s)), true
	}}
}

func counter[S any](name, help string, count func(S) uint64) metric[S] {
	return metric[S]{name: name, help: help, kind: prometheus.CounterValue, value: func(s S) (float64, bool) {
		return float64(count(s)), true
	}}
}

// timestamp is a metric of an instant; the zero time means never.
func timestamp[S any](name, help string, instant func(S) (time.Time, bool)) metric[S] {
	return metric[S]{name: name, help: help, kind: prometheus.GaugeValue, value: func(s S) (float64, bool) {
		at, ok := instant(s)
		if at.IsZero() {
			return math.Inf(1), ok
		}
		return float64(at.Unix()) + float64(at.Nanosecond())/1e9, ok // UnixNano ends in 2262
	}}
}
