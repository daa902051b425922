package ststest_test

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/ststest"
)

func TestIssuerToken(t *testing.T) {
	for _, algorithm := range []string{"RS256", "ES256", "ES384"} {
		t.Run(algorithm, func(t *testing.T) {
			mock := clock.NewMock()
			mock.Set(start)
			issuer := ststest.NewIssuer("https://id.example/realm")
			issuer.Algorithm, issuer.Clock, issuer.Lifetime = algorithm, mock, time.Minute
			issuer.Audiences = []string{"app", "other"}
			token := issuer.Token(map[string]any{"sub": "bob", "nbf": nil, "list": []int{1}})

			claims, err := issuer.Verify(token, start)
			require.NoError(t, err)
			require.Equal(t, "https://id.example/realm", claims["iss"])
			require.Equal(t, "bob", claims["sub"])
			require.Equal(t, "app", claims["aud"])
			require.Equal(t, json.Number("1795262400"), claims["iat"])
			require.Equal(t, json.Number("1795262460"), claims["exp"])
			require.NotContains(t, claims, "nbf")
			require.NotEmpty(t, claims["jti"])

			_, err = issuer.Verify(token, start.Add(time.Minute-1))
			require.NoError(t, err)
			_, err = issuer.Verify(token, start.Add(time.Minute))
			require.EqualError(t, err, "ststest: ExpiredTokenException: Token expired: current date/time 1795262460 must be before the expiration date/time 1795262460")
			_, err = ststest.NewIssuer("https://id.example/realm").Verify(token, start)
			require.ErrorContains(t, err, "verification key")
			require.Len(t, issuer.PublicKeys(), 1)
		})
	}
}

// TestIssuerServesItsKeys: what it serves verifies what it signs, by the rules of RFC 7517.
func TestIssuerServesItsKeys(t *testing.T) {
	issuer := ststest.NewIssuer("https://id.example/realm/")
	client := &http.Client{Transport: ststest.InProcess(issuer)}
	get := func(url string, v any) {
		res, err := client.Get(url)
		require.NoError(t, err)
		defer res.Body.Close()
		require.Equal(t, 200, res.StatusCode)
		require.NoError(t, json.NewDecoder(res.Body).Decode(v))
	}
	var discovery struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	get("https://id.example/realm/.well-known/openid-configuration", &discovery)
	require.Equal(t, issuer.URL, discovery.Issuer)
	var set struct {
		Keys []struct{ Kid, Alg, Kty, Crv, N, E, X, Y string }
	}
	get(discovery.JWKSURI, &set)
	require.Len(t, set.Keys, 3)
	number := func(s string) *big.Int {
		b, err := base64.RawURLEncoding.DecodeString(s)
		require.NoError(t, err)
		return new(big.Int).SetBytes(b)
	}
	for _, k := range set.Keys {
		switch public := issuer.PublicKeys()[k.Kid].(type) {
		case *rsa.PublicKey:
			require.Equal(t, "RSA", k.Kty)
			require.Equal(t, public.N, number(k.N))
			require.EqualValues(t, public.E, number(k.E).Int64())
		case *ecdsa.PublicKey:
			require.Equal(t, "EC", k.Kty)
			require.Equal(t, public.Params().Name, k.Crv)
			point, err := public.Bytes()
			require.NoError(t, err)
			require.Equal(t, new(big.Int).SetBytes(point[1:]), new(big.Int).Add(new(big.Int).Lsh(number(k.X), uint(len(point)-1)*4), number(k.Y)))
		default:
			t.Errorf("%s is of type %T", k.Kid, public)
		}
	}
	res, err := client.Get("https://id.example/realm/other")
	require.NoError(t, err)
	require.Equal(t, 404, res.StatusCode)
	res, err = client.Post(discovery.JWKSURI, "", nil)
	require.NoError(t, err)
	require.Equal(t, 405, res.StatusCode)
}

// forge signs nothing: it puts parts together.
func forge(header, claims, signature string) stschain.Secret {
	b64 := base64.RawURLEncoding.EncodeToString
	return stschain.NewSecret(b64([]byte(header)) + "." + b64([]byte(claims)) + "." + b64([]byte(signature)))
}

func TestIssuerRefusesForgeries(t *testing.T) {
	issuer := ststest.NewIssuer("https://id.example")
	good := issuer.Token(nil).Reveal()
	parts := strings.Split(good, ".")
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	require.NoError(t, err)
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	with := func(old, new string) string { return strings.Replace(string(header), old, new, 1) }

	const (
		notThree = "does not have the three parts of a JWT"
		notB64   = "part 3 of the token is not base64url without padding"
		noKey    = "Couldn't retrieve verification key"
		notValid = "is not a valid JWT"
	)
	for name, test := range map[string]struct {
		token stschain.Secret
		want  string
	}{
		"empty":                 {stschain.Secret{}, notThree},
		"two parts":             {stschain.NewSecret(parts[0] + "." + parts[1]), notThree},
		"four parts":            {stschain.NewSecret(good + "."), notThree},
		"line feed at the end":  {stschain.NewSecret(good + "\n"), notB64},
		"padding":               {stschain.NewSecret(good + "=="), notB64},
		"no signature":          {stschain.NewSecret(parts[0] + "." + parts[1] + "."), notValid},
		"alg none":              {forge(with("ES256", "none"), string(claims), ""), noKey},
		"another alg":           {forge(with("ES256", "ES384"), string(claims), strings.Repeat("x", 96)), noKey},
		"HMAC with public key":  {forge(with("ES256", "HS256"), string(claims), strings.Repeat("x", 32)), noKey},
		"another kid":           {forge(with("es256-", "es256x"), string(claims), strings.Repeat("x", 64)), noKey},
		"critical extension":    {forge(with("{", `{"crit":["b64"],`), string(claims), strings.Repeat("x", 64)), "has critical extensions"},
		"zero signature":        {forge(string(header), string(claims), strings.Repeat("\x00", 64)), notValid},
		"another signature":     {forge(string(header), string(claims), strings.Repeat("x", 64)), notValid},
		"claims twice":          {forge(string(header), `{"iss":"https://id.example","iss":"https://id.example"}`, strings.Repeat("x", 64)), "names a member twice"},
		"claims are a list":     {forge(string(header), `[]`, ""), "the payload of the token is not a JSON object"},
		"claims are deep":       {forge(string(header), strings.Repeat(`{"a":`, 30)+"1"+strings.Repeat("}", 30), ""), "is nested deeper than 20"},
		"more after the claims": {forge(string(header), string(claims)+"{}", ""), "has something after its JSON"},
		"too long":              {forge(string(header), `{"a":"`+strings.Repeat("x", 20_000)+`"}`, ""), "is longer than 20000 bytes"},
		"another issuer's":      {ststest.NewIssuer("https://id.example").Token(nil), noKey},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := issuer.Verify(test.token, time.Now())
			require.ErrorContains(t, err, "ststest: ")
			require.ErrorContains(t, err, test.want)
		})
	}
	for changed := range mutations(good) {
		if _, err := issuer.Verify(stschain.NewSecret(changed), time.Now()); err == nil {
			t.Errorf("verified: %q", changed)
		}
	}
	_, err = issuer.Verify(stschain.NewSecret(good), time.Now())
	require.NoError(t, err)
	for name, claims := range map[string]map[string]any{
		"no exp":      {"exp": nil},
		"exp is text": {"exp": "never"},
		"exp is far":  {"exp": 1e300},
		"not yet":     {"nbf": time.Now().Add(time.Minute).Unix()},
		"another iss": {"iss": "https://id.example/"},
	} {
		_, err := issuer.Verify(issuer.Token(claims), time.Now())
		require.Error(t, err, name)
	}
}

func FuzzJWT(f *testing.F) {
	issuer := ststest.NewIssuer("https://id.example")
	good := issuer.Token(map[string]any{"exp": 1 << 39}).Reveal()
	f.Add(good)
	f.Add("e30.e30.")
	f.Add(forge(`{"alg":"none"}`, `{"a":{"b":[1,2,{"c":null}]}}`, "x").Reveal())
	f.Fuzz(func(t *testing.T, token string) {
		algorithm, claims, err := ststest.ParseJWT(token)
		if err != nil {
			require.Empty(t, algorithm)
			return
		}
		_, err = json.Marshal(claims)
		require.NoError(t, err)
		if _, err := issuer.Verify(stschain.NewSecret(token), start); err == nil {
			require.Equal(t, strings.Split(good, ".")[:2], strings.Split(token, ".")[:2], "only what was signed verifies")
		}
	})
}
