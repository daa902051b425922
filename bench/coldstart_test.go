package bench_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	miniocreds "github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/env"
)

// BenchmarkColdStart is the way from nothing to the first credentials, which
// lie in environment variables.
func BenchmarkColdStart(b *testing.B) { compare(b, coldStart(b)) }

func coldStart(tb testing.TB) []work {
	for _, pair := range os.Environ() {
		if name, value, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AWS_") {
			tb.Setenv(name, value) // puts it back afterwards
			os.Unsetenv(name)
		}
	}
	tb.Setenv("HOME", tb.TempDir())
	tb.Setenv("AWS_ACCESS_KEY_ID", accessKeyID)
	tb.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
	tb.Setenv("AWS_SESSION_TOKEN", sessionToken)
	tb.Setenv("AWS_REGION", region)
	return []work{
		{"stschain", func() error {
			creds, err := stschain.Cached(&env.Provider{}).Retrieve(context.Background())
			return check(creds.AccessKeyID == accessKeyID, err)
		}},
		{"aws", func() error {
			cfg, err := config.LoadDefaultConfig(context.Background())
			if err != nil {
				return err
			}
			creds, err := cfg.Credentials.Retrieve(context.Background())
			return check(creds.AccessKeyID == accessKeyID, err)
		}},
		{"minio", func() error {
			creds, err := miniocreds.NewEnvAWS().GetWithContext(nil)
			return check(creds.AccessKeyID == accessKeyID, err)
		}},
	}
}
