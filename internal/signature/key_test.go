package signature_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/signature"
)

var (
	scope = signature.Scope{Date: "20150830", Region: "us-east-1", Service: "iam"}
	at    = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
)

const date = "20150830T123600Z"

func credentials(id, secret, token string) stschain.Credentials {
	return stschain.Credentials{AccessKeyID: id, SecretAccessKey: stschain.NewSecret(secret), SessionToken: stschain.NewSecret(token)}
}

// The example of the IAM User Guide.
func TestDeriveKey(t *testing.T) {
	key := signature.DeriveKey("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", scope)
	require.Equal(t, "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9", hex.EncodeToString(key[:]))
}

// signed is the signature of a request by the text of the rules.
func signed(secret string, s signature.Scope, r *signature.Request) string {
	sum := sha256.Sum256(signature.AppendCanonical(nil, r))
	key := signature.DeriveKey(secret, s)
	mac := hmac.New(sha256.New, key[:])
	fmt.Fprintf(mac, "AWS4-HMAC-SHA256\n%s\n%s/%s/%s/aws4_request\n%x", date, s.Date, s.Region, s.Service, sum)
	return hex.EncodeToString(mac.Sum(nil))
}

func TestSignatureIsHMAC(t *testing.T) {
	for _, service := range []string{"s", strings.Repeat("a-service-with-a-long-name", 40)} {
		s := signature.Scope{Date: "20150830", Region: "r", Service: service}
		secret := strings.Repeat("secret", 30)
		key, err := new(signature.Keys).Get(credentials("AKID", secret, ""), s, at)
		require.NoError(t, err)
		r := &signature.Request{Method: "GET", Payload: "p"}
		for range 2 { // the second in the memory of the first
			require.Equal(t, signed(secret, s, r), after(key.Authorization(r, date), "Signature="))
			query := query(key, r, date, signature.Presigning{Seconds: 1})
			unsigned, sig, _ := strings.Cut(query, "&X-Amz-Signature=")
			require.Equal(t, signed(secret, s, &signature.Request{Method: "GET", Payload: "p", Query: unsigned}), sig)
		}
	}
}

// query is the query of a presigned URL.
func query(key *signature.Key, r *signature.Request, date string, p signature.Presigning) string {
	return after(key.PresignedURL("https://h/", r, date, p), "?")
}
