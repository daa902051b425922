package stschain_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

var errGone = errors.New("the client hung up")

// If the first caller is canceled, the others are not affected (aws-sdk-go#3127, #3133, mongo-go-driver#1166, aws-sdk-go-v2#503, minio-go#2275).
func TestCacheFirstCallerCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: 2 * time.Second}
		c := &stschain.Cache{Provider: src}
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := c.Retrieve(ctx)
			if !errors.Is(err, context.Canceled) || !errors.Is(err, errGone) {
				t.Errorf("got %v, want the end of the context and its cause", err)
			}
			if time.Now().Nanosecond() != 0 {
				t.Errorf("the caller was kept waiting")
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if creds, err := c.Retrieve(t.Context()); err != nil || creds.AccessKeyID != "key-1" {
				t.Errorf("got %v, %v", creds, err)
			}
		})
		synctest.Wait()
		cancel(errGone)
		wg.Wait()
		require.Equal(t, 1, src.count())
	})
}

// If all callers give up, the attempt continues, and its result is cached (minio-go#2275).
func TestCacheAllCallersCancelled(t *testing.T) {
	script(t, &stschain.Cache{}, "takes 2s; within 1s fail deadline in 1s; pass 1s; get key-1; calls 1")
}

// A caller whose context has ended begins no attempt, and gets credentials that are cached.
func TestCacheEndedContext(t *testing.T) {
	script(t, &stschain.Cache{}, "within 0s fail deadline; pass 0; calls 0; get key-1; within 0s get key-1")
}

// In the mandatory window callers wait until 5 s after the attempt began. Later callers do not wait.
func TestCacheMandatoryWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		c := &stschain.Cache{Provider: src}
		requireGet(t, c, "key-1")
		src.takes = 20 * time.Second
		pass(59 * time.Minute)

		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				creds, err := c.Retrieve(t.Context())
				if err != nil || creds.AccessKeyID != "key-1" {
					t.Errorf("got %v, %v", creds, err)
				}
			})
			if i < 3 {
				pass(2 * time.Second)
			}
		}
		wg.Wait()
		requireGet(t, c, "key-1") // the fourth called 6 s after the attempt began
		pass(14 * time.Second)
		requireGet(t, c, "key-2")
		require.EqualValues(t, 4, c.Status().Waits)
		require.Equal(t, 2, src.count())
	})
}

// If the credentials expire while the caller waits, it continues to wait.
func TestCacheMandatoryWaitIntoExpiry(t *testing.T) {
	script(t, &stschain.Cache{}, "get key-1; takes 10s; pass 59m58s; get key-2 in 10s")
}

// A caller whose context ends before the attempt gets the cached credentials if they are valid, and an error otherwise.
func TestCacheShortDeadline(t *testing.T) {
	script(t, &stschain.Cache{}, "get key-1; takes 3s; pass 59m; within 1s get key-1 in 1s; pass 2s; get key-2")
	script(t, &stschain.Cache{}, "get key-1; takes 3s; pass 1h; within 1s fail deadline in 1s; pass 2s; get key-2; takes 3s; pass 1h",
		"within 1s fail waiting for credentials from source")
	script(t, &stschain.Cache{}, "get key-1; takes 10s; pass 59m; within 1s for 59s get key-1 in 1s", // and RetrieveFor, if they are valid for that long
		"within 1s for 58s get key-1 in 1s; within 1s for 57.000000001s fail deadline in 1s")
}

// The wait in the mandatory window ends 5 s after the attempt began, for a caller that joins it a nanosecond before that too.
func TestCacheMandatoryWaitJoinedLate(t *testing.T) {
	script(t, &stschain.Cache{}, "get key-1; source hangs; pass 59m; within 1s get key-1 in 1s; pass 3.999999999s; get key-1 in 1ns; get key-1")
}

// An error names the provider, not the origin that it gave the credentials.
func TestCacheErrorNamesTheProvider(t *testing.T) {
	script(t, &stschain.Cache{Provider: &source{respond: func(_ context.Context, n int) (stschain.Credentials, error) {
		creds := key(n, time.Hour)
		creds.Origin = "elsewhere"
		return creds, nil
	}}}, "get key-1; pass 1h; within 0s fail waiting for credentials from source: ")
}

// A provider that prompts is not called in the background, and has 5 minutes (aws-sdk-go#842).
func TestCachePrompting(t *testing.T) {
	script(t, &stschain.Cache{}, "source prompts; get key-1; takes 4m; pass 58m59.999999999s; get key-1; pass 0",
		"error prompt; failures 0; pass 1ns; get key-1 in 5s; get key-1; pass 4m; get key-2; most 1",
		"source prompts and fails; takes 0s; pass 59m; 50x get key-2, pass 1s; failures 1; calls 3", // after a failure no caller waits until they expire
		"source prompts; takes 10m; pass 2h; fail within 5m0s in 5m")
}

// Callers that can prompt get the credentials in time, again and again.
func TestCachePromptsForHours(t *testing.T) {
	src := script(t, &stschain.Cache{}, "source prompts; 10800x get any, pass 1s")
	require.Less(t, src.count(), 60)
}

// A role over a session that prompts is refreshed in the background as long
// as that needs no prompt. Otherwise the next caller that waits prompts.
func TestCacheOverAnInteractiveBase(t *testing.T) {
	session := &source{does: "prompts", life: 100 * time.Minute, takes: 2 * time.Minute}
	base := &stschain.Cache{Provider: session}
	n := 0
	role := stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
		n++
		creds, err := base.Retrieve(ctx)
		return stschain.Credentials{AccessKeyID: fmt.Sprintf("role-%d of %s", n, creds.AccessKeyID), SecretAccessKey: creds.SecretAccessKey, Expires: time.Now().Add(time.Hour)}, err
	})
	script(t, &stschain.Cache{Provider: role}, "get role-1 of key-1 in 2m", // more than the 30 s of others
		"pass 45m; get role-1 of key-1; pass 0; get role-2 of key-1",
		"pass 58m; get role-2 of key-1; pass 0; error prompt", // the session has expired
		"pass 2m; get role-4 of key-2 in 2m")
	require.Equal(t, 2, session.count())
}

// A cache whose provider retrieves from it returns an error at once.
func TestCacheCycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var own *stschain.Cache
		own = &stschain.Cache{Provider: stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) { return own.Retrieve(ctx) })}
		a, b := &member{name: "a"}, &member{name: "b"}
		a.below = []stschain.Provider{stschain.Cached(a), b, a}
		b.below = []stschain.Provider{a, b, stschain.Cached(b)}
		start := time.Now()
		for _, p := range []stschain.Provider{own, a.below[0]} {
			_, err := p.Retrieve(t.Context())
			require.ErrorContains(t, err, "its provider retrieves from the cache that calls it")
		}
		require.Zero(t, time.Since(start))
	})
}

// A provider whose String panics, such as a nil pointer, is an error.
func TestCacheProviderWithoutAName(t *testing.T) {
	var none *nameless
	_, err := stschain.Cached(none).Retrieve(t.Context())
	require.ErrorContains(t, err, "panicked")
	_, err = stschain.NewChain(none).Retrieve(t.Context())
	require.ErrorContains(t, err, "<nil>: the provider is nil")
}

type nameless struct{ name string }

func (n *nameless) String() string { return n.name }
func (n *nameless) Retrieve(context.Context) (stschain.Credentials, error) {
	if n == nil {
		return stschain.Credentials{}, errors.New("the provider is nil and panicked")
	}
	return stschain.Credentials{}, nil
}

// An attempt has the values of the context that began it, and a deadline of its own (oauth2#262). It ends when the provider returns.
func TestCacheAttemptContext(t *testing.T) {
	type traceID struct{}
	synctest.Test(t, func(t *testing.T) {
		var attempt context.Context
		src := &source{respond: func(ctx context.Context, n int) (stschain.Credentials, error) {
			attempt = ctx
			deadline, ok := ctx.Deadline()
			if !ok || time.Until(deadline) != 30*time.Second {
				t.Errorf("deadline %v, %v", deadline, ok)
			}
			if got := ctx.Value(traceID{}); got != "t1" {
				t.Errorf("value %v", got)
			}
			return key(n, time.Hour), nil
		}}
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), traceID{}, "t1"), time.Second)
		defer cancel()
		_, err := (&stschain.Cache{Provider: src}).Retrieve(ctx)
		require.NoError(t, err)
		require.Equal(t, context.Canceled, attempt.Err())
	})
}

// Callers during a background refresh need no goroutines or channels: half a million calls of DoChan used 95 MB in a
// trial (aws-sdk-go#3127).
func TestCacheAdvisoryCallersCostNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		c := &stschain.Cache{Provider: src}
		requireGet(t, c, "key-1")
		src.takes = time.Second
		pass(50 * time.Minute)
		before := runtime.NumGoroutine()
		for range 10_000 {
			c.Retrieve(t.Context())
		}
		require.LessOrEqual(t, runtime.NumGoroutine(), before+4)
		require.EqualValues(t, 1, c.Status().Waits)
		pass(time.Second)
	})
}

// A caller that read the snapshot before an attempt ended, and the state after that, begins no other attempt.
func TestCacheCallAtTheEndOfAnAttempt(t *testing.T) {
	for range 300 {
		src := &source{}
		c := &stschain.Cache{Provider: src}
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				if creds, err := c.Retrieve(t.Context()); err != nil || creds.AccessKeyID != "key-1" {
					t.Errorf("got %v, %v", creds, err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, src.count())
	}
}

// Callers that join an attempt at its end do not prevent later background refreshes, as in the unreleased cache of the Go SDK.
func TestCacheRefreshesAfterManyJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		c := noJitter(&stschain.Cache{Provider: src})
		requireGet(t, c, "key-1")
		for n := 2; n < 20; n++ {
			src.takes = time.Second
			pass(59 * time.Minute) // mandatory
			var wg sync.WaitGroup
			for i := range 100 {
				wg.Go(func() {
					<-time.After(time.Duration(i) * 10 * time.Millisecond) // the last ones as it ends
					if _, err := c.Retrieve(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			require.Equal(t, n, src.count())

			src.takes = 0
			pass(45 * time.Minute) // advisory
			requireGet(t, c, fmt.Sprintf("key-%d", n))
			synctest.Wait()
			n++
			requireGet(t, c, fmt.Sprintf("key-%d", n))
		}
	})
}
