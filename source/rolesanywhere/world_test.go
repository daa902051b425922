package rolesanywhere_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/pki"
	"github.com/stschain-go/stschain/source/rolesanywhere"
	"github.com/stschain-go/stschain/ststest"
)

const (
	anchorARN  = "arn:aws:rolesanywhere:eu-west-1:123456789012:trust-anchor/0a1b"
	profileARN = "arn:aws:rolesanywhere:eu-west-1:123456789012:profile/2c3d"
	roleARN    = "arn:aws:iam::123456789012:role/team/backup"
	password   = "canary-4711-password"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// world is a machine with a certificate, and a server that trusts the authority of it.
type world struct {
	*rolesanywhere.Provider
	server                *ststest.Server
	clock                 *clock.Mock
	root, intermediate    pki.Authority
	certificate, key, dir string // paths
}

func newWorld(t *testing.T) *world {
	now := clock.NewMock()
	now.Set(pki.Noon)
	dir := t.TempDir()
	w := &world{
		server: ststest.NewTest(t), clock: now, root: pki.Root(),
		dir: dir, certificate: filepath.Join(dir, "worker.pem"), key: filepath.Join(dir, "worker-key.pem"),
	}
	w.intermediate = w.root.Authority("Test Intermediate")
	w.server.Clock = now
	w.server.AddTrustAnchor(ststest.TrustAnchor{
		ARN: anchorARN, ProfileARN: profileARN, Certificates: []*x509.Certificate{w.root.Certificate}, SessionNames: true,
	})
	w.Provider = &rolesanywhere.Provider{
		TrustAnchorARN: anchorARN, ProfileARN: profileARN, RoleARN: roleARN,
		CertificateFile: w.certificate, KeyFile: w.key, HTTPClient: w.server.Client(), Clock: now,
	}
	w.install(t, pki.EC(), w.intermediate.Issue(pki.EC(), nil), w.intermediate.Certificate)
	return w
}

// install writes the files.
func (w *world) install(t *testing.T, key crypto.Signer, certificates ...*x509.Certificate) {
	t.Helper()
	require.NoError(t, os.WriteFile(w.certificate, pki.PEM(certificates...), 0o600))
	require.NoError(t, os.WriteFile(w.key, pki.KeyPEM(key), 0o600))
}

// fixture is a file that openssl wrote.
func fixture(t testing.TB, name string) []byte {
	content, err := os.ReadFile(filepath.Join("..", "..", "internal", "keypair", "testdata", name))
	require.NoError(t, err)
	return content
}

func returns(s string) func(context.Context) (stschain.Secret, error) {
	return func(context.Context) (stschain.Secret, error) { return stschain.NewSecret(s), nil }
}

// signer is a token with a key.
type signer struct {
	crypto.Signer
	sign func(digest []byte, opts crypto.SignerOpts) ([]byte, error)
}

func (s signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.sign(digest, opts)
}

// use makes the provider use a token.
func (w *world) use(sign func(digest []byte, opts crypto.SignerOpts) ([]byte, error)) {
	w.KeyFile = ""
	w.Signer = func(context.Context) (crypto.Signer, error) { return signer{pki.EC(), sign}, nil }
}

// parsePKCS8 returns the key of a PEM file.
func parsePKCS8(content []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(content)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	return key.(crypto.Signer), nil
}
