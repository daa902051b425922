package stschain_test

import (
	"context"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// The failure of a refresh is nobody's as long as the held credentials are
// good: minio-go and the SDK's default handler throw them away.
// Peers: aws-sdk-go#4937, aws-sdk-go-v2#2481, aws-sdk-js-v3#3402 (users.md 4.17, 4.21, 6.18, 3.1).
func TestCacheFailureServesHeld(t *testing.T) {
	for _, err := range []error{errDown, errRefused} {
		t.Run(err.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &source{answer: firstThen(time.Hour, err)}
				c := noJitter(&stschain.Cache{Provider: src})
				start := time.Now()
				for now := time.Now(); now.Before(start.Add(time.Hour)); now = time.Now() {
					requireGet(t, c, "key-1")
					pass(time.Second)
				}
				_, got := c.Retrieve(t.Context())
				require.ErrorIs(t, got, err)
				require.ErrorIs(t, c.Status().Err, err)
				// 45:00, then 5 min apart until half of what is left to 59:00 is less.
				var minutes []float64
				for _, at := range src.at[1:4] {
					minutes = append(minutes, at.Sub(start).Minutes())
				}
				require.Equal(t, []float64{45, 50, 54.5}, minutes)
				require.Less(t, src.count(), 90, "tries in the last minutes come a second apart")
				require.Greater(t, src.count(), 60, "tries go on until the end")
			})
		})
	}
}

func TestCacheRecoversInTheLastSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		src := &source{answer: func(_ context.Context, n int) (stschain.Credentials, error) {
			if n > 1 && !up.Load() {
				return stschain.Credentials{}, errDown
			}
			return key(n, 10*time.Minute), nil
		}}
		c := &stschain.Cache{Provider: src}
		requireGet(t, c, "key-1")
		for range 594 {
			pass(time.Second)
			requireGet(t, c, "key-1")
		}
		up.Store(true)
		for range 5 {
			pass(time.Second)
			mustGet(t, c)
		}
		got, _ := mustGet(t, c)
		require.NotEqual(t, "key-1", got)
	})
}

// What nobody can serve is remembered for a while.
// Peers: kubernetes#99328, eks-pod-identity-agent#50, aws-sdk-ruby#3308 (users.md 4.23, 4.24, 6.17, 6.21).
func TestCacheRemembersErrors(t *testing.T) {
	tests := []struct {
		name string
		err  error
		held bool // credentials that have expired
		rest time.Duration
	}{
		{"first failure", errDown, false, 100 * time.Millisecond},
		{"first refusal", errRefused, false, time.Second},
		{"expired", errDown, true, time.Second},
		{"expired and refused", errRefused, true, time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &source{answer: func(_ context.Context, n int) (stschain.Credentials, error) {
					if tt.held && n == 1 {
						return key(1, time.Hour), nil
					}
					return stschain.Credentials{}, tt.err
				}}
				c := noJitter(&stschain.Cache{Provider: src})
				if tt.held {
					requireGet(t, c, "key-1")
					pass(time.Hour)
				}
				before := src.count()
				for range 100 {
					_, err := c.Retrieve(t.Context())
					require.ErrorIs(t, err, tt.err)
				}
				require.Equal(t, before+1, src.count())
				pass(tt.rest - 1)
				_, err := c.Retrieve(t.Context())
				require.Error(t, err)
				require.Equal(t, before+1, src.count())
				pass(1)
				_, err = c.Retrieve(t.Context())
				require.Error(t, err)
				require.Equal(t, before+2, src.count())
			})
		})
	}
}

// Peers: spinifex#995, aws-sdk-ruby#3308, aws-sdk-js-v3#3402 (users.md 4.18, 6.17, 6.18).
func TestCacheMaxStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answer error
		src := &source{answer: func(_ context.Context, n int) (stschain.Credentials, error) {
			if n == 1 || answer == nil {
				return key(n, time.Hour), nil
			}
			return stschain.Credentials{}, answer
		}}
		var stale atomic.Int32
		c := noJitter(&stschain.Cache{Provider: src, MaxStale: 30 * time.Minute, OnEvent: func(e stschain.Event) {
			if e.Kind == stschain.ServingStale {
				stale.Add(1)
			}
		}})
		requireGet(t, c, "key-1")
		answer = errDown
		for range 89 {
			pass(time.Minute)
			requireGet(t, c, "key-1")
		}
		require.Positive(t, stale.Load())
		require.Equal(t, stschain.Expired, c.Status().Phase)
		pass(time.Minute)
		_, err := c.Retrieve(t.Context())
		require.ErrorIs(t, err, errDown, "it bridges 30 minutes and no more")
		answer = nil
		pass(5 * time.Second)
		got, _ := mustGet(t, c)
		require.NotEqual(t, "key-1", got)
	})
}

// MaxStale bridges outages, not refusals.
// Peers: spinifex#995 (users.md 4.18).
func TestCacheMaxStaleEndsWithARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{answer: firstThen(time.Hour, errRefused)}
		c := &stschain.Cache{Provider: src, MaxStale: math.MaxInt64}
		requireGet(t, c, "key-1")
		pass(time.Hour)
		_, err := c.Retrieve(t.Context())
		require.ErrorIs(t, err, errRefused)
	})
}

// A refusal ends it for the failures that follow too, until credentials come.
func TestCacheMaxStaleAfterARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answer error
		src := &source{answer: func(_ context.Context, n int) (stschain.Credentials, error) { return key(n, time.Hour), answer }}
		c := noJitter(&stschain.Cache{Provider: src, MaxStale: 24 * time.Hour})
		requireGet(t, c, "key-1")
		answer = errRefused
		pass(59 * time.Minute)
		requireGet(t, c, "key-1")
		answer = errDown
		pass(5 * time.Minute)
		_, err := c.Retrieve(t.Context())
		require.ErrorIs(t, err, errDown)

		answer = nil
		pass(5 * time.Second)
		requireGet(t, c, "key-4")
		answer = errDown
		pass(time.Hour)
		requireGet(t, c, "key-4")
	})
}

// A source that hangs holds up a caller whose stale credentials would do for no
// longer than one whose credentials are valid.
func TestCacheMaxStaleHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{answer: func(ctx context.Context, n int) (stschain.Credentials, error) {
			switch n {
			case 1:
				return key(1, time.Hour), nil
			case 2:
				return stschain.Credentials{}, errDown
			}
			<-ctx.Done()
			return stschain.Credentials{}, ctx.Err()
		}}
		c := &stschain.Cache{Provider: src, MaxStale: 24 * time.Hour}
		requireGet(t, c, "key-1")
		pass(time.Hour)
		requireGet(t, c, "key-1")
		pass(10 * time.Minute)
		got, took := mustGet(t, c)
		require.Equal(t, "key-1", got)
		require.Equal(t, 5*time.Second, took)
		requireGet(t, c, "key-1")
		pass(30 * time.Second)
	})
}

func TestCacheFailFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answer error
		src := &source{takes: time.Second, answer: func(_ context.Context, n int) (stschain.Credentials, error) {
			return key(n, time.Hour), answer
		}}
		c := noJitter(&stschain.Cache{Provider: src, FailFast: true})

		answer = errDown
		for range 9 { // the first is not remembered
			_, err := c.Retrieve(t.Context())
			require.ErrorIs(t, err, errDown)
		}
		require.Equal(t, 2, src.count())
		pass(100 * time.Millisecond)
		_, err := c.Retrieve(t.Context())
		require.ErrorIs(t, err, errDown)
		require.Equal(t, 3, src.count())
		pass(100 * time.Millisecond)

		answer = nil
		mustGet(t, c)
		answer = errRefused
		pass(50 * time.Minute)
		requireGet(t, c, "key-4")
		pass(time.Second)
		_, err = c.Retrieve(t.Context())
		require.ErrorIs(t, err, errRefused, "raised although key-4 is good")
		require.Equal(t, 5, src.count())
		answer = nil
		pass(time.Second)
		got, took := mustGet(t, c)
		require.Equal(t, "key-6", got)
		require.Equal(t, time.Second, took, "the caller after the pause waits in any phase")

		// And one that cannot wait gets no credentials that were refused.
		answer = errRefused
		pass(50 * time.Minute)
		requireGet(t, c, "key-6")
		pass(2 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err = c.Retrieve(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		pass(time.Minute)
	})
}

// An answer that cannot be used is a failed refresh, and never replaces good
// credentials.
// Peers: aws-sdk-java-v2#5247, aws-sdk-net#3864, VictoriaMetrics#10818 (users.md 6.16, 6.20, 1.2.6, 3.12).
// smithy's SDKs and aws-sdk-net#4313: a source that hands out the same or
// short-lived credentials was asked by every call.
// See users.md 6.1; refresh.md A.7.6.
// A try that brings nothing which lives longer settles it: the next callers do
// not wait for another one.
// See refresh.md A.7.6.
// See refresh.md A.7.6.
// The same key keeps its windows: a source that hands out what it holds, as IMDS
// does, does not shrink them with each answer.
// A rest after a success ends with the credentials.
// A source that hangs, refuses or fails from the advisory window on, and callers
// with one second of patience: none of them fails or waits while the credentials
// are valid.
// Status tells when credentials came last, and counts the tries after which callers
// got expired ones.
func TestStatusRefreshedAndStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{answer: func(_ context.Context, n int) (stschain.Credentials, error) {
			if n > 1 {
				return stschain.Credentials{}, errDown
			}
			return key(n, time.Hour), nil
		}}
		c := noJitter(&stschain.Cache{Provider: src, MaxStale: time.Hour})
		require.True(t, c.Status().Refreshed.IsZero())
		start := time.Now()
		mustGet(t, c)
		pass(50 * time.Minute)
		mustGet(t, c) // fails in the background
		pass(0)
		require.EqualValues(t, 1, c.Status().Failures)
		require.Zero(t, c.Status().Stale, "they have not expired")
		pass(15 * time.Minute)
		mustGet(t, c)
		require.EqualValues(t, 1, c.Status().Stale)
		require.True(t, c.Status().Refreshed.Equal(start))
		pass(time.Hour)
		_, err := c.Retrieve(t.Context())
		require.ErrorIs(t, err, errDown)
		require.EqualValues(t, 1, c.Status().Stale, "that one left them with nothing")
	})
}

// The source works again, and returns the credentials that are cached already: no caller gets the error from before.
// Found by TestExplore: retrieve, ok, boundary, boundary, retrieve, permanent, boundary, retrieve, same.
func TestCacheFailFastEndsWithTheSameCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := key(1, time.Hour)
		src := &source{answer: func(_ context.Context, n int) (stschain.Credentials, error) {
			if n == 2 {
				return stschain.Credentials{}, errRefused
			}
			return first, nil
		}}
		c := noJitter(&stschain.Cache{Provider: src, FailFast: true})
		requireGet(t, c, "key-1")
		pass(50 * time.Minute)
		requireGet(t, c, "key-1") // while the source refuses
		synctest.Wait()
		_, err := c.Retrieve(t.Context())
		require.ErrorIs(t, err, errRefused)
		pass(time.Second)
		for range 10 {
			requireGet(t, c, "key-1")
			pass(time.Second)
		}
		require.Equal(t, 3, src.count())
	})
}
