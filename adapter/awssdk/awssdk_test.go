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
			respond := make(chan struct{})
			w.cache.Provider = stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
				if w.cache.Status().Attempts > 1 {
					<-respond
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
			callers.Wait() // although the refresh has no response yet
			require.Eventually(t, func() bool { return w.cache.Status().Attempts == 2 }, 10*time.Second, time.Millisecond)
			require.Equal(t, first, w.last())

			close(respond)
			<-refreshed
			require.NoError(t, w.put(t.Context(), client))
			require.NotEqual(t, first, w.last())
			require.Equal(t, w.cache.Status().AccessKeyID, w.last())
			require.EqualValues(t, 2, w.sts.Count("AssumeRole"))
			require.EqualValues(t, 1, w.cache.Status().Waits)
		})
	}
}

// Keys that never expire can be rotated and invalidated, so the SDK retrieves again.
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

// The caller of the SDK gets the error.
func TestErrorReachesTheCaller(t *testing.T) {
	w := newWorld(t)
	w.cache.Provider = stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{}, errTest
	})
	client := s3.New(s3.Options{Credentials: &awssdk.CredentialsProvider{Credentials: w.cache}}, w.options)
	require.ErrorIs(t, w.put(t.Context(), client), errTest)
}

// The SDK must not cache the credentials, so they are marked as expired, unless TellExpiry is set.
func TestTellExpiry(t *testing.T) {
	expires := time.Now().Add(time.Hour).Round(0)
	for _, tt := range []struct {
		expiry  bool
		expires time.Time
		want    aws.Credentials
	}{
		{false, expires, aws.Credentials{CanExpire: true, Expires: time.Unix(0, 0)}},
		{false, time.Time{}, aws.Credentials{CanExpire: true, Expires: time.Unix(0, 0)}},
		{true, expires, aws.Credentials{CanExpire: true, Expires: expires}},
		{true, time.Time{}, aws.Credentials{}},
	} {
		p := &awssdk.CredentialsProvider{TellExpiry: tt.expiry, Credentials: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			return stschain.Credentials{
				AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("secret"), SessionToken: stschain.NewSecret("token"),
				Expires: tt.expires, AccountID: "123456789012", Origin: "test",
			}, nil
		})}
		got, err := p.Retrieve(t.Context())
		require.NoError(t, err)
		tt.want.AccessKeyID, tt.want.SecretAccessKey, tt.want.SessionToken = "AKIDEXAMPLE", "secret", "token"
		tt.want.AccountID, tt.want.Source = "123456789012", "test"
		require.Equal(t, tt.want, got)
		require.Equal(t, !tt.expiry, got.Expired())
	}
}

func TestContext(t *testing.T) {
	p := &awssdk.CredentialsProvider{Credentials: stschain.Static("AKIDEXAMPLE", "secret", "")}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Retrieve(canceled)
	require.ErrorIs(t, err, context.Canceled)
	var none context.Context
	_, err = p.Retrieve(none)
	require.NoError(t, err)
	_, err = p.Retrieve(canceled)
	require.NoError(t, err, "from the cache")

	_, err = (&awssdk.CredentialsProvider{}).Retrieve(t.Context())
	require.EqualError(t, err, "awssdk: no credentials: CredentialsProvider.Credentials is required")
}
