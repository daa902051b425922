package stsquery_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/stsquery"
)

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// The curve after a throttling at 10 attempts a second: it begins at 0.7 of the
// peak, is flat around it, and then goes beyond.
func TestCubic(t *testing.T) {
	for _, test := range []struct{ peak, seconds, want float64 }{
		{10, 0, 7.0},
		{10, 1, 9.64893600966},
		{10, 2, 10.000030849917364},
		{10, 3, 10.453284520772092},
		{10, 4, 13.408697022224185},
		{10, 5, 21.26626835427364},
		{10, 6, 36.425998516920465},
		{0, 0, 0},
		{0, 10, 400},
	} {
		require.InDelta(t, test.want, stsquery.Cubic(test.peak, test.seconds), 1e-9, "%+v", test)
	}
}

// Attempts five times a second, throttled at 2 s and at 3.2 s.
func TestLimiterLearns(t *testing.T) {
	var l stsquery.Limiter
	require.Zero(t, l.Take(noon))
	for _, test := range []struct {
		at             float64
		throttled      bool
		measured, rate float64
	}{
		{at: 0.2, measured: 0, rate: 0.5},
		{at: 0.4, measured: 0, rate: 0.5},
		{at: 0.6, measured: 4.8, rate: 0.5},
		{at: 0.8, measured: 4.8, rate: 0.5},
		{at: 1.0, measured: 4.16, rate: 0.5},
		{at: 1.2, measured: 4.16, rate: 0.6912},
		{at: 1.4, measured: 4.16, rate: 1.0976},
		{at: 1.6, measured: 5.632, rate: 1.6384},
		{at: 1.8, measured: 5.632, rate: 2.3328},
		{at: 2.0, throttled: true, measured: 4.3264, rate: 3.02848},
		{at: 2.2, measured: 4.3264, rate: 3.4866391734},
		{at: 2.4, measured: 4.3264, rate: 3.8218744160},
		{at: 2.6, measured: 5.66528, rate: 4.0533857274},
		{at: 2.8, measured: 5.66528, rate: 4.2003731086},
		{at: 3.0, measured: 4.333056, rate: 4.2820365810},
		{at: 3.2, throttled: true, measured: 4.333056, rate: 2.9974256067},
		{at: 3.4, measured: 4.333056, rate: 3.4522263943},
	} {
		l.Learn(noon.Add(seconds(test.at)), test.throttled)
		measured, rate, _ := l.Rates()
		require.InDelta(t, test.measured, measured, 1e-6, "%+v", test)
		require.InDelta(t, test.rate, rate, 1e-6, "%+v", test)
	}
}

// Nothing waits before the first throttling; then each waits for its own token.
func TestLimiterTake(t *testing.T) {
	var l stsquery.Limiter
	for range 1000 {
		require.Zero(t, l.Take(noon))
	}
	l.Learn(noon, true) // the rate is the least, half an attempt a second, and no token is there
	require.Equal(t, 2*time.Second, l.Take(noon))
	require.Equal(t, 4*time.Second, l.Take(noon))
	l.Give() // of a caller that gave up
	require.Equal(t, 4*time.Second, l.Take(noon))
	require.Equal(t, 2*time.Second+seconds(2), l.Take(noon.Add(2*time.Second)))
	require.Equal(t, 1*time.Nanosecond, l.Take(noon.Add(8*time.Second-1)).Round(time.Nanosecond))

	// One token at most is kept for a quiet time, and a clock that goes back takes none.
	require.Zero(t, l.Take(noon.Add(time.Hour)))
	require.Equal(t, 2*time.Second, l.Take(noon.Add(time.Hour)))
	require.Equal(t, 4*time.Second, l.Take(noon))
}

// The adaptive client: attempts that follow a throttling keep the least rate, those
// of other calls too, and the waits end with the caller's context.
// Report: aws-sdk-go-v2#2481.
func TestAdaptive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := scripted(ok, ok, slowDown, ok, ok)
		c.Retry.Mode = stsquery.Adaptive
		start := time.Now()
		for range 2 {
			_, err := c.AssumeRole(t.Context(), roleInput)
			require.NoError(t, err)
		}
		require.Zero(t, time.Since(start), "nothing is limited yet")

		_, err := c.AssumeRole(t.Context(), roleInput)
		require.NoError(t, err)
		require.GreaterOrEqual(t, s.times[3].Sub(s.times[2]), 2*time.Second-time.Millisecond)

		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, errors.New("shutting down"))
		defer cancel()
		before := time.Now()
		_, err = c.AssumeRole(ctx, roleInput)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "shutting down")
		require.Equal(t, time.Millisecond, time.Since(before))
		var e *stsquery.Error
		require.ErrorAs(t, err, &e)
		require.Zero(t, e.Attempts)
		require.Equal(t, "sts.us-east-1.amazonaws.com", e.Endpoint)

		_, err = c.AssumeRole(t.Context(), roleInput)
		require.NoError(t, err)
		require.Len(t, s.times, 5)
	})
}

// A caller that gives up waiting takes no token: the next one is there after 2 s.
func TestLimiterGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := scripted(slowDown, ok)
		c.Retry = stsquery.Retry{Mode: stsquery.Adaptive, MaxAttempts: 1}
		start := time.Now()
		_, err := c.AssumeRole(t.Context(), roleInput)
		require.ErrorContains(t, err, "Throttling")
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			_, err = c.AssumeRole(ctx, roleInput)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		_, err = c.AssumeRole(t.Context(), roleInput)
		require.NoError(t, err)
		require.InDelta(t, 2, time.Since(start).Seconds(), 0.01)
	})
}

// The adaptive mode is the standard one otherwise.
func TestAdaptiveIsStandard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		later := down
		later.header = http.Header{"X-Amz-Retry-After": {"4000"}}
		c, s := scripted(later, down, down, ok)
		c.Retry.Mode = stsquery.Adaptive
		c.Drain(100)
		_, err := c.AssumeRole(t.Context(), roleInput)
		require.ErrorContains(t, err, "503")
		require.Len(t, s.times, 3)
		require.Equal(t, 72, c.Tokens())
		require.GreaterOrEqual(t, s.times[1].Sub(s.times[0]), 4*time.Second)
	})
}
