package stschain_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

func rejectKey(c stschain.Invalidator, akid string) {
	c.Invalidate(stschain.Credentials{AccessKeyID: akid})
}

// Peers: aws-sdk-go-v2#1522, aws-sdk-java-v2#5545 (users.md 4.2, 4.19).
func TestCacheInvalidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		c := noJitter(&stschain.Cache{Provider: src})
		rejectKey(c, "key-1") // before anything is held
		requireGet(t, c, "key-1")
		pass(time.Second)

		rejectKey(c, "key-0") // somebody else's
		c.Invalidate(stschain.Credentials{})
		requireGet(t, c, "key-1")
		require.Equal(t, 1, src.count())

		src.takes = time.Second
		rejectKey(c, "key-1")
		rejectKey(c, "key-1") // twice
		require.True(t, c.Status().Rejected)
		got, took := mustGet(t, c)
		require.Equal(t, "key-2", got)
		require.Equal(t, time.Second, took, "they are known to be bad: the caller waits")
		require.False(t, c.Status().Rejected)
		rejectKey(c, "key-1") // late
		requireGet(t, c, "key-2")
		require.Equal(t, 2, src.count())
	})
}

func TestCacheInvalidateRefreshFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{answer: firstThen(time.Hour, errDown)}
		c := noJitter(&stschain.Cache{Provider: src})
		requireGet(t, c, "key-1")
		pass(time.Second)
		rejectKey(c, "key-1")
		requireGet(t, c, "key-1") // better than nothing
		require.Equal(t, 2, src.count())
		rejectKey(c, "key-1") // the back-off is not bypassed
		pass(299 * time.Second)
		requireGet(t, c, "key-1")
		synctest.Wait()
		require.Equal(t, 2, src.count())
		src.takes = time.Second
		pass(time.Second)
		requireGet(t, c, "key-1") // and nobody waits for what comes after it
		pass(time.Second)
		synctest.Wait()
		require.Equal(t, 3, src.count())
	})
}

// The rejected credentials again are a failed refresh.
// Peers: spinifex#995 (users.md 4.18).
func TestCacheInvalidateSameAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{answer: func(context.Context, int) (stschain.Credentials, error) { return key(1, time.Hour), nil }}
		c := &stschain.Cache{Provider: src}
		requireGet(t, c, "key-1")
		pass(time.Second)
		rejectKey(c, "key-1")
		requireGet(t, c, "key-1")
		require.ErrorContains(t, c.Status().Err, "key-1 again, which a service rejected")
		require.True(t, c.Status().Rejected)
	})
}

// What a flight brings is judged on arrival, whenever it began; the unreleased
// Go SDK lost an invalidation that came during a failing one.
// Peers: arrow-rs-object-store#805 (users.md 6.23; refresh.md A.7.1).
func TestCacheInvalidateDuringFlight(t *testing.T) {
	tests := []struct {
		name   string
		answer func(n int) (stschain.Credentials, error)
		want   string
		bad    bool // the rejection still stands
	}{
		{"brings others", func(n int) (stschain.Credentials, error) { return key(n, time.Hour), nil }, "key-2", false},
		{"brings the rejected ones", func(int) (stschain.Credentials, error) { return key(1, 2*time.Hour), nil }, "key-1", true},
		{"fails", func(int) (stschain.Credentials, error) { return stschain.Credentials{}, errDown }, "key-1", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &source{answer: func(_ context.Context, n int) (stschain.Credentials, error) {
					if n == 1 {
						return key(1, time.Hour), nil
					}
					<-time.After(2 * time.Second)
					return tt.answer(n)
				}}
				c := &stschain.Cache{Provider: src}
				requireGet(t, c, "key-1")
				pass(50 * time.Minute)
				requireGet(t, c, "key-1") // starts the flight
				pass(time.Second)
				rejectKey(c, "key-1")
				got, took := mustGet(t, c)
				require.Equal(t, tt.want, got)
				require.Equal(t, time.Second, took, "joined the flight")
				require.Equal(t, tt.bad, c.Status().Rejected)
				require.Equal(t, 2, src.count())
			})
		})
	}
}

// After every answer, forever: a caller that rejects all it gets made 1,200
// calls a minute in a trial.
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
		// The first rejection is believed after a second, each later one after five.
		require.Equal(t, 13, src.count())
	})
}

func TestCacheInvalidateNeverExpiring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{answer: func(_ context.Context, n int) (stschain.Credentials, error) {
			c := key(n, 0)
			c.Expires = time.Time{}
			return c, nil
		}}
		c := &stschain.Cache{Provider: src}
		requireGet(t, c, "key-1")
		pass(time.Second)
		rejectKey(c, "key-1")
		requireGet(t, c, "key-2")

		pass(15 * time.Minute)
		requireGet(t, c, "key-2")
		pass(2 * time.Second)
		requireGet(t, c, "key-3")
		rejectKey(c, "key-3") // soon after an answer that nothing was wrong with
		requireGet(t, c, "key-4")
	})
}

// Credentials that replace rejected ones are as good as any, even if they do not
// live as long.
func TestCacheInvalidateShorterLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{life: 12 * time.Hour}
		c := &stschain.Cache{Provider: src}
		requireGet(t, c, "key-1")
		pass(time.Second)
		src.life = time.Hour
		rejectKey(c, "key-1")
		requireGet(t, c, "key-2")
		pass(59 * time.Minute)
		src.takes = time.Second
		got, took := mustGet(t, c)
		require.Equal(t, "key-3", got)
		require.Equal(t, time.Second, took)
	})
}

// Rejected and hung: 5 s, then the old ones, which may still be good elsewhere.
func TestCacheInvalidateHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		c := &stschain.Cache{Provider: src}
		requireGet(t, c, "key-1")
		pass(time.Second)
		src.takes = 10 * time.Second
		rejectKey(c, "key-1")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Retrieve(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded, "known to be bad is not good")
		got, took := mustGet(t, c)
		require.Equal(t, "key-1", got)
		require.Equal(t, 4*time.Second, took)
		pass(5 * time.Second)
		requireGet(t, c, "key-2")
	})
}

// Rejected and expired: the old ones are of no use to anybody.
func TestCacheInvalidateThenExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		c := &stschain.Cache{Provider: src}
		requireGet(t, c, "key-1")
		rejectKey(c, "key-1")
		src.takes = 10 * time.Second
		pass(time.Hour)
		got, took := mustGet(t, c)
		require.Equal(t, "key-2", got)
		require.Equal(t, 10*time.Second, took)
	})
}

// Caches nest, as in a role whose client was given a cache: the inner one must
// not answer with what was rejected.
func TestCacheInvalidateReachesInnerCaches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		inner := &stschain.Cache{Provider: src}
		outer := &stschain.Cache{Provider: stschain.NewChain(inner)}
		requireGet(t, outer, "key-1")
		pass(time.Second)
		rejectKey(outer, "key-1")
		requireGet(t, outer, "key-2")
	})
}

// The pause after a rejection ends with the credentials that it is for.
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

// Where a backoff holds the refresh of rejected credentials back, the event says until when.
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
