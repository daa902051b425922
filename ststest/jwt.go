package ststest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strings"
	"time"
)

// This file implements the parts of JSON Web Signature (RFC 7515, RFC 7518) and
// JSON Web Key (RFC 7517) that identity tokens need.

// jwt is a token that is parsed and not yet verified.
type jwt struct {
	algorithm, keyID string
	claims           map[string]any
	signed           string // the part that the signature is over
	signature        []byte
}

// signingAlgorithms are the algorithms for which an Issuer has keys.
var signingAlgorithms = []string{"RS256", "ES256", "ES384"}

// maxToken is the longest WebIdentityToken of STS.
const maxToken = 20_000

// parseJWT parses a compact JWS. Header and claims must be JSON objects without
// duplicate names, which readers interpret differently.
func parseJWT(token string) (jwt, error) {
	if len(token) > maxToken {
		return jwt{}, fmt.Errorf("the token is longer than %d bytes", maxToken)
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return jwt{}, errors.New("the token does not have the three parts of a JWT")
	}
	var decoded [3][]byte
	for i, part := range parts {
		b, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil || strings.ContainsAny(part, "\r\n") { // which base64 skips
			return jwt{}, fmt.Errorf("part %d of the token is not base64url without padding", i+1)
		}
		decoded[i] = b
	}
	header, err := decodeObject(decoded[0])
	if err != nil {
		return jwt{}, fmt.Errorf("the header of the token %w", err)
	}
	claims, err := decodeObject(decoded[1])
	if err != nil {
		return jwt{}, fmt.Errorf("the payload of the token %w", err)
	}
	if _, critical := header["crit"]; critical {
		return jwt{}, errors.New("the header of the token has critical extensions, and none is known here")
	}
	t := jwt{claims: claims, signed: parts[0] + "." + parts[1], signature: decoded[2]}
	t.algorithm, _ = header["alg"].(string)
	t.keyID, _ = header["kid"].(string)
	return t, nil
}

// decodeObject decodes one JSON object without duplicate names, including those of inner objects.
func decodeObject(data []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("has something after its JSON")
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("is not a JSON object")
	}
	return m, nil
}

const maxJSONDepth = 20

func decodeValue(d *json.Decoder, depth int) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, errors.New("is not JSON")
	}
	delim, nested := token.(json.Delim)
	if !nested {
		return token, nil
	}
	if depth == maxJSONDepth {
		return nil, fmt.Errorf("is nested deeper than %d", maxJSONDepth)
	}
	m, list := map[string]any{}, []any{}
	for d.More() {
		var name string
		if delim == '{' {
			token, err := d.Token()
			if err != nil {
				return nil, errors.New("is not JSON")
			}
			name = token.(string) // the decoder accepts nothing else
			if _, again := m[name]; again {
				return nil, errors.New("names a member twice")
			}
		}
		v, err := decodeValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		m[name], list = v, append(list, v)
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("is not JSON")
	}
	if delim == '{' {
		return m, nil
	}
	return list, nil
}

func (t jwt) text(claim string) string {
	s, _ := t.claims[claim].(string)
	return s
}

// audiences are the values of aud, which is text or a list.
func (t jwt) audiences() []string { return texts(t.claims["aud"]) }

// texts returns v as a list of texts: it may be one text, or a list.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				all = append(all, s)
			}
		}
		return all
	}
	return nil
}

// time returns a NumericDate.
func (t jwt) time(claim string) (time.Time, bool) {
	n, ok := t.claims[claim].(json.Number)
	if !ok {
		return time.Time{}, false
	}
	f, err := n.Float64()
	if err != nil || math.Abs(f) > 1<<40 {
		return time.Time{}, false
	}
	seconds, fraction := math.Modf(f)
	return time.Unix(int64(seconds), int64(fraction*1e9)), true
}

// signingKey is a key pair of an issuer. The private part is in a closure, so that it cannot be printed.
type signingKey struct {
	id        string
	algorithm string
	hash      crypto.Hash
	public    crypto.PublicKey
	sign      func(digest []byte) ([]byte, error)
}

// key returns the key of an algorithm if that is its ID. It does not create one.
func (i *Issuer) key(algorithm, id string) *signingKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	if k := i.keys[algorithm]; k != nil && k.id == id {
		return k
	}
	return nil
}

// sign returns a JWT. An unknown algorithm makes an invalid one.
func (i *Issuer) sign(algorithm string, claims map[string]any) string {
	key, err := i.makeKey(algorithm)
	if err != nil {
		return err.Error()
	}
	header, _ := json.Marshal(map[string]string{"alg": algorithm, "kid": key.id, "typ": "JWT"})
	payload, err := json.Marshal(claims)
	if err != nil {
		return err.Error()
	}
	b64 := base64.RawURLEncoding.EncodeToString
	signed := b64(header) + "." + b64(payload)
	signature, err := key.sign(digest(key.hash, signed))
	if err != nil {
		return err.Error()
	}
	return signed + "." + b64(signature)
}

// makeKey returns the key of an algorithm, and generates it first if necessary.
func (i *Issuer) makeKey(algorithm string) (*signingKey, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if k := i.keys[algorithm]; k != nil {
		return k, nil
	}
	k, err := newSigningKey(algorithm)
	if err != nil {
		return nil, err
	}
	if i.keys == nil {
		i.keys = map[string]*signingKey{}
	}
	i.keys[algorithm] = k
	return k, nil
}

func newSigningKey(algorithm string) (*signingKey, error) {
	k := &signingKey{id: strings.ToLower(algorithm + "-" + randomID(8)), algorithm: algorithm, hash: crypto.SHA256}
	switch algorithm {
	case "RS256":
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		k.public = private.Public()
		k.sign = func(digest []byte) ([]byte, error) { return rsa.SignPKCS1v15(nil, private, k.hash, digest) }
		return k, nil
	case "ES256", "ES384":
		curve := elliptic.P256()
		if algorithm == "ES384" {
			curve, k.hash = elliptic.P384(), crypto.SHA384
		}
		private, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			return nil, err
		}
		k.public = private.Public()
		k.sign = func(digest []byte) ([]byte, error) {
			r, s, err := ecdsa.Sign(rand.Reader, private, digest)
			if err != nil {
				return nil, err
			}
			size := coordinateSize(curve)
			signature := make([]byte, 2*size)
			r.FillBytes(signature[:size])
			s.FillBytes(signature[size:])
			return signature, nil
		}
		return k, nil
	}
	return nil, fmt.Errorf("ststest: Issuer.Algorithm %q is not one of %v", algorithm, signingAlgorithms)
}

func digest(h crypto.Hash, text string) []byte {
	if h == crypto.SHA384 {
		sum := sha512.Sum384([]byte(text))
		return sum[:]
	}
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

func coordinateSize(curve elliptic.Curve) int { return (curve.Params().BitSize + 7) / 8 }

// verify reports whether the key signed the token.
func (k *signingKey) verify(t jwt) bool {
	sum := digest(k.hash, t.signed)
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, k.hash, sum, t.signature) == nil
	case *ecdsa.PublicKey:
		size := coordinateSize(public.Curve)
		if len(t.signature) != 2*size {
			return false
		}
		r, s := new(big.Int).SetBytes(t.signature[:size]), new(big.Int).SetBytes(t.signature[size:])
		return ecdsa.Verify(public, sum, r, s)
	}
	return false
}

// jwks are the public keys as JWK. A key of each algorithm is generated first,
// so that a verifier that fetches them early gets all of them.
func (i *Issuer) jwks() []map[string]string {
	b64 := base64.RawURLEncoding.EncodeToString
	var keys []map[string]string
	for _, algorithm := range signingAlgorithms {
		k, err := i.makeKey(algorithm)
		if err != nil {
			continue
		}
		jwk := map[string]string{"kid": k.id, "alg": algorithm, "use": "sig"}
		switch public := k.public.(type) {
		case *rsa.PublicKey:
			e := binary.BigEndian.AppendUint32(nil, uint32(public.E))
			jwk["kty"], jwk["n"], jwk["e"] = "RSA", b64(public.N.Bytes()), b64(bytes.TrimLeft(e, "\x00"))
		case *ecdsa.PublicKey:
			size := coordinateSize(public.Curve)
			point, err := public.Bytes()
			if err != nil {
				continue
			}
			jwk["kty"], jwk["crv"] = "EC", public.Params().Name
			jwk["x"], jwk["y"] = b64(point[1:1+size]), b64(point[1+size:])
		}
		keys = append(keys, jwk)
	}
	return keys
}
