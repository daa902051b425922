package stschain_test

import (
	"context"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// The monotonic clock stands still while a laptop sleeps; credentials do not.
// Peers: aws-sdk-go-v2#789 (users.md 6.27).
func TestCacheUsesTheWallClock(t *testing.T) {
	clk := clock.NewMock()
	clk.Set(time.Now())
	src := &source{respond: func(_ context.Context, n int) (stschain.Credentials, error) {
		c := key(n, 0)
		c.Expires = time.Now().Add(time.Hour) // with a monotonic reading
		return c, nil
	}}
	c := &stschain.Cache{Provider: src, Clock: clk}
	creds, err := c.Retrieve(t.Context())
	require.NoError(t, err)
	require.NotContains(t, creds.Expires.String(), "m=")
	clk.Set(time.Now().Add(2 * time.Hour).Round(0))
	require.Equal(t, stschain.Expired, c.Status().Phase)
}

func TestCacheClockJumps(t *testing.T) {
	start := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	clk := clock.NewMock()
	clk.Set(start)
	var fail error
	src := &source{respond: func(_ context.Context, n int) (stschain.Credentials, error) {
		c := key(n, 0)
		c.Expires = clk.Now().Add(time.Hour)
		return c, fail
	}}
	c := noJitter(&stschain.Cache{Provider: src, Clock: clk})
	requireGetKey(t, c, "key-1")

	clk.Set(start.Add(24 * time.Hour)) // forward: expired
	requireGetKey(t, c, "key-2")

	clk.Set(start.Add(23 * time.Hour)) // back: they live longer
	requireGetKey(t, c, "key-2")
	require.Equal(t, 2, src.count())

	fail = errDown
	clk.Set(start.Add(26 * time.Hour))
	_, err := c.Retrieve(t.Context())
	require.ErrorIs(t, err, errDown)
	_, err = c.Retrieve(t.Context())
	require.ErrorIs(t, err, errDown)
	require.Equal(t, 3, src.count(), "the error is remembered")

	fail = nil
	clk.Set(start.Add(26*time.Hour - 1)) // behind the failure: its rest is over
	requireGetKey(t, c, "key-4")
}

// A rest of ten minutes must not become one of an hour and ten.
func TestCacheClockBackEndsRestWhileServing(t *testing.T) {
	start := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	clk := clock.NewMock()
	clk.Set(start)
	src := &source{respond: func(_ context.Context, n int) (stschain.Credentials, error) {
		if n > 1 {
			return stschain.Credentials{}, errDown
		}
		c := key(n, 0)
		c.Expires = start.Add(6 * time.Hour)
		return c, nil
	}}
	done := make(chan stschain.Event, 10)
	c := noJitter(&stschain.Cache{Provider: src, Clock: clk, OnEvent: func(e stschain.Event) {
		if e.Kind == stschain.RefreshFailed {
			done <- e
		}
	}})
	requireGetKey(t, c, "key-1")
	clk.Set(start.Add(5*time.Hour + 10*time.Minute))
	requireGetKey(t, c, "key-1")
	e := <-done
	require.Equal(t, start.Add(5*time.Hour+15*time.Minute), e.Next.UTC())
	clk.Set(start.Add(5*time.Hour + 5*time.Minute))
	requireEventually(t, func() bool { // until the goroutine of the first try is gone
		requireGetKey(t, c, "key-1")
		return len(done) == 1
	})
}

// Boundary instants on an injected clock.
// Peers: aws-sdk-java-v2#5247 (users.md 6.16).
func TestCacheExpiresExactly(t *testing.T) {
	start := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name    string
		expires time.Time
		ok      bool
	}{
		{"now", start, false},
		{"1 ns later", start.Add(1), true},
		{"1 ns earlier", start.Add(-1), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clk := clock.NewMock()
			clk.Set(start)
			src := &source{respond: func(_ context.Context, n int) (stschain.Credentials, error) {
				c := key(n, 0)
				c.Expires = tt.expires
				return c, nil
			}}
			_, err := (&stschain.Cache{Provider: src, Clock: clk}).Retrieve(t.Context())
			if tt.ok {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, "expired at 2026-11-21T1")
			}
		})
	}
}
