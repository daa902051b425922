package rolesanywhere

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/system"
)

// chain is a certificate, and the authorities that issued it, without the root.
type chain struct {
	leaf    *x509.Certificate
	issuers []*x509.Certificate
	from    string // for errors
}

// maxFile is the largest file of certificates or of a key, in bytes.
const maxFile = 256 << 10

// leeway is by how much a certificate may seem to have expired, or not to be valid yet, and is still
// sent: clocks differ, and the service decides by its own.
const leeway = 5 * time.Minute

// chain reads the certificates.
func (p *Provider) chain(ctx context.Context) (chain, error) {
	if p.Certificates != nil {
		all, err := p.Certificates(ctx)
		if err != nil {
			return chain{}, fmt.Errorf("no certificate: Certificates: %w", err)
		}
		return newChain(all, "Certificates")
	}
	if p.CertificateFile == "" {
		return chain{}, stschain.Permanent(errors.New("CertificateFile is missing, and so is Certificates"))
	}
	var all []*x509.Certificate
	for _, path := range []string{p.CertificateFile, p.ChainFile} {
		if path == "" {
			continue
		}
		content, err := p.read(path)
		if err != nil {
			return chain{}, fmt.Errorf("no certificate: %w", err)
		}
		found, err := parseCertificates(content)
		if err != nil {
			return chain{}, stschain.Permanent(fmt.Errorf("no certificate: file %s: %w", path, err))
		}
		all = append(all, found...)
	}
	return newChain(all, p.CertificateFile)
}

func (p *Provider) read(path string) ([]byte, error) {
	content, _, err := system.ReadFile(p.Open, path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("file %s: %w", path, err)
	}
	return content, nil
}

// parseCertificates parses the certificates of a PEM file, and skips its other blocks.
func parseCertificates(content []byte) (all []*x509.Certificate, err error) {
	blocks, err := decode(content)
	if err != nil {
		return nil, err
	}
	for _, block := range blocks {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d is malformed: %w", len(all)+1, err)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("it contains no certificate in PEM")
	}
	return all, nil
}

// decode returns the blocks of a PEM file. A block that is malformed or truncated is an error; pem.Decode skips it.
func decode(content []byte) (blocks []*pem.Block, err error) {
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	begun := bytes.Count(content, []byte("-----BEGIN "))
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		blocks = append(blocks, block)
	}
	if begun != len(blocks) {
		return nil, errors.New("a PEM block is malformed or truncated")
	}
	return blocks, nil
}

// newChain finds the certificate among all, the first one that is not a CA's, and sorts the others by issuer.
func newChain(all []*x509.Certificate, from string) (chain, error) {
	if len(all) == 0 || slices.Contains(all, nil) {
		return chain{}, stschain.Permanent(fmt.Errorf("no certificate: %s has none, or a nil one", from))
	}
	leaf := max(slices.IndexFunc(all, func(c *x509.Certificate) bool { return !c.IsCA }), 0)
	c := chain{leaf: all[leaf], from: from}
	others := slices.DeleteFunc(slices.Clone(all), c.leaf.Equal) // some files of the chain contain it too
	for last := c.leaf; ; last = c.issuers[len(c.issuers)-1] {
		i := slices.IndexFunc(others, func(o *x509.Certificate) bool { return issued(o, last) })
		switch {
		case i < 0 && last == c.leaf && len(others) > 0:
			return chain{}, stschain.Permanent(fmt.Errorf("none of the %d other certificates issued %s, whose issuer is %s", len(others), c, name(c.leaf.Issuer.String())))
		case i < 0, issued(others[i], others[i]): // the trust anchor has the root
			return c, nil
		}
		c.issuers = append(c.issuers, others[i])
		others = slices.Delete(others, i, i+1)
	}
}

// issued reports whether one certificate issued another. A signature with an algorithm that Go does not have cannot be checked.
func issued(issuer, c *x509.Certificate) bool {
	if !bytes.Equal(issuer.RawSubject, c.RawIssuer) {
		return false
	}
	err := c.CheckSignatureFrom(issuer)
	return err == nil || errors.Is(err, x509.ErrUnsupportedAlgorithm)
}

// check returns why AWS would not accept the certificate.
func (c chain) check(now time.Time) error {
	var why string
	switch leaf := c.leaf; {
	case now.Before(leaf.NotBefore.Add(-leeway)):
		why = fmt.Sprintf("is not valid until %s, %v from now; check this machine's clock", when(leaf.NotBefore), leaf.NotBefore.Sub(now).Round(time.Second))
	case !now.Before(leaf.NotAfter.Add(leeway)):
		why = fmt.Sprintf("expired at %s, %v ago; renew it", when(leaf.NotAfter), now.Sub(leaf.NotAfter).Round(time.Second))
	case leaf.Version != 3:
		why = fmt.Sprintf("has X.509 version %d instead of 3", leaf.Version)
	case leaf.IsCA:
		why = "is that of a certificate authority (CA:TRUE), and only end-entity certificates create sessions"
	case leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		why = "may not be used for signatures: its key usage lacks digitalSignature"
	case slices.Contains([]x509.SignatureAlgorithm{x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1}, leaf.SignatureAlgorithm):
		why = fmt.Sprintf("is signed with %s; SHA-256 or better is required", leaf.SignatureAlgorithm)
	default:
		_, why = algorithm(leaf)
	}
	if why == "" {
		return nil
	}
	return stschain.Permanent(fmt.Errorf("%s %s", c, why))
}

// algorithm returns the name of the signature algorithm, or why there is none.
func algorithm(leaf *x509.Certificate) (name, why string) {
	switch key := leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < 2048 {
			return "", fmt.Sprintf("has an RSA key of %d bits; at least 2048 are required", bits)
		}
		return "AWS4-X509-RSA-SHA256", ""
	case *ecdsa.PublicKey:
		return "AWS4-X509-ECDSA-SHA256", ""
	}
	return "", "has a key that is neither RSA nor EC"
}

// String names the certificate in errors.
func (c chain) String() string {
	return fmt.Sprintf("certificate %s (serial number %v, from %s)", name(c.leaf.Subject.String()), c.leaf.SerialNumber, c.from)
}

// expiry is the remark on a session.
func (c chain) expiry() string {
	return fmt.Sprintf("certificate %s expires at %s", name(c.leaf.Subject.String()), when(c.leaf.NotAfter))
}

func name(s string) string { return redact.OneLine(s, 128) }

func when(t time.Time) string { return t.UTC().Format(time.RFC3339) }
