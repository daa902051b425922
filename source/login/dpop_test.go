package login_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/source/login"
)

// demonstration is what a proof says (RFC 9449, 4.2).
type demonstration struct {
	thumbprint, id, method, url string
	issued                      time.Time
}

// verify checks a proof by RFC 9449, 4.3, as a server does.
func verify(header []string) (p demonstration, err error) {
	if len(header) != 1 {
		return p, fmt.Errorf("there are %d DPoP headers", len(header))
	}
	parts := strings.Split(header[0], ".")
	if len(parts) != 3 {
		return p, fmt.Errorf("it has %d parts", len(parts))
	}
	var decoded [3][]byte
	for i, part := range parts {
		if decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return p, err
		}
	}
	var head struct {
		Typ, Alg string
		JWK      map[string]string
	}
	var claims struct {
		JTI, HTM, HTU string
		IAT           int64
	}
	if err := errors.Join(json.Unmarshal(decoded[0], &head), json.Unmarshal(decoded[1], &claims)); err != nil {
		return p, err
	}
	x, errX := base64.RawURLEncoding.Strict().DecodeString(head.JWK["x"])
	y, errY := base64.RawURLEncoding.Strict().DecodeString(head.JWK["y"])
	switch {
	case head.Typ != "dpop+jwt" || head.Alg != "ES256":
		return p, fmt.Errorf("it is a %s, signed by %s", head.Typ, head.Alg)
	case head.JWK["kty"] != "EC" || head.JWK["crv"] != "P-256" || errX != nil || errY != nil || len(x) != 32 || len(y) != 32:
		return p, errors.New("its key is not a point on P-256")
	case len(head.JWK) != 4:
		return p, errors.New("its key has more than a public half")
	case len(claims.JTI) < 20:
		return p, errors.New("its jti can be guessed")
	case len(decoded[2]) != 64:
		return p, fmt.Errorf("the signature has %d bytes", len(decoded[2]))
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
	if err != nil {
		return p, err
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(decoded[2][:32]), new(big.Int).SetBytes(decoded[2][32:])) {
		return p, errors.New("the signature is wrong")
	}
	canonical := sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, head.JWK["x"], head.JWK["y"]))
	return demonstration{
		base64.RawURLEncoding.EncodeToString(canonical[:]), claims.JTI, claims.HTM, claims.HTU, time.Unix(claims.IAT, 0),
	}, nil
}

// TestProof signs often enough for an r or s that begins with a zero byte, which a JWS keeps.
func TestProof(t *testing.T) {
	ids := map[string]bool{}
	for range 600 {
		signed, err := login.ParseKey(key)
		require.NoError(t, err)
		got, err := verify([]string{signed})
		require.NoError(t, err)
		require.Equal(t, thumbprint, got.thumbprint)
		require.Equal(t, "POST https://example.com/v1/token", got.method+" "+got.url)
		require.True(t, got.issued.Equal(time.Unix(0, 0)))
		require.Regexp(t, "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$", got.id)
		require.False(t, ids[got.id])
		ids[got.id] = true
	}
}

// TestVerify shows that the verifier of these tests refuses.
func TestVerify(t *testing.T) {
	signed, err := login.ParseKey(key)
	require.NoError(t, err)
	head, rest, _ := strings.Cut(signed, ".")
	claims, signature, _ := strings.Cut(rest, ".")
	other := base64.RawURLEncoding.EncodeToString([]byte(`{"jti":"aaaaaaaaaaaaaaaaaaaaaaaaaa","htm":"POST","htu":"https://example.org","iat":0}`))
	for name, header := range map[string][]string{
		"none":             nil,
		"two":              {signed, signed},
		"two parts":        {head + "." + claims},
		"other claims":     {head + "." + other + "." + signature},
		"other signature":  {head + "." + claims + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64))},
		"DER":              {head + "." + claims + "." + signature + "AAAA"},
		"unsigned":         {base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"dpop+jwt","alg":"none"}`)) + "." + claims + "."},
		"no base64 at all": {"!.!.!"},
	} {
		_, err := verify(header)
		require.Error(t, err, name)
	}
}

// Other keys that openssl made.
const (
	pkcs8 = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg8g3qTCaNb8Jxha9R
R4/f0fNcK4UNSuN1cRivZ0UlzouhRANCAARvbL+rtsbZ5+MnAk+Z9ZkFz1MyI7Km
yKjj9fgPrnsmwSWDHcsLdAQJheURLVGwd0YHrlAINmYoHff41H7rvRk6
-----END PRIVATE KEY-----
`
	parameters = `-----BEGIN EC PARAMETERS-----
BggqhkjOPQMBBw==
-----END EC PARAMETERS-----
`
	p384 = `-----BEGIN EC PRIVATE KEY-----
MIGkAgEBBDCWBEiL05+lRQCl/KrcY8xlanxWQiSN6A8A0qI+Q5UuDcOu6KMLNhWY
TpBRRu23sQCgBwYFK4EEACKhZANiAASxLoncQAFnt6gCxQ0MC549l+KAH0hvSyFe
5mMqz9Gc0xQO8dPvg3Ta1NekHW7FjcQRU6OEMRWHuW7jQ5v2TM3ov6vyPCnyLUKX
WQF6m8rGCUU/wbucQCAeC1Gbf9cIfmI=
-----END EC PRIVATE KEY-----
`
	ed25519 = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIB1HyP+xV7gJkXqSRljJ8eR/9aDZecCq/AlE4FFugsVJ
-----END PRIVATE KEY-----
`
)

var keys = []struct{ name, pem, want string }{
	{"as the AWS CLI writes it", key, ""},
	{"as openssl ecparam writes it", parameters + key, ""},
	{"in PKCS #8", pkcs8, ""},
	{"without its last line end", strings.TrimSpace(key), ""},
	{"on another curve", p384, "dpopKey is on a curve other than P-256"},
	{"of another kind", ed25519, "dpopKey is not an EC key"},
	{"parameters alone", parameters, "dpopKey is not PEM"},
	{"empty", "", "dpopKey is not PEM"},
	{"cut off", key[:100], "dpopKey is not PEM"},
	{"one digit changed", strings.Replace(key, "MHcCAQEE", "MHcCAQUE", 1), "cannot read dpopKey"},
	{"too long a number", strings.Replace(key, "MHcCAQEEIPIN", "MHcCAQEEIf//", 1), "cannot read dpopKey"},
	{"a number beyond the order", "-----BEGIN EC PRIVATE KEY-----\nMDECAQEEIP////////////////////////////////////////oAoGCCqGSM49\nAwEH\n-----END EC PRIVATE KEY-----\n", "dpopKey"},
}

func TestKeys(t *testing.T) {
	for _, tt := range keys {
		t.Run(tt.name, func(t *testing.T) {
			signed, err := login.ParseKey(tt.pem)
			if tt.want != "" {
				require.ErrorContains(t, err, tt.want)
				require.Empty(t, signed)
				return
			}
			require.NoError(t, err)
			got, err := verify([]string{signed})
			require.NoError(t, err)
			require.Equal(t, thumbprint, got.thumbprint)
		})
	}
}
