package webidentity_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/webidentity"
)

func jwt(payload string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	return b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(payload)) + "." + b64([]byte("signature"))
}

func TestPeek(t *testing.T) {
	at := time.Unix(1_795_284_000, 0)
	for name, test := range map[string]struct {
		token           string
		issuer, subject string
		audiences       []string
		expires         time.Time
		isJWT           bool
	}{
		"whole":                 {jwt(`{"iss":"https://i","sub":"s","aud":"a","exp":1795284000}`), "https://i", "s", []string{"a"}, at, true},
		"two audiences":         {jwt(`{"aud":["a","b"]}`), "", "", []string{"a", "b"}, time.Time{}, true},
		"fraction":              {jwt(`{"exp":1795284000.5}`), "", "", nil, at.Add(time.Second / 2), true},
		"exponent":              {jwt(`{"exp":1.795284e9}`), "", "", nil, at, true},
		"padded":                {strings.Replace(jwt(`{"exp":1795284000}`), ".", "=.", 2), "", "", nil, at, true},
		"far":                   {jwt(`{"exp":1e400}`), "", "", nil, time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), true},
		"year 9999999":          {jwt(`{"exp":315538300000000}`), "", "", nil, time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), true},
		"before 1970":           {jwt(`{"exp":-1e300}`), "", "", nil, time.Unix(0, 0), true},
		"exp is text":           {jwt(`{"exp":"1795284000"}`), "", "", nil, time.Time{}, true},
		"exp is null":           {jwt(`{"exp":null}`), "", "", nil, time.Time{}, true},
		"case-sensitive":        {jwt(`{"EXP":1,"Iss":"i"}`), "", "", nil, time.Time{}, true},
		"claims of other types": {jwt(`{"iss":1,"sub":[],"aud":[1],"exp":{}}`), "", "", nil, time.Time{}, true},
		"empty":                 {jwt(`{}`), "", "", nil, time.Time{}, true},
		"null":                  {token: jwt(`null`)},
		"list":                  {token: jwt(`[]`)},
		"not JSON":              {token: jwt(`x`)},
		"not base64":            {token: "a.$.c"},
		"two parts":             {token: "a.b"},
		"encrypted (RFC 7516)":  {token: "a.b.c.d.e"},
		"huge":                  {token: jwt(`{"iss":"` + strings.Repeat("x", 1<<17) + `"}`)},
		"none":                  {token: ""},
	} {
		t.Run(name, func(t *testing.T) {
			issuer, subject, audiences, expires, isJWT := webidentity.Peek(test.token)
			require.Equal(t, test.isJWT, isJWT)
			require.Equal(t, test.issuer, issuer)
			require.Equal(t, test.subject, subject)
			require.Equal(t, test.audiences, audiences)
			require.True(t, test.expires.Equal(expires), "%v", expires)
		})
	}
}

func FuzzPeek(f *testing.F) {
	f.Add(jwt(`{"iss":"https://i","sub":"s","aud":["a"],"exp":1795284000}`))
	f.Add(jwt(`{"exp":1e999}`))
	f.Add("a.b.c")
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		issuer, subject, audiences, expires, isJWT := webidentity.Peek(token)
		if !isJWT && (issuer != "" || subject != "" || audiences != nil || !expires.IsZero()) {
			t.Error("claims of something that is not a JWT")
		}
		if year := expires.Year(); year > 9999 || !expires.IsZero() && year < 1969 {
			t.Errorf("expires in %d", year)
		}
	})
}
