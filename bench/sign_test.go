package bench_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/minio/minio-go/v7/pkg/signer"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/stsquery"
)

// BenchmarkSignAssumeRole signs the POST of AssumeRole with a key that is
// derived already, from the bytes of the body to the Authorization header.
// impl=sha256 is the hashes that no signer can do without.
func BenchmarkSignAssumeRole(b *testing.B) {
	b.Run("keys=static", func(b *testing.B) { compare(b, signAssumeRole(b, "")) })
	b.Run("keys=temporary", func(b *testing.B) { compare(b, signAssumeRole(b, sessionToken)) })
}

// BenchmarkPresignGetCallerIdentity is the whole call that makes the URL which
// EKS and Vault take as proof of identity.
func BenchmarkPresignGetCallerIdentity(b *testing.B) {
	b.Run("keys=static", func(b *testing.B) { compare(b, presignGetCallerIdentity("")) })
	b.Run("keys=temporary", func(b *testing.B) { compare(b, presignGetCallerIdentity(sessionToken)) })
}

func signAssumeRole(tb testing.TB, token string) []work {
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	ours := &sigv4.Signer{Service: "sts", Region: region}
	ourKeys := stschain.Credentials{
		AccessKeyID: accessKeyID, SecretAccessKey: stschain.NewSecret(secretKey), SessionToken: stschain.NewSecret(token),
	}
	sdk := v4.NewSigner()
	sdkKeys := aws.Credentials{AccessKeyID: accessKeyID, SecretAccessKey: secretKey, SessionToken: token}
	body := []byte(roleForm)

	plain, ourRequest, sdkRequest, minioRequest := rolePost(tb), rolePost(tb), rolePost(tb), rolePost(tb)
	hashes := hashesOf(body,
		"POST\n/\n\ncontent-type:application/x-www-form-urlencoded\nhost:sts.eu-west-1.amazonaws.com\nx-amz-date:20261121T120000Z\n"+
			"x-amz-security-token:"+token+"\n\ncontent-type;host;x-amz-date;x-amz-security-token\n",
		"AWS4-HMAC-SHA256\n20261121T120000Z\n20261121/eu-west-1/sts/aws4_request\n")
	return []work{
		{"unsign", func() error { unsign(plain); return nil }}, // what all of them do so that a request can be signed again
		{"sha256", func() error { unsign(plain); hashes(); return nil }},
		{"stschain", func() error {
			unsign(ourRequest)
			return ours.Sign(ourRequest, sigv4.PayloadHash(body), ourKeys, at)
		}},
		{"aws", func() error { // the caller hashes the body
			unsign(sdkRequest)
			sum := sha256.Sum256(body)
			return sdk.SignHTTP(context.Background(), sdkKeys, sdkRequest, hex.EncodeToString(sum[:]), "sts", region, at)
		}},
		{"minio", func() error { // the caller sets two headers besides
			unsign(minioRequest)
			sum := sha256.Sum256(body)
			minioRequest.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
			if token != "" {
				minioRequest.Header.Set("X-Amz-Security-Token", token)
			}
			signer.SignV4STS(*minioRequest, accessKeyID, secretKey, region)
			return nil
		}},
	}
}

// hashesOf returns what hashes as many bytes as a signature takes: the body, the
// canonical request, and the string to sign by HMAC with a key that is known. The
// two texts end in a hash.
func hashesOf(body []byte, canonical, toSign string) func() {
	hash := strings.Repeat("0", 2*sha256.Size)
	request := []byte(canonical + hash)
	inner := []byte(strings.Repeat("k", sha256.BlockSize) + toSign + hash)
	outer := make([]byte, sha256.BlockSize+sha256.Size)
	texts := [][]byte{request, inner, outer}
	if body != nil { // the hash of none is known
		texts = append(texts, body)
	}
	return func() {
		for _, text := range texts {
			sha256.Sum256(text)
		}
	}
}

func rolePost(tb testing.TB) *http.Request {
	req, err := http.NewRequest(http.MethodPost, "https://sts.eu-west-1.amazonaws.com/", strings.NewReader(roleForm))
	if err != nil {
		tb.Fatal(err)
	}
	unsign(req)
	return req
}

var formType = []string{"application/x-www-form-urlencoded"}

// unsign restores a request, so that it can be signed again.
func unsign(req *http.Request) {
	clear(req.Header)
	req.Header["Content-Type"] = formType
}

func presignGetCallerIdentity(token string) []work {
	ours := &stsquery.Client{
		Credentials: stschain.Static(accessKeyID, secretKey, token),
		Region:      region,
	}
	sdk := sts.NewPresignClient(sts.New(sts.Options{
		Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider(accessKeyID, secretKey, token)),
		Region:      region,
	}))
	parameters := "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + accessKeyID +
		"%2F20261121%2Feu-west-1%2Fsts%2Faws4_request&X-Amz-Date=20261121T120000Z&X-Amz-Expires=900"
	if token != "" {
		parameters += "&X-Amz-Security-Token=" + url.QueryEscape(token)
	}
	hashes := hashesOf(nil, "GET\n/\n"+parameters+"&X-Amz-SignedHeaders=host\nhost:sts.eu-west-1.amazonaws.com\n\nhost\n",
		"AWS4-HMAC-SHA256\n20261121T120000Z\n20261121/eu-west-1/sts/aws4_request\n")
	return []work{
		{"sha256", func() error { hashes(); return nil }},
		{"stschain", func() error {
			_, err := ours.Presign(context.Background(), stsquery.PresignInput{Input: stsquery.GetCallerIdentityInput{}})
			return err
		}},
		{"aws", func() error {
			_, err := sdk.PresignGetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{})
			return err
		}},
	}
}
