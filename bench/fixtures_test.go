package bench_test

import (
	"context"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	miniocreds "github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/bench"
)

const (
	accessKeyID = "ASIAIOSFODNN7EXAMPLE"
	secretKey   = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	region      = "eu-west-1"
	roleARN     = "arn:aws:iam::123456789012:role/backup"
	sessionName = "nightly"
	duration    = time.Hour
)

var sessionToken = strings.Repeat("IQoJb3JpZ2luX2VjEXAMPLE/+", 30)

// roleForm is the body of the AssumeRole call that all peers make.
const roleForm = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fbackup" +
	"&RoleSessionName=nightly&DurationSeconds=3600"

// roleResponse is the response of STS to it.
var roleResponse = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleResult>
    <AssumedRoleUser>
      <AssumedRoleId>AROA3XFRBF535PLBIFPI4:nightly</AssumedRoleId>
      <Arn>arn:aws:sts::123456789012:assumed-role/backup/nightly</Arn>
    </AssumedRoleUser>
    <Credentials>
      <AccessKeyId>` + accessKeyID + `</AccessKeyId>
      <SecretAccessKey>` + secretKey + `</SecretAccessKey>
      <SessionToken>` + sessionToken + `</SessionToken>
      <Expiration>2099-11-21T17:56:58Z</Expiration>
    </Credentials>
  </AssumeRoleResult>
  <ResponseMetadata>
    <RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId>
  </ResponseMetadata>
</AssumeRoleResponse>
`

// work is one piece of work as one implementation does it.
type work struct {
	impl string
	do   func() error
}

// loops are works for bench.Interleave.
func loops(works []work) []bench.Loop {
	loops := make([]bench.Loop, len(works))
	for i, w := range works {
		loops[i] = bench.Loop{Impl: w.impl, Run: func(n int) error {
			for range n {
				if err := w.do(); err != nil {
					return err
				}
			}
			return nil
		}}
	}
	return loops
}

// compare benchmarks the same work side by side.
func compare(b *testing.B, works []work) { compareLoops(b, loops(works)) }

func compareLoops(b *testing.B, loops []bench.Loop) {
	for _, l := range loops {
		b.Run("impl="+l.Impl, func(b *testing.B) {
			b.ReportAllocs()
			if err := l.Run(b.N); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// allocations are those of one run of each work, by implementation.
func allocations(t *testing.T, works []work) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	for _, l := range loops(works) {
		counts[l.Impl] = allocationsOf(t, l)
	}
	return counts
}

// allocationsOf counts those of a call. Of three counts the least is the one without the garbage
// collector, which empties pools.
func allocationsOf(t *testing.T, l bench.Loop) int {
	t.Helper()
	least := math.MaxInt
	for range 3 {
		if l.Prepare != nil {
			l.Prepare(1)
		}
		least = min(least, int(testing.AllocsPerRun(100, func() {
			if err := l.Run(1); err != nil {
				t.Error(l.Impl, err)
			}
		})))
	}
	return least
}

// serve starts a server on loopback that reads a request and sends this response.
func serve(tb testing.TB, response string) (url string) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/xml")
		io.WriteString(w, response)
	}))
	tb.Cleanup(srv.Close)
	return srv.URL
}

// ourCredentials, sdkCredentials and minioCredentials are the same ones.
func ourCredentials(expires time.Time) stschain.Credentials {
	return stschain.Credentials{
		AccessKeyID:     accessKeyID,
		SecretAccessKey: stschain.NewSecret(secretKey),
		SessionToken:    stschain.NewSecret(sessionToken),
		Expires:         expires,
	}
}

func sdkCredentials(expires time.Time) aws.Credentials {
	return aws.Credentials{
		AccessKeyID: accessKeyID, SecretAccessKey: secretKey, SessionToken: sessionToken,
		CanExpire: true, Expires: expires,
	}
}

func minioCredentials(expires time.Time) miniocreds.Value {
	return miniocreds.Value{
		AccessKeyID: accessKeyID, SecretAccessKey: secretKey, SessionToken: sessionToken,
		Expiration: expires, SignerType: miniocreds.SignatureV4,
	}
}

// ourSource and sdkSource give credentials for an hour; minioSource does so too.
func ourSource() stschain.Provider {
	return stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return ourCredentials(time.Now().Add(duration)), nil
	})
}

func sdkSource() aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return sdkCredentials(time.Now().Add(duration)), nil
	})
}

type minioSource struct{ miniocreds.Expiry }

func (s *minioSource) Retrieve() (miniocreds.Value, error) { return s.RetrieveWithCredContext(nil) }

func (s *minioSource) RetrieveWithCredContext(*miniocreds.CredContext) (miniocreds.Value, error) {
	expires := time.Now().Add(duration)
	s.SetExpiration(expires, miniocreds.DefaultExpiryWindow)
	return minioCredentials(expires), nil
}
