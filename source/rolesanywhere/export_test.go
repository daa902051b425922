package rolesanywhere

import "crypto/x509"

// For the fuzz targets.
var (
	ParseCertificates = parseCertificates
	ParseKey          = parseKey
	ParseSession      = parseSession
)

func NewChain(all []*x509.Certificate) (leaf *x509.Certificate, issuers []*x509.Certificate, err error) {
	c, err := newChain(all, "a test")
	return c.leaf, c.issuers, err
}
