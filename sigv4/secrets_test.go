package sigv4_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/signature"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/sigv4"
)

const (
	secretKey = "canary-secret-access-key"
	token     = "canary-session-token"
)

// Neither these nor the signing key that is made of them may come out of
// anything but the signed request.
var secret = stschain.Credentials{
	AccessKeyID:     "AKIDCANARY",
	SecretAccessKey: stschain.NewSecret(secretKey),
	SessionToken:    stschain.NewSecret(token),
}

func checkCanary(t *testing.T, values ...any) {
	t.Helper()
	key := signature.DeriveKey(secretKey, signature.Scope{Date: "20261121", Region: "eu-west-1", Service: "s3"})
	for _, s := range []string{secretKey, token, string(key[:])} {
		canary.Check(t, s, values...)
	}
}

func TestNoSecretComesOut(t *testing.T) { synctest.Test(t, noSecretComesOut) }

func noSecretComesOut(t *testing.T) {
	s := &sigv4.Signer{Service: "s3", Region: "eu-west-1"}
	tr := &sigv4.Transport{
		Service: "s3", Region: "eu-west-1", Base: discard{}, Clock: fixedClock(now),
		Credentials: stschain.Static(secret.AccessKeyID, secretKey, token),
	}
	req := newRequest(t, "GET", "https://example.com/", nil)
	require.NoError(t, s.Sign(req.Clone(t.Context()), sigv4.PayloadHash(nil), secret, now))
	u, _, err := s.Presign(req, sigv4.PayloadHash(nil), secret, now, time.Minute)
	require.NoError(t, err)
	resp, err := tr.RoundTrip(req)
	require.NoError(t, err)
	synctest.Wait() // for the flight of the cache to end: what follows reads its lock
	require.NoError(t, tr.SignRequest(req.Clone(t.Context())))
	checkCanary(t, s, tr, u, secret, resp.Request.Header)
}
