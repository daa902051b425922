package promsts_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/promsts"
)

var errDown = errors.New("the source is down")

// source brings credentials that live until expires, or fails with err.
type source struct {
	expires time.Time
	err     error
	calls   int
}

func (s *source) String() string { return "source" }

func (s *source) Retrieve(context.Context) (stschain.Credentials, error) {
	s.calls++
	return stschain.Credentials{
		AccessKeyID:     fmt.Sprintf("AKIDEXAMPLE%d", s.calls),
		SecretAccessKey: stschain.NewSecret("hunter4711"),
		SessionToken:    stschain.NewSecret("token-hunter4711"),
		Expires:         s.expires,
		Origin:          fmt.Sprintf("source %d", s.calls),
	}, s.err
}

func collector(name string, c *stschain.Cache) *promsts.Collector {
	return &promsts.Collector{Caches: map[string]*stschain.Cache{name: c}}
}

// requireMetrics compares what is collected of some metrics with lines that have
// neither the prefix nor the label cache.
func requireMetrics(t *testing.T, c *promsts.Collector, want ...string) {
	t.Helper()
	var names []string
	for _, line := range want {
		names = append(names, "stschain_"+regexp.MustCompile(`^\w+`).FindString(line))
	}
	var got []string
	for line := range strings.Lines(text(t, c, names...)) {
		if !strings.HasPrefix(line, "#") {
			line = strings.TrimPrefix(strings.TrimSpace(line), "stschain_")
			line = strings.NewReplacer(`cache="c",`, "", `{cache="c"}`, "").Replace(line)
			got = append(got, line)
		}
	}
	require.ElementsMatch(t, want, got)
}

// text is what a scrape gets of these metrics, of all if there are none.
func text(t *testing.T, c prometheus.Collector, names ...string) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(c))
	families, err := registry.Gather()
	require.NoError(t, err)
	var out bytes.Buffer
	for _, family := range families {
		for _, name := range names {
			if family.GetName() == name {
				_, err := expfmt.MetricFamilyToText(&out, family)
				require.NoError(t, err)
				break
			}
		}
		if len(names) == 0 {
			_, err := expfmt.MetricFamilyToText(&out, family)
			require.NoError(t, err)
		}
	}
	return out.String()
}

func TestLife(t *testing.T) {
	clk := clock.NewMock()
	src := &source{err: errDown}
	cache := &stschain.Cache{Provider: src, Clock: clk, MaxStale: time.Hour, AdvisoryWindow: 10 * time.Minute}
	c := collector("c", cache)
	phases := func(now string) (lines []string) {
		for _, p := range []string{"empty", "fresh", "advisory", "mandatory", "expired"} {
			value := 0
			if p == now {
				value = 1
			}
			lines = append(lines, fmt.Sprintf(`credentials_phase{phase="%s"} %d`, p, value))
		}
		return lines
	}

	requireMetrics(t, c, append(phases("empty"), "credentials_rejected 0", "refresh_in_progress 0", "refresh_failing 0",
		"refresh_attempts_total 0", "refresh_failures_total 0", "waits_total 0")...)
	require.NotContains(t, text(t, c), "expiry_timestamp")
	require.NotContains(t, text(t, c), "next_timestamp")
	require.NotContains(t, text(t, c), "success_timestamp")

	_, err := cache.Retrieve(t.Context())
	require.ErrorIs(t, err, errDown)
	requireMetrics(t, c, append(phases("empty"), "refresh_failing 1", "refresh_attempts_total 1", "refresh_failures_total 1", "waits_total 1")...)
	require.NotContains(t, text(t, c), "expiry_timestamp")
	require.Contains(t, text(t, c), "next_timestamp")

	clk.Add(2 * time.Second)
	src.err, src.expires = nil, clk.Now().Add(time.Hour+time.Second/2)
	_, err = cache.Retrieve(t.Context())
	require.NoError(t, err)
	requireMetrics(t, c, append(phases("fresh"), "refresh_failing 0", "refresh_attempts_total 2", "refresh_failures_total 1", "waits_total 2",
		"credentials_expiry_timestamp_seconds 3602.5", "refresh_last_success_timestamp_seconds 2", "refresh_stale_total 0")...)

	clk.Add(55 * time.Minute)
	requireMetrics(t, c, phases("advisory")...)
	clk.Add(4*time.Minute + 30*time.Second)
	requireMetrics(t, c, phases("mandatory")...)

	clk.Add(time.Minute)
	src.err = errDown
	_, err = cache.Retrieve(t.Context())
	require.NoError(t, err, "stale credentials are served")
	requireMetrics(t, c, append(phases("expired"), "refresh_failing 1", "refresh_failures_total 2", "refresh_stale_total 1",
		"credentials_expiry_timestamp_seconds 3602.5", "refresh_last_success_timestamp_seconds 2")...)

	cache.Invalidate(stschain.Credentials{AccessKeyID: "AKIDEXAMPLE2"})
	requireMetrics(t, c, "credentials_rejected 1")
}

func TestExpiry(t *testing.T) {
	for name, test := range map[string]struct {
		expires time.Time
		want    string
	}{
		"never":             {time.Time{}, "+Inf"},
		"beyond UnixNano":   {time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), "2.53402300799e+11"},
		"in another zone":   {time.Date(2100, 1, 1, 1, 0, 0, 0, time.FixedZone("", 3600)), "4.1024448e+09"},
		"with a nanosecond": {time.Date(2100, 1, 1, 0, 0, 0, 5e8, time.UTC), "4.1024448005e+09"},
	} {
		t.Run(name, func(t *testing.T) {
			cache := &stschain.Cache{Provider: &source{expires: test.expires}}
			_, err := cache.Retrieve(t.Context())
			require.NoError(t, err)
			requireMetrics(t, collector("c", cache), "credentials_expiry_timestamp_seconds "+test.want)
		})
	}
}

// A provider that panics or returns what has expired, and a caller whose
// context has ended, are counted like any failure; a scrape does no harm.
func TestFailures(t *testing.T) {
	for name, test := range map[string]struct {
		provider stschain.Provider
		want     []string
	}{
		"panic": {
			stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { panic("hunter4711") }),
			[]string{"refresh_failing 1", "refresh_attempts_total 1", "refresh_failures_total 1"},
		},
		"expired credentials": {
			&source{expires: time.Unix(1, 0)},
			[]string{"refresh_failing 1", "refresh_attempts_total 1", "refresh_failures_total 1"},
		},
		"missing provider": {nil, []string{"refresh_failing 0", "refresh_attempts_total 0"}},
		"String panics":    {badName{}, []string{"refresh_attempts_total 1", "refresh_failures_total 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			cache := &stschain.Cache{Provider: test.provider}
			_, err := cache.Retrieve(t.Context())
			require.Error(t, err)
			requireMetrics(t, collector("c", cache), test.want...)
		})
	}
	cache := &stschain.Cache{Provider: &source{}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := cache.Retrieve(ctx)
	require.ErrorIs(t, err, context.Canceled)
	requireMetrics(t, collector("c", cache), "refresh_attempts_total 0", "waits_total 0", "refresh_failing 0")
}

type badName struct{}

func (badName) String() string { panic("hunter4711") }
func (badName) Retrieve(context.Context) (stschain.Credentials, error) {
	return stschain.Credentials{}, errDown
}

// A scrape calls no provider, and does not wait for a refresh that hangs.
func TestCollectWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan bool)
		calls := 0
		cache := &stschain.Cache{Provider: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			calls++
			<-release
			return stschain.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("hunter4711")}, nil
		})}
		c := collector("c", cache)
		for range 3 {
			text(t, c)
		}
		require.Zero(t, calls)
		go cache.Retrieve(context.Background())
		synctest.Wait()
		requireMetrics(t, c, "refresh_in_progress 1", "refresh_attempts_total 1", "waits_total 1")
		close(release)
		synctest.Wait()
		requireMetrics(t, c, "refresh_in_progress 0")
	})
}

func TestLint(t *testing.T) {
	cache := &stschain.Cache{Provider: &source{expires: time.Now().Add(time.Hour)}}
	_, err := cache.Retrieve(t.Context())
	require.NoError(t, err)
	problems, err := testutil.CollectAndLint(collector("c", cache))
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestRegister(t *testing.T) {
	cache := &stschain.Cache{Provider: &source{}}
	t.Run("several", func(t *testing.T) {
		registry := prometheus.NewPedanticRegistry()
		both := &promsts.Collector{Caches: map[string]*stschain.Cache{"a": cache, "b": cache}}
		require.NoError(t, registry.Register(both))
		require.NoError(t, registry.Register(collector("c", cache)), "another collector")
		var already prometheus.AlreadyRegisteredError
		require.ErrorAs(t, registry.Register(collector("c", cache)), &already)
		require.Error(t, registry.Register(&promsts.Collector{Caches: map[string]*stschain.Cache{"c": cache, "d": cache}}), "a name that is taken")
		families, err := registry.Gather()
		require.NoError(t, err)
		for _, family := range families {
			if family.GetName() == "stschain_waits_total" {
				require.Len(t, family.GetMetric(), 3)
			}
		}
		require.True(t, registry.Unregister(both))
	})
	t.Run("wrapped", func(t *testing.T) {
		registry := prometheus.NewPedanticRegistry()
		wrapped := prometheus.WrapRegistererWith(prometheus.Labels{"zone": "a"}, prometheus.WrapRegistererWithPrefix("app_", registry))
		require.NoError(t, wrapped.Register(collector("c", cache)))
		families, err := registry.Gather()
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(families[0].GetName(), "app_stschain_"))
	})
	for name, test := range map[string]struct {
		caches map[string]*stschain.Cache
		want   string
	}{
		"no map":       {nil, "promsts: Collector.Caches is required"},
		"a nil cache":  {map[string]*stschain.Cache{"ok": cache, "uploads": nil}, `promsts: Collector.Caches["uploads"] is nil`},
		"not in UTF-8": {map[string]*stschain.Cache{"\xff": cache}, "UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			c := &promsts.Collector{Caches: test.caches}
			require.ErrorContains(t, prometheus.NewRegistry().Register(c), test.want)
		})
	}
	t.Run("no caches", func(t *testing.T) {
		require.Empty(t, text(t, &promsts.Collector{Caches: map[string]*stschain.Cache{}}))
	})
	t.Run("not registered", func(t *testing.T) { // as by a Registerer that does not read descriptions
		metrics := make(chan prometheus.Metric, 1)
		(&promsts.Collector{}).Collect(metrics)
		require.ErrorContains(t, (<-metrics).Write(nil), "Collector.Caches is required")
	})
}

// What the package's manual names is what is collected, and all of it.
func TestManual(t *testing.T) {
	code, err := os.ReadFile("promsts.go")
	require.NoError(t, err)
	manual, _, _ := strings.Cut(string(code), "\npackage promsts")
	documented := map[string]bool{}
	for _, name := range regexp.MustCompile(`stschain_\w+`).FindAllString(manual, -1) {
		documented[name] = true
	}
	described := map[string]bool{}
	descs := make(chan *prometheus.Desc, 100)
	collector("c", &stschain.Cache{}).Describe(descs)
	(&promsts.PoolCollector[string]{Name: "p", Pool: &stschain.Pool[string]{}, Label: strings.ToUpper}).Describe(descs)
	close(descs)
	for d := range descs {
		described[regexp.MustCompile(`stschain_\w+`).FindString(d.String())] = true
	}
	require.Equal(t, described, documented)
}

// Nothing that a provider or a server says is shown.
func TestNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{expires: time.Now().Add(time.Hour)}
		cache := &stschain.Cache{Provider: src}
		c := collector("c", cache)
		check := func() {
			out := text(t, c)
			require.NotContains(t, out, "hunter4711")
			for _, foreign := range []string{"AKIDEXAMPLE", "source", "https://"} {
				require.NotContains(t, out, foreign)
			}
		}
		_, err := cache.Retrieve(t.Context())
		require.NoError(t, err)
		synctest.Wait()
		check()
		require.NotContains(t, fmt.Sprintf("%v %+v %#v", c, c, c), "hunter4711")

		src.err = errors.New("hunter4711 for AKIDEXAMPLE was not taken by https://sts.example")
		cache.Invalidate(stschain.Credentials{AccessKeyID: "AKIDEXAMPLE1"})
		<-time.After(time.Minute)
		_, err = cache.RetrieveFor(t.Context(), 2*time.Hour)
		require.ErrorIs(t, err, src.err)
		check()
	})
}
