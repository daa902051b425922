package minio

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/system"
)

// keyPair is a certificate with its private key. The key is in a function, so that it is not printed.
type keyPair struct {
	leaf        *x509.Certificate
	certificate func() *tls.Certificate
}

const (
	maxFile   = 256 << 10 // bytes
	maxReads  = 6         // of a certificate and a key that do not fit
	readPause = 100 * time.Millisecond
	leeway    = 5 * time.Minute // by which a certificate may seem to have expired, or not to be valid yet: clocks differ
)

// keyPair reads the certificate and its key. Another process may replace one file after the other, so if they do not fit
// they are read again.
func (p *Certificate) keyPair(ctx context.Context) (keyPair, error) {
	if p.Certificate != nil {
		c, err := p.Certificate(ctx)
		if err != nil {
			return keyPair{}, fmt.Errorf("no certificate: Certificate: %w", err)
		}
		return newKeyPair(c, p.now())
	}
	for n := 1; ; n++ {
		certificate, err := p.read(p.CertificateFile)
		if err != nil {
			return keyPair{}, fmt.Errorf("no certificate: %w", err)
		}
		key, err := p.read(p.KeyFile)
		if err != nil {
			return keyPair{}, fmt.Errorf("no private key: %w", err)
		}
		pair, err := parseKeyPair(certificate, key)
		switch {
		case err == nil:
			return newKeyPair(pair, p.now())
		case n == maxReads:
			return keyPair{}, err
		}
		if err := system.Sleep(ctx, readPause); err != nil {
			return keyPair{}, err
		}
	}
}

// parseKeyPair parses the two files. Its errors are permanent, and show nothing of the key.
func parseKeyPair(certificate, key []byte) (tls.Certificate, error) {
	pair, err := tls.X509KeyPair(certificate, key)
	switch {
	case err != nil && bytes.Contains(key, []byte("ENCRYPTED")):
		err = invalidf("the private key is encrypted: decrypt it in Certificate, or convert it with `openssl pkey`")
	case err != nil:
		err = invalidf("the certificate and the key cannot be used: %s", redact.OneLine(err.Error(), 200))
	}
	return pair, err
}

// newKeyPair checks what MinIO would refuse.
func newKeyPair(c tls.Certificate, now time.Time) (keyPair, error) {
	var all []*x509.Certificate
	for i, der := range c.Certificate {
		parsed, err := x509.ParseCertificate(der)
		if err != nil {
			return keyPair{}, invalidf("certificate %d is malformed: %s", i+1, redact.OneLine(err.Error(), 200))
		}
		all = append(all, parsed)
	}
	if len(all) == 0 || c.PrivateKey == nil {
		return keyPair{}, invalidf("no certificate: Certificate returned one without content or without a private key")
	}
	key, ok := c.PrivateKey.(crypto.Signer)
	public, comparable := all[0].PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	pair := keyPair{all[0], func() *tls.Certificate { return &c }}
	var why string
	switch leaf := pair.leaf; {
	case !ok || !comparable || !public.Equal(key.Public()):
		why = "does not fit the private key"
	case now.Before(leaf.NotBefore.Add(-leeway)):
		why = fmt.Sprintf("is not valid until %s, %v from now; check this machine's clock", leaf.NotBefore.UTC().Format(time.RFC3339), leaf.NotBefore.Sub(now).Round(time.Second))
	case !now.Before(leaf.NotAfter.Add(leeway)):
		why = fmt.Sprintf("expired at %s, %v ago; renew it", leaf.NotAfter.UTC().Format(time.RFC3339), now.Sub(leaf.NotAfter).Round(time.Second))
	case leaf.IsCA:
		why = "is that of a certificate authority (CA:TRUE), which MinIO does not accept for a client"
	case slices.ContainsFunc(all[1:], func(c *x509.Certificate) bool { return !c.IsCA }):
		why = "is followed by another one that is not a certificate authority's; MinIO accepts one client certificate"
	case !slices.ContainsFunc(leaf.ExtKeyUsage, func(u x509.ExtKeyUsage) bool {
		return u == x509.ExtKeyUsageClientAuth
	}):
		why = "is not for client authentication: its extended key usage lacks clientAuth"
	case leaf.Subject.CommonName == "":
		why = "has no common name (CN) in its subject, and MinIO takes the name of the policy from there"
	default:
		return pair, nil
	}
	return keyPair{}, stschain.Permanent(fmt.Errorf("%s %s", pair, why))
}

// String names the certificate in errors.
func (p keyPair) String() string {
	return fmt.Sprintf("certificate %s (serial number %v)", redact.OneLine(p.leaf.Subject.String(), 128), p.leaf.SerialNumber)
}
