package signature

import (
	"crypto/sha256"
	"encoding/hex"
)

// Certificate contains the inputs of a signature with the private key of an X.509 certificate, as IAM Roles
// Anywhere verifies it. The canonical request is that of Signature Version 4.
//
// Source: https://docs.aws.amazon.com/rolesanywhere/latest/userguide/authentication-sign-process.html
type Certificate struct {
	Algorithm string // by the type of the key, such as AWS4-X509-RSA-SHA256
	Serial    string // serial number of the certificate, decimal
	Time      string // 20060102T150405Z
	Scope     Scope
}

// StringToSign returns the string to sign for r.
func (c *Certificate) StringToSign(r *Request) []byte {
	sum := sha256.Sum256(AppendCanonical(nil, r))
	b := c.Scope.append(appendAll(nil, c.Algorithm, "\n", c.Time, "\n"))
	return hex.AppendEncode(append(b, '\n'), sum[:])
}

// Authorization returns the header of that name, with the signature over the string to sign.
func (c *Certificate) Authorization(r *Request, signature []byte) string {
	b := c.Scope.append(appendAll(nil, c.Algorithm, " Credential=", c.Serial, "/"))
	b = appendNames(appendAll(b, ", SignedHeaders="), r.Header)
	return string(hex.AppendEncode(appendAll(b, ", Signature="), signature))
}
