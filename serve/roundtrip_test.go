package serve_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/serve"
	"github.com/stschain-go/stschain/source/container"
	"github.com/stschain-go/stschain/source/process"
)

// Our own sources read what is served.
func TestRoundTrip(t *testing.T) {
	soon := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	for name, c := range map[string]stschain.Credentials{
		"session":                {AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: stschain.NewSecret(secret), SessionToken: stschain.NewSecret("session+" + secret), Expires: soon, AccountID: "123456789012"},
		"without an account":     {AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: stschain.NewSecret("<&>" + secret), SessionToken: stschain.NewSecret(strings.Repeat("t", 4096)), Expires: soon},
		"keys that never expire": {AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret(secret)},
	} {
		t.Run(name, func(t *testing.T) {
			url := running(t, &serve.Handler{Credentials: providing(c), Token: stschain.NewSecret(token)})
			vars := map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": url, "AWS_CONTAINER_AUTHORIZATION_TOKEN": token}
			got, err := (&container.Provider{LookupEnv: func(name string) (string, bool) { v, ok := vars[name]; return v, ok }}).Retrieve(t.Context())
			require.NoError(t, err)
			want := c
			want.Origin = got.Origin
			if c.Expires.IsZero() {
				require.WithinRange(t, got.Expires, soon.Add(-time.Minute), soon.Add(time.Minute))
				want.Expires = got.Expires
			}
			require.Equal(t, want, got)

			got, err = (&process.Provider{Command: "ours", Run: func(ctx context.Context, _ string) ([]byte, error) {
				var out bytes.Buffer
				err := serve.WriteProcess(ctx, &out, providing(c))
				return out.Bytes(), err
			}}).Retrieve(t.Context())
			require.NoError(t, err)
			want = c
			want.Origin = got.Origin
			require.Equal(t, want, got)
		})
	}
}

// Our own source retries a failure if that may help.
func TestRoundTripErrors(t *testing.T) {
	for want, p := range map[string]stschain.Provider{
		"404 Not Found, NoCredentials: no credentials are configured": stschain.Static("", "", ""),
		"503 Service Unavailable, Failed: the source of the credentials failed": stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			panic(secret)
		}),
	} {
		url := running(t, &serve.Handler{Credentials: p, Token: stschain.NewSecret(token)})
		vars := map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": url, "AWS_CONTAINER_AUTHORIZATION_TOKEN": token}
		_, err := (&container.Provider{MaxAttempts: 1, LookupEnv: func(name string) (string, bool) { v, ok := vars[name]; return v, ok }}).Retrieve(t.Context())
		require.ErrorContains(t, err, want)
		require.Equal(t, strings.HasPrefix(want, "404"), isPermanent(err))
		require.False(t, stschain.IsUnavailable(err), "a configured agent has failed: a chain does not fall through")
	}
}
