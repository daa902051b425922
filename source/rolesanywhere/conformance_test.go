package rolesanywhere_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/test/conformance"
	"github.com/stschain-go/stschain/source/rolesanywhere"
)

// TestConformance sends the requests that version 1.4.0 of AWS's credential helper sent, with its certificates and
// keys. Signatures with RSA are the same, and those with EC verify over its string to sign.
func TestConformance(t *testing.T) {
	dir := filepath.Join(conformance.Dir(t), "rolesanywhere", "recorded")
	const arn = "arn:aws:rolesanywhere:us-east-1:000000000000:"
	for _, tt := range []struct {
		name, key string
		chain     bool
		duration  time.Duration
		session   string
	}{
		{"rsa2048", "rsa2048", false, time.Hour, ""},
		{"rsa2048-chain-rsn", "rsa2048", true, 15 * time.Minute, "build-42"},
		{"p256-chain", "p256", true, 12 * time.Hour, ""},
	} {
		t.Run("rolesanywhere/"+tt.name, func(t *testing.T) {
			read := func(name string) []byte {
				content, err := os.ReadFile(filepath.Join(dir, name))
				require.NoError(t, err)
				return content
			}
			head, wantBody, ok := strings.Cut(string(read(tt.name+".request.txt")), "\r\n\r\n") // the body without its chunks
			require.True(t, ok)
			recorded, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + "\r\n\r\n")))
			require.NoError(t, err)
			at, err := time.Parse("20060102T150405Z", recorded.Header.Get("X-Amz-Date"))
			require.NoError(t, err)

			var sent *http.Request
			var body []byte
			p := &rolesanywhere.Provider{
				TrustAnchorARN: arn + "trust-anchor/41cl0bae-6783-40d4-ab20-65dc5d922e45", ProfileARN: arn + "profile/41cl0bae-6783-40d4-ab20-65dc5d922e45",
				RoleARN: "arn:aws:iam::000000000000:role/path/R+x", Duration: tt.duration, SessionName: tt.session,
				CertificateFile: filepath.Join(dir, tt.key+"-cert.pem"), KeyFile: filepath.Join(dir, tt.key+"-key.pem"),
				Endpoint: "http://" + recorded.Host, MaxAttempts: 1, Clock: clockFunc(func() time.Time { return at }),
				HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					sent = r
					body, _ = io.ReadAll(r.Body)
					return nil, errors.New("recorded")
				})},
			}
			if tt.chain {
				p.ChainFile = filepath.Join(dir, "intermediate-cert.pem")
			}
			_, err = p.Retrieve(t.Context())
			require.ErrorContains(t, err, "recorded")

			require.Equal(t, wantBody, string(body))
			require.Equal(t, recorded.URL.RequestURI(), sent.URL.RequestURI())
			for name := range recorded.Header {
				if strings.HasPrefix(name, "X-Amz-") || name == "Content-Type" || name == "Authorization" && tt.key == "rsa2048" {
					require.Equal(t, recorded.Header.Values(name), sent.Header.Values(name))
				}
			}
			for name := range sent.Header {
				require.Contains(t, recorded.Header, name)
			}
			front, signature, ok := strings.Cut(sent.Header.Get("Authorization"), "Signature=")
			require.True(t, ok)
			require.True(t, strings.HasPrefix(recorded.Header.Get("Authorization"), front+"Signature="), front)
			if tt.key == "p256" {
				block, _ := pem.Decode(read("p256-cert.pem"))
				leaf, err := x509.ParseCertificate(block.Bytes)
				require.NoError(t, err)
				digest := sha256.Sum256(read(tt.name + ".string-to-sign.txt"))
				raw, err := hex.DecodeString(signature)
				require.NoError(t, err)
				require.True(t, ecdsa.VerifyASN1(leaf.PublicKey.(*ecdsa.PublicKey), digest[:], raw))
			}
		})
	}
}
