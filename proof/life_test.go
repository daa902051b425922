package proof_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/proof"
	"github.com/stschain-go/stschain/ststest"
)

// eachKind runs a test for every type whose tokens are signed here.
func eachKind(t *testing.T, test func(*testing.T, kind)) {
	for name, k := range kinds {
		t.Run(name, func(t *testing.T) { test(t, k) })
	}
}

// With keys that never expire a token lives as long as its format lets it.
func TestStaticCredentials(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		token, err := k.make(example, fakeClock(), 0)(t.Context())
		require.NoError(t, err)
		require.Equal(t, start.Add(k.life), token.Expires)
		require.False(t, token.Value.IsZero())
	})
}

// Signatures are dated in whole seconds, and expiry is counted from that date.
func TestExpiresFromTheDateOfTheSignature(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		c := fakeClock()
		c.Set(start.Add(999 * time.Millisecond))
		token, err := k.make(example, c, 0)(t.Context())
		require.NoError(t, err)
		require.Equal(t, start.Add(k.life), token.Expires)
	})
}

// A token never outlives the credentials: they are refreshed first, or it ends with
// them, or there is none, as MinLife says.
// Peers: aws-sdk-net#2498, aws-sdk-go-v2#2724, aws-sdk-js-v3#8047 (users.md 6.2, 6.31, 6.32, 6.33, 6.36).
func TestLifeOfCredentials(t *testing.T) {
	for name, test := range map[string]struct {
		held, fresh time.Duration // life of the credentials in hand, and of those that come next
		minLife     time.Duration
		fails       bool          // nothing comes next
		want        time.Duration // 0: as long as the format lets it
		asked       int64
		err         string
	}{
		"long":                        {held: 16 * minute, fresh: time.Hour, asked: 1},
		"about to expire":             {held: 2 * minute, fresh: time.Hour, asked: 2},
		"about to expire, all short":  {held: 2 * minute, fresh: 5 * minute, want: 5 * minute, asked: 2},
		"about to expire, down":       {held: 2 * minute, fails: true, want: 2 * minute, asked: 2},
		"clamped, as asked":           {held: 2 * minute, fresh: time.Hour, minLife: minute, want: 2 * minute, asked: 1},
		"refreshed for MinLife":       {held: 2 * minute, fresh: 5 * minute, minLife: 3 * minute, want: 5 * minute, asked: 2},
		"refused, all short":          {held: 2 * minute, fresh: 5 * minute, minLife: 6 * minute, asked: 2, err: "6m0s are required"},
		"refused, down":               {held: 2 * minute, fails: true, minLife: 3 * minute, asked: 2, err: "it rains"},
		"refused, negative":           {held: 16 * minute, minLife: -1, err: "MinLife is -1ns, and must not be negative"},
		"refused, longer than tokens": {held: 16 * minute, minLife: time.Hour, err: "MinLife is 1h0m0s, and the token never lives longer than 1"},
	} {
		t.Run(name, func(t *testing.T) {
			eachKind(t, func(t *testing.T, k kind) {
				c := fakeClock()
				src := newSource(c, time.Hour)
				cache := &stschain.Cache{Provider: src, Clock: c, AdvisoryWindow: minute}
				if test.asked > 0 {
					_, err := cache.Retrieve(t.Context())
					require.NoError(t, err)
				}
				c.Add(time.Hour - test.held)
				src.life.Store(int64(test.fresh))
				if test.fails {
					rain := errors.New("it rains")
					src.err.Store(&rain)
				}
				token, err := k.make(cache, c, test.minLife)(t.Context())
				require.Equal(t, test.asked, src.asked.Load())
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

// Credentials that a cache serves past their expiry sign nothing.
// Peers: aws-sdk-net#3050 (users.md 6.33).
func TestExpiredCredentials(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		c := fakeClock()
		src := newSource(c, 10*minute)
		cache := &stschain.Cache{Provider: src, Clock: c, MaxStale: time.Hour}
		_, err := cache.Retrieve(t.Context())
		require.NoError(t, err)
		c.Add(11 * minute)
		rain := errors.New("it rains")
		src.err.Store(&rain)
		_, err = cache.Retrieve(t.Context())
		require.NoError(t, err, "they are served")
		token, err := k.make(cache, c, 0)(t.Context())
		require.ErrorContains(t, err, "the credentials from a test expired at 2026-11-21T12:10:00Z")
		require.Zero(t, token)
	})
}

// A person is not asked for the sake of a longer token, unless MinLife wants it.
func TestPersonIsNotAsked(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		c := fakeClock()
		src := newSource(c, 20*minute)
		src.person = true
		cache := &stschain.Cache{Provider: src, Clock: c}
		requireAskedForLongOnly(t, k, cache, c, src)
	})
}

// The same where the person is not asked by the source itself, but by what assumes its role.
func TestPersonFurtherBelowIsNotAsked(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		c := fakeClock()
		src := newSource(c, 20*minute)
		cache := &stschain.Cache{Clock: c, AdvisoryWindow: minute, Provider: stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
			if stschain.Prompt(ctx) != nil {
				return stschain.Credentials{}, stschain.ErrPrompt
			}
			return src.Retrieve(ctx)
		})}
		requireAskedForLongOnly(t, k, cache, c, src)
	})
}

// requireAskedForLongOnly: of a source of 20 minutes whose person is asked for a token that must live
// longer, and not for one that may be shorter.
func requireAskedForLongOnly(t *testing.T, k kind, cache *stschain.Cache, c *clock.Mock, src *source) {
	t.Helper()
	short, long := k.make(cache, c, 0), k.make(cache, c, k.life)
	_, err := short(t.Context())
	require.NoError(t, err)
	c.Add(17 * minute)
	token, err := short(t.Context())
	require.NoError(t, err)
	require.Equal(t, start.Add(20*minute), token.Expires)
	require.EqualValues(t, 1, src.asked.Load())
	token, err = long(t.Context())
	require.NoError(t, err)
	require.Equal(t, start.Add(17*minute+k.life), token.Expires)
	require.EqualValues(t, 2, src.asked.Load())
}

// A source that hangs holds up nobody for long who has credentials that work.
func TestHangingRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, once := time.Now(), true
		src := stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
			if !once {
				<-ctx.Done()
				return stschain.Credentials{}, ctx.Err()
			}
			once = false
			return stschain.Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: stschain.NewSecret(secretKey), Expires: began.Add(10 * minute)}, nil
		})
		rds := &proof.RDS{Credentials: &stschain.Cache{Provider: src, AdvisoryWindow: 9 * minute}, Region: region, Endpoint: "db.example:5432", User: "jane"}
		_, err := rds.Token(t.Context())
		require.NoError(t, err)
		synctest.Wait()
		asked := time.Now()
		for range 3 {
			token, err := rds.Token(t.Context())
			require.NoError(t, err)
			require.Equal(t, began.Add(10*minute).UnixNano(), token.Expires.UnixNano())
		}
		require.LessOrEqual(t, time.Since(asked), 15*time.Second)
		synctest.Wait()
	})
}

// In the last minute of a life the cache has callers wait by itself: both waits
// together are no longer than one.
func TestHangingRefreshAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, once := time.Now(), true
		src := stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
			if !once {
				<-ctx.Done()
				return stschain.Credentials{}, ctx.Err()
			}
			once = false
			return stschain.Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: stschain.NewSecret(secretKey), Expires: began.Add(time.Hour)}, nil
		})
		cache := &stschain.Cache{Provider: src}
		_, err := cache.Retrieve(t.Context())
		require.NoError(t, err)
		advance(time.Hour - 40*time.Second)
		rds := &proof.RDS{Credentials: cache, Region: region, Endpoint: "db.example:5432", User: "jane"}
		asked := time.Now()
		token, err := rds.Token(t.Context())
		require.NoError(t, err)
		require.Equal(t, began.Add(time.Hour).UnixNano(), token.Expires.UnixNano())
		require.Equal(t, 5*time.Second, time.Since(asked))
		advance(30 * time.Second)
	})
}

// Providers are asked through a cache that is made once.
// Peers: aws-sdk-go-v2#3233 (users.md 4.20).
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
		require.EqualValues(t, 1, src.asked.Load())
	})
}

// A statement without credentials is a failed one, not an absent one.
func TestUnavailableIsHidden(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		for _, minLife := range []time.Duration{0, minute} {
			_, err := k.make(stschain.Static("", "", ""), fakeClock(), minLife)(t.Context())
			require.ErrorContains(t, err, "proof: no ")
			require.ErrorContains(t, err, "static credentials are empty")
			require.False(t, stschain.IsUnavailable(err), "%v", err)
		}
	})
}

func TestContextEnds(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("gone home"))
		_, err := k.make(newSource(fakeClock(), time.Hour), fakeClock(), 0)(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, "gone home")
	})
}

// Signatures for STS are dated by its clock, and expiry by ours.
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
			status, answer := send(t, srv, "GET", fromEKS(t, token.Value.Reveal()).String(), clusterHeader("production"), "")
			require.Equal(t, 200, status, answer)
		})
	}
}
