package minio_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/minio"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

const (
	roleARN  = "arn:minio:iam:::role/idmp-test"
	password = "canary-4711/password"
	token    = "canary-4711/token"
)

var noon = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

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

func newKey() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

func newAuthority() authority { return authority{}.authority("Test Root") }

// authority returns one below a, or a root.
func (a authority) authority(name string) authority {
	key := newKey()
	if a.key == nil {
		a.key = key
	}
	return authority{a.issue(key, func(c *x509.Certificate) {
		c.Subject.CommonName, c.IsCA, c.KeyUsage, c.ExtKeyUsage = name, true, x509.KeyUsageCertSign, nil
		c.NotBefore, c.NotAfter = noon.AddDate(-30, 0, 0), noon.AddDate(100, 0, 0)
	}), key}
}

// issue returns a certificate for a key. A zero authority needs a key, and issues a root.
func (a authority) issue(key crypto.Signer, change func(*x509.Certificate)) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(4711), Subject: pkix.Name{CommonName: "readwrite"},
		NotBefore: noon.Add(-24 * time.Hour), NotAfter: noon.Add(30 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
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

func bundle(certificates ...*x509.Certificate) (text []byte) {
	for _, c := range certificates {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return text
}

func keyPEM(key crypto.Signer) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))})
}

func returns(s string) func(context.Context) (stschain.Secret, error) {
	return func(context.Context) (stschain.Secret, error) { return stschain.NewSecret(s), nil }
}

// world is a MinIO, and the authority that it trusts.
type world struct {
	server *ststest.Server
	clock  *clock.Mock
	root   authority
}

func newWorld(t *testing.T) *world {
	w := &world{server: ststest.NewTest(t), clock: clock.NewMock(), root: newAuthority()}
	w.clock.Set(noon)
	w.server.Clock = w.clock
	w.server.AddMinIO(ststest.MinIO{
		ClientCAs: []*x509.Certificate{w.root.certificate},
		Passwords: map[string]stschain.Secret{"alice": stschain.NewSecret(password)},
		Tokens:    map[string]stschain.Secret{"bob": stschain.NewSecret(token)},
	})
	return w
}

// client is one that calls the server in process.
func (w *world) client() *stsquery.Client {
	return &stsquery.Client{Endpoint: "https://minio.example:9000", HTTPClient: w.server.Client(), Clock: w.clock}
}

func (w *world) ldap() *minio.LDAP {
	return &minio.LDAP{Client: w.client(), Username: "alice", Password: returns(password)}
}

func (w *world) customToken() *minio.CustomToken {
	return &minio.CustomToken{Client: w.client(), RoleARN: roleARN, Token: returns(token)}
}

// overTLS serves a handler over TLS, and returns its URL and a transport that trusts it.
func overTLS(t testing.TB, h http.Handler) (url string, transport *http.Transport) {
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL, s.Client().Transport.(*http.Transport)
}

// machine is a certificate in files.
type machine struct {
	*minio.Certificate
	*world
	certificate, key string // paths
}

func newMachine(t *testing.T) *machine {
	w := newWorld(t)
	url, transport := overTLS(t, w.server)
	dir := t.TempDir()
	m := &machine{world: w, certificate: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key")}
	m.Certificate = &minio.Certificate{
		Client:          &stsquery.Client{Endpoint: url, HTTPClient: &http.Client{Transport: transport}, Clock: w.clock},
		CertificateFile: m.certificate, KeyFile: m.key,
	}
	key := newKey()
	m.install(t, key, w.root.issue(key, nil))
	return m
}

// install writes the files.
func (m *machine) install(t *testing.T, key crypto.Signer, certificates ...*x509.Certificate) {
	t.Helper()
	require.NoError(t, os.WriteFile(m.certificate, bundle(certificates...), 0o600))
	require.NoError(t, os.WriteFile(m.key, keyPEM(key), 0o600))
}
