package signature_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/signature"
	"github.com/stschain-go/stschain/internal/test/conformance"
)

// testSigV4a runs the SigV4a suite of aws-c-auth: the texts byte for byte, and the signatures, which are different each
// time, by the public key of the case. The suite's own signatures verify too.
func testSigV4a(t *testing.T, mode string) {
	cases, err := filepath.Glob(filepath.Join(conformance.Dir(t), "sigv4a", "aws-c-auth-suite", "v4a", "*", "public-key.json"))
	require.NoError(t, err)
	require.Len(t, cases, 38) // two directories have a request only
	for _, file := range cases {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			v := readVector(t, dir)
			v.sigv4a = true
			got := v.signQuery
			if mode == "header" {
				got = v.signHeader
			}
			canonical, toSign, sig, signed := got()
			require.Equal(t, v.want(t, mode, "canonical-request"), canonical)
			require.Equal(t, v.want(t, mode, "string-to-sign"), toSign)
			public := v.publicKey(t)
			require.True(t, verifies(t, public, toSign, sig), sig)
			require.True(t, verifies(t, public, toSign, v.want(t, mode, "signature")))
			if mode == "header" { // a query may have another order
				want, _, _ := strings.Cut(v.want(t, mode, "signed-request"), "Signature=")
				require.Equal(t, want, signed[:len(want)])
			}
		})
	}
}

func (v *vector) publicKey(t *testing.T) *ecdsa.PublicKey {
	text, err := os.ReadFile(filepath.Join(v.dir, "public-key.json"))
	require.NoError(t, err)
	var point struct{ X, Y string }
	require.NoError(t, json.Unmarshal(text, &point))
	raw, err := hex.DecodeString("04" + point.X + point.Y)
	require.NoError(t, err)
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), raw)
	require.NoError(t, err)
	return key
}

func verifies(t *testing.T, key *ecdsa.PublicKey, toSign, sig string) bool {
	sum := sha256.Sum256([]byte(toSign))
	return verifiesHash(t, key, sum[:], sig)
}

func verifiesHash(t *testing.T, key *ecdsa.PublicKey, hash []byte, sig string) bool {
	raw, err := hex.DecodeString(sig)
	require.NoError(t, err)
	return ecdsa.VerifyASN1(key, hash, raw)
}

func testPrivateKeys(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(conformance.Dir(t), "sigv4a", "key-derivation.json"))
	require.NoError(t, err)
	var cases []struct{ AccessKeyID, SecretAccessKey, D, X, Y string }
	require.NoError(t, json.Unmarshal(text, &cases))
	require.Len(t, cases, 2)
	for _, c := range cases {
		t.Run(c.AccessKeyID, func(t *testing.T) {
			key, err := signature.PrivateKey(c.AccessKeyID, c.SecretAccessKey)
			require.NoError(t, err)
			point, err := key.PublicKey.Bytes()
			require.NoError(t, err)
			require.Equal(t, "04"+c.X+c.Y, hex.EncodeToString(point))
			if c.D != "" {
				d, err := key.Bytes()
				require.NoError(t, err)
				require.Equal(t, c.D, hex.EncodeToString(d))
			}
		})
	}
}
