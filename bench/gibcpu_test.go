//go:build unix

package bench_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/minio/minio-go/v7/pkg/signer"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/bench"
	"github.com/stschain-go/stschain/sigv4"
)

// TestSignGiB measures the CPU time of signing 1 GiB in bodies of 1 MiB, which are not sent: nearly all of it is SHA-256.
func TestSignGiB(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("hashes 256 MiB several times")
	}
	const most = 1.1
	works := signMiB(t)
	least := cpuOf(t, "SignGiB", works, 1<<10, 1<<8, func(least map[string]float64) bool {
		return least["stschain"] <= most*least["sha256"]
	})
	require.LessOrEqual(t, least["stschain"], most*least["sha256"])
}

// cpuOf measures the CPU time of total calls of each work, by fewer of them, until enough reports true or the attempts are
// used up. It records the figures and returns the minima.
func cpuOf(t *testing.T, name string, works []work, total, calls int, enough func(least map[string]float64) bool) map[string]float64 {
	cpu := make([][]float64, len(works))
	figures, least := make([]bench.Figure, len(works)), map[string]float64{}
	for range guardAttempts {
		for range 3 {
			for i, w := range works {
				before := used(t)
				for range calls {
					require.NoError(t, w.do())
				}
				cpu[i] = append(cpu[i], float64(used(t)-before)*float64(total)/float64(calls))
			}
		}
		for i, w := range works {
			figures[i] = bench.Figure{Name: name, Impl: w.impl}
			figures[i].Min, figures[i].Median = bench.MinMedian(cpu[i])
			least[w.impl] = figures[i].Min
		}
		if enough(least) {
			break
		}
	}
	record(t, figures)
	return least
}

// signMiB signs a PUT with a body of 1 MiB for S3.
func signMiB(tb testing.TB) []work {
	body := bytes.Repeat([]byte("x"), 1<<20)
	put := func() *http.Request {
		req, err := http.NewRequest(http.MethodPut, "https://bucket.s3.eu-west-1.amazonaws.com/key", bytes.NewReader(body))
		require.NoError(tb, err)
		return req
	}
	hash := func() string {
		sum := sha256.Sum256(body)
		return hex.EncodeToString(sum[:])
	}
	ours := &sigv4.Transport{Service: "s3", Region: region, Base: noWire{}, Credentials: stschain.Static(accessKeyID, secretKey, sessionToken)}
	sdk := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	sdkKeys := aws.Credentials{AccessKeyID: accessKeyID, SecretAccessKey: secretKey, SessionToken: sessionToken}
	return []work{
		{"sha256", func() error { hash(); return nil }},
		{"stschain", func() error {
			_, err := ours.RoundTrip(put())
			return err
		}},
		{"aws", func() error { // the caller hashes the body
			req, hash := put(), hash()
			req.Header.Set("X-Amz-Content-Sha256", hash)
			return sdk.SignHTTP(context.Background(), sdkKeys, req, hash, "s3", region, time.Now())
		}},
		{"minio", func() error { // here too
			req := put()
			req.Header.Set("X-Amz-Content-Sha256", hash())
			signer.SignV4(*req, accessKeyID, secretKey, sessionToken, region)
			return nil
		}},
	}
}
