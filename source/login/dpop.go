package login

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/stschain-go/stschain"
)

// parseKey parses the private key that a session is bound to, in PEM: SEC 1, as the AWS CLI writes it, or
// PKCS #8. Its errors do not show the key. crypto/x509 is not used, because it would link RSA and Ed25519 (90 kB).
func parseKey(text stschain.Secret) (*ecdsa.PrivateKey, error) {
	block, rest := pem.Decode([]byte(text.Reveal()))
	for block != nil && block.Type == "EC PARAMETERS" { // openssl writes the curve in front
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return nil, errors.New("dpopKey is not PEM")
	}
	der, curve := block.Bytes, asn1.ObjectIdentifier(nil)
	var outer pkcs8
	if _, err := asn1.Unmarshal(der, &outer); err == nil {
		if !outer.Algorithm.Algorithm.Equal(ecPublicKey) {
			return nil, errors.New("dpopKey is not an EC key")
		}
		der = outer.PrivateKey
		if _, err := asn1.Unmarshal(outer.Algorithm.Parameters.FullBytes, &curve); err != nil {
			return nil, errKey
		}
	}
	var inner sec1
	if _, err := asn1.Unmarshal(der, &inner); err != nil || inner.Version != 1 {
		return nil, errKey
	}
	if curve == nil {
		curve = inner.Curve
	}
	switch {
	case curve == nil:
		return nil, errKey
	case !curve.Equal(p256):
		return nil, errors.New("dpopKey is on a curve other than P-256, which ES256 requires")
	}
	// Some programs pad the number with zeros, others remove them.
	number := bytes.TrimLeft(inner.PrivateKey, "\x00")
	if len(number) > size {
		return nil, errKey
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), append(make([]byte, size-len(number)), number...))
	if err != nil {
		return nil, errKey
	}
	return key, nil
}

// pkcs8 is a private key of any kind (RFC 5208).
type pkcs8 struct {
	Version    int
	Algorithm  pkix.AlgorithmIdentifier
	PrivateKey []byte
}

// sec1 is a private EC key (RFC 5915).
type sec1 struct {
	Version    int
	PrivateKey []byte
	Curve      asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
	PublicKey  asn1.BitString        `asn1:"optional,explicit,tag:1"`
}

var (
	ecPublicKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1} // RFC 5480
	p256        = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}

	errKey = errors.New("cannot read dpopKey: it should be a private EC key, in SEC 1 or PKCS #8")
)

const size = 32 // bytes of a number below the order of P-256

// proof returns a proof that a POST to a URL without query and fragment, at
// this time, comes from the owner of the key (DPoP, RFC 9449, 4.2).
func proof(key *ecdsa.PrivateKey, url string, at time.Time) (stschain.Secret, error) {
	point, err := key.PublicKey.Bytes() // 4, x and y
	if err != nil {
		return stschain.Secret{}, errors.New("dpopKey has no public key")
	}
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
