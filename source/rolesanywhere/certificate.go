package rolesanywhere

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/keypair"
)

func (p *Provider) source() keypair.Source {
	return keypair.Source{
		CertificateFile: p.CertificateFile, ChainFile: p.ChainFile, KeyFile: p.KeyFile, Password: p.Password,
		Certificates: p.Certificates, Signer: p.Signer, Open: p.Open,
	}
}

// check returns why AWS would not accept the certificate.
func (p *Provider) check(c keypair.Chain) error {
	if err := c.CheckDates(p.now().Add(p.server.Ahead())); err != nil {
		return err
	}
	var why string
	switch leaf := c.Leaf; {
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

// sign signs a message with the key of k.
func (p *Provider) sign(ctx context.Context, k keypair.Pair, message []byte) ([]byte, error) {
	digest := sha256.Sum256(message)
	signed, err := p.slot.Sign(ctx, k.Key(), digest[:], crypto.SHA256)
	if err == nil && !verifies(k.Leaf, digest[:], signed) {
		err = fmt.Errorf("the signer returned a signature that does not verify with the %s", k)
	}
	return signed, err
}

// verifies reports whether a signature is that of the certificate's key, in the format that AWS requires.
func verifies(leaf *x509.Certificate, digest, signature []byte) bool {
	switch key := leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest, signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, digest, signature)
	}
	return false
}
