package stschain_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// source is a provider that tests script. By default each call brings new
// credentials, key-1, key-2, ..., that live for an hour.
type source struct {
	life   time.Duration                                                  // of what it brings; 0: an hour
	takes  time.Duration                                                  // to answer
	answer func(ctx context.Context, n int) (stschain.Credentials, error) // nil: as above

	mu    sync.Mutex
	calls int
	now   int // calls under way
	most  int // calls that were ever under way at once
	at    []time.Time
}

func (s *source) String() string { return "source" }

func (s *source) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	s.mu.Lock()
	s.calls++
	n := s.calls
	s.now++
	s.most = max(s.most, s.now)
	s.at = append(s.at, time.Now())
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.now--
		s.mu.Unlock()
	}()
	if s.takes > 0 {
		select {
		case <-time.After(s.takes):
		case <-ctx.Done():
			return stschain.Credentials{}, ctx.Err()
		}
	}
	if s.answer != nil {
		return s.answer(ctx, n)
	}
	life := s.life
	if life == 0 {
		life = time.Hour
	}
	return key(n, life), nil
}

func (s *source) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// key returns the n-th credentials, which live for life from now on.
func key(n int, life time.Duration) stschain.Credentials {
	return stschain.Credentials{
		AccessKeyID:     fmt.Sprintf("key-%d", n),
		SecretAccessKey: stschain.NewSecret("secret"),
		SessionToken:    stschain.NewSecret("token"),
		Expires:         time.Now().Add(life),
	}
}

var (
	errDown    = errors.New("the source is down")
	errRefused = fmt.Errorf("%w: the source says no", stschain.ErrPermanent)
)

// firstThen answers the first call with credentials that live for life, and
// all others with err.
func firstThen(life time.Duration, err error) func(context.Context, int) (stschain.Credentials, error) {
	return func(_ context.Context, n int) (stschain.Credentials, error) {
		if n == 1 {
			return key(1, life), nil
		}
		return stschain.Credentials{}, err
	}
}

// pass lets virtual time go by, and everything that is due in it happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// mustGet retrieves credentials and reports their key and how long it took.
func mustGet(t *testing.T, p stschain.Provider) (string, time.Duration) {
	t.Helper()
	start := time.Now()
	creds, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	return creds.AccessKeyID, time.Since(start)
}

// requireGet wants this key, at once.
func requireGet(t *testing.T, p stschain.Provider, want string) {
	t.Helper()
	got, took := mustGet(t, p)
	require.Equal(t, want, got)
	require.Zero(t, took, "the caller had to wait")
}

// noJitter makes windows exact and draws the least of each back-off.
func noJitter(c *stschain.Cache) *stschain.Cache {
	c.SetRandom(func() float64 { return 0 })
	return c
}

// One hour's credentials: advisory from 45 min on, mandatory from 59 min on.
// Peers: aws-sdk-go#3342, aws-sdk-net#4024, aws-sdk-go-v2#949 (users.md 4.1, 4.8, 6.3, 6.19).
func TestCachePhases(t *testing.T) {
	tests := []struct {
		name      string
		after     time.Duration
		phase     stschain.Phase
		want      string        // what the caller gets
		wait      time.Duration // and how long that takes
		next      string        // what the next caller gets
		callsThen int
	}{
		{"fresh", time.Minute, stschain.Fresh, "key-1", 0, "key-1", 1},
		{"1 ns before the advisory window", 45*time.Minute - 1, stschain.Fresh, "key-1", 0, "key-1", 1},
		{"the advisory window", 45 * time.Minute, stschain.Advisory, "key-1", 0, "key-2", 2},
		{"1 ns before the mandatory window", 59*time.Minute - 1, stschain.Advisory, "key-1", 0, "key-2", 2},
		{"the mandatory window", 59 * time.Minute, stschain.Mandatory, "key-2", time.Second, "key-2", 2},
		{"1 ns before the end", time.Hour - 1, stschain.Mandatory, "key-2", time.Second, "key-2", 2},
		{"the end", time.Hour, stschain.Expired, "key-2", time.Second, "key-2", 2},
		{"a day later", 24 * time.Hour, stschain.Expired, "key-2", time.Second, "key-2", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &source{}
				c := noJitter(&stschain.Cache{Provider: src})
				requireGet(t, c, "key-1")
				src.takes = time.Second
				pass(tt.after)
				require.Equal(t, tt.phase, c.Status().Phase)
				got, took := mustGet(t, c)
				require.Equal(t, tt.want, got)
				require.Equal(t, tt.wait, took)
				pass(2 * time.Second)
				if tt.name != "1 ns before the advisory window" {
					requireGet(t, c, tt.next)
				}
				require.Equal(t, tt.callsThen, src.count())
			})
		})
	}
}

// Peers: aws-sdk-go#3127, opendal-reqsign#837 (users.md 4.5, 6.10).
func TestCacheConcurrentCallersShareAFlight(t *testing.T) {
	for _, fails := range []bool{false, true} {
		t.Run(fmt.Sprintf("fails=%v", fails), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &source{takes: time.Second}
				if fails {
					src.answer = func(context.Context, int) (stschain.Credentials, error) {
						return stschain.Credentials{}, errDown
					}
				}
				c := &stschain.Cache{Provider: src}
				for flight := 1; flight <= 2; flight++ { // cold, then expired
					var wg sync.WaitGroup
					for range 10_000 {
						wg.Go(func() {
							creds, err := c.Retrieve(t.Context())
							switch {
							case fails && !errors.Is(err, errDown):
								t.Errorf("got %v, want %v", err, errDown)
							case !fails && creds.AccessKeyID != fmt.Sprintf("key-%d", flight):
								t.Errorf("flight %d brought %v, %v", flight, creds, err)
							}
						})
					}
					wg.Wait()
					require.Equal(t, flight, src.count())
					pass(2 * time.Hour)
				}
			})
		})
	}
}

// Nobody waits after the first fetch, however many ask: 64 callers, each once a
// millisecond, over three lifetimes of a source that takes 200 ms.
// Peers: aws-sdk-go#3342, aws-sdk-go-v2#1982, databricks-sdk-go#1135 (users.md 4.1, 4.3, 4.7, 4.9, 6.4,
// 6.13, 6.14, 3.1).
func TestCachePacedCallersNeverWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const life = 4 * time.Second
		src := &source{life: life, takes: 200 * time.Millisecond}
		c := &stschain.Cache{Provider: src}
		_, took := mustGet(t, c)
		require.Equal(t, 200*time.Millisecond, took)

		var wg sync.WaitGroup
		end := time.Now().Add(3 * life)
		for range 64 {
			wg.Go(func() {
				for now := time.Now(); now.Before(end); now = time.Now() {
					creds, err := c.Retrieve(t.Context())
					if err != nil || creds.ExpiredAt(now) || time.Now() != now {
						t.Errorf("after %v: %v, %v", time.Since(now), creds, err)
						return
					}
					<-time.After(time.Millisecond)
				}
			})
		}
		wg.Wait()
		s := c.Status()
		require.EqualValues(t, 1, s.Waits, "only the first caller waits")
		pass(time.Second) // the last refresh
		require.Equal(t, 1, src.most)
		require.LessOrEqual(t, src.count(), 14) // a window of 3 s: one a second or so
		require.GreaterOrEqual(t, src.count(), 4)
	})
}

// Peers: oauth2#793 (users.md 4.6).
func TestCacheHitAllocatesNothing(t *testing.T) {
	c := &stschain.Cache{Provider: &source{}}
	ctx := context.Background()
	_, err := c.Retrieve(ctx)
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(100, func() { c.Retrieve(ctx) }))
}

// Peers: aws-sdk-go-v2#853 (users.md 4.13).
func TestCacheNeverExpiring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{answer: func(_ context.Context, n int) (stschain.Credentials, error) {
			if n == 3 {
				return stschain.Credentials{}, errDown
			}
			c := key(n, 0)
			c.Expires = time.Time{}
			return c, nil
		}}
		c := noJitter(&stschain.Cache{Provider: src})
		requireGet(t, c, "key-1")
		pass(15*time.Minute - 1)
		requireGet(t, c, "key-1")
		synctest.Wait()
		require.Equal(t, 1, src.count(), "asked too early")
		pass(1)
		requireGet(t, c, "key-1")
		synctest.Wait()
		requireGet(t, c, "key-2") // somebody rotated the file
		pass(15 * time.Minute)
		requireGet(t, c, "key-2")
		synctest.Wait()
		require.Equal(t, 3, src.count())
		require.ErrorIs(t, c.Status().Err, errDown)
		requireGet(t, c, "key-2")
		pass(300 * time.Second)
		requireGet(t, c, "key-2")
		synctest.Wait()
		requireGet(t, c, "key-4")
	})
}

func TestCacheFarDates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{answer: func(_ context.Context, n int) (stschain.Credentials, error) {
			c := key(n, 0)
			c.Expires = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
			return c, nil
		}}
		c := &stschain.Cache{Provider: src}
		for range 3 {
			requireGet(t, c, "key-1")
			pass(100_000 * time.Hour)
		}
		require.Equal(t, 1, src.count())
		creds, err := c.RetrieveFor(t.Context(), 1000*time.Hour)
		require.NoError(t, err)
		require.Equal(t, 9999, creds.Expires.Year())
	})
}

func TestCached(t *testing.T) {
	c := &stschain.Cache{Provider: &source{}}
	require.Same(t, c, stschain.Cached(c))
	src := &source{}
	made, ok := stschain.Cached(src).(*stschain.Cache)
	require.True(t, ok)
	require.Equal(t, []stschain.Provider{src}, made.Providers())
	require.Equal(t, "source", made.String())
}

func TestCacheMisconfigured(t *testing.T) {
	tests := map[string]*stschain.Cache{
		"Cache.Provider is required": {},
		"AdvisoryWindow -1s":         {Provider: &source{}, AdvisoryWindow: -time.Second},
		"MandatoryWindow -1s":        {Provider: &source{}, MandatoryWindow: -time.Second},
		"MaxStale -1s":               {Provider: &source{}, MaxStale: -time.Second},
		"Timeout -1s":                {Provider: &source{}, Timeout: -time.Second},
	}
	for want, c := range tests {
		_, err := c.Retrieve(t.Context())
		require.ErrorContains(t, err, want)
		_, err = c.RetrieveFor(t.Context(), time.Minute)
		require.ErrorContains(t, err, want)
		c.Invalidate(stschain.Credentials{})
		c.Status()
	}
}

func requireGetKey(t *testing.T, p stschain.Provider, want string) {
	t.Helper()
	got, _ := mustGet(t, p)
	require.Equal(t, want, got)
}

func requireEventually(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); {
		require.True(t, time.Now().Before(deadline), "it never happened")
	}
}
