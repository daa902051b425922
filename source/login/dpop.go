package login

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/stschain-go/stschain"
)

// parseKey parses the private key that a session is bound to, in PEM: SEC 1, as the AWS CLI writes it, or
// PKCS #8. Its errors do not show the key.
func parseKey(text stschain.Secret) (*ecdsa.PrivateKey, error) {
	block, rest := pem.Decode([]byte(text.Reveal()))
	for block != nil && block.Type == "EC PARAMETERS" { // openssl writes the curve in front
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return nil, errors.New("dpopKey is not PEM")
	}
	var parsed any
	parsed, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	key, isEC := parsed.(*ecdsa.PrivateKey)
	switch {
	case err != nil:
		return nil, errors.New("cannot read dpopKey: it should be a private EC key, in SEC 1 or PKCS #8")
	case !isEC:
		return nil, errors.New("dpopKey is not an EC key")
	case key.Curve != elliptic.P256():
		return nil, errors.New("dpopKey is on a curve other than P-256, which ES256 requires")
	}
	return key, nil
}

// proof returns a proof that a POST to a URL without query and fragment, at
// this time, comes from the owner of the key (DPoP, RFC 9449, 4.2).
func proof(key *ecdsa.PrivateKey, url string, at time.Time) (stschain.Secret, error) {
	point, err := key.PublicKey.Bytes() // 4, x and y
	if err != nil {
		return stschain.Secret{}, errors.New("dpopKey has no public key")
	}
	const size = 32 // bytes of a number below the order of P-256
	x, y := encode(point[1:1+size]), encode(point[1+size:])
	// A public key (RFC 7517) has its members in the order of a thumbprint (RFC 7638).
	header := fmt.Sprintf(`{"typ":"dpop+jwt","alg":"ES256","jwk":{"crv":"P-256","kty":"EC","x":%q,"y":%q}}`, x, y)
	claims, err := json.Marshal(struct {
		JTI string `json:"jti"`
		HTM string `json:"htm"`
		HTU string `json:"htu"`
		IAT int64  `json:"iat"`
	}{uuid(), "POST", url, at.Unix()})
	if err != nil {
		return stschain.Secret{}, err
	}
	signed := encode([]byte(header)) + "." + encode(claims)
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return stschain.Secret{}, errors.New("dpopKey cannot sign")
	}
	var signature [2 * size]byte // r and s, each of full length (RFC 7518, 3.4)
	r.FillBytes(signature[:size])
	s.FillBytes(signature[size:])
	return stschain.NewSecret(signed + "." + encode(signature[:])), nil
}

// uuid returns a random UUID (RFC 9562, 5.4), as the AWS SDKs send.
func uuid() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
