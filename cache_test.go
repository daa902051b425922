package stschain_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// Credentials that are valid for an hour: advisory from 45 min on, mandatory from 59 min on
// (aws-sdk-go#3342, aws-sdk-net#4024, aws-sdk-go-v2#949).
func TestCachePhases(t *testing.T) {
	for _, tt := range []struct {
		after time.Duration
		phase string
		then  string
	}{
		{time.Minute, "fresh", "get key-1; pass 2s; get key-1; calls 1"},
		{45*time.Minute - 1, "fresh", "get key-1; pass 0; calls 1"},
		{45 * time.Minute, "advisory", "get key-1; pass 2s; get key-2; calls 2"},
		{59*time.Minute - 1, "advisory", "get key-1; pass 2s; get key-2; calls 2"},
		{59 * time.Minute, "mandatory", "get key-2 in 1s; get key-2; calls 2"},
		{time.Hour - 1, "mandatory", "get key-2 in 1s; get key-2; calls 2"},
		{time.Hour, "expired", "get key-2 in 1s; get key-2; calls 2"},
		{24 * time.Hour, "expired", "get key-2 in 1s; get key-2; calls 2"},
	} {
		t.Run(tt.after.String(), func(t *testing.T) {
			script(t, &stschain.Cache{}, "phase empty; get key-1; takes 1s; pass "+tt.after.String()+"; phase "+tt.phase, tt.then)
		})
	}
}

// aws-sdk-go#3127, opendal-reqsign#837
func TestCacheConcurrentCallersShareAnAttempt(t *testing.T) {
	for _, does := range []string{"works", "fails"} {
		t.Run(does, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, fails := &source{takes: time.Second, does: does}, does == "fails"
				c := &stschain.Cache{Provider: src}
				for round := 1; round <= 2; round++ { // empty, then expired
					var wg sync.WaitGroup
					for range 10_000 {
						wg.Go(func() {
							creds, err := c.Retrieve(t.Context())
							switch {
							case fails && !errors.Is(err, errDown):
								t.Errorf("got %v, want %v", err, errDown)
							case !fails && creds.AccessKeyID != fmt.Sprintf("key-%d", round):
								t.Errorf("refresh %d: %v, %v", round, creds, err)
							}
						})
					}
					wg.Wait()
					require.Equal(t, round, src.count())
					pass(2 * time.Hour)
				}
			})
		})
	}
}

// No caller waits after the first call: 64 callers, each once a
// millisecond, over three lifetimes of a source that takes 200 ms
// (aws-sdk-go#3342, aws-sdk-go-v2#1982, databricks-sdk-go#1135).
func TestCachePacedCallersNeverWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const life = 4 * time.Second
		src := &source{life: life, takes: 200 * time.Millisecond}
		c := &stschain.Cache{Provider: src}
		_, took := mustGet(t, c)
		require.Equal(t, 200*time.Millisecond, took)

		var wg sync.WaitGroup
		end := time.Now().Add(3 * life)
		for range 64 {
			wg.Go(func() {
				for now := time.Now(); now.Before(end); now = time.Now() {
					creds, err := c.Retrieve(t.Context())
					if err != nil || creds.ExpiredAt(now) || time.Now() != now {
						t.Errorf("after %v: %v, %v", time.Since(now), creds, err)
						return
					}
					<-time.After(time.Millisecond)
				}
			})
		}
		wg.Wait()
		s := c.Status()
		require.EqualValues(t, 1, s.Waits, "only the first caller waits")
		pass(time.Second) // the last refresh
		require.Equal(t, 1, src.most)
		require.LessOrEqual(t, src.count(), 14) // a window of 3 s: one a second or so
		require.GreaterOrEqual(t, src.count(), 4)
	})
}

// oauth2#793
func TestCacheHitAllocatesNothing(t *testing.T) {
	c := &stschain.Cache{Provider: &source{}}
	ctx := context.Background()
	_, err := c.Retrieve(ctx)
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(100, func() { c.Retrieve(ctx) }))
}

// What never expires is retrieved again every 15 minutes, because it may have been rotated (aws-sdk-go-v2#853).
func TestCacheNeverExpiring(t *testing.T) {
	script(t, &stschain.Cache{}, "life never; get key-1; pass 14m59.999999999s; get key-1; pass 0; calls 1; pass 1ns; get key-1; pass 0; get key-2",
		"source fails; pass 15m; get key-2; pass 0; calls 3; error down; get key-2",
		"source works; pass 300s; get key-2; pass 0; get key-4")
}

func TestCacheFarDates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{respond: func(_ context.Context, n int) (stschain.Credentials, error) {
			c := key(n, 0)
			c.Expires = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
			return c, nil
		}}
		c := &stschain.Cache{Provider: src}
		for range 3 {
			requireGet(t, c, "key-1")
			pass(100_000 * time.Hour)
		}
		require.Equal(t, 1, src.count())
		creds, err := c.RetrieveFor(t.Context(), 1000*time.Hour)
		require.NoError(t, err)
		require.Equal(t, 9999, creds.Expires.Year())
	})
}

// A cache does not keep the response in memory that the texts of credentials are parts of.
func TestCacheCopiesTexts(t *testing.T) {
	response := strings.Repeat("AKIDEXAMPLE 123456789012 role/x ", 1000)
	texts := strings.Fields(response)
	c := stschain.Cached(stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		creds := key(1, time.Hour)
		creds.AccessKeyID, creds.AccountID, creds.Origin = texts[0], texts[1], texts[2]
		return creds, nil
	}))
	creds, err := c.Retrieve(t.Context())
	require.NoError(t, err)
	for i, got := range []string{creds.AccessKeyID, creds.AccountID, creds.Origin} {
		require.Equal(t, texts[i], got)
		require.NotSame(t, unsafe.StringData(texts[i]), unsafe.StringData(got), got)
	}
}

func TestCached(t *testing.T) {
	c := &stschain.Cache{Provider: &source{}}
	require.Same(t, c, stschain.Cached(c))
	src := &source{}
	made, ok := stschain.Cached(src).(*stschain.Cache)
	require.True(t, ok)
	require.Equal(t, []stschain.Provider{src}, made.Providers())
	require.Equal(t, "source", made.String())
}

func TestCacheMisconfigured(t *testing.T) {
	for want, c := range map[string]*stschain.Cache{
		"Cache.Provider is required": {},
		"AdvisoryWindow -1s":         {Provider: &source{}, AdvisoryWindow: -time.Second},
		"MandatoryWindow -1s":        {Provider: &source{}, MandatoryWindow: -time.Second},
		"MaxStale -1s":               {Provider: &source{}, MaxStale: -time.Second},
		"Timeout -1s":                {Provider: &source{}, Timeout: -time.Second},
	} {
		_, err := c.Retrieve(t.Context())
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, stschain.ErrPermanent)
		c.Invalidate(stschain.Credentials{})
		c.Status()
	}
}

// The lifetime, and with it the window, is measured from the receipt of credentials, not from the call: 20 min is short, 20 min 25 s
// would not be.
func TestCacheLifetimeAtReceipt(t *testing.T) {
	script(t, &stschain.Cache{}, "life 20m; takes 25s; get key-1 in 25s; window 5m0s")
}

// A fleet that starts in one minute does not refresh in one minute.
// smithy-rs#2051, cockroach#169764
func TestCacheFleetSpreads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const fleet, life = 400, 12 * time.Hour
		earliest, latest := time.Now().Add(life-75*time.Minute), time.Now().Add(life-60*time.Minute)
		minutes := map[time.Duration]int{}
		for range fleet {
			c := &stschain.Cache{Provider: &source{life: life}}
			requireGet(t, c, "key-1")
			next := c.Status().Next
			require.False(t, next.Before(earliest) || next.After(latest), "%v", next)
			minutes[next.Sub(earliest).Truncate(time.Minute)]++
		}
		require.Greater(t, len(minutes), 10, "a fifteenth in each")
		for minute, caches := range minutes {
			require.Less(t, caches, fleet/5, "%v", minute)
		}
	})
}
