package stschain_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

func TestCacheBadAnswers(t *testing.T) {
	tests := []struct {
		name   string
		answer func(ctx context.Context) (stschain.Credentials, error)
		want   string
		takes  time.Duration
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
		}, "cache_answer_test.go:", 0},
		{"dereferences nil", func(context.Context) (stschain.Credentials, error) {
			var c *stschain.Credentials
			return *c, nil
		}, "cache_answer_test.go:", 0},
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
		t.Run(tt.name+", with nothing held", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &source{answer: func(ctx context.Context, _ int) (stschain.Credentials, error) { return tt.answer(ctx) }}
				c := &stschain.Cache{Provider: src}
				start := time.Now()
				_, err := c.Retrieve(t.Context())
				require.ErrorContains(t, err, tt.want)
				require.False(t, stschain.IsUnavailable(err))
				require.Equal(t, tt.takes, time.Since(start))
				_, again := c.Retrieve(t.Context())
				require.Equal(t, err, again)
				require.Equal(t, 1, src.count())
				pass(time.Minute)
			})
		})
		t.Run(tt.name+", with good credentials held", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &source{answer: func(ctx context.Context, n int) (stschain.Credentials, error) {
					if n == 1 {
						return key(1, time.Hour), nil
					}
					return tt.answer(ctx)
				}}
				c := &stschain.Cache{Provider: src}
				requireGet(t, c, "key-1")
				pass(46 * time.Minute)
				for range 60 {
					requireGet(t, c, "key-1")
					pass(time.Second)
				}
				require.Equal(t, 2, src.count())
				require.ErrorContains(t, c.Status().Err, tt.want)
			})
		})
	}
}

func TestCacheDoesNotLoop(t *testing.T) {
	tests := []struct {
		name   string
		answer func(begin time.Time, n int) stschain.Credentials
		most   int // tries in an hour with four calls a second
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
				src := &source{answer: func(_ context.Context, n int) (stschain.Credentials, error) {
					return tt.answer(begin, n), nil
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

func TestCacheSameInTheMandatoryWindow(t *testing.T) {
	for name, number := range map[string]func(n int) int{
		"same key":    func(int) int { return 1 }, // neither success nor failure: the next attempt may gain something
		"another key": func(n int) int { return n },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				src := &source{answer: func(_ context.Context, n int) (stschain.Credentials, error) {
					c := key(number(n), 0)
					c.Expires = begin.Add(time.Hour)
					return c, nil
				}}
				c := &stschain.Cache{Provider: src}
				requireGet(t, c, "key-1")
				pass(59 * time.Minute)
				src.takes = time.Second
				_, took := mustGet(t, c)
				require.Equal(t, time.Second, took)
				waited := 1
				for range 50 {
					if _, took = mustGet(t, c); took > 0 {
						waited++
					}
					pass(time.Second)
				}
				require.Greater(t, src.count(), 3)
				if name == "same key" {
					require.Equal(t, src.count()-1, waited)
				} else {
					require.Equal(t, 1, waited)
				}
			})
		})
	}
}

func TestCacheSameKeyKeepsItsWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		src := &source{answer: func(context.Context, int) (stschain.Credentials, error) {
			c := key(1, 0)
			c.Expires = begin.Add(6 * time.Hour)
			return c, nil
		}}
		c := &stschain.Cache{Provider: src}
		requireGet(t, c, "key-1")
		pass(5*time.Hour + 30*time.Minute)
		requireGet(t, c, "key-1")
		synctest.Wait()
		require.Equal(t, 2, src.count())
		require.Equal(t, time.Hour, c.Status().AdvisoryWindow)
		require.Equal(t, stschain.Advisory, c.Status().Phase)
		pass(time.Minute)
		requireGet(t, c, "key-1")
		synctest.Wait()
		require.Equal(t, 3, src.count())
	})
}

func TestCacheShorterThanItsRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &stschain.Cache{Provider: &source{life: 500 * time.Millisecond}}
		requireGet(t, c, "key-1")
		pass(500*time.Millisecond - 1)
		requireGet(t, c, "key-1")
		pass(1)
		requireGet(t, c, "key-2")
	})
}

func TestCacheBadSourceFromTheAdvisoryWindowOn(t *testing.T) {
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	ignore := func(context.Context) error { <-time.After(2 * time.Minute); return errDown }
	tests := map[string]func(context.Context) error{
		"hangs":          hang,
		"ignores ctx":    ignore,
		"refuses":        func(context.Context) error { return errRefused },
		"fails":          func(context.Context) error { return errDown },
		"refuses slowly": func(context.Context) error { <-time.After(2 * time.Second); return errRefused },
	}
	for name, fault := range tests {
		for _, life := range []time.Duration{40 * time.Second, 10 * time.Minute, time.Hour} {
			t.Run(name+" "+life.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					src := &source{answer: func(ctx context.Context, n int) (stschain.Credentials, error) {
						if n == 1 {
							return key(1, life), nil
						}
						return stschain.Credentials{}, fault(ctx)
					}}
					c := &stschain.Cache{Provider: src}
					end := time.Now().Add(life)
					for time.Now().Before(end) {
						ctx, cancel := context.WithTimeout(t.Context(), time.Second)
						start := time.Now()
						creds, err := c.Retrieve(ctx)
						cancel()
						require.NoError(t, err)
						require.Equal(t, "key-1", creds.AccessKeyID)
						require.Zero(t, time.Since(start), "waited with %v to go", time.Until(end))
						pass(250 * time.Millisecond)
					}
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					start := time.Now()
					_, err := c.Retrieve(ctx)
					require.Error(t, err)
					require.LessOrEqual(t, time.Since(start), time.Second)
					pass(3 * time.Minute)
				})
			})
		}
	}
}
