package awssdk_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/awssdk"
)

// A token that a service rejects is replaced, and the request sent again, whether
// or not the SDK's cache lies between.
func TestRetryRejected(t *testing.T) {
	for _, tt := range []struct {
		name   string
		cached bool
	}{{"aws.Config", false}, {"config.WithCredentialsProvider", true}} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			provider := &awssdk.CredentialsProvider{Credentials: w.cache}
			cfg := aws.Config{Credentials: provider}
			if tt.cached {
				var err error
				cfg, err = config.LoadDefaultConfig(t.Context(), config.WithCredentialsProvider(provider))
				require.NoError(t, err)
			}
			cfg.APIOptions = append(cfg.APIOptions, provider.RetryRejected)
			client := s3.NewFromConfig(cfg, w.options)
			require.NoError(t, w.put(t.Context(), client))
			first := w.last()

			w.clock.Add(time.Minute) // what came just now is not fetched again
			require.True(t, w.sts.Revoke(first))
			require.NoError(t, w.put(t.Context(), client))
			require.NotEqual(t, first, w.last())
			require.Equal(t, 2, w.sts.Count("AssumeRole"))
		})
	}
}

func TestRejectedWithoutRetry(t *testing.T) {
	once := func(o *s3.PutObjectInput) { o.Body = io.LimitReader(strings.NewReader("body"), 4) }
	for _, tt := range []struct {
		name string
		hook bool
		body func(*s3.PutObjectInput)
		sts  error // what STS does when it is asked again
	}{
		{name: "no hook"},
		{name: "a body that cannot be sent again", hook: true, body: once},
		{name: "no other credentials", hook: true, sts: errTest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			var down error
			w.cache.Provider = stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
				if down != nil {
					return stschain.Credentials{}, down
				}
				return w.assume(ctx)
			})
			provider := &awssdk.CredentialsProvider{Credentials: w.cache}
			options := s3.Options{Credentials: provider}
			if tt.hook {
				options.APIOptions = append(options.APIOptions, provider.RetryRejected)
			}
			client := s3.New(options, w.options)
			require.NoError(t, w.put(t.Context(), client))
			first := w.last()
			w.clock.Add(time.Minute)
			require.True(t, w.sts.Revoke(first))
			down = tt.sts

			in := &s3.PutObjectInput{
				Bucket: aws.String("bucket"), Key: aws.String("key"), Body: strings.NewReader("body"), ContentLength: aws.Int64(4),
			}
			if tt.body != nil {
				tt.body(in)
			}
			_, err := client.PutObject(t.Context(), in, s3.WithAPIOptions(v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware))
			var refused smithy.APIError
			require.True(t, errors.As(err, &refused), "%v", err)
			require.Equal(t, "ExpiredToken", refused.ErrorCode())
			require.EqualValues(t, 2, w.sent.Load(), "not tried again")
			require.Equal(t, 1, w.sts.Count("AssumeRole"))
			require.Equal(t, tt.hook, w.cache.Status().Rejected, "the cache knows")
			require.Equal(t, first, w.cache.Status().AccessKeyID)
		})
	}
}

// A presigned request is not sent, and has nothing to watch.
func TestRetryRejectedPresign(t *testing.T) {
	w := newWorld(t)
	provider := &awssdk.CredentialsProvider{Credentials: w.cache}
	client := s3.New(s3.Options{Credentials: provider, APIOptions: []func(*middleware.Stack) error{provider.RetryRejected}}, w.options)
	req, err := s3.NewPresignClient(client).PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("key")})
	require.NoError(t, err)
	require.Contains(t, req.URL, w.cache.Status().AccessKeyID)
}
