package howto_test

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/minio"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
	"github.com/stschain-go/stschain/webidentity"
)

// This code of minio.md is compiled, and not run: e2e/servers does the same with MinIO.
var _ = minioProviders

func minioProviders(accessKey, secretKey string) []any {
	user := &assumerole.Provider{
		Client: &stsquery.Client{
			Endpoint:    "https://minio.example:9000",
			Region:      "us-east-1", // any, unless MinIO was started with MINIO_SITE_REGION
			Credentials: stschain.Static(accessKey, secretKey, ""),
		},
		Duration: time.Hour,
	}
	backup := &minio.Certificate{
		Client:          &stsquery.Client{Endpoint: "https://minio.example:9000"},
		CertificateFile: "/etc/backup/tls.crt",
		KeyFile:         "/etc/backup/tls.key",
	}
	client := &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: "us-east-1", Credentials: backup}}

	ldap := func() any {
		alice := &minio.LDAP{
			Client:   &stsquery.Client{Endpoint: "https://minio.example:9000"},
			Username: "alice",
			Password: func(ctx context.Context) (stschain.Secret, error) {
				password, err := os.ReadFile("/run/secrets/ldap-password")
				return stschain.NewSecret(strings.TrimRight(string(password), "\r\n")), err
			},
			Duration: 12 * time.Hour,
		}
		return alice
	}
	alice := &minio.CustomToken{
		Client:  &stsquery.Client{Endpoint: "https://minio.example:9000"},
		RoleARN: "arn:minio:iam:::role/idmp-corp",
		Token:   webidentity.TokenFile("/run/secrets/token"),
	}
	return []any{user, client, ldap, alice}
}

func TestMinIO(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.AddMinIO(ststest.MinIO{Passwords: map[string]stschain.Secret{"alice": stschain.NewSecret("correct horse")}})
	alice := &minio.LDAP{
		Client:   &stsquery.Client{Endpoint: "https://minio.example", HTTPClient: srv.Client()},
		Username: "alice",
		Password: func(context.Context) (stschain.Secret, error) { return stschain.NewSecret("correct horse"), nil },
	}
	creds, err := alice.Retrieve(t.Context())
	require.NoError(t, err)
	require.False(t, creds.Expires.IsZero())
}
