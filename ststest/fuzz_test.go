package ststest_test

import (
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/ststest"
)

// fuzzKeys are the same in every process that fuzzes.
var fuzzKeys = stschain.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("secret")}

func fuzzed() *ststest.Server {
	srv := ststest.New()
	srv.AddKeys("arn:aws:iam::123456789012:user/fuzz", fuzzKeys)
	return srv
}

// FuzzAuthorization: nothing verifies but the one good header, give or take
// space and the order of its parts.
func FuzzAuthorization(f *testing.F) {
	srv := fuzzed()
	good := signed(f.Context(), host, whoAmIBody, fuzzKeys, start)
	f.Add(good.Header.Get("Authorization"))
	f.Add("AWS4-HMAC-SHA256 Credential=a/20261121/eu-west-1/sts/aws4_request, SignedHeaders=host, Signature=0")
	f.Add("AWS4-HMAC-SHA256 Credential=,,=,")
	parts := func(s string) []string {
		found := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(", \t", r) })
		slices.Sort(found)
		return found
	}
	f.Fuzz(func(t *testing.T, authorization string) {
		r := good.Clone(t.Context())
		r.Header.Set("Authorization", authorization)
		code := srv.Verify(r, []byte(whoAmIBody), ststest.Rules{Service: "sts", Region: "eu-west-1"}, start)
		if code == "" {
			require.Equal(t, parts(good.Header.Get("Authorization")), parts(authorization))
		}
	})
}

// FuzzPresigned: nothing verifies but the parameters of the one good query,
// however they are ordered and escaped.
func FuzzPresigned(f *testing.F) {
	srv := fuzzed()
	req, err := http.NewRequest(http.MethodGet, host+"?Action=GetCallerIdentity&Version=2011-06-15", nil)
	require.NoError(f, err)
	signer := &sigv4.Signer{Service: "sts", Region: "eu-west-1"}
	signedURL, _, err := signer.Presign(req, sigv4.PayloadHash(nil), fuzzKeys, start, time.Minute)
	require.NoError(f, err)
	_, good, _ := strings.Cut(signedURL.Reveal(), "?")
	f.Add(good)
	f.Add("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20261121T120000Z&X-Amz-Expires=-1&X-Amz-SignedHeaders=;;")
	f.Add("%&+=&X-Amz-Signature=%zz")
	params := func(t *testing.T, query string) url.Values {
		v, err := url.ParseQuery(strings.ReplaceAll(query, ";", "%3B"))
		require.NoError(t, err)
		return v
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := &http.Request{Method: http.MethodGet, RequestURI: "/?" + query, Host: "sts.eu-west-1.amazonaws.com", Header: http.Header{}}
		if code := srv.Verify(r, nil, ststest.Rules{Service: "sts", Region: "eu-west-1"}, start); code == "" {
			require.Equal(t, params(t, good), params(t, query))
		}
	})
}

// FuzzForm: whatever a known caller sends, the response is XML with a status of
// STS, and only an operation that is there, named once, succeeds.
func FuzzForm(f *testing.F) {
	srv := fuzzed()
	f.Add(form("AssumeRole", "RoleArn", roleARN, "RoleSessionName", "nightly", "Tags.member.1.Key", "k").Encode())
	f.Add(whoAmIBody)
	f.Add(webIdentity(stschain.NewSecret("a.b.c"), "Policy", "{}").Encode())
	f.Add(withSAML(b64("<x/>"), "PolicyArns.member.1.arn", "arn").Encode())
	f.Add(form("GetWebIdentityToken", "Audience.member.1", "a", "SigningAlgorithm", "ES384", "Tags.member.1.Key", "k").Encode())
	f.Add("Action=GetSessionToken&Version=2011-06-15&TokenCode=1&PolicyArns.member.-1.arn=&a;b=%00")
	f.Fuzz(func(t *testing.T, body string) {
		rec := httptest.NewRecorder()
		srv.ServeHTTP(rec, signed(t.Context(), host, body, fuzzKeys, time.Now()))
		var response struct{ XMLName xml.Name }
		require.NoError(t, xml.Unmarshal(rec.Body.Bytes(), &response), "%s", rec.Body)
		require.Contains(t, []int{200, 400, 403}, rec.Code)
		if rec.Code == http.StatusOK {
			v, err := url.ParseQuery(body)
			require.NoError(t, err)
			require.Equal(t, v["Action"], []string{strings.TrimSuffix(response.XMLName.Local, "Response")})
			require.Equal(t, []string{"2011-06-15"}, v["Version"])
		}
	})
}

// FuzzSignIn: the sign-in endpoint returns a page, and gives a token only for
// the session of credentials that it knows.
func FuzzSignIn(f *testing.F) {
	srv := fuzzed()
	f.Add("Action=getSigninToken&Session=" + url.QueryEscape(session(fuzzKeys)))
	f.Add(`Action=getSigninToken&SessionDuration=900&Session={"sessionId":"AKIDEXAMPLE","sessionKey":"secret","sessionToken":"x"}`)
	f.Add("Action=login&Destination=https://x&SigninToken=%zz")
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "https://signin.aws.amazon.com/federation", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		rec := httptest.NewRecorder()
		srv.ServeHTTP(rec, r)
		require.Equal(t, http.StatusBadRequest, rec.Code, "the only keys that it knows are a user's")
	})
}
