// Package promsts exports the state of credential caches to Prometheus. It is a separate
// module, because it requires client_golang.
//
//	cache := &stschain.Cache{Provider: role}
//	prometheus.MustRegister(&promsts.Collector{
//		Caches: map[string]*stschain.Cache{"uploads": cache},
//	})
//
// A scrape reads [stschain.Cache.Status]: it calls no provider, sends nothing and
// does not wait.
//
// # Metrics
//
// All have the label cache, a key of [Collector.Caches]. No label has a value
// from a server or a provider: no origin, no error text, no access key ID.
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
	desc  *prometheus.Desc
	metric
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
		if value, ok := s.value(status); ok {
			ch <- prometheus.MustNewConstMetric(s.desc, s.kind, value)
		}
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
			c.series = append(c.series, series{cache, prometheus.NewDesc("stschain_"+m.name, m.help, nil, labels), m})
		}
	}
}

// metric is a value that is read from the status of every cache.
type metric struct {
	name, help string
	phase      string // a label; "" for metrics that have none
	kind       prometheus.ValueType
	value      func(stschain.Status) (float64, bool) // false: there is none now
}

func metrics() []metric {
	list := []metric{
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

func gauge(name, help string, holds func(stschain.Status) bool) metric {
	return metric{name: name, help: help, kind: prometheus.GaugeValue, value: func(s stschain.Status) (float64, bool) {
		if holds(s) {
			return 1, true
		}
		return 0, true
	}}
}

func counter(name, help string, count func(stschain.Status) uint64) metric {
	return metric{name: name, help: help, kind: prometheus.CounterValue, value: func(s stschain.Status) (float64, bool) {
		return float64(count(s)), true
	}}
}

// timestamp is a metric of an instant; the zero time means never.
func timestamp(name, help string, instant func(stschain.Status) (time.Time, bool)) metric {
	return metric{name: name, help: help, kind: prometheus.GaugeValue, value: func(s stschain.Status) (float64, bool) {
		at, ok := instant(s)
		if at.IsZero() {
			return math.Inf(1), ok
		}
		return float64(at.Unix()) + float64(at.Nanosecond())/1e9, ok // UnixNano ends in 2262
	}}
}
