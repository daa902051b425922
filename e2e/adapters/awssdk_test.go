package adapters_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/awssdk"
)

func TestSDKForGo(t *testing.T) {
	for name, configure := range map[string]func(p *awssdk.CredentialsProvider) (aws.Config, error){
		"config.WithCredentialsProvider": func(p *awssdk.CredentialsProvider) (aws.Config, error) {
			return config.LoadDefaultConfig(t.Context(), config.WithCredentialsProvider(p))
		},
		"aws.Config": func(p *awssdk.CredentialsProvider) (aws.Config, error) { return aws.Config{Credentials: p}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			testRefreshes(t, func(endpoint string, cache *stschain.Cache) func(context.Context, string) error {
				cfg, err := configure(&awssdk.CredentialsProvider{Credentials: cache})
				require.NoError(t, err)
				client := s3.NewFromConfig(cfg, func(o *s3.Options) {
					o.Region, o.BaseEndpoint, o.UsePathStyle = region, aws.String(endpoint), true
					o.RetryMaxAttempts = 1 // a retry would hide a request that failed
				})
				_, err = client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("bucket")})
				require.NoError(t, err)
				return func(ctx context.Context, key string) error {
					_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: &key, Body: strings.NewReader(key)})
					if err != nil {
						return err
					}
					object, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: &key})
					if err != nil {
						return err
					}
					return object.Body.Close()
				}
			})
		})
	}
}

func TestSDKForGoExample(t *testing.T) { testExample(t, "awssdk", "./examples/s3") }
