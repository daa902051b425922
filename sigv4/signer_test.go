package sigv4_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

// Issues: kine#726.
func TestPresign(t *testing.T) {
	s := &sigv4.Signer{Service: "sts", Region: "eu-west-1", SignedHeaders: []string{"X-K8s-Aws-Id"}}
	req := newRequest(t, "GET", "https://sts.eu-west-1.amazonaws.com:443/?Action=GetCallerIdentity&Version=2011-06-15#x", nil)
	req.Header = http.Header{"X-K8s-Aws-Id": {"cluster"}, "User-Agent": {"x"}, "Authorization": {"old"}, "X-Amz-Date": {"old"}}
	before := req.Clone(t.Context())
	u, signed, err := s.Presign(req, sigv4.PayloadHash(nil), creds("AKID"), now, 15*time.Minute)
	require.NoError(t, err)
	require.Equal(t, before.URL, req.URL)
	require.Equal(t, before.Header, req.Header)
	require.Equal(t, before.Host, req.Host)
	require.Equal(t, http.Header{"Host": {"sts.eu-west-1.amazonaws.com"}, "X-K8s-Aws-Id": {"cluster"}}, signed)

	got := mustParse(t, u.Reveal())
	require.Equal(t, "sts.eu-west-1.amazonaws.com", got.Host)
	require.Empty(t, got.Fragment)
	q := got.Query()
	require.NotEmpty(t, q.Get("X-Amz-Signature"))
	q.Del("X-Amz-Signature")
	require.Equal(t, url.Values{
		"Action":               {"GetCallerIdentity"},
		"Version":              {"2011-06-15"},
		"X-Amz-Algorithm":      {"AWS4-HMAC-SHA256"},
		"X-Amz-Credential":     {"AKID/20261121/eu-west-1/sts/aws4_request"},
		"X-Amz-Date":           {"20261121T120000Z"},
		"X-Amz-Expires":        {"900"},
		"X-Amz-SignedHeaders":  {"host;x-k8s-aws-id"},
		"X-Amz-Security-Token": {"token/of+AKID=="},
	}, q)

	later := newRequest(t, "GET", u.Reveal(), nil)
	later.Header = signed
	r, _, err := sent(later)
	require.NoError(t, err)
	v := verifierOf("sts")
	_, _, err = v.verify(r, nil)
	require.NoError(t, err)
}

func TestPresignS3(t *testing.T) {
	v := verifierOf("s3")
	s := &sigv4.Signer{Service: "s3", Region: "eu-west-1"}
	for hash, want := range map[string]string{
		sigv4.UnsignedPayload:           "",
		sigv4.PayloadHash([]byte("hi")): sigv4.PayloadHash([]byte("hi")),
	} {
		req := newRequest(t, "PUT", "https://b.s3.example.com//a+b/../ü%2F?versionId=1", nil)
		req.Header = http.Header{"Content-Type": {"text/plain"}, "X-Amz-Acl": {"private"}, "X-Amz-Content-Sha256": {"old"}}
		u, signed, err := s.Presign(req, hash, creds("AKID"), now, time.Hour)
		require.NoError(t, err)
		require.Equal(t, want, mustParse(t, u.Reveal()).Query().Get("X-Amz-Content-Sha256"))
		require.Equal(t, http.Header{"Host": {"b.s3.example.com"}, "Content-Type": {"text/plain"}, "X-Amz-Acl": {"private"}}, signed)
		later := newRequest(t, "PUT", u.Reveal(), strings.NewReader("hi"))
		later.Header = signed
		v.requireValid(t, later)
	}
}

// What is signed is what net/http sends, whatever the caller wrote.
func FuzzSign(f *testing.F) {
	f.Add("/a b//../c", "x=1&x=0&+=%41", "a\t b ", false)
	f.Add("/ü%2F", "acl", "", true)
	f.Fuzz(func(t *testing.T, path, query, header string, s3 bool) {
		v := verifier{service: "execute-api", region: "eu-west-1", known: []stschain.Credentials{creds("AKID")}}
		if s3 {
			v.service = "s3"
		}
		s := &sigv4.Signer{Service: v.service, Region: v.region}
		req := &http.Request{Method: "GET", Header: http.Header{"X-Amz-Meta": {header, "x"}},
			URL: &url.URL{Scheme: "https", Host: "example.com", Path: "/" + path, RawQuery: query, Fragment: "f"}}
		presigned, signed, errPresign := s.Presign(req, sigv4.PayloadHash(nil), creds("AKID"), now, time.Minute)
		err := s.Sign(req, sigv4.PayloadHash(nil), creds("AKID"), now)
		if (err == nil) != (errPresign == nil) {
			t.Fatalf("Sign: %v; Presign: %v", err, errPresign)
		}
		if err != nil {
			return
		}
		if strings.ContainsFunc(header, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return // a Transport of net/http refuses these
		}
		check := func(req *http.Request) *http.Request {
			r, body, err := sent(req)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := v.verify(r, body); err != nil {
				t.Fatalf("%v\nsent: %q", err, r.RequestURI)
			}
			return r
		}
		r := check(req)
		if want, err := url.ParseQuery(query); err == nil && want.Encode() != r.URL.Query().Encode() {
			t.Fatalf("query %q was sent as %q", query, r.URL.RawQuery)
		}
		if !s3 && r.URL.Path != "/"+path {
			t.Fatalf("path %q was sent as %q", path, r.RequestURI)
		}
		later, err := http.NewRequest("GET", presigned.Reveal(), nil)
		if err != nil {
			t.Fatal(err)
		}
		later.Header = signed
		check(later)
	})
}

func TestSignAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("with it a sync.Pool loses what it was given")
	}
	s := &sigv4.Signer{Service: "sts", Region: "eu-west-1"}
	req := stsPost(t)
	hash := sigv4.PayloadHash([]byte("Action=GetCallerIdentity&Version=2011-06-15"))
	got := testing.AllocsPerRun(100, func() {
		if err := s.Sign(req, hash, temporary, now); err != nil {
			t.Error(err)
		}
	})
	require.LessOrEqual(t, got, 4.0, "date, token, Authorization, and one slice for their values")
}

func TestSignerIsForManyAtOnce(t *testing.T) {
	s := &sigv4.Signer{Service: "sts", Region: "eu-west-1"}
	v := verifier{service: "sts", region: "eu-west-1"}
	for _, id := range []string{"A", "B", "C"} {
		v.known = append(v.known, creds(id))
	}
	done := make(chan error)
	for i := range 60 {
		go func() {
			req := &http.Request{Method: "GET", URL: &url.URL{Scheme: "https", Host: "h", Path: "/"}}
			err := s.Sign(req, sigv4.PayloadHash(nil), v.known[i%3], now.AddDate(0, 0, i%2))
			if err == nil {
				var r *http.Request
				if r, _, err = sent(req); err == nil {
					_, _, err = v.verify(r, nil)
				}
			}
			done <- err
		}()
	}
	errs := make([]error, 60)
	for i := range errs {
		errs[i] = <-done
	}
	require.False(t, slices.ContainsFunc(errs, func(err error) bool { return err != nil }), errs)
}

// A new secret under an old access key ID signs with a new key, and not with the one that was
// derived for the old secret (aws-sdk-go-v2#3350).
func TestNewSecretForAnOldKey(t *testing.T) {
	sign := func(s *sigv4.Signer, secret string) string {
		c := creds("AKID")
		c.SecretAccessKey = stschain.NewSecret(secret)
		req := newRequest(t, "GET", "https://example.com/", nil)
		require.NoError(t, s.Sign(req, sigv4.PayloadHash(nil), c, now))
		return req.Header.Get("Authorization")
	}
	signer := func() *sigv4.Signer { return &sigv4.Signer{Service: "sts", Region: "eu-west-1"} }
	shared := signer()
	for range 2 {
		for _, secret := range []string{"one", "two"} {
			require.Equal(t, sign(signer(), secret), sign(shared, secret))
		}
	}
	require.NotEqual(t, sign(shared, "one"), sign(shared, "two"))
}
