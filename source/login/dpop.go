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

// parseKey reads the private key that a session is bound to, in PEM: SEC 1, as the AWS CLI
// writes it, or PKCS #8. Its errors show nothing of it.
func parseKey(text stschain.Secret) (*ecdsa.PrivateKey, error) {
	block, rest := pem.Decode([]byte(text.Reveal()))
	for block != nil && block.Type == "EC PARAMETERS" { // openssl writes the curve in front
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return nil, errors.New("its dpopKey is no PEM")
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		other, notPKCS8 := x509.ParsePKCS8PrivateKey(block.Bytes)
		ec, isEC := other.(*ecdsa.PrivateKey)
		switch {
		case notPKCS8 != nil:
			return nil, errors.New("its dpopKey cannot be read: it should be a private EC key, in SEC 1 or PKCS #8")
		case !isEC:
			return nil, errors.New("its dpopKey is no EC key")
		}
		key = ec
	}
	if key.Curve != elliptic.P256() {
		return nil, errors.New("its dpopKey is on another curve than P-256, the only one that ES256 signs with")
	}
	return key, nil
}

// jwk is a public key (RFC 7517). Its members are in the order of a thumbprint (RFC 7638).
type jwk struct {
	Crv string `json:"crv"`
	Kty string `json:"kty"`
	X   string `json:"x"`
	Y   string `json:"y"`
}

// proof tells the server at a URL, which has neither query nor fragment, that a POST to it
// at this time comes from who holds the key (RFC 9449, 4.2).
func proof(key *ecdsa.PrivateKey, url string, at time.Time) (stschain.Secret, error) {
	point, err := key.PublicKey.Bytes() // 4, x and y
	if err != nil {
		return stschain.Secret{}, errors.New("its dpopKey has no public half")
	}
	const size = 32 // bytes of a number below the order of P-256
	header, err := segment(struct {
		Typ string `json:"typ"`
		Alg string `json:"alg"`
		JWK jwk    `json:"jwk"`
	}{"dpop+jwt", "ES256", jwk{"P-256", "EC", encode(point[1 : 1+size]), encode(point[1+size:])}})
	if err != nil {
		return stschain.Secret{}, err
	}
	claims, err := segment(struct {
		JTI string `json:"jti"`
		HTM string `json:"htm"`
		HTU string `json:"htu"`
		IAT int64  `json:"iat"`
	}{uuid(), "POST", url, at.Unix()})
	if err != nil {
		return stschain.Secret{}, err
	}
	signed := header + "." + claims
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return stschain.Secret{}, errors.New("its dpopKey cannot sign")
	}
	var signature [2 * size]byte // r and s, each of full length (RFC 7518, 3.4)
	r.FillBytes(signature[:size])
	s.FillBytes(signature[size:])
	return stschain.NewSecret(signed + "." + encode(signature[:])), nil
}

// uuid is a random one (RFC 9562, 5.4). Any text would do, and this is what the AWS SDKs send.
func uuid() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func segment(v any) (string, error) {
	text, err := json.Marshal(v)
	return encode(text), err
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
