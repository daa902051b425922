package stschain_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

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
	clk.Set(start.Add(26*time.Hour - 1)) // before the failure: its backoff is over
	requireGetKey(t, c, "key-4")
}

// Where the clock ends, in the year 2262, no attempt is planned for what never expires.
func TestCacheAtTheEndOfTime(t *testing.T) {
	clk := clock.NewMock()
	clk.Set(time.Unix(0, math.MaxInt64).Add(-10 * time.Minute))
	c := &stschain.Cache{Provider: &source{life: never}, Clock: clk}
	requireGetKey(t, c, "key-1")
	require.Equal(t, stschain.Fresh, c.Status().Phase)
	require.Zero(t, c.Status().Next)
}

func TestCredentialsExpiredAt(t *testing.T) {
	end := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	creds := stschain.Credentials{Expires: end}
	require.False(t, creds.ExpiredAt(end.Add(-1)))
	require.True(t, creds.ExpiredAt(end))
	require.True(t, creds.ExpiredAt(end.Add(1)))
	require.False(t, stschain.Credentials{}.ExpiredAt(end), "they never expire")
}

// Credentials are valid until, but not at, Expires (aws-sdk-java-v2#5247).
func TestCacheExpiresExactly(t *testing.T) {
	for life, want := range map[time.Duration]string{1: "get key-1", 0: "fail expired at ", -1: "fail expired at "} {
		script(t, &stschain.Cache{Provider: &source{respond: func(context.Context, int) (stschain.Credentials, error) { return key(1, life), nil }}}, want)
	}
}
