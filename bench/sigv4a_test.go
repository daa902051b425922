package bench_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

// BenchmarkSignSigV4a signs the POST of AssumeRole with SigV4a and a key that is derived already. impl=ecdsa is one
// signature and the hashes, which no signer can do without.
func BenchmarkSignSigV4a(b *testing.B) { compare(b, signSigV4a(b)) }

func signSigV4a(tb testing.TB) []work {
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	signer := &sigv4.Signer{Service: "sts", RegionSet: sigv4.Regions("us-east-1", "eu-west-1")}
	keys := stschain.Credentials{
		AccessKeyID: accessKeyID, SecretAccessKey: stschain.NewSecret(secretKey), SessionToken: stschain.NewSecret(sessionToken),
	}
	body, request := []byte(roleForm), rolePost(tb)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	canonical := []byte("POST\n/\n\ncontent-type:application/x-www-form-urlencoded\nhost:sts.eu-west-1.amazonaws.com\nx-amz-date:20261121T120000Z\n" +
		"x-amz-region-set:us-east-1,eu-west-1\nx-amz-security-token:" + sessionToken + "\n\ncontent-type;host;x-amz-date;x-amz-region-set;x-amz-security-token\n" +
		sigv4.PayloadHash(body))
	return []work{
		{"ecdsa", func() error {
			sha256.Sum256(body)
			hash := sha256.Sum256(canonical)
			hash = sha256.Sum256([]byte("AWS4-ECDSA-P256-SHA256\n20261121T120000Z\n20261121/sts/aws4_request\n" + hex.EncodeToString(hash[:])))
			_, err := ecdsa.SignASN1(rand.Reader, private, hash[:])
			return err
		}},
		{"stschain", func() error {
			unsign(request)
			return signer.Sign(request, sigv4.PayloadHash(body), keys, at)
		}},
	}
}
