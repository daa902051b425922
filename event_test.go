package stschain_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

func TestCacheEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var got []string
		src := &source{takes: time.Second, respond: func(_ context.Context, n int) (stschain.Credentials, error) {
			if n == 2 || n == 4 {
				return stschain.Credentials{}, errDown
			}
			return key(n, time.Hour), nil
		}}
		start := time.Now()
		c := noJitter(&stschain.Cache{Provider: src, MaxStale: time.Hour, OnEvent: func(e stschain.Event) {
			mu.Lock()
			defer mu.Unlock()
			next := "-"
			if !e.Next.IsZero() {
				next = e.Next.Sub(start).String()
			}
			expires := "-"
			if !e.Expires.IsZero() {
				expires = e.Expires.Sub(start).String()
			}
			got = append(got, fmt.Sprintf("%v %s %s expires=%s next=%s took=%v err=%v", e.Time.Sub(start), e.Origin, e.Kind, expires, next, e.Took, e.Err))
		}})
		mustGet(t, c)
		pass(50 * time.Minute)
		mustGet(t, c)
		pass(6 * time.Minute)
		rejectKey(c, "key-1")
		mustGet(t, c)
		pass(65*time.Minute - 2*time.Second)
		mustGet(t, c)
		pass(0)
		require.Equal(t, []string{
			"0s source refresh started expires=- next=- took=0s err=<nil>",
			"1s source refreshed expires=1h0m1s next=45m1s took=1s err=<nil>",
			"50m1s source refresh started expires=1h0m1s next=- took=0s err=<nil>",
			"50m2s source refresh failed expires=1h0m1s next=55m2s took=1s err=the source is down",
			"56m1s source invalidated expires=1h0m1s next=- took=0s err=<nil>",
			"56m1s source refresh started expires=1h0m1s next=- took=0s err=<nil>",
			"56m2s source refreshed expires=1h56m2s next=1h41m2s took=1s err=<nil>",
			"2h1m0s source refresh started expires=1h56m2s next=- took=0s err=<nil>",
			"2h1m1s source refresh failed expires=1h56m2s next=2h6m1s took=1s err=the source is down",
			"2h1m1s source serving stale expires=1h56m2s next=2h6m1s took=0s err=the source is down",
		}, got)
	})
}

func TestCombineEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		observer := func(name string) func(stschain.Event) {
			return func(e stschain.Event) { got = append(got, name+" "+e.Kind.String()) }
		}
		c := &stschain.Cache{Provider: &source{}, OnEvent: stschain.CombineEvents(observer("log"), nil, observer("metrics"))}
		requireGet(t, c, "key-1")
		synctest.Wait()
		require.Equal(t, []string{"log refresh started", "metrics refresh started", "log refreshed", "metrics refreshed"}, got)
	})
}

// An OnEvent that is slow, calls the cache or exits its goroutine affects no caller,
// and loses no event.
func TestCacheEventsOfABadObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c *stschain.Cache
		var mu sync.Mutex
		var kinds []stschain.EventKind
		c = &stschain.Cache{Provider: &source{}, OnEvent: func(e stschain.Event) {
			mu.Lock()
			kinds = append(kinds, e.Kind)
			mu.Unlock()
			c.Status()
			if _, err := c.Retrieve(context.Background()); err != nil {
				t.Error(err)
			}
			<-time.After(time.Hour / 4)
			if len(kinds) == 1 {
				runtime.Goexit()
			}
		}}
		requireGet(t, c, "key-1")
		pass(10 * time.Hour)
		require.Equal(t, []stschain.EventKind{stschain.RefreshStarted, stschain.Refreshed}, kinds[:2])
	})
}

// An OnEvent that never returns does not fill the memory.
func TestCacheEventsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan bool)
		var count int
		src := &source{life: 2 * time.Second}
		c := &stschain.Cache{Provider: src, OnEvent: func(stschain.Event) {
			count++
			<-release
		}}
		for range 3000 {
			mustGet(t, c)
			pass(2 * time.Second)
		}
		close(release)
		pass(0)
		require.Equal(t, 3000, src.count())
		require.Equal(t, 1024, count)
	})
}

// A key is not kept in memory by the event that says that it was forgotten.
func TestPoolEventsAreNotKept(t *testing.T) {
	type tenant struct{ name string }
	delivered := make(chan bool)
	pool := &stschain.Pool[*tenant]{
		New:     func(*tenant) (stschain.Provider, error) { return &source{}, nil },
		OnEvent: func(stschain.PoolEvent[*tenant]) { delivered <- true },
	}
	gone := make(chan bool)
	func() {
		key := &tenant{"a"}
		runtime.AddCleanup(key, func(gone chan bool) { close(gone) }, gone)
		_, err := pool.Retrieve(t.Context(), key)
		require.NoError(t, err)
		pool.Forget(key)
	}()
	for range 3 {
		<-delivered
	}
	require.Eventually(t, func() bool {
		runtime.GC()
		select {
		case <-gone:
			return true
		default:
			return false
		}
	}, 10*time.Second, time.Millisecond)
	runtime.KeepAlive(pool)
}

// textLogger returns a logger that writes lines of all levels without their time to out.
func textLogger(out io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

// aws-sdk-go-v2#98
func TestLogEvents(t *testing.T) {
	var out bytes.Buffer
	log := stschain.LogEvents(textLogger(&out))
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	log(stschain.Event{Kind: stschain.RefreshStarted, Origin: "env"})
	log(stschain.Event{Kind: stschain.Refreshed, Origin: "env", Expires: at, Took: time.Second})
	log(stschain.Event{Kind: stschain.RefreshFailed, Origin: "env", Next: at, Err: errDown})
	log(stschain.Event{Kind: stschain.ServingStale, Origin: "env", Err: errDown})
	log(stschain.Event{Kind: stschain.Invalidated, Origin: "env"})
	log(stschain.Event{Kind: stschain.Refreshed, Origin: "env", Took: 1, Note: "the instance has credentials too"})
	require.Equal(t, `level=DEBUG msg="aws credentials refresh started" origin=env
level=INFO msg="aws credentials refreshed" origin=env expires=2026-11-21T12:00:00.000Z took=1s
level=WARN msg="aws credentials refresh failed" origin=env next=2026-11-21T12:00:00.000Z err="the source is down"
level=WARN msg="aws credentials serving stale" origin=env err="the source is down"
level=INFO msg="aws credentials invalidated" origin=env
level=INFO msg="aws credentials refreshed" origin=env took=1ns note="the instance has credentials too"
`, out.String())
}

func TestLogPoolEvents(t *testing.T) {
	type tenant struct{ role, externalID string }
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		show func(tenant) string
		key  string
	}{
		"with keys":    {func(t tenant) string { return t.role }, " key=reader"},
		"without keys": {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			log := stschain.LogPoolEvents(textLogger(&out), test.show)
			for _, e := range []stschain.Event{
				{Kind: stschain.RefreshStarted, Origin: "sts"},
				{Kind: stschain.Refreshed, Origin: "sts", Expires: at, Took: time.Second},
				{Kind: stschain.RefreshFailed, Origin: "sts", Next: at, Err: errDown},
				{Kind: stschain.Evicted, Origin: "sts", Expires: at},
				{Kind: stschain.Forgotten, Origin: "sts"},
			} {
				log(stschain.PoolEvent[tenant]{Key: tenant{"reader", "hunter4711"}, Event: e})
			}
			require.Equal(t, strings.ReplaceAll(`level=DEBUG msg="aws credentials refresh started" KEY origin=sts
level=INFO msg="aws credentials refreshed" KEY origin=sts expires=2026-11-21T12:00:00.000Z took=1s
level=WARN msg="aws credentials refresh failed" KEY origin=sts next=2026-11-21T12:00:00.000Z err="the source is down"
level=INFO msg="aws credentials evicted" KEY origin=sts expires=2026-11-21T12:00:00.000Z
level=INFO msg="aws credentials forgotten" KEY origin=sts
`, " KEY", test.key), out.String())
		})
	}
}

// The events of a Pool reach every observer.
func TestLogPoolEventsOfAPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		var keys []string
		pool := &stschain.Pool[string]{
			New: func(string) (stschain.Provider, error) { return &source{}, nil },
			OnEvent: stschain.CombineEvents(
				stschain.LogPoolEvents(textLogger(&out), func(key string) string { return "tenant " + key }),
				func(e stschain.PoolEvent[string]) { keys = append(keys, e.Key+" "+e.Kind.String()) },
			),
		}
		_, err := pool.Retrieve(t.Context(), "a")
		require.NoError(t, err)
		pool.Forget("a")
		synctest.Wait()
		require.Equal(t, []string{"a refresh started", "a refreshed", "a forgotten"}, keys)
		require.Equal(t, 3, strings.Count(out.String(), ` key="tenant a" origin=`), out.String())
	})
}

// Dashboards show these texts.
func TestEnumTexts(t *testing.T) {
	for want, value := range map[string]fmt.Stringer{
		"empty": stschain.Empty, "fresh": stschain.Fresh, "advisory": stschain.Advisory, "mandatory": stschain.Mandatory, "expired": stschain.Expired, "Phase(9)": stschain.Phase(9),
		"not called": stschain.NotCalled, "succeeded": stschain.Succeeded, "not configured": stschain.NotConfigured, "failed": stschain.Failed, "needs prompt": stschain.PromptRequired,
		"Outcome(-1)": stschain.Outcome(-1), "EventKind(0)": stschain.EventKind(0), "StepKind(9)": stschain.StepKind(9),
		"Phase(5)": stschain.Phase(5), "Outcome(5)": stschain.Outcome(5), "EventKind(8)": stschain.EventKind(8), "StepKind(3)": stschain.StepKind(3),
	} {
		require.Equal(t, want, value.String())
	}
}
