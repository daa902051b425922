package promsts

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stschain-go/stschain"
)

// PoolCollector is a prometheus.Collector of the state of a pool, whose keys come and go. Several can be
// registered with one Registerer if their names are distinct. Do not change its fields after first use.
//
// Register returns an error if Name or Pool is missing.
type PoolCollector[K comparable] struct {
	Name string            // required; the value of the label pool
	Pool *stschain.Pool[K] // required

	// Label returns the value of the label key for a key, such as the ID of a tenant or of its plan; nil: no
	// series by key. Keys with the same value share a series. Prometheus gets three series for each value, and
	// the values are visible there, so they must not be secret. It is called in each scrape for each key that
	// has brought credentials, concurrently if scrapes are.
	Label func(key K) string

	prepare sync.Once
	ofPool  []described[stschain.PoolStatus]
	ofAll   []described[tally]
	ofKeys  []described[tally]
	err     error // of the settings
}

// Describe sends what Collect may send.
func (c *PoolCollector[K]) Describe(ch chan<- *prometheus.Desc) {
	c.prepare.Do(c.build)
	if c.err != nil {
		ch <- prometheus.NewInvalidDesc(c.err)
	}
	for _, m := range c.ofPool {
		ch <- m.desc
	}
	for _, m := range c.ofAll {
		ch <- m.desc
	}
	for _, m := range c.ofKeys {
		ch <- m.desc
	}
}

// Collect sends the state of the pool at this moment.
func (c *PoolCollector[K]) Collect(ch chan<- prometheus.Metric) {
	c.prepare.Do(c.build)
	if c.err != nil {
		ch <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(c.err), c.err)
		return
	}
	status := c.Pool.Status()
	for _, m := range c.ofPool {
		m.send(ch, status)
	}
	all, keys := c.count()
	for _, m := range c.ofAll {
		m.send(ch, all)
	}
	for label, t := range keys {
		for _, m := range c.ofKeys {
			m.send(ch, *t, label)
		}
	}
}

// count returns the tally of all keys with cached credentials, and those by label value.
func (c *PoolCollector[K]) count() (all tally, keys map[string]*tally) {
	keys = map[string]*tally{}
	for key, cache := range c.Pool.All() {
		status := cache.Status()
		if status.Phase == stschain.Empty {
			continue
		}
		all.add(status)
		if c.Label == nil {
			continue
		}
		label := strings.ToValidUTF8(c.Label(key), "?")
		if keys[label] == nil {
			keys[label] = &tally{}
		}
		keys[label].add(status)
	}
	return all, keys
}

func (c *PoolCollector[K]) build() {
	switch {
	case c.Name == "":
		c.err = errors.New("promsts: PoolCollector.Name is required")
		return
	case c.Pool == nil:
		c.err = fmt.Errorf("promsts: PoolCollector.Pool is required for %q", c.Name)
		return
	}
	labels := prometheus.Labels{"pool": c.Name}
	for _, m := range poolMetrics() {
		c.ofPool = append(c.ofPool, describe("stschain_pool_", m, labels))
	}
	for _, m := range tallyMetrics() {
		c.ofAll = append(c.ofAll, describe("stschain_pool_", m, labels))
		if c.Label != nil {
			c.ofKeys = append(c.ofKeys, describe("stschain_pool_key_", m, labels, "key"))
		}
	}
}

func poolMetrics() []metric[stschain.PoolStatus] {
	return []metric[stschain.PoolStatus]{
		number("entries", "Keys that have brought credentials.",
			func(s stschain.PoolStatus) int64 { return int64(s.Entries) }),
		number("new_entries", "Keys on probation, which have not brought credentials.",
			func(s stschain.PoolStatus) int64 { return int64(s.New) }),
		number("bytes", "Memory for credentials and entries, as MaxBytes counts.",
			func(s stschain.PoolStatus) int64 { return s.Bytes }),
		number("refreshes_in_flight", "Refreshes that have a slot.",
			func(s stschain.PoolStatus) int64 { return int64(s.InFlight) }),
		number("refreshes_waiting", "Refreshes that wait for a slot.",
			func(s stschain.PoolStatus) int64 { return int64(s.Waiting) }),
		number("refreshes_bound", "Slots for refreshes: MaxInFlight, or less after STS throttled.",
			func(s stschain.PoolStatus) int64 { return int64(s.Bound) }),
		counter("hits_total", "Calls that found an entry of their key.",
			func(s stschain.PoolStatus) uint64 { return s.Hits }),
		counter("misses_total", "Calls that made an entry of their key.",
			func(s stschain.PoolStatus) uint64 { return s.Misses }),
		counter("evictions_total", "Keys that another key displaced.",
			func(s stschain.PoolStatus) uint64 { return s.Evictions }),
		counter("refusals_total", "Permanent failures of keys without valid credentials.",
			func(s stschain.PoolStatus) uint64 { return s.Refusals }),
	}
}

// tally counts keys with cached credentials.
type tally struct {
	keys, failing, expired int64
	expires                time.Time // the earliest; zero: none expire
}

func (t *tally) add(s stschain.Status) {
	t.keys++
	if !s.Expires.IsZero() && (t.expires.IsZero() || s.Expires.Before(t.expires)) {
		t.expires = s.Expires
	}
	if s.Err != nil {
		t.failing++
		if s.Phase == stschain.Expired {
			t.expired++
		}
	}
}

func tallyMetrics() []metric[tally] {
	return []metric[tally]{
		timestamp("expiry_timestamp_seconds", "When the first of the cached credentials expire, in Unix time; +Inf if none do.",
			func(t tally) (time.Time, bool) { return t.expires, t.keys > 0 }),
		number("failing_entries", "Keys with cached credentials whose last refresh failed.",
			func(t tally) int64 { return t.failing }),
		number("expired_entries", "Keys whose credentials have expired and whose last refresh failed.",
			func(t tally) int64 { return t.expired }),
	}
}
