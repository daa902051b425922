package rolesanywhere_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/rolesanywhere"
	"github.com/stschain-go/stschain/ststest"
)

const (
	anchorARN  = "arn:aws:rolesanywhere:eu-west-1:123456789012:trust-anchor/0a1b"
	profileARN = "arn:aws:rolesanywhere:eu-west-1:123456789012:profile/2c3d"
	roleARN    = "arn:aws:iam::123456789012:role/team/backup"
	password   = "canary-4711-password"
)

var noon = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

// Keys are generated once: RSA takes long.
var (
	newRSA  = sync.OnceValue(func() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	smaller = sync.OnceValue(func() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, 1024)) })
	newEC   = sync.OnceValue(func() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// authority is a certificate authority.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

func newAuthority() authority { return authority{}.authority("Test Root") }

// authority returns one below a, or a root.
func (a authority) authority(name string) authority {
	key := crypto.Signer(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)))
	if a.key == nil {
		a.key = key
	}
	return authority{a.issue(key, func(c *x509.Certificate) {
		c.Subject.CommonName, c.IsCA, c.KeyUsage = name, true, x509.KeyUsageCertSign
		c.NotBefore, c.NotAfter = noon.AddDate(-30, 0, 0), noon.AddDate(100, 0, 0)
	}), key}
}

// issue returns a certificate for a key. A zero authority needs a key, and issues a root.
func (a authority) issue(key crypto.Signer, change func(*x509.Certificate)) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(4711), Subject: pkix.Name{CommonName: "worker"},
		NotBefore: noon.Add(-24 * time.Hour), NotAfter: noon.Add(30 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	if change != nil {
		change(template)
	}
	parent := a.certificate
	if parent == nil {
		parent = template
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, parent, key.Public(), a.key))))
}

// world is a machine with a certificate, and a server that trusts the authority of it.
type world struct {
	*rolesanywhere.Provider
	server                *ststest.Server
	clock                 *clock.Mock
	root, intermediate    authority
	certificate, key, dir string // paths
}

func newWorld(t *testing.T) *world {
	now := clock.NewMock()
	now.Set(noon)
	dir := t.TempDir()
	w := &world{
		server: ststest.NewTest(t), clock: now, root: newAuthority(),
		dir: dir, certificate: filepath.Join(dir, "worker.pem"), key: filepath.Join(dir, "worker-key.pem"),
	}
	w.intermediate = w.root.authority("Test Intermediate")
	w.server.Clock = now
	w.server.AddTrustAnchor(ststest.TrustAnchor{
		ARN: anchorARN, ProfileARN: profileARN, Certificates: []*x509.Certificate{w.root.certificate}, SessionNames: true,
	})
	w.Provider = &rolesanywhere.Provider{
		TrustAnchorARN: anchorARN, ProfileARN: profileARN, RoleARN: roleARN,
		CertificateFile: w.certificate, KeyFile: w.key, HTTPClient: w.server.Client(), Clock: now,
	}
	w.install(t, newEC(), w.intermediate.issue(newEC(), nil), w.intermediate.certificate)
	return w
}

// install writes the files.
func (w *world) install(t *testing.T, key crypto.Signer, certificates ...*x509.Certificate) {
	t.Helper()
	require.NoError(t, os.WriteFile(w.certificate, bundle(certificates...), 0o600))
	require.NoError(t, os.WriteFile(w.key, keyPEM(key), 0o600))
}

func bundle(certificates ...*x509.Certificate) (text []byte) {
	for _, c := range certificates {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return text
}

func keyPEM(key crypto.Signer) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))})
}

// fixture is a file that openssl wrote.
func fixture(t testing.TB, name string) []byte {
	content, err := os.ReadFile(filepath.Join("testdata", name))
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
	w.Signer = func(context.Context) (crypto.Signer, error) { return signer{newEC(), sign}, nil }
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
