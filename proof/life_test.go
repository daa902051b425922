package proof_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/proof"
	"github.com/stschain-go/stschain/ststest"
)

// eachKind runs a test for every type whose tokens are signed locally.
func eachKind(t *testing.T, test func(*testing.T, kind)) {
	for name, k := range kinds {
		t.Run(name, func(t *testing.T) { test(t, k) })
	}
}

// With keys that never expire a token is valid for the whole lifetime of its format, which begins at the
// date of the signature, in whole seconds.
func TestStaticCredentials(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		c := fakeClock()
		c.Set(start.Add(999 * time.Millisecond))
		token, err := k.make(example, c, 0)(t.Context())
		require.NoError(t, err)
		require.Equal(t, start.Add(k.life), token.Expires)
		require.False(t, token.Value.IsZero())
	})
}

// A token never outlives the credentials: they are refreshed first, or it expires with them, or there is
// none, as MinLife says.
// Reports: aws-sdk-net#2498, aws-sdk-go-v2#2724, aws-sdk-js-v3#8047.
func TestLifeOfCredentials(t *testing.T) {
	for name, test := range map[string]struct {
		cached, fresh time.Duration // lifetime of the cached credentials, and of the next ones
		minLife       time.Duration
		fails         bool          // the refresh fails
		want          time.Duration // 0: the lifetime of the format
		calls         int64
		err           string
	}{
		"long":                        {cached: 16 * minute, fresh: time.Hour, calls: 1},
		"about to expire":             {cached: 2 * minute, fresh: time.Hour, calls: 2},
		"about to expire, all short":  {cached: 2 * minute, fresh: 5 * minute, want: 5 * minute, calls: 2},
		"about to expire, down":       {cached: 2 * minute, fails: true, want: 2 * minute, calls: 2},
		"clamped":                     {cached: 2 * minute, fresh: time.Hour, minLife: minute, want: 2 * minute, calls: 1},
		"refreshed for MinLife":       {cached: 2 * minute, fresh: 5 * minute, minLife: 3 * minute, want: 5 * minute, calls: 2},
		"refused, all short":          {cached: 2 * minute, fresh: 5 * minute, minLife: 6 * minute, calls: 2, err: "6m0s are required"},
		"refused, down":               {cached: 2 * minute, fails: true, minLife: 3 * minute, calls: 2, err: "source down"},
		"refused, negative":           {cached: 16 * minute, minLife: -1, err: "MinLife is -1ns, and must not be negative"},
		"refused, longer than tokens": {cached: 16 * minute, minLife: time.Hour, err: "MinLife is 1h0m0s, and the token is never valid longer than 1"},
	} {
		t.Run(name, func(t *testing.T) {
			eachKind(t, func(t *testing.T, k kind) {
				c := fakeClock()
				src := newSource(c, time.Hour)
				cache := &stschain.Cache{Provider: src, Clock: c, AdvisoryWindow: minute}
				if test.calls > 0 {
					_, err := cache.Retrieve(t.Context())
					require.NoError(t, err)
				}
				c.Add(time.Hour - test.cached)
				src.life.Store(int64(test.fresh))
				if test.fails {
					down := errors.New("source down")
					src.err.Store(&down)
				}
				token, err := k.make(cache, c, test.minLife)(t.Context())
				require.Equal(t, test.calls, src.calls.Load())
				if test.err != "" {
					require.ErrorContains(t, err, test.err)
					require.Zero(t, token)
					return
				}
				require.NoError(t, err)
				want := test.want
				if want == 0 {
					want = k.life
				}
				require.Equal(t, c.Now().Add(want), token.Expires)
			})
		})
	}
}

// Credentials that a cache serves past their expiry are not signed with.
// Reports: aws-sdk-net#3050.
func TestExpiredCredentials(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		c := fakeClock()
		src := newSource(c, 10*minute)
		cache := &stschain.Cache{Provider: src, Clock: c, MaxStale: time.Hour}
		_, err := cache.Retrieve(t.Context())
		require.NoError(t, err)
		c.Add(11 * minute)
		down := errors.New("source down")
		src.err.Store(&down)
		_, err = cache.Retrieve(t.Context())
		require.NoError(t, err, "they are served")
		token, err := k.make(cache, c, 0)(t.Context())
		require.ErrorContains(t, err, "the credentials from a test expired at 2026-11-21T12:10:00Z")
		require.Zero(t, token)
	})
}

// The user is not prompted for a longer token, unless MinLife requires it.
func TestNoPromptForALongerToken(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		c := fakeClock()
		src := newSource(c, 20*minute)
		src.prompts = true
		cache := &stschain.Cache{Clock: c, AdvisoryWindow: minute, Provider: stschain.ProviderFunc(src.Retrieve)} // which hides what src is
		short, long := k.make(cache, c, 0), k.make(cache, c, k.life)
		_, err := short(t.Context())
		require.NoError(t, err)
		c.Add(17 * minute)
		token, err := short(t.Context())
		require.NoError(t, err)
		require.Equal(t, start.Add(20*minute), token.Expires)
		require.EqualValues(t, 1, src.calls.Load())
		token, err = long(t.Context())
		require.NoError(t, err)
		require.Equal(t, start.Add(17*minute+k.life), token.Expires)
		require.EqualValues(t, 2, src.calls.Load())
	})
}

// If the source hangs, callers with valid credentials wait for at most 5 s, also in the last minute of a
// lifetime, when the cache has callers wait by itself.
func TestHangingRefresh(t *testing.T) {
	for name, left := range map[string]time.Duration{"early": 10 * minute, "last minute": 40 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, first := time.Now(), true
				cache := &stschain.Cache{AdvisoryWindow: 9 * minute, Provider: stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
					if !first {
						<-ctx.Done()
						return stschain.Credentials{}, ctx.Err()
					}
					first = false
					return stschain.Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: stschain.NewSecret(secretKey), Expires: began.Add(time.Hour)}, nil
				})}
				_, err := cache.Retrieve(t.Context())
				require.NoError(t, err)
				advance(time.Hour - left)
				rds := &proof.RDS{Credentials: cache, Region: region, Endpoint: "db.example:5432", User: "jane"}
				for range 2 {
					called := time.Now()
					token, err := rds.Token(t.Context())
					require.NoError(t, err)
					require.Equal(t, began.Add(time.Hour).UnixNano(), token.Expires.UnixNano())
					require.LessOrEqual(t, time.Since(called), 5*time.Second)
				}
				advance(30 * time.Second)
			})
		})
	}
}

// Providers are called through a cache that is made once.
// Reports: aws-sdk-go-v2#3233.
func TestCachedOnce(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		c := fakeClock()
		src := newSource(c, time.Hour)
		make := k.make(src, c, 0)
		for range 5 {
			_, err := make(t.Context())
			require.NoError(t, err)
			c.Add(time.Second)
		}
		require.EqualValues(t, 1, src.calls.Load())
	})
}

// If the credentials are not configured, the token has failed: the error is not Unavailable.
func TestUnavailableCredentials(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		for _, minLife := range []time.Duration{0, minute} {
			_, err := k.make(stschain.Static("", "", ""), fakeClock(), minLife)(t.Context())
			require.ErrorContains(t, err, "proof: no ")
			require.ErrorContains(t, err, "static credentials are empty")
			require.False(t, stschain.IsUnavailable(err), "%v", err)
		}
	})
}

// Signatures for STS are dated by its clock, and Expires is by ours.
func TestClocksThatDisagree(t *testing.T) {
	for _, ahead := range []time.Duration{-2 * time.Hour, 3 * time.Hour} {
		t.Run(fmt.Sprint(ahead), func(t *testing.T) {
			ours, theirs := fakeClock(), fakeClock()
			theirs.Add(ahead)
			srv := ststest.NewTest(t)
			srv.Clock = theirs
			srv.AllowRefusals("SignatureDoesNotMatch")
			c := client(srv.User(), ours)
			c.HTTPClient = srv.Client()
			_, err := c.GetCallerIdentity(t.Context())
			require.NoError(t, err)

			token, err := (&proof.EKS{Client: c, Cluster: "production"}).Token(t.Context())
			require.NoError(t, err)
			require.Equal(t, start.Add(14*minute), token.Expires)
			theirs.Add(15 * minute)
			status, text := send(t, srv, "GET", fromEKS(t, token.Value.Reveal()).String(), clusterHeader("production"), "")
			require.Equal(t, 200, status, text)
		})
	}
}
