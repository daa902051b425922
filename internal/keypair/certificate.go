package keypair

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
)

// Chain is a certificate, and the authorities that issued it, without the root.
type Chain struct {
	Leaf    *x509.Certificate
	Issuers []*x509.Certificate
	From    string // for errors
}

// leeway is by how much a certificate may seem to have expired, or not to be valid yet, and is still
// sent: clocks differ, and the service decides by its own.
const leeway = 5 * time.Minute

// ParseCertificates parses the certificates of a PEM file, and skips its other blocks.
func ParseCertificates(content []byte) (all []*x509.Certificate, err error) {
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

// NewChain finds the certificate among all, the first one that is not a CA's, and sorts the others by issuer.
func NewChain(all []*x509.Certificate, from string) (Chain, error) {
	if len(all) == 0 || slices.Contains(all, nil) {
		return Chain{}, stschain.Permanent(fmt.Errorf("no certificate: %s has none, or a nil one", from))
	}
	leaf := max(slices.IndexFunc(all, func(c *x509.Certificate) bool { return !c.IsCA }), 0)
	c := Chain{Leaf: all[leaf], From: from}
	others := slices.DeleteFunc(slices.Clone(all), c.Leaf.Equal) // some files of the chain contain it too
	for last := c.Leaf; ; last = c.Issuers[len(c.Issuers)-1] {
		i := slices.IndexFunc(others, func(o *x509.Certificate) bool { return issued(o, last) })
		switch {
		case i < 0 && last == c.Leaf && len(others) > 0:
			return Chain{}, stschain.Permanent(fmt.Errorf("none of the %d other certificates issued %s, whose issuer is %s", len(others), c, name(c.Leaf.Issuer.String())))
		case i < 0, issued(others[i], others[i]): // the trust anchor has the root
			return c, nil
		}
		c.Issuers = append(c.Issuers, others[i])
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

// CheckDates returns a permanent error if the certificate is not valid at now, within 5 minutes.
func (c Chain) CheckDates(now time.Time) error {
	var why string
	switch from, until := c.Leaf.NotBefore, c.Leaf.NotAfter; {
	case now.Before(from.Add(-leeway)):
		why = fmt.Sprintf("is not valid until %s, %v from now; check this machine's clock", when(from), from.Sub(now).Round(time.Second))
	case !now.Before(until.Add(leeway)):
		why = fmt.Sprintf("expired at %s, %v ago; renew it", when(until), now.Sub(until).Round(time.Second))
	default:
		return nil
	}
	return stschain.Permanent(fmt.Errorf("%s %s", c, why))
}

// String names the certificate in errors.
func (c Chain) String() string {
	return fmt.Sprintf("certificate %s (serial number %v, from %s)", name(c.Leaf.Subject.String()), c.Leaf.SerialNumber, c.From)
}

// ValidUntil is when the certificate expires.
func (c Chain) ValidUntil() string { return when(c.Leaf.NotAfter) }

// Origin is the origin of credentials that the provider of that name obtained with the certificate.
func (c Chain) Origin(provider string) string {
	return fmt.Sprintf("%s (certificate expires at %s)", provider, c.ValidUntil())
}

// Note is the remark on credentials that were obtained with the certificate: see stschain.Note. A certificate that expires before them
// may not be valid for the next refresh.
func (c Chain) Note(expires time.Time) string {
	note := fmt.Sprintf("certificate %s expires at %s", name(c.Leaf.Subject.String()), c.ValidUntil())
	if c.Leaf.NotAfter.Before(expires) {
		note += ", before these credentials: renew it"
	}
	return note
}

// Fingerprint is the SHA-256 of the certificate, for the field of an identity.
func (c Chain) Fingerprint() string {
	sum := sha256.Sum256(c.Leaf.Raw)
	return hex.EncodeToString(sum[:])
}

func name(s string) string { return redact.OneLine(s, 128) }

func when(t time.Time) string { return t.UTC().Format(time.RFC3339) }
