package awssdk_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/awssdk"
)

// However the SDK is given the provider, it signs with what our cache holds: with
// the old credentials while new ones are fetched, without waiting, and with the
// new ones from then on.
func TestSDKFollowsOurCache(t *testing.T) {
	load := func(t *testing.T, options ...func(*config.LoadOptions) error) aws.Config {
		cfg, err := config.LoadDefaultConfig(t.Context(), options...)
		require.NoError(t, err)
		return cfg
	}
	for _, tt := range []struct {
		name      string
		configure func(t *testing.T, p *awssdk.CredentialsProvider) aws.Config
	}{
		{"config.WithCredentialsProvider", func(t *testing.T, p *awssdk.CredentialsProvider) aws.Config {
			cfg := load(t, config.WithCredentialsProvider(p))
			require.IsType(t, &aws.CredentialsCache{}, cfg.Credentials, "the SDK caches too")
			return cfg
		}},
		{"config.WithCredentialsProvider and a window", func(t *testing.T, p *awssdk.CredentialsProvider) aws.Config {
			return load(t, config.WithCredentialsProvider(p), config.WithCredentialsCacheOptions(
				func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow, o.ExpiryWindowJitterFrac = time.Minute, 0.5 }))
		}},
		{"aws.NewCredentialsCache", func(t *testing.T, p *awssdk.CredentialsProvider) aws.Config {
			return aws.Config{Credentials: aws.NewCredentialsCache(p)}
		}},
		{"aws.Config", func(t *testing.T, p *awssdk.CredentialsProvider) aws.Config {
			return aws.Config{Credentials: p}
		}},
		{"aws.Config, TellExpiry", func(t *testing.T, p *awssdk.CredentialsProvider) aws.Config {
			p.TellExpiry = true
			return aws.Config{Credentials: p}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			answer := make(chan struct{})
			w.cache.Provider = stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
				if w.cache.Status().Attempts > 1 {
					<-answer
				}
				return w.assume(ctx)
			})
			refreshed := make(chan struct{}, 1)
			w.cache.OnEvent = func(e stschain.Event) {
				if e.Kind == stschain.Refreshed {
					refreshed <- struct{}{}
				}
			}
			client := s3.NewFromConfig(tt.configure(t, &awssdk.CredentialsProvider{Credentials: w.cache}), w.options)

			require.NoError(t, w.put(t.Context(), client))
			<-refreshed
			first := w.cache.Status().AccessKeyID
			require.Equal(t, first, w.last())

			w.clock.Add(50 * time.Minute) // into the advisory window
			require.Equal(t, stschain.Advisory, w.cache.Status().Phase)
			var callers sync.WaitGroup
			for range 20 {
				callers.Go(func() {
					if err := w.put(t.Context(), client); err != nil {
						t.Error(err)
					}
				})
			}
			callers.Wait() // although the refresh is not answered yet
			require.Eventually(t, func() bool { return w.cache.Status().Attempts == 2 }, 10*time.Second, time.Millisecond)
			require.Equal(t, first, w.last())

			close(answer)
			<-refreshed
			require.NoError(t, w.put(t.Context(), client))
			require.NotEqual(t, first, w.last())
			require.Equal(t, w.cache.Status().AccessKeyID, w.last())
			require.EqualValues(t, 2, w.sts.Count("AssumeRole"))
			require.EqualValues(t, 1, w.cache.Status().Waits)
		})
	}
}

// Keys that never expire can be rotated and invalidated, so the SDK asks again.
func TestKeysThatNeverExpire(t *testing.T) {
	id := "FIRST"
	clk := clock.NewMock()
	keys := &stschain.Cache{Clock: clk, Provider: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{AccessKeyID: id, SecretAccessKey: stschain.NewSecret("secret")}, nil
	})}
	cache := aws.NewCredentialsCache(&awssdk.CredentialsProvider{Credentials: keys})
	got, err := cache.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "FIRST", got.AccessKeyID)

	id = "SECOND"
	clk.Add(time.Minute) // what came just now is not fetched again
	keys.Invalidate(stschain.Credentials{AccessKeyID: "FIRST"})
	got, err = cache.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "SECOND", got.AccessKeyID)
}

func TestAnswer(t *testing.T) {
	expires := time.Now().Add(time.Hour).Round(0)
	for _, tt := range []struct {
		name string
		tell bool
		ends time.Time
		want aws.Credentials
	}{
		{"held by nobody", false, expires, aws.Credentials{CanExpire: true, Expires: time.Unix(0, 0)}},
		{"held by nobody, without an end", false, time.Time{}, aws.Credentials{CanExpire: true, Expires: time.Unix(0, 0)}},
		{"the truth", true, expires, aws.Credentials{CanExpire: true, Expires: expires}},
		{"the truth, without an end", true, time.Time{}, aws.Credentials{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &awssdk.CredentialsProvider{TellExpiry: tt.tell, Credentials: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
				return stschain.Credentials{
					AccessKeyID:     "AKIDEXAMPLE",
					SecretAccessKey: stschain.NewSecret("secret"),
					SessionToken:    stschain.NewSecret("token"),
					Expires:         tt.ends,
					AccountID:       "123456789012",
					Origin:          "test",
				}, nil
			})}
			got, err := p.Retrieve(t.Context())
			require.NoError(t, err)
			tt.want.AccessKeyID, tt.want.SecretAccessKey, tt.want.SessionToken = "AKIDEXAMPLE", "secret", "token"
			tt.want.AccountID, tt.want.Source = "123456789012", "test"
			require.Equal(t, tt.want, got)
			require.Equal(t, !tt.tell, got.Expired())
		})
	}
}

func TestSourceIsRequired(t *testing.T) {
	_, err := (&awssdk.CredentialsProvider{}).Retrieve(t.Context())
	require.ErrorContains(t, err, "CredentialsProvider.Credentials is required")
}

func TestNilContext(t *testing.T) {
	p := &awssdk.CredentialsProvider{Credentials: stschain.Static("AKIDEXAMPLE", "secret", "")}
	var none context.Context
	got, err := p.Retrieve(none)
	require.NoError(t, err)
	require.Equal(t, "AKIDEXAMPLE", got.AccessKeyID)
}

// A caller who leaves gets the reason, harms nobody, and is served what is held.
func TestCancelledContext(t *testing.T) {
	answer := make(chan struct{})
	p := &awssdk.CredentialsProvider{Credentials: stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
		select {
		case <-answer:
			return stschain.Static("AKIDEXAMPLE", "secret", "").Retrieve(ctx)
		case <-ctx.Done():
			return stschain.Credentials{}, ctx.Err()
		}
	})}
	left, leave := context.WithCancel(t.Context())
	gone, stayed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := p.Retrieve(left)
		gone <- err
	}()
	leave()
	require.ErrorIs(t, <-gone, context.Canceled)

	go func() {
		_, err := p.Retrieve(t.Context())
		stayed <- err
	}()
	close(answer)
	require.NoError(t, <-stayed)

	got, err := p.Retrieve(left)
	require.NoError(t, err)
	require.Equal(t, "AKIDEXAMPLE", got.AccessKeyID)
}

// An answer that has expired is an error, and never handed on.
func TestExpiredAnswer(t *testing.T) {
	p := &awssdk.CredentialsProvider{Credentials: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{
			AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("secret"), Expires: time.Now().Add(-time.Second),
		}, nil
	})}
	got, err := p.Retrieve(t.Context())
	require.ErrorContains(t, err, "expired at")
	require.Zero(t, got)
}

// The SDK's own cache would let a panic end the process.
func TestPanic(t *testing.T) {
	p := &awssdk.CredentialsProvider{Credentials: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		panic("boom")
	})}
	_, err := aws.NewCredentialsCache(p).Retrieve(t.Context())
	require.ErrorContains(t, err, "panicked at")
}

// What failed is told to the caller of the SDK.
func TestErrorReachesTheCaller(t *testing.T) {
	w := newWorld(t)
	w.cache.Provider = stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{}, errTest
	})
	client := s3.New(s3.Options{Credentials: &awssdk.CredentialsProvider{Credentials: w.cache}}, w.options)
	require.ErrorIs(t, w.put(t.Context(), client), errTest)
}
