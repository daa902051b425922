//go:build cgo

package rolesanywhere_test

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
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	anchorARN  = "arn:aws:rolesanywhere:eu-west-1:123456789012:trust-anchor/0a1b"
	profileARN = "arn:aws:rolesanywhere:eu-west-1:123456789012:profile/2c3d"
)

// authority is a certificate authority.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

func newEC(t *testing.T, curve elliptic.Curve) crypto.Signer {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return key
}

func newRSA(t *testing.T) crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return key
}

// below returns an authority below a, or a root.
func (a authority) below(t *testing.T, name string) authority {
	key := newEC(t, elliptic.P256())
	if a.key == nil {
		a.key = key
	}
	return authority{a.issue(t, key, func(c *x509.Certificate) {
		c.Subject.CommonName, c.IsCA, c.KeyUsage = name, true, x509.KeyUsageCertSign
	}), key}
}

func (a authority) issue(t *testing.T, key crypto.Signer, change func(*x509.Certificate)) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(4711), Subject: pkix.Name{CommonName: "worker"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	change(template)
	parent := a.certificate
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), a.key)
	require.NoError(t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}

// write writes a file of PEM blocks.
func write(t *testing.T, path, kind string, blocks ...[]byte) {
	var content []byte
	for _, der := range blocks {
		content = append(content, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	require.NoError(t, os.WriteFile(path, content, 0o600))
}

func pkcs8(t *testing.T, key crypto.Signer) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return der
}
