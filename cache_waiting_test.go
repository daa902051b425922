package stschain_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

var errGone = errors.New("the client hung up")

// One caller's end is nobody else's: aws-sdk-go#3127 and #3133.
// Peers: mongo-go-driver#1166, aws-sdk-go-v2#503, minio-go#2275 (users.md 4.50, 6.24, 6.25, 6.26).
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

// Peers: minio-go#2275 (users.md 6.25).
func TestCacheAllCallersCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: 2 * time.Second}
		c := &stschain.Cache{Provider: src}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := c.Retrieve(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		pass(2 * time.Second)
		requireGet(t, c, "key-1") // what they started came for the next one
		require.Equal(t, 1, src.count())
	})
}

func TestCacheDeadContextStartsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		c := &stschain.Cache{Provider: src}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := c.Retrieve(ctx)
		require.ErrorIs(t, err, context.Canceled)
		synctest.Wait()
		require.Zero(t, src.count())
		mustGet(t, c)
		creds, err := c.Retrieve(ctx)
		require.NoError(t, err, "what is held costs no waiting")
		require.Equal(t, "key-1", creds.AccessKeyID)
	})
}

// In the mandatory window callers wait for 5 s, all from the start of the try,
// and those who come after that not at all.
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
		requireGet(t, c, "key-1") // the fourth came 6 s into the try
		pass(14 * time.Second)
		requireGet(t, c, "key-2")
		require.EqualValues(t, 4, c.Status().Waits)
		require.Equal(t, 2, src.count())
	})
}

// The credentials end while the caller waits: then it goes on waiting.
func TestCacheMandatoryWaitIntoExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		c := &stschain.Cache{Provider: src}
		requireGet(t, c, "key-1")
		src.takes = 10 * time.Second
		pass(time.Hour - 2*time.Second)
		got, took := mustGet(t, c)
		require.Equal(t, "key-2", got)
		require.Equal(t, 10*time.Second, took)
	})
}

// A caller whose deadline is shorter than the answer gets what is valid.
func TestCacheMandatoryWaitShortDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		c := &stschain.Cache{Provider: src}
		requireGet(t, c, "key-1")
		src.takes = 3 * time.Second
		pass(59 * time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		creds, err := c.Retrieve(ctx)
		require.NoError(t, err)
		require.Equal(t, "key-1", creds.AccessKeyID)
		pass(2 * time.Second)
		requireGet(t, c, "key-2")
	})
}

// An answer that had landed before a caller came is not its answer.
func TestCacheExpiredWithShortDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		c := &stschain.Cache{Provider: src}
		requireGet(t, c, "key-1")
		src.takes = 3 * time.Second
		pass(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Retrieve(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "waiting for credentials from source")
		pass(2 * time.Second)
		requireGet(t, c, "key-2")
	})
}

// Peers: aws-sdk-go#842 (users.md 6.39).
func TestCachePrompting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		c := &stschain.Cache{Provider: prompting{src}}
		requireGet(t, c, "key-1")
		src.takes = 4 * time.Minute // somebody looks for their phone
		pass(59*time.Minute - 1)
		requireGet(t, c, "key-1")
		synctest.Wait()
		require.Equal(t, 1, src.count(), "nobody is asked in the background")
		pass(1)
		got, took := mustGet(t, c)
		require.Equal(t, "key-1", got)
		require.Equal(t, 5*time.Second, took)
		require.Equal(t, 2, src.count())
		requireGet(t, c, "key-1")
		pass(4 * time.Minute)
		requireGet(t, c, "key-2")
		require.Equal(t, 1, src.most)

		// After a failure nobody is asked before the credentials have ended.
		src.answer = func(context.Context, int) (stschain.Credentials, error) { return stschain.Credentials{}, errDown }
		src.takes = 0
		pass(59 * time.Minute)
		for range 50 {
			requireGet(t, c, "key-2")
			pass(time.Second)
		}
		require.Equal(t, 3, src.count())

		src.answer = func(ctx context.Context, _ int) (stschain.Credentials, error) {
			<-ctx.Done()
			return stschain.Credentials{}, ctx.Err()
		}
		pass(2 * time.Hour)
		start := time.Now()
		_, err := c.Retrieve(t.Context())
		require.ErrorContains(t, err, "within 5m0s")
		require.Equal(t, 5*time.Minute, time.Since(start))
	})
}

// A role over a session that a person opens is refreshed in the background as long
// as that asks nobody, and waits for the person when a caller needs it.
func TestCacheOverAnInteractiveBase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		prompts := &source{life: 100 * time.Minute, takes: 2 * time.Minute}
		session := &stschain.Cache{Provider: prompting{prompts}}
		role := &roleOn{base: session, life: time.Hour}
		c := noJitter(&stschain.Cache{Provider: role})

		got, took := mustGet(t, c)
		require.Equal(t, "role-1 of key-1", got)
		require.Equal(t, 2*time.Minute, took, "longer than the 30 s of others")

		pass(45 * time.Minute)
		requireGet(t, c, "role-1 of key-1")
		synctest.Wait()
		requireGet(t, c, "role-2 of key-1")
		require.Equal(t, 1, prompts.count())

		pass(58 * time.Minute) // the session has ended, the role is in its advisory window
		requireGet(t, c, "role-2 of key-1")
		synctest.Wait()
		require.Equal(t, 1, prompts.count(), "nobody is asked out of the blue")
		require.ErrorIs(t, c.Status().Err, stschain.ErrPrompt)

		pass(2 * time.Minute) // now the role has ended too
		got, took = mustGet(t, c)
		require.Equal(t, "role-4 of key-2", got)
		require.Equal(t, 2*time.Minute, took)
	})
}

// roleOn stands for a flow on base credentials.
type roleOn struct {
	base stschain.Provider
	life time.Duration
	n    atomic.Int32
}

func (r *roleOn) Providers() []stschain.Provider { return []stschain.Provider{r.base} }

func (r *roleOn) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	n := r.n.Add(1)
	base, err := r.base.Retrieve(ctx)
	if err != nil {
		return stschain.Credentials{}, err
	}
	creds := key(0, r.life)
	creds.AccessKeyID = fmt.Sprintf("role-%d of %s", n, base.AccessKeyID)
	return creds, nil
}

// Providers that ask each other in circles: an error, and in time.
func TestCacheCircle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &circle{}, &circle{}
		a.of = []stschain.Provider{stschain.Cached(a), b, a}
		b.of = []stschain.Provider{a, b, stschain.Cached(b)}
		start := time.Now()
		_, err := a.of[0].Retrieve(t.Context())
		require.ErrorContains(t, err, "its provider retrieves from the cache that calls it")
		require.Zero(t, time.Since(start))
	})
}

type circle struct{ of []stschain.Provider }

func (c *circle) Providers() []stschain.Provider { return c.of }
func (c *circle) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	return c.of[0].Retrieve(ctx)
}

// A caller who needs a person to be asked asks them, and does not get the error of
// a refresh that nobody waited for.
func TestCacheUnattendedFailureIsNotTheCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{answer: func(ctx context.Context, n int) (stschain.Credentials, error) {
			if stschain.Prompt(ctx) != nil {
				return stschain.Credentials{}, stschain.ErrPrompt
			}
			return key(n, time.Hour), nil
		}}
		c := &stschain.Cache{Provider: src}
		for range 3 * 3600 {
			mustGet(t, c)
			pass(time.Second)
		}
		require.Less(t, src.count(), 60)
	})
}

// A provider whose name panics, as of a nil one in an interface, takes nobody with
// it.
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

// A call that outlives Timeout is abandoned: what it brings later is dropped.
// Peers: smithy-rs#2086 (users.md 4.43; refresh.md A.7.4).
func TestCacheAbandonsACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{answer: func(_ context.Context, n int) (stschain.Credentials, error) {
			if n == 1 {
				<-time.After(time.Minute)
			}
			return key(n, time.Hour), nil
		}}
		c := &stschain.Cache{Provider: src, Timeout: 10 * time.Second}
		_, err := c.Retrieve(t.Context())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		pass(time.Second)
		requireGet(t, c, "key-2")
		require.Equal(t, 2, src.most)
		pass(time.Minute)
		requireGet(t, c, "key-2")
	})
}

// A flight keeps the values of the context that started it, not its end.
// Peers: oauth2#262 (users.md 4.62; refresh.md A.7.4).
func TestCacheFlightContext(t *testing.T) {
	type traceID struct{}
	synctest.Test(t, func(t *testing.T) {
		src := &source{answer: func(ctx context.Context, n int) (stschain.Credentials, error) {
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
	})
}

// Peers: aws-sdk-go-v2#1522 (users.md 4.2).
// Peers: datafusion-comet#6025 (users.md 6.11).
// The cache may be asked by its own provider or by its own events; both end.
func TestCacheAskedByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c *stschain.Cache
		c = &stschain.Cache{Provider: stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
			return c.Retrieve(ctx)
		})}
		start := time.Now()
		_, err := c.Retrieve(t.Context())
		require.ErrorContains(t, err, "its provider retrieves from the cache that calls it")
		require.Zero(t, time.Since(start))
	})
}

// However many call while a background refresh flies, it costs one goroutine or
// two: half a million DoChan calls held 95 MB in a trial.
// Peers: aws-sdk-go#3127 (users.md 4.5).
func TestCacheAdvisoryCallersLeaveNothing(t *testing.T) {
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

// A caller that looked before an answer landed and came to the flight after it
// must not ask again.
func TestCacheLateToTheFlight(t *testing.T) {
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

// prompting is a provider that asks a person.
type prompting struct{ *source }

func (a prompting) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	if err := stschain.Prompt(ctx); err != nil {
		return stschain.Credentials{}, err
	}
	return a.source.Retrieve(ctx)
}
