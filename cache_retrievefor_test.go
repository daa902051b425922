package stschain_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

func TestCacheRetrieveFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: time.Second}
		c := noJitter(&stschain.Cache{Provider: src})
		get := func(atLeast time.Duration) (string, error) {
			creds, err := c.RetrieveFor(t.Context(), atLeast)
			return creds.AccessKeyID, err
		}
		got, err := get(time.Hour)
		require.NoError(t, err)
		require.Equal(t, "key-1", got)

		_, err = get(time.Hour + 1)
		require.ErrorContains(t, err, "are valid for 1h0m0s, and 1h0m0.000000001s are required")
		require.Equal(t, 1, src.count(), "refused at once")

		pass(time.Second)
		got, err = get(time.Hour - time.Second)
		require.NoError(t, err)
		require.Equal(t, "key-1", got)
		got, err = get(time.Hour - time.Second + 1)
		require.NoError(t, err)
		require.Equal(t, "key-2", got)

		_, err = get(time.Hour)
		require.NoError(t, err, "it has just come")
		pass(time.Millisecond)
		_, err = get(time.Hour)
		require.ErrorContains(t, err, "refreshed just now", "no two tries within a second")
		require.Equal(t, 2, src.count())

		src.answer = func(context.Context, int) (stschain.Credentials, error) {
			return stschain.Credentials{}, errDown
		}
		pass(time.Minute)
		for range 3 {
			_, err = get(time.Hour)
			require.ErrorIs(t, err, errDown)
			require.ErrorContains(t, err, "are valid for another 58m5")
		}
		require.Equal(t, 3, src.count())
		requireGet(t, c, "key-2")
	})
}

func TestCacheRetrieveForShortAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{life: 10 * time.Minute}
		c := &stschain.Cache{Provider: src}
		_, err := c.RetrieveFor(t.Context(), 15*time.Minute)
		require.ErrorContains(t, err, "source are valid for 10m0s")
		require.Equal(t, 1, src.count())

		// The source is asked again when its answer is due, and may give more then.
		src.life = 6 * time.Hour
		pass(10 * time.Minute)
		_, err = c.RetrieveFor(t.Context(), 15*time.Minute)
		require.NoError(t, err)
	})
}

func TestCacheRetrieveForDuringRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{answer: firstThen(time.Hour, errDown)}
		c := noJitter(&stschain.Cache{Provider: src})
		requireGet(t, c, "key-1")
		pass(46 * time.Minute)
		requireGet(t, c, "key-1")
		synctest.Wait()
		require.Equal(t, 2, src.count())
		_, err := c.RetrieveFor(t.Context(), time.Minute)
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, 2, src.count(), "the rest is everybody's")
	})
}

func TestCacheRetrieveForLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		c := &stschain.Cache{Provider: src}
		requireGet(t, c, "key-1")
		src.takes = 10 * time.Second
		pass(30 * time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.RetrieveFor(ctx, time.Hour-time.Minute)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		pass(10 * time.Second)
		requireGet(t, c, "key-2")
	})
}
