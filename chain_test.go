package stschain_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

var (
	notHere = stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{}, stschain.Unavailable("its variable is not set")
	})
	broken = stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{}, errDown
	})
)

// aws-sdk-go-v2#268, minio-go#2110, datafusion-comet#6024
func TestChain(t *testing.T) {
	first, second := stschain.Static("first", "s", ""), stschain.Static("second", "s", "")
	tests := []struct {
		name        string
		chain       *stschain.Chain
		want        string
		err         error
		unavailable bool
	}{
		{"zero", &stschain.Chain{}, "", nil, true},
		{"the first that is configured", stschain.NewChain(notHere, first, second), "first", nil, false},
		{"none is configured", stschain.NewChain(notHere, stschain.Static("", "", "")), "", nil, true},
		{"a failure stops it", stschain.NewChain(notHere, broken, second), "", errDown, false},
		{"half a key stops it", stschain.NewChain(stschain.Static("first", "", ""), second), "", nil, false},
		{"nil stops it", stschain.NewChain(nil, second), "", nil, false},
		{"an empty result stops it", stschain.NewChain(stschain.ProviderFunc(
			func(context.Context) (stschain.Credentials, error) { return stschain.Credentials{}, nil }), second), "", nil, false},
		{"all fail", stschain.NewChain(broken, broken), "", errDown, false},
		{"chains nest, unavailable", stschain.NewChain(stschain.NewChain(notHere), second), "second", nil, false},
		{"chains nest, stopped", stschain.NewChain(stschain.NewChain(notHere, broken), second), "", errDown, false},
		{"caches nest, unavailable", stschain.NewChain(stschain.Cached(notHere), second), "second", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.chain.Retrieve(t.Context())
			require.Equal(t, tt.want, got.AccessKeyID)
			if tt.want != "" {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			if tt.err != nil {
				require.ErrorIs(t, err, tt.err)
			}
			require.Equal(t, tt.unavailable, stschain.IsUnavailable(err))
			chain, ok := err.(*stschain.ChainError)
			require.True(t, ok)
			require.Equal(t, tt.unavailable, chain.Unavailable())
			require.Equal(t, tt.unavailable, errors.Unwrap(err) == nil, "it wraps the cause of a stop only")
			require.Equal(t, stschain.Credentials{}, got, "never anonymous")
			got, err = stschain.Cached(tt.chain).Retrieve(t.Context())
			require.Error(t, err)
			require.Equal(t, stschain.Credentials{}, got)
		})
	}
}

// aws-sdk-go#413, aws-sdk-go-v2#1551
func TestChainErrorText(t *testing.T) {
	_, err := stschain.NewChain(notHere, stschain.Static("AKID", "", ""), broken).Retrieve(t.Context())
	require.EqualError(t, err, `stschain: static failed; not falling back to another identity:
  stschain.ProviderFunc: its variable is not set
  static: stschain: static credentials have no secret access key`)
	var chainErr *stschain.ChainError
	require.ErrorAs(t, err, &chainErr)
	require.Len(t, chainErr.Attempts, 2)

	_, err = stschain.NewChain(notHere, stschain.Static("", "", "")).Retrieve(t.Context())
	require.EqualError(t, err, `stschain: no provider of the chain is configured:
  stschain.ProviderFunc: its variable is not set
  static: stschain: static credentials are empty`)
	_, err = (&stschain.Chain{}).Retrieve(t.Context())
	require.EqualError(t, err, "stschain: the chain has no providers")
	_, err = stschain.NewChain(nil, broken).Retrieve(t.Context())
	require.EqualError(t, err, `stschain: <nil> failed; not falling back to another identity:
  <nil>: provider is nil`)

	err = &stschain.ChainError{Attempts: []stschain.Attempt{{Provider: "env", Err: errors.New("env: half a key")}}}
	require.ErrorContains(t, err, "\n  env: half a key", "a name is said once")
}

// The identity does not switch on refresh, even if the pinned provider is not configured anymore. aws-sdk-go v1 and minio-go
// start with the first provider again.
// azure-sdk-for-go#16268
func TestChainStaysPinned(t *testing.T) {
	var gone, early atomic.Bool
	later := stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
		if early.Load() {
			return stschain.Static("better", "s", "").Retrieve(ctx)
		}
		return notHere(ctx)
	})
	kept := stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
		if gone.Load() {
			return notHere(ctx)
		}
		return stschain.Static("kept", "s", "").Retrieve(ctx)
	})
	c := stschain.NewChain(later, kept)
	requireGetKey(t, c, "kept")
	early.Store(true)
	requireGetKey(t, c, "kept")
	gone.Store(true)
	_, err := stschain.NewChain(c, stschain.Static("weaker", "s", "")).Retrieve(t.Context())
	require.ErrorContains(t, err, "chain is pinned to stschain.ProviderFunc")
	require.False(t, stschain.IsUnavailable(err), "%v", err)
}

// If the context is done, an Unavailable error may mean that the provider was late (azure-sdk-for-net#61922).
func TestChainEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	slow := stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
		cancel(errGone)
		return notHere(ctx)
	})
	_, err := stschain.NewChain(slow, stschain.Static("weaker", "s", "")).Retrieve(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, errGone)
	require.False(t, stschain.IsUnavailable(err), "%v", err)
}

// A thousand concurrent callers, while providers are configured or not: all get one identity.
func TestChainConcurrentCalls(t *testing.T) {
	for range 20 {
		var calls atomic.Int32
		flapping := func(key string) stschain.Provider {
			p := stschain.Static(key, "s", "")
			return stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
				if calls.Add(1)%3 == 0 {
					return p.Retrieve(ctx)
				}
				return notHere(ctx)
			})
		}
		c := stschain.NewChain(flapping("a"), flapping("b"), flapping("c"))
		var identities sync.Map
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				creds, err := c.Retrieve(t.Context())
				if err == nil {
					identities.Store(creds.AccessKeyID, true)
				}
			})
		}
		wg.Wait()
		var seen []any
		identities.Range(func(k, _ any) bool { seen = append(seen, k); return true })
		require.Len(t, seen, 1)
	}
}

// The result of a caller that succeeds second is dropped: the chain is pinned already.
func TestChainLateSuccess(t *testing.T) {
	one, two := stschain.Static("one", "s", ""), stschain.Static("two", "s", "")
	for name, late := range map[string]stschain.Provider{"succeeds": one, "is unavailable": notHere, "fails": broken} {
		t.Run(name, func(t *testing.T) {
			entered, release := make(chan bool), make(chan bool)
			var calls atomic.Int32
			first := stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
				if calls.Add(1) > 1 {
					return notHere(ctx)
				}
				close(entered)
				<-release
				return late.Retrieve(ctx)
			})
			c := stschain.NewChain(first, two)
			got := make(chan string)
			go func() {
				creds, err := c.Retrieve(t.Context())
				got <- fmt.Sprint(creds.AccessKeyID, err)
			}()
			<-entered
			requireGetKey(t, c, "two")
			close(release)
			require.Equal(t, "two<nil>", <-got)
		})
	}
}

func TestChainForwards(t *testing.T) {
	src := &source{}
	cache := &stschain.Cache{Provider: src}
	c := stschain.NewChain(notHere, cache)
	rejectKey(c, "key-1") // not pinned yet
	require.Equal(t, "chain", c.String())
	require.Len(t, c.Providers(), 2)
	requireGetKey(t, c, "key-1")
	rejectKey(c, "key-1")
	require.True(t, cache.Status().Rejected)
}

func TestStatic(t *testing.T) {
	creds, err := stschain.Static("AKID", "secret", "token").Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "secret", creds.SecretAccessKey.Reveal())
	require.Equal(t, "token", creds.SessionToken.Reveal())
	require.True(t, creds.Expires.IsZero())
	require.Equal(t, "static", creds.Origin)
	for _, tt := range [][3]string{{"AKID", "", ""}, {"", "secret", ""}, {"", "", "token"}, {"AKID", "", "token"}} {
		_, err := stschain.Static(tt[0], tt[1], tt[2]).Retrieve(t.Context())
		require.Error(t, err)
		require.False(t, stschain.IsUnavailable(err), "%v", err)
	}
}

// White space in keys comes from reading a file with its line break, or from copying: a service
// would respond SignatureDoesNotMatch, without a reason (argo-workflows#981, longhorn#811).
func TestMalformedKeys(t *testing.T) {
	for want, keys := range map[string][3]string{
		"the access key ID contains white space; trim":                {"AKID\n", "canary-4711", ""},
		"the access key ID contains a character beyond ASCII":         {"AKIDÉ", "canary-4711", ""},
		"the secret access key contains white space; trim":            {"AKID", "canary-4711\r\n", ""},
		"the secret access key contains a control character; copy it": {"AKID", "canary-4711\x00", "token"},
		"the session token contains white space":                      {"AKID", "canary-4711", "canary\u00a04711"},
	} {
		_, err := stschain.Static(keys[0], keys[1], keys[2]).Retrieve(t.Context())
		require.ErrorContains(t, err, "stschain: static credentials: "+want)
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.NotContains(t, err.Error(), "4711")
	}
	_, err := stschain.Static("AKID", "a/secret+of~MinIO§", "").Retrieve(t.Context())
	require.NoError(t, err)
}
