package ststest_test

import (
	"bufio"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/conformance"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/ststest"
)

// signedFor returns a request that is signed with SigV4a for a region set.
func signedFor(t testing.TB, service, url, body string, c stschain.Credentials, regions ...string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	signer := &sigv4.Signer{Service: service, RegionSet: sigv4.Regions(regions...)}
	require.NoError(t, signer.Sign(req, sigv4.PayloadHash([]byte(body)), c, start))
	return req
}

// A signature is valid in the regions of its region set.
func TestRegionSet(t *testing.T) {
	srv, _ := fixed(t)
	srv.AllowRefusals("SignatureDoesNotMatch")
	creds := assume(t, srv, srv.User().Credentials).Assumed.Credentials.credentials()
	for set, ok := range map[string]bool{
		"eu-west-1": true, "us-east-1,eu-west-1": true, "*": true, "eu-*": true, "us-east-1,eu-west-*": true,
		"eu-west-2": false, "us-*": false, "us-east-1,eu-west-2": false, "eu-west": false, "eu-west-1-*": false,
	} {
		var caller ststest.Caller
		events := srv.Protect("events", "eu-west-1", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			caller, _ = ststest.CallerFrom(r.Context())
		}))
		status, code, _ := do(t, events, signedFor(t, "events", "https://x.endpoint.events.amazonaws.com/", "body", creds, strings.Split(set, ",")...))
		res, err := srv.Client().Do(signedFor(t, "sts", host, whoAmIBody, creds, strings.Split(set, ",")...))
		reply := read(t, res, err)
		calls := srv.Calls()
		require.Equal(t, set, calls[len(calls)-1].Region)
		if ok {
			require.Equal(t, 200, status, "%s: %s", set, code)
			require.Equal(t, set, caller.Region)
			require.Equal(t, 200, reply.status, "%s: %s", set, reply.body)
			continue
		}
		require.Equal(t, "SignatureDoesNotMatch", code, set)
		require.Equal(t, "SignatureDoesNotMatch", reply.code(), set)
	}
}

// A service that supports Signature Version 4 only says so.
func TestOneRegionOnly(t *testing.T) {
	srv, _ := fixed(t)
	srv.AllowRefusals("IncompleteSignature")
	for service, want := range map[string]int{"dynamodb": 400, "s3": 200, "s3-outposts": 200, "vpc-lattice-svcs": 200} {
		status, code, body := do(t, srv.Protect(service, "", nil), signedFor(t, service, "https://service.example/", "", srv.User().Credentials, "*"))
		require.Equal(t, want, status, body)
		if want != 200 {
			require.Equal(t, "IncompleteSignature", code)
			require.Contains(t, body, "Unsupported AWS &#39;algorithm&#39;: &#39;AWS4-ECDSA-P256-SHA256&#39;")
		}
	}
}

// Every signature that was changed by one bit is refused, and so are those with another region set, credentials that share
// the ID or the secret, and headers that are missing.
func TestSigV4aRefused(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.AllowRefusals()
	keys := stschain.Credentials{AccessKeyID: "AKIDONE", SecretAccessKey: stschain.NewSecret("secret")}
	srv.AddKeys("arn:aws:iam::123456789012:user/one", keys)
	other := keys
	other.AccessKeyID = "AKIDTWO"
	srv.AddKeys("arn:aws:iam::123456789012:user/two", other)
	verify := func(r *http.Request) string {
		return srv.Verify(r, []byte(whoAmIBody), ststest.Rules{Service: "sts", Region: "eu-west-1"}, start)
	}
	good := func() *http.Request { return signedFor(t, "sts", host, whoAmIBody, keys, "eu-west-1", "*") }
	require.Empty(t, verify(good()))

	authorization := good().Header.Get("Authorization")
	for changed := range mutations(authorization) {
		r := good()
		r.Header.Set("Authorization", changed)
		require.NotEmpty(t, verify(r), changed)
	}
	wrong := keys
	wrong.SecretAccessKey = stschain.NewSecret("Secret")
	require.Equal(t, "SignatureDoesNotMatch", verify(signedFor(t, "sts", host, whoAmIBody, wrong, "*")))
	for name, change := range map[string]func(*http.Request){
		"region set":          func(r *http.Request) { r.Header.Set("X-Amz-Region-Set", "*") },
		"empty region set":    func(r *http.Request) { r.Header.Set("X-Amz-Region-Set", "") },
		"blank":               func(r *http.Request) { r.Header.Set("X-Amz-Region-Set", "eu-west-1, *") },
		"two stars":           func(r *http.Request) { r.Header.Set("X-Amz-Region-Set", "eu-west-1,**") },
		"two region sets":     func(r *http.Request) { r.Header.Add("X-Amz-Region-Set", "*") },
		"no region set":       func(r *http.Request) { r.Header.Del("X-Amz-Region-Set") },
		"token":               func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "t") },
		"id of same secret":   replaceIn("AKIDONE", "AKIDTWO"),
		"unknown id":          replaceIn("AKIDONE", "AKIDTHREE"),
		"scope with region":   replaceIn("/sts/", "/eu-west-1/sts/"),
		"HMAC":                replaceIn("AWS4-ECDSA-P256-SHA256", "AWS4-HMAC-SHA256"),
		"region set unsigned": replaceIn("x-amz-region-set", "x-amz-date2"),
		"not hexadecimal":     replaceIn("Signature=30", "Signature=3g"),
		"upper case":          func(r *http.Request) { r.Header.Set("Authorization", strings.ToUpper(r.Header.Get("Authorization"))) },
		"no signature": func(r *http.Request) {
			r.Header.Set("Authorization", authorization[:strings.Index(authorization, "Signature=")+10])
		},
	} {
		r := good()
		change(r)
		require.NotEmpty(t, verify(r), name)
	}
}

func replaceIn(old, new string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Authorization", strings.ReplaceAll(r.Header.Get("Authorization"), old, new))
	}
}

// TestVerifyRecordedSigV4a verifies what aws-sdk-go-v2 sends to a multi-region access point.
func TestVerifyRecordedSigV4a(t *testing.T) {
	dir := filepath.Join(conformance.Dir(t), "sdk-recorded")
	srv := ststest.NewTest(t)
	srv.AllowRefusals()
	srv.AddKeys("arn:aws:iam::123456789012:user/sdk", stschain.Credentials{
		AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), SessionToken: stschain.NewSecret("STSTOKEN"),
	})
	at := time.Date(2026, 11, 29, 21, 9, 36, 0, time.UTC)
	verify := func(r *http.Request) string {
		return srv.Verify(r, nil, ststest.Rules{Service: "s3", Region: "eu-west-1", S3: true}, at)
	}
	text, err := os.ReadFile(filepath.Join(dir, "mrap-getobject.1.request.txt"))
	require.NoError(t, err)
	_, request, _ := strings.Cut(string(text), "\n")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.TrimSpace(request) + "\n\n")))
	require.NoError(t, err)
	require.Empty(t, verify(r))
	r.Header.Set("X-Amz-Region-Set", "eu-west-1")
	require.Equal(t, "SignatureDoesNotMatch", verify(r))

	text, err = os.ReadFile(filepath.Join(dir, "mrap-presign.url.txt"))
	require.NoError(t, err)
	r, err = http.NewRequest(http.MethodGet, strings.TrimSpace(string(text)), nil)
	require.NoError(t, err)
	require.Equal(t, "SignatureDoesNotMatch", verify(r), "the SDK signs a path that is escaped twice")
	r, err = http.NewRequest(http.MethodGet, strings.Replace(r.URL.String(), "a%20b%2Bc", "a%2520b%252Bc", 1), nil)
	require.NoError(t, err)
	require.Empty(t, verify(r))
}

// FuzzSigV4a: nothing verifies but the one good header with its region set, give or take space and the order of its parts.
// There are many signatures, since they are randomized.
func FuzzSigV4a(f *testing.F) {
	srv := fuzzed()
	good := signedFor(f, "sts", host, whoAmIBody, fuzzKeys, "eu-west-1", "us-*")
	f.Add(good.Header.Get("Authorization"), "eu-west-1,us-*")
	f.Add(good.Header.Get("Authorization"), "*")
	f.Add("AWS4-ECDSA-P256-SHA256 Credential=AKIDEXAMPLE/20261121/sts/aws4_request, SignedHeaders=host;x-amz-date;x-amz-region-set, Signature=3006020101020101", ",")
	f.Add("AWS4-ECDSA-P256-SHA256 Credential=a/20261121/eu-west-1/sts/aws4_request, SignedHeaders=host, Signature=0", "* ")
	f.Fuzz(func(t *testing.T, authorization, regions string) {
		r := good.Clone(t.Context())
		r.Header.Set("Authorization", authorization)
		r.Header.Set("X-Amz-Region-Set", regions)
		code := srv.Verify(r, []byte(whoAmIBody), ststest.Rules{Service: "sts", Region: "eu-west-1"}, start)
		if code == "" {
			require.ElementsMatch(t, partsOf(good.Header.Get("Authorization")), partsOf(authorization))
			require.Equal(t, "eu-west-1,us-*", regions)
		}
	})
}

func partsOf(authorization string) []string {
	parts := strings.FieldsFunc(authorization, func(r rune) bool { return strings.ContainsRune(", \t", r) })
	return slices.DeleteFunc(parts, func(part string) bool { return strings.HasPrefix(part, "Signature=30") })
}
