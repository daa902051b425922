package signature_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/signature"
)

var scope = signature.Scope{Date: "20150830", Region: "us-east-1", Service: "iam"}

// The example of the IAM User Guide.
func TestDeriveKey(t *testing.T) {
	key := signature.DeriveKey("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", scope)
	require.Equal(t, "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9", hex.EncodeToString(key[:]))
}

func TestSignatureIsHMAC(t *testing.T) {
	for _, service := range []string{"s", strings.Repeat("a-service-with-a-long-name", 20)} {
		s := signature.Scope{Date: "20150830", Region: "r", Service: service}
		key := signature.DeriveKey(strings.Repeat("secret", 30), s)
		signing := signature.Signing{AccessKeyID: "AKID", Key: &key, Time: "20150830T123600Z", Scope: s}
		r := &signature.Request{Method: "GET", Payload: "p"}
		mac := hmac.New(sha256.New, key[:])
		mac.Write(signing.AppendStringToSign(nil, signature.AppendCanonical(nil, r)))
		want := hex.EncodeToString(mac.Sum(nil))
		require.Equal(t, want, after(signing.Authorization(r), "Signature="))
	}
}

// Issues: aws-sdk-go-v2#3350, kube2iam#316.
func TestKeys(t *testing.T) {
	var keys signature.Keys
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 500 {
				secret := fmt.Sprint("secret-", i%150)
				got, err := keys.Get(stschain.NewSecret(secret), scope)
				if want := signature.DeriveKey(secret, scope); err != nil || *got != want {
					t.Errorf("key of %s is %x, %v; want %x", secret, got, err, want)
				}
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, keys.Len(), 64)

	secret := stschain.NewSecret("s")
	for _, s := range []signature.Scope{
		{Date: "20150830", Region: "r1", Service: "a"}, {Date: "20150831", Region: "r1", Service: "a"},
		{Date: "20150830", Region: "r2", Service: "a"}, {Date: "20150830", Region: "r1", Service: "b"},
	} {
		got, err := keys.Get(secret, s)
		require.NoError(t, err)
		require.Equal(t, signature.DeriveKey("s", s), *got)
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = keys.Get(secret, scope) }))

	for range 2 {
		_, err := keys.Get(stschain.NewSecret("s\n"), scope)
		require.EqualError(t, err, "SecretAccessKey contains white space; trim it where it is read")
	}
}
