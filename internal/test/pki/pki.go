// Package pki makes certificate authorities, certificates and keys for tests.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"sync"
	"time"
)

// Noon is when the clocks of the tests begin. Certificates are valid from the day before, for a month.
var Noon = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

// Keys are generated once: RSA takes long.
var (
	RSA      = sync.OnceValue(func() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	SmallRSA = sync.OnceValue(func() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, 1024)) })
	EC       = sync.OnceValue(func() crypto.Signer { return NewEC() })
)

// NewEC returns a new key.
func NewEC() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Authority is a certificate authority.
type Authority struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// Root returns a new authority.
func Root() Authority { return Authority{}.Authority("Test Root") }

// Authority returns one below a, or a root.
func (a Authority) Authority(name string) Authority {
	key := NewEC()
	if a.Key == nil {
		a.Key = key
	}
	return Authority{a.Issue(key, func(c *x509.Certificate) {
		c.Subject.CommonName, c.IsCA, c.KeyUsage = name, true, x509.KeyUsageCertSign
		c.NotBefore, c.NotAfter = Noon.AddDate(-30, 0, 0), Noon.AddDate(100, 0, 0)
	}), key}
}

// Issue returns a certificate for a key. A zero authority needs a key, and issues a root.
func (a Authority) Issue(key crypto.Signer, change func(*x509.Certificate)) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(4711), Subject: pkix.Name{CommonName: "worker"},
		NotBefore: Noon.Add(-24 * time.Hour), NotAfter: Noon.Add(30 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	if change != nil {
		change(template)
	}
	parent := a.Certificate
	if parent == nil {
		parent = template
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, parent, key.Public(), a.Key))))
}

// PEM returns a file of certificates.
func PEM(certificates ...*x509.Certificate) (text []byte) {
	for _, c := range certificates {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return text
}

// KeyPEM returns a file of a key, in PKCS #8.
func KeyPEM(key crypto.Signer) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))})
}
