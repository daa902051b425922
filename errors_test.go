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

func TestUnavailable(t *testing.T) {
	err := stschain.Unavailable("vault: %s is not set: %w", "VAULT_ADDR", errDown)
	require.EqualError(t, err, "vault: VAULT_ADDR is not set: "+errDown.Error())
	require.ErrorIs(t, err, errDown)
	require.True(t, stschain.IsUnavailable(err))
	require.True(t, stschain.IsUnavailable(&stschain.ChainError{}), "a chain without providers")
	require.False(t, stschain.IsUnavailable(nil))
	require.False(t, stschain.IsUnavailable((*stschain.ChainError)(nil)))
	require.False(t, stschain.IsUnavailable(&stschain.ChainError{Attempts: []stschain.Attempt{{Err: err}, {Err: errDown}}}))
	require.False(t, stschain.IsUnavailable(&stschain.ChainError{Attempts: []stschain.Attempt{{}}}), "an attempt without an error")
}

type unwrapping struct{ error }

func (e unwrapping) Unwrap() error { return e.error }

type unwrappingAll struct{ error }

func (e unwrappingAll) Unwrap() []error { return []error{e.error} }

// isAll claims to be every error.
type isAll struct{ error }

func (isAll) Is(error) bool { return true }

// asAll claims to be every error of the package.
type asAll struct{ error }

func (e asAll) As(target any) bool {
	if chain, ok := target.(**stschain.ChainError); ok {
		*chain = &stschain.ChainError{}
		return true
	}
	return errors.As(e.error, target)
}

type embedding struct{ *stschain.ChainError }

type embeddingValue struct{ stschain.ChainError }

func (e embeddingValue) Error() string { return e.ChainError.Error() }

// Whatever wraps an Unavailable error is a failure, so the chain stops: a flow whose base is not
// configured must not fall through to another identity.
func TestWrappedUnavailableStopsTheChain(t *testing.T) {
	for name, wrap := range map[string]func(error) error{
		"a flow":                       func(err error) error { return fmt.Errorf("role: %w", err) },
		"a flow of two errors":         func(err error) error { return fmt.Errorf("role: %w; token: %w", err, err) },
		"a text without more":          func(err error) error { return fmt.Errorf("%w", err) },
		"a logging decorator":          func(err error) error { t.Log(err); return fmt.Errorf("logged: %w", err) },
		"a retrying decorator":         func(err error) error { return fmt.Errorf("3 attempts: %w", errors.Join(err, err, err)) },
		"errors.Join":                  func(err error) error { return errors.Join(err, errDown) },
		"errors.Join of one":           func(err error) error { return errors.Join(err) },
		"a type with Unwrap":           func(err error) error { return unwrapping{err} },
		"a type with Unwrap of many":   func(err error) error { return unwrappingAll{err} },
		"a type with Is":               func(err error) error { return isAll{err} },
		"a type with As":               func(err error) error { return asAll{err} },
		"a type that embeds the error": func(err error) error { return struct{ error }{err} },
		"one that embeds *ChainError":  func(error) error { return embedding{&stschain.ChainError{}} },
		"a pointer to one that does":   func(error) error { return &embedding{&stschain.ChainError{}} },
		"one that embeds ChainError":   func(error) error { return embeddingValue{} },
		"Permanent":                    stschain.Permanent,
	} {
		for kind, base := range map[string]stschain.Provider{
			"a provider": notHere, "a chain": stschain.NewChain(notHere), "the zero chain": &stschain.Chain{}, "a cache": stschain.Cached(notHere),
		} {
			t.Run(name+" over "+kind, func(t *testing.T) {
				flow := stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
					_, err := base.Retrieve(ctx)
					require.True(t, stschain.IsUnavailable(err))
					return stschain.Credentials{}, wrap(err)
				})
				for _, p := range []stschain.Provider{flow, stschain.Cached(flow), stschain.NewChain(notHere, flow)} {
					_, err := p.Retrieve(t.Context())
					require.False(t, stschain.IsUnavailable(err))
					_, err = stschain.NewChain(notHere, p, stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
						t.Error("the chain falls through to another identity")
						return key(1, time.Hour), nil
					})).Retrieve(t.Context())
					require.Error(t, err)
					require.False(t, stschain.IsUnavailable(err))
					stopped, ok := err.(*stschain.ChainError)
					require.True(t, ok)
					require.False(t, stopped.Unavailable())
					require.Len(t, stopped.Attempts, 2)
				}
			})
		}
	}
}

// A chain calls the next provider only for the error itself, or for a chain whose attempts all returned it.
func TestBareUnavailableGoesOn(t *testing.T) {
	chain := stschain.NewChain(notHere, stschain.NewChain(stschain.Static("", "", ""), &stschain.Chain{}))
	for name, p := range map[string]stschain.Provider{
		"a provider": notHere, "Static": stschain.Static("", "", ""), "a chain": chain, "a chain of chains": stschain.NewChain(chain, chain),
		"a cache": stschain.Cached(notHere), "a cache of a chain": stschain.Cached(chain),
		"a chain that is reported as one error": stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
			_, err := chain.Retrieve(ctx)
			return stschain.Credentials{}, stschain.Unavailable("none: %w", err)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := p.Retrieve(t.Context())
			require.True(t, stschain.IsUnavailable(err))
			requireGetKey(t, stschain.NewChain(p, stschain.Static("next", "s", "")), "next")
		})
	}
}

// Callers can test whether nothing is configured, even if the error was wrapped.
func TestChainErrorThroughWrapping(t *testing.T) {
	_, err := stschain.NewChain(notHere).Retrieve(t.Context())
	chain, ok := errors.AsType[*stschain.ChainError](fmt.Errorf("upload: %w", fmt.Errorf("role: %w", stschain.Unavailable("default: %w", err))))
	require.True(t, ok)
	require.True(t, chain.Unavailable())
	_, err = stschain.NewChain(notHere, broken).Retrieve(t.Context())
	chain, ok = errors.AsType[*stschain.ChainError](fmt.Errorf("upload: %w", err))
	require.True(t, ok)
	require.False(t, chain.Unavailable())
}

// A cache that had credentials, and whose provider is not configured anymore, stops a chain, even one that is
// made later.
func TestCacheThatHadCredentialsStopsTheChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		cache := stschain.Cached(stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
			if calls++; calls == 1 {
				return key(1, time.Hour), nil
			}
			return notHere(ctx)
		}))
		requireGetKey(t, cache, "key-1")
		pass(2 * time.Hour)
		for range 2 { // the second time without another attempt
			_, err := stschain.NewChain(cache, stschain.Static("weaker", "s", "")).Retrieve(t.Context())
			require.ErrorContains(t, err, "its variable is not set")
			require.False(t, stschain.IsUnavailable(err))
		}
		require.Equal(t, 2, calls)
	})
}

func TestPermanent(t *testing.T) {
	err := stschain.Permanent(fmt.Errorf("%s is missing: %w", "Client", errDown))
	require.EqualError(t, err, "Client is missing: "+errDown.Error())
	require.ErrorIs(t, err, stschain.ErrPermanent)
	require.ErrorIs(t, fmt.Errorf("sessiontoken: %w", errors.Join(err)), stschain.ErrPermanent)
	require.ErrorIs(t, err, errDown, "it keeps what it wraps")
	require.NotErrorIs(t, err, stschain.ErrThrottled)
	require.False(t, stschain.IsUnavailable(err))
	require.Equal(t, stschain.Permanent(errors.New("no")), stschain.Permanent(errors.New("no")), "it compares by its text")
	require.NoError(t, stschain.Permanent(nil))
}

// Explain says why a provider did not return.
func TestExplainWithoutResult(t *testing.T) {
	for want, do := range map[string]func(){
		`^stschain: \*stschain_test\.rude panicked at \S+errors_test\.go:\d+: oops$`: func() { panic("oops") },
		`^stschain: \*stschain_test\.rude called runtime\.Goexit$`:                   runtime.Goexit,
		`^stschain: no result in time: context deadline exceeded$`:                   func() { <-time.After(time.Hour) },
	} {
		synctest.Test(t, func(t *testing.T) {
			require.Regexp(t, want, stschain.Explain(t.Context(), &rude{"Retrieve", do}).Err.Error())
			<-time.After(time.Hour)
		})
	}
}
