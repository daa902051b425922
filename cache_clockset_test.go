package stschain_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// twoClocks is a Clock whose wall clock and monotonic clock go apart.
type twoClocks struct {
	mu         sync.Mutex // background refreshes read it too
	wall, mono time.Duration
}

var twoClocksBegan = time.Now()

// Now makes a time.Time by hand: no API sets its monotonic reading, which is the second word.
func (c *twoClocks) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := twoClocksBegan.Add(c.wall)
	(*[3]int64)(unsafe.Pointer(&t))[1] += int64(c.mono - c.wall)
	return t
}

func (c *twoClocks) add(wall, mono time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall += wall
	c.mono += mono
}

func (c *twoClocks) pass(d time.Duration)    { c.add(d, d) }
func (c *twoClocks) set(d time.Duration)     { c.add(d, 0) }
func (c *twoClocks) sleep(d time.Duration)   { c.add(d, 0) } // the monotonic clock of Linux stops
func (c *twoClocks) migrate(d time.Duration) { c.add(0, d) } // to a host that has been up for longer

func TestTwoClocks(t *testing.T) {
	c := &twoClocks{}
	before := c.Now()
	c.set(-10 * time.Hour)
	c.pass(time.Minute)
	after := c.Now()
	require.Equal(t, time.Minute, after.Sub(before))
	require.Equal(t, time.Minute-10*time.Hour, after.Round(0).Sub(before.Round(0)))
}

// hourly returns a cache over a source of credentials that live for an hour.
func hourly(clk *twoClocks) *stschain.Cache {
	n := 0
	return noJitter(&stschain.Cache{Clock: clk, Provider: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		n++
		return stschain.Credentials{AccessKeyID: fmt.Sprintf("key-%d", n), SecretAccessKey: stschain.NewSecret("s"), Expires: clk.Now().Add(time.Hour)}, nil
	})})
}

// The wall clock was 10 hours ahead when the credentials were received, and was corrected a minute later:
// they are not used for 10 hours more. Found by a model check.
func TestCacheClockAheadAtReceipt(t *testing.T) {
	clk := &twoClocks{}
	c := hourly(clk)
	clk.set(10 * time.Hour)
	requireGetKey(t, c, "key-1")
	clk.pass(time.Minute)
	clk.set(-10 * time.Hour)
	creds, err := c.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "key-1", creds.AccessKeyID)
	require.Equal(t, clk.Now().Round(0).Add(59*time.Minute), creds.Expires, "on the clock as it is now")
	require.Equal(t, creds.Expires, c.Status().Expires)
	clk.pass(43 * time.Minute)
	requireGetKey(t, c, "key-1")
	require.EqualValues(t, 1, c.Status().Attempts)
	clk.pass(15 * time.Minute)
	requireGetKey(t, c, "key-2") // the mandatory window
	clk.pass(time.Hour - 1)
	require.Equal(t, stschain.Mandatory, c.Status().Phase)
	clk.pass(1)
	require.Equal(t, stschain.Expired, c.Status().Phase)
}

// The wall clock was set back by more than the lifetime of the credentials between two calls.
func TestCacheClockSetBackUnseen(t *testing.T) {
	clk := &twoClocks{}
	c := hourly(clk)
	requireGetKey(t, c, "key-1")
	clk.pass(61 * time.Minute)
	clk.set(-3 * time.Hour)
	require.Equal(t, stschain.Expired, c.Status().Phase)
	requireGetKey(t, c, "key-2")
}

func TestCacheClockSetBackAndForth(t *testing.T) {
	clk := &twoClocks{}
	c := hourly(clk)
	requireGetKey(t, c, "key-1")
	expires, refreshed := c.Status().Expires, c.Status().Refreshed
	clk.set(-10 * time.Hour)
	clk.pass(time.Minute)
	requireGetKey(t, c, "key-1")
	require.Equal(t, expires.Add(-10*time.Hour), c.Status().Expires)
	require.True(t, refreshed.Add(-10*time.Hour).Equal(c.Status().Refreshed))
	require.Equal(t, 44*time.Minute, c.Status().Next.Sub(clk.Now().Round(0)), "the advisory window")
	clk.set(10 * time.Hour)
	clk.pass(time.Minute)
	requireGetKey(t, c, "key-1")
	require.Equal(t, expires, c.Status().Expires)
	require.EqualValues(t, 1, c.Status().Attempts, "no refresh for a clock that was corrected")
}

// A difference under a second is not a clock that was set: time servers adjust clocks all day.
func TestCacheClockSlewed(t *testing.T) {
	clk := &twoClocks{}
	c := hourly(clk)
	requireGetKey(t, c, "key-1")
	expires := c.Status().Expires
	for _, tt := range []struct{ set, want time.Duration }{{-time.Second + 1, 0}, {-1, -time.Second}, {-1, -time.Second - 1}} {
		clk.set(tt.set)
		require.Equal(t, expires.Add(tt.want), c.Status().Expires)
		creds, err := c.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, expires.Add(tt.want), creds.Expires)
	}
}

// The same after a rejection: the rejected credentials, which are returned if the refresh fails, expire on the clock as it is now.
func TestCacheClockSetBackBeforeRejection(t *testing.T) {
	clk := &twoClocks{}
	c := hourly(clk)
	requireGetKey(t, c, "key-1")
	clk.pass(time.Minute)
	clk.set(-10 * time.Hour)
	rejectKey(c, "key-1")
	require.Equal(t, clk.Now().Round(0).Add(59*time.Minute), c.Status().Expires)
	clk.pass(59*time.Minute - 1)
	require.Equal(t, stschain.Mandatory, c.Status().Phase)
	clk.pass(1)
	require.Equal(t, stschain.Expired, c.Status().Phase)
}

// After the clock was set back, a source that extends the lifetime of the cached key has succeeded, although its expiry is an earlier date.
func TestCacheClockSetBackBeforeExtension(t *testing.T) {
	clk, fails := &twoClocks{}, false
	c := noJitter(&stschain.Cache{Clock: clk, Provider: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		if fails {
			return stschain.Credentials{}, errDown
		}
		return stschain.Credentials{AccessKeyID: "key-1", SecretAccessKey: stschain.NewSecret("s"), Expires: clk.Now().Add(time.Hour)}, nil
	})})
	requireGetKey(t, c, "key-1")
	clk.pass(59 * time.Minute)
	fails = true
	requireGetKey(t, c, "key-1")
	require.ErrorIs(t, c.Status().Err, errDown)
	clk.set(-10 * time.Hour)
	clk.pass(time.Minute)
	fails = false
	requireGetKey(t, c, "key-1")
	require.Equal(t, clk.Now().Round(0).Add(time.Hour), c.Status().Expires)
	require.NoError(t, c.Status().Err)
}

// The times of an event are on the clock as it is now.
func TestCacheClockSetBackEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clk := &twoClocks{}
		c := hourly(clk)
		var events []stschain.Event
		c.OnEvent = func(e stschain.Event) { events = append(events, e) }
		requireGetKey(t, c, "key-1")
		clk.set(-10 * time.Hour)
		clk.pass(59 * time.Minute)
		now := clk.Now().Round(0)
		requireGetKey(t, c, "key-2")
		synctest.Wait()
		require.Len(t, events, 4)
		started, refreshed := events[2], events[3]
		require.True(t, now.Equal(started.Time), started.Time)
		require.True(t, now.Add(time.Minute).Equal(started.Expires), started.Expires)
		require.True(t, now.Equal(refreshed.Time), refreshed.Time)
		require.True(t, now.Add(time.Hour).Equal(refreshed.Expires), refreshed.Expires)
	})
}

// The monotonic clock stops while a laptop sleeps, and credentials expire (aws-sdk-go-v2#789).
func TestCacheLaptopSlept(t *testing.T) {
	clk := &twoClocks{}
	c := hourly(clk)
	requireGetKey(t, c, "key-1")
	creds, err := c.Retrieve(t.Context())
	require.NoError(t, err)
	require.NotContains(t, creds.Expires.String(), "m=", "no monotonic reading")
	clk.sleep(61 * time.Minute)
	require.Equal(t, stschain.Expired, c.Status().Phase)
	requireGetKey(t, c, "key-2")
	clk.pass(time.Minute)
	clk.set(10 * time.Hour) // forward for a moment: one refresh for nothing
	requireGetKey(t, c, "key-3")
	clk.set(-10 * time.Hour)
	for range 58 {
		clk.pass(time.Minute)
		c.Retrieve(t.Context())
	}
	require.Less(t, c.Status().Attempts, uint64(6))
	clk.pass(2 * time.Minute)
	creds, err = c.Retrieve(t.Context())
	require.NoError(t, err)
	require.True(t, clk.Now().Before(creds.Expires))
}

// A process that moved to a host with a larger monotonic clock refreshes once, and goes by the new clock.
func TestCacheProcessMigrated(t *testing.T) {
	for name, invalidate := range map[string]bool{"and continues": false, "and a service rejects what it has": true} {
		t.Run(name, func(t *testing.T) {
			clk := &twoClocks{}
			c := hourly(clk)
			requireGetKey(t, c, "key-1")
			clk.pass(time.Minute)
			clk.migrate(30 * 24 * time.Hour)
			if invalidate {
				rejectKey(c, "key-1")
			}
			clk.pass(time.Second)
			requireGetKey(t, c, "key-2")
			require.Equal(t, clk.Now().Round(0).Add(time.Hour), c.Status().Expires)
			for range 44 {
				clk.pass(time.Minute)
				requireGetKey(t, c, "key-2")
			}
			require.EqualValues(t, 2, c.Status().Attempts)
		})
	}
}

// A clock that goes back after a failure ends the backoff: what Status says and what the next call does agree.
func TestCacheClockSetBackAfterFailure(t *testing.T) {
	clk, fails := &twoClocks{}, false
	n := 0
	c := noJitter(&stschain.Cache{Clock: clk, Provider: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		if n++; fails {
			return stschain.Credentials{}, errDown
		}
		return stschain.Credentials{AccessKeyID: fmt.Sprint("key-", n), SecretAccessKey: stschain.NewSecret("s"), Expires: clk.Now().Add(time.Hour).Round(0)}, nil
	})})
	requireGetKey(t, c, "key-1")
	clk.pass(61 * time.Minute)
	fails = true
	_, err := c.Retrieve(t.Context())
	require.ErrorIs(t, err, errDown)
	require.Equal(t, time.Second, c.Status().Next.Sub(clk.Now().Round(0)))
	clk.set(-30 * time.Minute) // the monotonic clock goes on, and so does the backoff
	require.Equal(t, time.Second, c.Status().Next.Sub(clk.Now().Round(0)))
	_, err = c.Retrieve(t.Context())
	require.ErrorIs(t, err, errDown)
	require.Equal(t, 2, n)
	clk.pass(time.Second)
	require.Zero(t, c.Status().Next)
	fails = false
	requireGetKey(t, c, "key-3")
}
