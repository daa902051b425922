package adapters_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/miniosts"
)

func TestMinIOGo(t *testing.T) {
	testRefreshes(t, func(endpoint string, cache *stschain.Cache) func(context.Context, string) error {
		client, err := minio.New(strings.TrimPrefix(endpoint, "http://"), &minio.Options{
			Creds:      credentials.New(&miniosts.CredentialsProvider{Credentials: cache}),
			Region:     region,
			MaxRetries: 1, // a retry would hide a request that failed
		})
		require.NoError(t, err)
		require.NoError(t, client.MakeBucket(t.Context(), "bucket", minio.MakeBucketOptions{}))
		return func(ctx context.Context, key string) error {
			if _, err := client.PutObject(ctx, "bucket", key, strings.NewReader(key), int64(len(key)), minio.PutObjectOptions{}); err != nil {
				return err
			}
			object, err := client.GetObject(ctx, "bucket", key, minio.GetObjectOptions{})
			if err != nil {
				return err
			}
			defer object.Close()
			_, err = io.Copy(io.Discard, object)
			return err
		}
	})
}

func TestMinIOGoExample(t *testing.T) { testExample(t, "miniosts", "./examples/objects") }
