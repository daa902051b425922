package signature

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/bits"
	"strings"
	"sync"
)

// AlgorithmECDSA names the signatures of SigV4a. They are valid in a set of regions, and each is different: a verifier
// has the public key.
const AlgorithmECDSA = "AWS4-ECDSA-P256-SHA256"

// RegionKeys caches the keys of SigV4a as Keys does those of Signature Version 4. Deriving a private key takes as long as
// several signatures, so one is used for all scopes and tokens of a secret. The zero value is ready to use, and safe
// for concurrent use.
type RegionKeys struct {
	once sync.Once
	keys Keys
}

// KeysOf returns the keys. The Region of their scopes is a region set: names separated by commas.
//
// It is a function, and not a method, so that only programs that use SigV4a link it: package sigv4 calls it through an
// interface, and reflection does not reach functions.
func KeysOf(k *RegionKeys) *Keys {
	k.once.Do(func() { k.keys.make = k.make })
	return &k.keys
}

// IsRegion reports whether s is a name in a region set: of a region, or the beginning of several followed by "*".
func IsRegion(s string) bool {
	return s != "" && IsEscaped(strings.TrimSuffix(s, "*"), "") && !strings.Contains(s, "~")
}

// make makes a key. Keys calls it under its lock.
func (k *RegionKeys) make(of keyOf, secret, token string) (*Key, error) {
	sign, err := k.signer(of, secret)
	if err != nil {
		return nil, err
	}
	credential := of.accessKeyID + "/" + of.scope.Date + "/" + of.scope.Service + "/aws4_request"
	return &Key{
		Token:      token,
		algorithm:  AlgorithmECDSA,
		head:       AlgorithmECDSA + " Credential=" + credential + ", SignedHeaders=",
		credential: credential,
		scope:      "\n" + credential[len(of.accessKeyID)+1:] + "\n",
		parameter:  sync.OnceValue(func() string { return tokenParameter(token) }),
		regions:    "&X-Amz-Region-Set=" + Escape(of.scope.Region, ""),
		sign:       sign,
		spaces:     &k.keys.spaces,
	}, nil
}

// signer returns the function that signs with the private key of a secret, which a key for another scope may have.
// It depends on the access key ID as well.
func (k *RegionKeys) signer(of keyOf, secret string) (func([]byte) []byte, error) {
	for other, found := range k.keys.table {
		if other.accessKeyID == of.accessKeyID && other.secret == of.secret {
			return found.key().sign, nil
		}
	}
	private, err := PrivateKey(of.accessKeyID, secret)
	if err != nil {
		return nil, err
	}
	return func(message []byte) []byte {
		sum := sha256.Sum256(message)
		signature, err := ecdsa.SignASN1(rand.Reader, private, sum[:])
		if err != nil {
			panic(err) // the key is valid, and the source of random numbers does not fail
		}
		return signature
	}, nil
}

// PrivateKey derives the private key of a secret access key, by the counter mode of NIST SP 800-108 with HMAC-SHA256.
// Both parts of the credentials take part in it.
//
// Source: https://github.com/awslabs/aws-c-auth/blob/main/source/key_derivation.c
func PrivateKey(accessKeyID, secret string) (*ecdsa.PrivateKey, error) {
	mac := hmac.New(sha256.New, []byte("AWS4A"+secret))
	return firstKey(func(counter byte) []byte {
		mac.Reset()
		message := appendAll([]byte{0, 0, 0, 1}, AlgorithmECDSA, "\x00", accessKeyID) // the first block
		mac.Write(append(message, counter, 0, 0, 1, 0))                               // of 256 bits
		return mac.Sum(nil)
	})
}

// firstKey returns the key that the first suitable candidate makes.
func firstKey(candidate func(counter byte) []byte) (*ecdsa.PrivateKey, error) {
	for counter := byte(1); counter < 255; counter++ {
		if d, ok := scalar(candidate(counter)); ok {
			return ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
		}
	}
	return nil, errors.New("the credentials have no private key for SigV4a; use others")
}

// scalar returns candidate + 1 if candidate is at most n - 2, where n is the order of P-256: then the result is from 1 to
// n - 1. Its time does not depend on the candidate.
func scalar(candidate []byte) (d []byte, ok bool) {
	bound := [4]uint64{0xffffffff00000000, 0xffffffffffffffff, 0xbce6faada7179e84, 0xf3b9cac2fc632551 - 2}
	d = make([]byte, 32)
	var borrow uint64
	carry := uint64(1)
	for i := 3; i >= 0; i-- {
		word := binary.BigEndian.Uint64(candidate[8*i:])
		_, borrow = bits.Sub64(bound[i], word, borrow)
		word, carry = bits.Add64(word, 0, carry)
		binary.BigEndian.PutUint64(d[8*i:], word)
	}
	return d, borrow == 0
}
