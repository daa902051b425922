package sigv4_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
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

// See users.md 3.8.
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

func TestNoSecretInErrors(t *testing.T) {
	hold := func(c stschain.Credentials) stschain.Provider {
		return stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return c, nil })
	}
	bad := secret
	bad.SessionToken = stschain.NewSecret(token + "\r\n")
	signedQuery := "X-Amz-Credential=" + token + "&X-Amz-Signature=" + secretKey
	for name, change := range map[string]func(*http.Request, *sigv4.Transport){
		"bad token":     func(_ *http.Request, tr *sigv4.Transport) { tr.Credentials = hold(bad) },
		"signed URL":    func(r *http.Request, _ *sigv4.Transport) { r.URL.RawQuery = signedQuery },
		"signed header": func(r *http.Request, _ *sigv4.Transport) { r.Header.Set("Authorization", secretKey) },
		"userinfo":      func(r *http.Request, _ *sigv4.Transport) { r.URL.User = url.UserPassword("u", secretKey) },
		"bad query":     func(r *http.Request, _ *sigv4.Transport) { r.URL.RawQuery = "a=" + secretKey + "%" },
		"not listed": func(r *http.Request, tr *sigv4.Transport) {
			r.URL.RawQuery, tr.Hosts = "token="+token, []string{}
		},
		"redirect": func(r *http.Request, _ *sigv4.Transport) {
			r.URL.RawQuery = "token=" + token
			r.Response = &http.Response{Request: &http.Request{URL: &url.URL{Scheme: "https", Host: "other", RawQuery: signedQuery}}}
		},
		"dead": func(_ *http.Request, tr *sigv4.Transport) {
			tr.Base = roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") })
		},
		"body": func(r *http.Request, _ *sigv4.Transport) {
			r.Body, r.ContentLength = newStream(secretKey), 5
		},
	} {
		req := newRequest(t, "PUT", "https://example.com/", nil)
		tr := &sigv4.Transport{Service: "s3", Region: "eu-west-1", Credentials: hold(secret), Base: discard{}, Clock: fixedClock(now)}
		change(req, tr)
		signing := tr.SignRequest(req.Clone(t.Context()))
		_, err := tr.RoundTrip(req)
		require.Error(t, err, name)
		checkCanary(t, err, signing)
	}
	s := &sigv4.Signer{Service: "s3", Region: "eu-west-1"}
	err := s.Sign(newRequest(t, "GET", "https://h/", nil), secretKey, secret, now)
	require.Error(t, err)
	checkCanary(t, err)
}
