package signature_test

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/signature"
	"github.com/stschain-go/stschain/internal/test/canary"
)

// regional is a scope of SigV4a: its region is a region set.
var regional = signature.Scope{Date: "20150830", Region: "us-east-1,eu-*", Service: "iam"}

func publicKey(t testing.TB, id, secret string) *ecdsa.PublicKey {
	key, err := signature.PrivateKey(id, secret)
	require.NoError(t, err)
	return &key.PublicKey
}

// stringHash is the hash of the string to sign by the text of the rules.
func stringHash(r *signature.Request) [sha256.Size]byte {
	canonical := sha256.Sum256(signature.AppendCanonical(nil, r))
	return sha256.Sum256(fmt.Appendf(nil, "AWS4-ECDSA-P256-SHA256\n%s\n20150830/iam/aws4_request\n%x", date, canonical))
}

// A candidate is accepted up to n - 2, as aws-c-auth does it; smithy-go accepts it below n - 2. The result is one more.
func TestScalar(t *testing.T) {
	n, _ := new(big.Int).SetString("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
	for _, test := range []struct {
		candidate *big.Int
		ok        bool
	}{
		{big.NewInt(0), true},
		{big.NewInt(1), true},
		{new(big.Int).Lsh(big.NewInt(1), 64), true},
		{new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 64), big.NewInt(1)), true},
		{new(big.Int).Sub(n, big.NewInt(3)), true},
		{new(big.Int).Sub(n, big.NewInt(2)), true},
		{new(big.Int).Sub(n, big.NewInt(1)), false},
		{n, false},
		{new(big.Int).Add(n, big.NewInt(1)), false},
		{new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1)), false},
	} {
		d, ok := signature.Scalar(test.candidate.FillBytes(make([]byte, 32)))
		require.Equal(t, test.ok, ok, "%x", test.candidate)
		if ok {
			require.Equal(t, new(big.Int).Add(test.candidate, big.NewInt(1)), new(big.Int).SetBytes(d), "%x", test.candidate)
		}
	}
}

// The counter of candidates begins with 1 and ends with 254.
func TestFirstKey(t *testing.T) {
	good, bad := make([]byte, 32), []byte(strings.Repeat("\xff", 32))
	for _, first := range []byte{1, 2, 254, 255} {
		var counters []byte
		key, err := signature.FirstKey(func(counter byte) []byte {
			counters = append(counters, counter)
			if counter < first {
				return bad
			}
			return good
		})
		require.Equal(t, byte(1), counters[0])
		require.Len(t, counters, int(min(first, 254)))
		if first == 255 {
			require.EqualError(t, err, "the credentials have no private key for SigV4a; use others")
			continue
		}
		require.NoError(t, err)
		d, err := key.Bytes()
		require.NoError(t, err)
		require.Equal(t, append(make([]byte, 31), 1), d)
	}
}

func TestIsRegion(t *testing.T) {
	for _, name := range []string{"us-east-1", "*", "eu-*", "eu_west_1", "us.east", "A1"} {
		require.True(t, signature.IsRegion(name), name)
	}
	for _, name := range []string{"", " ", "us-east-1,eu-west-1", "us-east-1 ", " *", "**", "*-1", "eu-*-1", "a/b", "a\nb", "é", "a~b"} {
		require.False(t, signature.IsRegion(name), "%q", name)
	}
}

// A signature verifies with the key of its credentials, and covers the request, the date, the scope and the region set.
func TestSignatureIsECDSA(t *testing.T) {
	var keys signature.RegionKeys
	r := &signature.Request{Method: "GET", Payload: "p"}
	public, texts := publicKey(t, "AKID", "secret"), map[string]bool{}
	for range 2 {
		key, err := signature.KeysOf(&keys).Get(credentials("AKID", "secret", "token"), regional, at)
		require.NoError(t, err)
		authorization := key.Authorization(r, date)
		require.Regexp(t, `^AWS4-ECDSA-P256-SHA256 Credential=AKID/20150830/iam/aws4_request, SignedHeaders=, Signature=[0-9a-f]{130,144}$`, authorization)
		sum := stringHash(r)
		require.True(t, verifiesHash(t, public, sum[:], after(authorization, "Signature=")))

		text := query(key, r, date, signature.Presigning{Seconds: 1})
		unsigned, sig, _ := strings.Cut(text, "&X-Amz-Signature=")
		sum = stringHash(&signature.Request{Method: "GET", Payload: "p", Query: unsigned})
		require.True(t, verifiesHash(t, public, sum[:], sig))
		query, err := url.ParseQuery(text)
		require.NoError(t, err)
		require.Equal(t, "us-east-1,eu-*", query.Get("X-Amz-Region-Set"))
		require.Equal(t, "AWS4-ECDSA-P256-SHA256", query.Get("X-Amz-Algorithm"))
		require.Equal(t, "token", query.Get("X-Amz-Security-Token"))
		require.False(t, texts[authorization], "signatures are randomized")
		texts[authorization] = true
	}
}

// Many goroutines with more credentials than are cached sign with the right ones, and with theirs only. Credentials share
// the ID, the secret or the token with others.
func TestRegionKeysOfManyCredentials(t *testing.T) {
	var all []stschain.Credentials
	var public []*ecdsa.PublicKey
	for i := range 100 {
		id, secret := fmt.Sprint("AKID", i/4), fmt.Sprint("secret-", i/2)
		all = append(all, credentials(id, secret, fmt.Sprint("token-", i%4)))
		public = append(public, publicKey(t, id, secret))
	}
	var keys signature.RegionKeys
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			for n := range 5 {
				i := (g*31 + n*7) % len(all)
				key, err := signature.KeysOf(&keys).Get(all[i], regional, at)
				if err != nil || key.Token != all[i].SessionToken.Reveal() {
					t.Errorf("credentials %d have the token %q and the error %v", i, key.Token, err)
					return
				}
				r := &signature.Request{Method: "GET", Payload: "p", Header: []signature.Field{{Name: "X-Amz-Security-Token", Values: []string{key.Token}}}}
				if err := verify(public[i], all[i].AccessKeyID, key.Authorization(r, date), r); err != nil {
					t.Errorf("credentials %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, signature.KeysOf(&keys).Len(), 64)
}

// verify verifies an Authorization header by the text of the rules.
func verify(public *ecdsa.PublicKey, id, authorization string, r *signature.Request) error {
	head := "AWS4-ECDSA-P256-SHA256 Credential=" + id + "/20150830/iam/aws4_request, SignedHeaders=x-amz-security-token, Signature="
	raw, err := hex.DecodeString(strings.TrimPrefix(authorization, head))
	if err != nil {
		return fmt.Errorf("Authorization is %q", authorization)
	}
	if sum := stringHash(r); !ecdsa.VerifyASN1(public, sum[:], raw) {
		return errors.New("the signature does not verify")
	}
	return nil
}

// The private key is derived once for a secret, whatever the scope and the token, and never for the ID alone.
func TestRegionKeysAreDerivedOnce(t *testing.T) {
	var keys signature.RegionKeys
	r := &signature.Request{Method: "GET", Payload: "p", Header: []signature.Field{{Name: "X-Amz-Security-Token", Values: []string{"t"}}}}
	first, err := signature.KeysOf(&keys).Get(credentials("AKID", "s", "t"), regional, at)
	require.NoError(t, err)
	next := regional
	next.Date, next.Region, next.Service = "20150831", "*", "sts"
	second, err := signature.KeysOf(&keys).Get(credentials("AKID", "s", "other"), next, at.AddDate(0, 0, 1))
	require.NoError(t, err)
	require.True(t, first.SameSigner(second))
	for _, c := range []stschain.Credentials{credentials("AKID", "other", "t"), credentials("OTHER", "s", "t")} {
		key, err := signature.KeysOf(&keys).Get(c, regional, at)
		require.NoError(t, err)
		require.False(t, first.SameSigner(key))
		require.Error(t, verify(publicKey(t, "AKID", "s"), c.AccessKeyID, key.Authorization(r, date), r))
		require.NoError(t, verify(publicKey(t, c.AccessKeyID, c.SecretAccessKey.Reveal()), c.AccessKeyID, key.Authorization(r, date), r))
	}
}

func TestRegionKeysRefused(t *testing.T) {
	var keys signature.RegionKeys
	_, err := signature.KeysOf(&keys).Get(credentials("AKID", "s\n", ""), regional, at)
	require.EqualError(t, err, "SecretAccessKey contains white space; trim it where it is read")
	require.Zero(t, signature.KeysOf(&keys).Len())
}

func TestRegionKeysCannotBePrinted(t *testing.T) {
	var keys signature.RegionKeys
	_, err := signature.KeysOf(&keys).Get(credentials("AKID", "canary-secret", "canary-token"), regional, at)
	require.NoError(t, err)
	private, err := signature.PrivateKey("AKID", "canary-secret")
	require.NoError(t, err)
	d, err := private.Bytes()
	require.NoError(t, err)
	for _, secret := range []string{"canary-secret", "canary-token", string(d)} {
		canary.Check(t, secret, &keys)
	}
}
