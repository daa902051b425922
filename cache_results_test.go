package stschain_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

func TestCacheBadResults(t *testing.T) {
	tests := []struct {
		name    string
		respond func(ctx context.Context) (stschain.Credentials, error)
		want    string
		takes   time.Duration
	}{
		{"empty", func(context.Context) (stschain.Credentials, error) {
			return stschain.Credentials{}, nil
		}, "no credentials and no error", 0},
		{"no secret", func(context.Context) (stschain.Credentials, error) {
			return stschain.Credentials{AccessKeyID: "AKID"}, nil
		}, "returned no secret access key", 0},
		{"no key", func(context.Context) (stschain.Credentials, error) {
			return stschain.Credentials{SecretAccessKey: stschain.NewSecret("s")}, nil
		}, "returned no access key ID", 0},
		{"expired", func(context.Context) (stschain.Credentials, error) {
			return key(9, -time.Minute), nil
		}, "expired at", 0},
		{"panics", func(context.Context) (stschain.Credentials, error) {
			panic("oh")
		}, "cache_results_test.go:", 0},
		{"dereferences nil", func(context.Context) (stschain.Credentials, error) {
			var c *stschain.Credentials
			return *c, nil
		}, "cache_results_test.go:", 0},
		{"panics with nil", func(context.Context) (stschain.Credentials, error) {
			panic(nil)
		}, "panic called with nil", 0},
		{"calls Goexit", func(context.Context) (stschain.Credentials, error) {
			runtime.Goexit()
			return stschain.Credentials{}, nil
		}, "runtime.Goexit", 0},
		{"hangs", func(ctx context.Context) (stschain.Credentials, error) {
			<-ctx.Done()
			return stschain.Credentials{}, ctx.Err()
		}, "did not return within 30s", 30 * time.Second},
		{"panics when its context ends", func(ctx context.Context) (stschain.Credentials, error) {
			<-ctx.Done()
			panic("oh")
		}, "cache_results_test.go:", 30 * time.Second},
		{"says where it hung", func(ctx context.Context) (stschain.Credentials, error) {
			<-ctx.Done()
			return stschain.Credentials{}, errors.New("dialing 192.0.2.1")
		}, "dialing 192.0.2.1", 30 * time.Second},
		{"is late and says unavailable", func(ctx context.Context) (stschain.Credentials, error) {
			<-ctx.Done()
			return stschain.Credentials{}, stschain.Unavailable("not set")
		}, "did not return within 30s", 30 * time.Second},
		{"ignores its context", func(context.Context) (stschain.Credentials, error) {
			<-time.After(time.Minute)
			return key(9, time.Hour), nil
		}, "did not return within 30s", 30*time.Second + 100*time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			after := 0 // good ones
			respond := func(ctx context.Context, n int) (stschain.Credentials, error) {
				if n <= after {
					return key(n, time.Hour), nil
				}
				return tt.respond(ctx)
			}
			fails := "fail " + tt.want
			script(t, &stschain.Cache{Provider: &source{respond: respond}}, fails+" in "+tt.takes.String(), fails, "calls 1")
			after = 1
			script(t, &stschain.Cache{Provider: &source{respond: respond}}, "get key-1; pass 46m; 60x get key-1, pass 1s; calls 2; error "+tt.want)
		})
	}
	_, err := stschain.Cached(stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{}, nil
	})).Retrieve(t.Context())
	require.False(t, stschain.IsUnavailable(err))
}

func TestCacheDoesNotLoop(t *testing.T) {
	tests := []struct {
		name   string
		result func(begin time.Time, n int) stschain.Credentials
		most   int // attempts in an hour with four calls a second
	}{
		{"the same until they end", func(begin time.Time, _ int) stschain.Credentials {
			c := key(1, 0)
			c.Expires = begin.Add(time.Hour)
			return c
		}, 60},
		{"another key with the same end", func(begin time.Time, n int) stschain.Credentials {
			c := key(n, 0)
			c.Expires = begin.Add(time.Hour)
			return c
		}, 60},
		{"four seconds of life", func(_ time.Time, n int) stschain.Credentials { return key(n, 4*time.Second) }, 3700},
		{"four minutes of life, same key", func(begin time.Time, _ int) stschain.Credentials {
			return key(1, 4*time.Minute)
		}, 70},
		{"the same key, a second longer each time", func(begin time.Time, n int) stschain.Credentials {
			c := key(1, 0)
			c.Expires = begin.Add(time.Hour + time.Duration(n)*time.Second)
			return c
		}, 60},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				src := &source{respond: func(_ context.Context, n int) (stschain.Credentials, error) {
					return tt.result(begin, n), nil
				}}
				c := &stschain.Cache{Provider: src}
				for range 4*3600 - 1 {
					_, took := mustGet(t, c)
					require.Zero(t, took)
					pass(time.Second / 4)
				}
				require.Less(t, src.count(), tt.most)
			})
		})
	}
}

// In the mandatory window, an attempt that returns the cached key is neither success nor failure, and the next caller waits again.
// After one that returns another key with the same expiry no caller waits.
func TestCacheSameInTheMandatoryWindow(t *testing.T) {
	c := &stschain.Cache{}
	src := script(t, c, "get key-1; source repeats itself; pass 59m; takes 1s; get key-1 in 1s; 50x within 10s fetch key-1, pass 1s")
	require.Greater(t, src.count(), 3)
	require.EqualValues(t, src.count(), c.Status().Waits)

	begin := time.Now()
	src = &source{}
	src.respond = func(_ context.Context, n int) (stschain.Credentials, error) {
		if n == 1 {
			begin = time.Now()
		}
		return key(n, time.Until(begin.Add(time.Hour))), nil
	}
	script(t, &stschain.Cache{Provider: src}, "get key-1; pass 59m; get key-2; 50x get any, pass 1s; waits 2")
	require.Greater(t, src.count(), 3)
}

// A source that returns what it has cached, as IMDS does, does not shrink the windows with each refresh.
func TestCacheSameKeyKeepsItsWindows(t *testing.T) {
	script(t, &stschain.Cache{}, "life 6h; get key-1; source repeats itself; pass 5h30m; get key-1; pass 0; calls 2; window 1h0m0s; phase advisory",
		"pass 1m; get key-1; pass 0; calls 3")
}

// The pause after a success ends when the credentials expire.
func TestCacheExpiresWithinThePause(t *testing.T) {
	script(t, &stschain.Cache{}, "life 500ms; get key-1; pass 499.999999ms; get key-1; pass 1us; get key-2")
}

// From the advisory window on the source hangs, refuses or fails: callers with a timeout of a second neither fail nor wait while the
// credentials are valid.
func TestCacheBadSourceFromTheAdvisoryWindowOn(t *testing.T) {
	for _, source := range []string{"hangs", "ignores its context", "refuses", "fails", "refuses; takes 2s"} {
		for _, life := range []time.Duration{40 * time.Second, 10 * time.Minute, time.Hour} {
			t.Run(source+" "+life.String(), func(t *testing.T) {
				script(t, &stschain.Cache{}, "life "+life.String()+"; get key-1; source "+source, fmt.Sprintf("%dx within 1s get key-1, pass 250ms", life/(250*time.Millisecond)), "within 1s fail any")
			})
		}
	}
}
