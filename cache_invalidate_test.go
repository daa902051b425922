package stschain_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// aws-sdk-go-v2#1522, aws-sdk-java-v2#5545, spinifex#995
func TestCacheInvalidate(t *testing.T) {
	script(t, &stschain.Cache{}, "reject key-1; get key-1; pass 1s",
		"reject key-0; reject ; get key-1; calls 1", // not the cached ones
		"takes 1s; reject key-1; reject key-1; rejected true",
		"get key-2 in 1s; rejected false", // the caller waits, although key-1 has not expired
		"reject key-1; get key-2; calls 2")
}

func TestCacheInvalidateRefreshFails(t *testing.T) {
	script(t, &stschain.Cache{}, "get key-1; pass 1s; source fails; reject key-1; get key-1; calls 2",
		"reject key-1; pass 299s; get key-1; pass 0; calls 2", // the backoff stays in effect
		"takes 1s; pass 1s; get key-1; pass 1s; calls 3")      // no caller waits for the next attempt
}

// A refresh that returns the rejected credentials again has failed (spinifex#995).
func TestCacheInvalidateSameAgain(t *testing.T) {
	script(t, &stschain.Cache{}, "source returns key-1; get key-1; pass 1s; reject key-1; get key-1",
		"error key-1 again, which a service rejected; rejected true")
}

// A rejection during an attempt applies to its result. The unreleased Go SDK lost it if the attempt failed
// (arrow-rs-object-store#805).
func TestCacheInvalidateDuringAttempt(t *testing.T) {
	for source, then := range map[string]string{
		"works":         "get key-2 in 1s; rejected false",
		"returns key-1": "get key-1 in 1s; rejected true",
		"fails":         "get key-1 in 1s; rejected true",
	} {
		script(t, &stschain.Cache{}, "get key-1; pass 50m; takes 2s; source "+source+"; get key-1; pass 1s; reject key-1", then, "calls 2")
	}
}

// A caller that rejects everything causes a bounded number of attempts: the first rejection counts after 1 s, the others after 5 s.
func TestCacheInvalidateForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		c := &stschain.Cache{Provider: src}
		c.SetRandom(func() float64 { return 1 })
		for range 6000 {
			creds, err := c.Retrieve(t.Context())
			require.NoError(t, err)
			c.Invalidate(creds)
			pass(10 * time.Millisecond)
		}
		require.Equal(t, 13, src.count())
	})
}

func TestCacheInvalidateNeverExpiring(t *testing.T) {
	script(t, &stschain.Cache{}, "life never; get key-1; pass 1s; reject key-1; get key-2",
		"pass 15m; get key-2; pass 2s; get key-3; reject key-3; get key-4")
}

// Credentials that replace rejected ones may expire earlier.
func TestCacheInvalidateShorterLife(t *testing.T) {
	script(t, &stschain.Cache{}, "life 12h; get key-1; pass 1s; life 1h; reject key-1; get key-2; pass 59m; takes 1s; get key-3 in 1s")
}

// While the refresh hangs, callers wait for 5 s and get the rejected ones, until they expire.
func TestCacheInvalidateHang(t *testing.T) {
	script(t, &stschain.Cache{}, "get key-1; pass 1s; takes 10s; reject key-1; within 1s fail deadline in 1s; get key-1 in 4s; pass 5s; get key-2")
	script(t, &stschain.Cache{}, "get key-1; reject key-1; takes 10s; pass 1h; get key-2 in 10s")
}

// A rejection reaches the inner caches.
func TestCacheInvalidateReachesInnerCaches(t *testing.T) {
	inner := stschain.Cached(&source{})
	script(t, &stschain.Cache{Provider: stschain.NewChain(inner)}, "get key-1; pass 1s; reject key-1; get key-2")
}

// The pause after a rejection ends when the credentials expire.
func TestCacheInvalidateShortLived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &stschain.Cache{Provider: &source{life: 3 * time.Second}}
		c.SetRandom(func() float64 { return 0.999 }) // almost 5 s
		requireGet(t, c, "key-1")
		pass(time.Second)
		for _, key := range []string{"key-1", "key-2"} {
			rejectKey(c, key)
			requireGet(t, c, "key-2")
		}
		pass(3*time.Second - 1)
		requireGet(t, c, "key-2")
		pass(1)
		requireGet(t, c, "key-3")
	})
}

// tier is a provider that caches, and records how it is called.
type tier struct {
	calls []string
	err   error // of RetrieveFor
}

func (s *tier) String() string                  { return "tier" }
func (s *tier) Invalidate(stschain.Credentials) {}

func (s *tier) Retrieve(context.Context) (stschain.Credentials, error) {
	s.calls = append(s.calls, "Retrieve")
	return key(len(s.calls), time.Hour), nil
}

func (s *tier) RetrieveFor(_ context.Context, atLeast time.Duration) (stschain.Credentials, error) {
	s.calls = append(s.calls, "RetrieveFor "+atLeast.String())
	return key(len(s.calls), 2*time.Hour), s.err
}

// A provider that caches too learns for how long the credentials must be valid. If it has none, its other ones are better than nothing.
func TestCacheRetrieveForPassesOn(t *testing.T) {
	s := &tier{}
	script(t, &stschain.Cache{Provider: s}, "get key-1; pass 1s; for 61m get key-2; for 1h get key-2; pass 2h; for 1ns get key-3; pass 2h; get key-4")
	require.Equal(t, []string{"Retrieve", "RetrieveFor 1h1m0s", "RetrieveFor 1ns", "Retrieve"}, s.calls)

	s = &tier{err: errDown}
	script(t, &stschain.Cache{Provider: s}, "for 90m fail tier are valid for another 1h0m0s, 1h30m0s are required; get key-2")
	require.Equal(t, []string{"RetrieveFor 1h30m0s", "Retrieve"}, s.calls)
}

func TestCacheRetrieveFor(t *testing.T) {
	script(t, &stschain.Cache{}, "takes 1s; for 1h get key-1 in 1s",
		"for 1h0m0.000000001s fail are valid for 1h0m0s, and 1h0m0.000000001s are required in 0s; calls 1",
		"pass 1s; for 59m59s get key-1; for 59m59.000000001s get key-2 in 1s; for 1h get key-2",
		"pass 1ms; for 1h fail refreshed just now; calls 2", // no two attempts within a second
		"source fails; pass 1m; 3x for 1h fail down, for 1h fail are valid for another 58m5; calls 3; get key-2")
}

// If the lifetime is too short, the source is called again when its credentials are due (datafusion-comet#6025).
func TestCacheRetrieveForShortLifetimes(t *testing.T) {
	script(t, &stschain.Cache{}, "life 10m; for 15m fail source are valid for 10m0s; calls 1; life 6h; pass 10m; for 15m get key-2")
}

// The backoff applies to every caller, and a caller that gives up does not end the attempt.
func TestCacheRetrieveForDuringBackoff(t *testing.T) {
	script(t, &stschain.Cache{}, "get key-1; source fails; pass 46m; get key-1; pass 0; calls 2; for 1m get key-1; pass 0; calls 2")
	script(t, &stschain.Cache{}, "get key-1; takes 10s; pass 30m; within 1s for 59m fail deadline in 1s; pass 10s; get key-2")
}

// If a backoff delays the refresh of rejected credentials, the event says until when.
func TestCacheInvalidateHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []stschain.Event
		c := noJitter(&stschain.Cache{Provider: &source{}, OnEvent: func(e stschain.Event) { events = append(events, e) }})
		requireGet(t, c, "key-1")
		until := time.Now().Add(time.Second)
		pass(400 * time.Millisecond)
		rejectKey(c, "key-1")
		requireGet(t, c, "key-1")
		pass(600 * time.Millisecond)
		requireGet(t, c, "key-2")
		pass(time.Second)
		rejectKey(c, "key-2")
		synctest.Wait()

		var rejections []stschain.Event
		for _, e := range events {
			if e.Kind == stschain.Invalidated {
				rejections = append(rejections, e)
			}
		}
		require.Len(t, rejections, 2)
		require.True(t, until.Equal(rejections[0].Next))
		require.ErrorContains(t, rejections[0].Err, "backs off until "+until.UTC().Format(time.RFC3339Nano))
		require.Zero(t, rejections[1].Next)
		require.NoError(t, rejections[1].Err)
	})
}
