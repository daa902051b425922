//go:build cgo

package rolesanywhere_test

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	helper "github.com/aws/rolesanywhere-credential-helper/aws_signing_helper"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/source/rolesanywhere"
	"github.com/stschain-go/stschain/ststest"
)

var sessions = flag.Int("sessions", 200, "how many random sessions are compared")

// recorder passes requests to a server, and keeps the last one.
type recorder struct {
	http.Handler
	request *http.Request
	body    string
}

func (rec *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	rec.request, rec.body = r, string(body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	rec.Handler.ServeHTTP(w, r)
}

// RoundTrip passes a request without a connection.
func (rec *recorder) RoundTrip(r *http.Request) (*http.Response, error) {
	return ststest.InProcess(rec).RoundTrip(r)
}

// TestHelper makes the credential helper and this library create the same sessions, with random certificates and input. The
// fake accepts both, and what they send is the same, except for a signature with an EC key, which is random.
func TestHelper(t *testing.T) {
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		t.Setenv(name, filepath.Join(t.TempDir(), "none"))
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	keys := []crypto.Signer{newRSA(t), newRSA(t), newEC(t, elliptic.P256()), newEC(t, elliptic.P384())}
	authorities := []authority{authority{}.below(t, "Root")}
	for i := range 4 {
		authorities = append(authorities, authorities[i].below(t, fmt.Sprintf("Intermediate %d", i)))
	}
	srv := ststest.NewTest(t)
	srv.AddTrustAnchor(ststest.TrustAnchor{
		ARN: anchorARN, ProfileARN: profileARN, Certificates: []*x509.Certificate{authorities[0].certificate}, SessionNames: true,
	})
	rec := &recorder{Handler: srv}
	listener := httptest.NewServer(rec)
	defer listener.Close()
	listener.Config.SetKeepAlivesEnabled(false) // the helper keeps each connection

	dir := t.TempDir()
	certificate, chain, key := filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "chain.pem"), filepath.Join(dir, "key.pem")
	for i := range *sessions {
		length := random.IntN(len(authorities))
		k := keys[random.IntN(len(keys))]
		leaf := authorities[length].issue(t, k, func(c *x509.Certificate) {
			serial := make([]byte, 1+random.IntN(19)) // in DER, half of them have a zero byte in front
			for i := range serial {
				serial[i] = byte(random.Uint32()) | 1
			}
			c.SerialNumber = new(big.Int).SetBytes(serial)
			c.Subject.CommonName = text(random, "abc xyz-äß.,=+")
			c.Subject.Organization = []string{text(random, "abc xyz")}
		})
		write(t, certificate, "CERTIFICATE", leaf.Raw)
		write(t, key, "PRIVATE KEY", pkcs8(t, k))
		var issuers [][]byte
		for i := length; i > 0; i-- {
			issuers = append(issuers, authorities[i].certificate.Raw)
		}
		bundle := ""
		if length > 0 {
			bundle = chain
			write(t, chain, "CERTIFICATE", issuers...)
		}
		role := "arn:aws:iam::123456789012:role/" + text(random, "abc/~!$&'()*+,;=:@%xyz") + "/" + text(random, "abcXYZ019_+=,.@-")
		duration, name := time.Duration(900+random.IntN(42301))*time.Second, ""
		if random.IntN(2) == 0 {
			name = text(random, "abcXYZ019_+=,.@-")
		}

		opts := &helper.CredentialsOpts{
			PrivateKeyId: key, CertificateId: certificate, CertificateBundleId: bundle,
			TrustAnchorArnStr: anchorARN, ProfileArnStr: profileARN, RoleArn: role,
			SessionDuration: int(duration / time.Second), RoleSessionName: name, Endpoint: listener.URL,
		}
		signer, algorithm, err := helper.GetSigner(opts)
		require.NoError(t, err)
		_, err = helper.GenerateCredentials(opts, signer, algorithm)
		signer.Close()
		require.NoError(t, err, "session %d: %s", i, rec.request.RequestURI)
		theirs, body := rec.request, rec.body

		date, err := time.Parse("20060102T150405Z", theirs.Header.Get("X-Amz-Date"))
		require.NoError(t, err)
		ours := &rolesanywhere.Provider{
			TrustAnchorARN: anchorARN, ProfileARN: profileARN, RoleARN: role, Duration: duration, SessionName: name,
			CertificateFile: certificate, ChainFile: bundle, KeyFile: key,
			Endpoint: listener.URL, HTTPClient: &http.Client{Transport: rec}, Clock: at(date), DisableClockSkewCorrection: true,
		}
		_, err = ours.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, body, rec.body)
		require.Equal(t, theirs.RequestURI, rec.request.RequestURI)
		for _, name := range []string{"Content-Type", "X-Amz-Date", "X-Amz-X509", "X-Amz-X509-Chain"} {
			require.Equal(t, theirs.Header.Values(name), rec.request.Header.Values(name), name)
		}
		want, got := theirs.Header.Get("Authorization"), rec.request.Header.Get("Authorization")
		if algorithm != "AWS4-X509-RSA-SHA256" {
			want, _, _ = strings.Cut(want, "Signature=")
			got, _, _ = strings.Cut(got, "Signature=")
		}
		require.Equal(t, want, got)
	}
}

type at time.Time

func (a at) Now() time.Time { return time.Time(a) }

// text returns 2 to 20 random characters of an alphabet.
func text(random *rand.Rand, alphabet string) string {
	letters, all := []rune(alphabet), []rune(nil)
	for range 2 + random.IntN(19) {
		all = append(all, letters[random.IntN(len(letters))])
	}
	return string(all)
}
