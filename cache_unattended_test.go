package stschain_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// A refresh that nobody waited for asked no person. Whoever comes next and needs one to be asked does
// not get its error, however the credentials in hand fall short, and does not spin until it has
// been forgotten.
func TestCacheUnattendedFailureDelaysNobody(t *testing.T) {
	for name, test := range map[string]struct {
		failFast bool
		before   func(t *testing.T, c *stschain.Cache, src *attendant) // makes the credentials fall short
		atLeast  time.Duration
	}{
		"they live too short": {atLeast: 30 * time.Minute},
		"rejected": {before: func(t *testing.T, c *stschain.Cache, _ *attendant) {
			rejectKey(c, "key-1")
		}},
		"refused": {failFast: true, before: func(t *testing.T, c *stschain.Cache, src *attendant) {
			src.refuses = true
			pass(time.Second)
			_, err := c.RetrieveFor(t.Context(), 30*time.Minute)
			require.ErrorIs(t, err, stschain.ErrPermanent)
			src.refuses = false
			pass(5 * time.Second)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &attendant{}
				c := noJitter(&stschain.Cache{Provider: src, FailFast: test.failFast})
				outer := &stschain.Cache{Provider: stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
					return c.RetrieveFor(ctx, test.atLeast)
				})}
				requireGet(t, c, "key-1")
				pass(46 * time.Minute)
				if test.before != nil {
					test.before(t, c, src)
				}
				_, err := c.RetrieveFor(stschain.WithoutPrompt(t.Context()), test.atLeast)
				require.ErrorIs(t, err, stschain.ErrPrompt)

				got, _ := mustGet(t, outer)
				require.NotEqual(t, "key-1", got)
				require.Less(t, src.count(), 10)
			})
		})
	}
}

// Where nobody was asked in the background, who needs others than the held credentials asks, and
// is not told to wait until the next try there.
func TestCacheUnattendedFailureKeepsNobodyFromAsking(t *testing.T) {
	for name, ask := range map[string]func(context.Context, *stschain.Cache) (stschain.Credentials, error){
		"that live longer": func(ctx context.Context, c *stschain.Cache) (stschain.Credentials, error) {
			return c.RetrieveFor(ctx, 30*time.Minute)
		},
		"since these were rejected": func(ctx context.Context, c *stschain.Cache) (stschain.Credentials, error) {
			c.Invalidate(stschain.Credentials{AccessKeyID: "key-1"})
			return c.Retrieve(ctx)
		},
		"since these were rejected, which nobody waited for again": func(ctx context.Context, c *stschain.Cache) (stschain.Credentials, error) {
			c.Invalidate(stschain.Credentials{AccessKeyID: "key-1"})
			_, err := c.Retrieve(stschain.WithoutPrompt(ctx))
			if !errors.Is(err, stschain.ErrPrompt) {
				t.Errorf("unattended: %v", err)
			}
			return c.Retrieve(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &source{answer: func(ctx context.Context, n int) (stschain.Credentials, error) {
					if stschain.Prompt(ctx) != nil {
						return stschain.Credentials{}, fmt.Errorf("an MFA code is needed, and %w", stschain.ErrPrompt)
					}
					return key(n, time.Hour), nil
				}}
				c := noJitter(&stschain.Cache{Provider: src})
				requireGet(t, c, "key-1")
				pass(50 * time.Minute) // into the advisory window
				requireGet(t, c, "key-1")
				pass(time.Second)
				require.ErrorIs(t, c.Status().Err, stschain.ErrPrompt)
				creds, err := ask(t.Context(), c)
				require.NoError(t, err)
				require.NotEqual(t, "key-1", creds.AccessKeyID)
			})
		})
	}
}

// Nor does it keep callers from waiting for the person as soon as they should.
func TestCacheUnattendedRestEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := noJitter(&stschain.Cache{Provider: &attendant{}})
		for range 59 * 60 {
			requireGet(t, c, "key-1")
			pass(time.Second)
		}
		got, _ := mustGet(t, c)
		require.NotEqual(t, "key-1", got)
	})
}

// A person who mistypes a code once is asked again, and not left with rejected credentials until
// those expire: nobody is asked in the background.
func TestCacheRejectedInteractiveIsAskedForAgain(t *testing.T) {
	for name := range map[string]bool{"of the cache": true, "of what is below": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &attendant{}
				c := noJitter(&stschain.Cache{Provider: src})
				requireGet(t, c, "key-1")
				src.refuses = true
				pass(time.Minute)
				rejectKey(c, "key-1")
				got, _ := mustGet(t, c)
				require.Equal(t, "key-1", got, "the refresh failed")
				require.Equal(t, 2, src.count())
				src.refuses = false
				pass(5*time.Minute - time.Nanosecond)
				requireGet(t, c, "key-1")
				pass(time.Nanosecond)
				mustGet(t, c) // starts a try in the background, where that may be
				synctest.Wait()
				got, _ = mustGet(t, c)
				require.NotEqual(t, "key-1", got)
			})
		})
	}
}

// A source that wrongly says that nobody waits gives its callers an error and no endless loop.
func TestCacheUnattendedErrorWithoutReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{answer: func(context.Context, int) (stschain.Credentials, error) {
			return stschain.Credentials{}, stschain.ErrPrompt
		}}
		_, err := stschain.Cached(src).Retrieve(t.Context())
		require.ErrorIs(t, err, stschain.ErrPrompt)
		require.Equal(t, 1, src.count())
	})
}

// attendant answers only who waits.
type attendant struct {
	source
	refuses bool
}

func (p *attendant) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	creds, err := p.source.Retrieve(ctx)
	switch {
	case stschain.Prompt(ctx) != nil:
		return stschain.Credentials{}, stschain.ErrPrompt
	case p.refuses:
		return stschain.Credentials{}, errRefused
	}
	return creds, err
}
