package clients_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/minio/minio-go/v7"
	miniocreds "github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/ststest"
)

// setenv makes these the only AWS variables of this process.
func setenv(t *testing.T, vars []string) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "") // which restores it
			require.NoError(t, os.Unsetenv(name))
		}
	}
	for _, v := range environment(t, vars...) {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
}

func TestSDKForGo(t *testing.T) {
	ways(t, func(t *testing.T, w *world, vars []string) {
		setenv(t, vars)
		cfg, err := config.LoadDefaultConfig(t.Context(), config.WithCredentialsCacheOptions(func(o *aws.CredentialsCacheOptions) {
			o.ExpiryWindow = time.Hour // it would use up what it has
		}))
		require.NoError(t, err)
		client := sts.NewFromConfig(cfg, func(o *sts.Options) { o.BaseEndpoint = aws.String(w.sts.URL()) })
		for range 2 {
			_, err = client.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
			require.NoError(t, err)
			require.Equal(t, w.current().AccessKeyID, w.signedWith())

			got, err := cfg.Credentials.Retrieve(t.Context())
			require.NoError(t, err)
			require.Equal(t, w.fingerprint(), fingerprint(got.AccessKeyID, got.SecretAccessKey, got.SessionToken))
			require.Equal(t, "123456789012", got.AccountID)
			w.refresh()
			cfg.Credentials.(*aws.CredentialsCache).Invalidate()
		}
	})
}

// The SDK understands our response to a wrong token.
func TestSDKForGoRefused(t *testing.T) {
	w := newWorld(t)
	_, err := endpointcreds.New(w.url, func(o *endpointcreds.Options) { o.AuthorizationToken = "another" }).Retrieve(t.Context())
	require.ErrorContains(t, err, "Unauthorized: the Authorization header is not the token of this server")
}

// minio-go knows no credential_process.
func TestMinIO(t *testing.T) {
	w := newWorld(t)
	setenv(t, w.container())
	var signer string
	s3 := httptest.NewServer(w.sts.Protect("s3", "eu-west-1", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		caller, _ := ststest.CallerFrom(r.Context())
		signer = caller.AccessKeyID
	})))
	defer s3.Close()
	at, err := url.Parse(s3.URL)
	require.NoError(t, err)
	creds := miniocreds.New(&miniocreds.IAM{})
	client, err := minio.New(at.Host, &minio.Options{Creds: creds, Region: "eu-west-1"})
	require.NoError(t, err)
	for range 2 {
		exists, err := client.BucketExists(t.Context(), "bucket")
		require.NoError(t, err)
		require.True(t, exists)
		require.Equal(t, w.current().AccessKeyID, signer)

		got, err := creds.GetWithContext(client.CredContext())
		require.NoError(t, err)
		require.Equal(t, w.fingerprint(), fingerprint(got.AccessKeyID, got.SecretAccessKey, got.SessionToken))
		require.WithinDuration(t, w.current().Expires, got.Expiration, time.Second)
		w.refresh()
		creds.Expire()
	}
}
