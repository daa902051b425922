package sigv4_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

// A new secret under an old access key ID signs with a new key, and not with the one that was
// derived for the old secret.
// Peers: aws-sdk-go-v2#3350 (users.md 4.54).
func TestNewSecretForAnOldKey(t *testing.T) {
	sign := func(s *sigv4.Signer, secret string) string {
		c := creds("AKID")
		c.SecretAccessKey = stschain.NewSecret(secret)
		req := newRequest(t, "GET", "https://example.com/", nil)
		require.NoError(t, s.Sign(req, sigv4.PayloadHash(nil), c, now))
		return req.Header.Get("Authorization")
	}
	fresh := func() *sigv4.Signer { return &sigv4.Signer{Service: "sts", Region: "eu-west-1"} }
	kept := fresh()
	require.NotEqual(t, sign(kept, "one"), sign(kept, "two"))
	for range 2 {
		for _, secret := range []string{"one", "two"} {
			require.Equal(t, sign(fresh(), secret), sign(kept, secret))
		}
	}
}
