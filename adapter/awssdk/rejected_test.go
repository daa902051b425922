package awssdk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
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
	"github.com/stschain-go/stschain/ststest"
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
		sts  error // what STS returns to the next request
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

// Services have several codes for a rejected token. EC2 uses one of them for a wrong date too, which the SDK corrects.
func TestRejections(t *testing.T) {
	for _, tt := range []struct {
		code, message string
		date          time.Time
		want          bool
	}{
		{"ExpiredTokenException", "", time.Now(), true},
		{"InvalidToken", "", time.Now(), true},
		{"UnrecognizedClientException", "The security token included in the request is expired", time.Now(), true},
		{"UnrecognizedClientException", "The security token included in the request is invalid.", time.Now(), false},
		{"AccessDenied", "", time.Now(), false},
		{"RequestExpired", "", time.Now(), true},
		{"RequestExpired", "", time.Now().Add(20 * time.Minute), false},
	} {
		cache := &stschain.Cache{Provider: stschain.Static("AKIDEXAMPLE", "secret", "token")}
		provider := &awssdk.CredentialsProvider{Credentials: cache}
		client := s3.New(s3.Options{
			Region: region, Credentials: provider, Retryer: aws.NopRetryer{}, APIOptions: []func(*middleware.Stack) error{provider.RetryRejected},
			HTTPClient: &http.Client{Transport: ststest.InProcess(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", tt.date.UTC().Format(http.TimeFormat))
				w.WriteHeader(http.StatusForbidden)
				fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", tt.code, tt.message)
			}))},
		})
		_, err := client.ListBuckets(t.Context(), nil)
		require.ErrorContains(t, err, tt.code)
		require.Equal(t, tt.want, cache.Status().Rejected, "%v", tt)
	}
}
