package ststest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"net/http"
	"slices"
	"strings"
)

// This file implements SigV4a: Signature Version 4 with a key pair, which is derived from the secret access key, and with
// a set of regions instead of one. The rules are those of aws-c-auth.

const algorithmECDSA = "AWS4-ECDSA-P256-SHA256"

// verifySigV4a is whether a service of AWS accepts SigV4a. Most do not.
func verifiesSigV4a(service string) bool {
	return slices.Contains([]string{
		"cloudfront-keyvaluestore", "events", "execute-api", "partnercentral-channel", "s3", "s3-outposts", "ses", "sts", "sustainability", "vpc-lattice-svcs",
	}, service)
}

// readRegionSet reads the region set of a header or a query.
func (c *claim) readRegionSet(values []string) *refusal {
	if len(values) != 1 || values[0] == "" {
		return deny(incomplete, "A signature with "+algorithmECDSA+" requires one 'X-Amz-Region-Set'.")
	}
	c.region = values[0]
	for name := range strings.SplitSeq(c.region, ",") {
		if name == "" || strings.ContainsAny(name, " \t") || strings.Contains(strings.TrimSuffix(name, "*"), "*") {
			return deny(incomplete, "X-Amz-Region-Set is not a list of regions: '"+c.region+"'.")
		}
	}
	return nil
}

// coversRegion reports whether the signature is valid in a region.
func (c *claim) coversRegion(region string) bool {
	if c.algorithm != algorithmECDSA {
		return c.region == region
	}
	return slices.ContainsFunc(strings.Split(c.region, ","), func(name string) bool {
		prefix, several := strings.CutSuffix(name, "*")
		return name == region || several && strings.HasPrefix(region, prefix)
	})
}

// verifies reports whether the signature is that of a secret access key.
func (c *claim) verifies(accessKeyID, secret, toSign string) bool {
	if c.algorithm != algorithmECDSA {
		return hmac.Equal([]byte(signature(secret, c, toSign)), []byte(c.signature))
	}
	der, err := hex.DecodeString(c.signature)
	if err != nil {
		return false
	}
	public, err := publicKey(accessKeyID, secret)
	if err != nil {
		return false
	}
	hash := sha256.Sum256([]byte(toSign))
	return ecdsa.VerifyASN1(public, hash[:], der)
}

// publicKey derives the public key of a secret access key: the private key is one more than the first of up to 254 numbers
// that is at most the order of the group minus two.
func publicKey(accessKeyID, secret string) (*ecdsa.PublicKey, error) {
	limit := new(big.Int).Sub(elliptic.P256().Params().N, big.NewInt(2))
	number := new(big.Int)
	for counter := 1; counter <= 254; counter++ {
		mac := hmac.New(sha256.New, []byte("AWS4A"+secret))
		mac.Write([]byte("\x00\x00\x00\x01" + algorithmECDSA + "\x00" + accessKeyID + string([]byte{byte(counter)}) + "\x00\x00\x01\x00"))
		if number.SetBytes(mac.Sum(nil)); number.Cmp(limit) <= 0 {
			break
		}
	}
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), number.Add(number, big.NewInt(1)).FillBytes(make([]byte, 32)))
	if err != nil {
		return nil, err
	}
	return &private.PublicKey, nil
}

// schemeOf returns the algorithm of an Authorization header that a service may accept.
func schemeOf(h http.Header) string {
	if strings.HasPrefix(h.Get("Authorization"), algorithmECDSA+" ") {
		return algorithmECDSA
	}
	return algorithm
}
