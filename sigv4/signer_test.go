package sigv4_test

import (
	"encoding/json"
	"net/http"
	"net/url"
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
)

// Peers: kine#726 (users.md 1.2.4).
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
	v := verifier{service: "sts", region: "eu-west-1", known: []stschain.Credentials{creds("AKID")}}
	_, _, err = v.verify(r, nil)
	require.NoError(t, err)
}

func TestPresignS3(t *testing.T) {
	v := verifier{service: "s3", region: "eu-west-1", known: []stschain.Credentials{creds("AKID")}}
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
		r, body, err := sent(later)
		require.NoError(t, err)
		_, _, err = v.verify(r, body)
		require.NoError(t, err)
	}
}

// The public Signer on those cases of the official suite that it can express:
// without the knobs of internal/signature, and with targets that net/url reads.
func TestSignerOnOfficialSuite(t *testing.T) {
	dir := filepath.Join(conformance.Dir(t), "sigv4", "v4")
	cases, err := os.ReadDir(dir)
	require.NoError(t, err)
	ran := 0
	for _, c := range cases {
		read := func(name string) string {
			text, err := os.ReadFile(filepath.Join(dir, c.Name(), name))
			require.NoError(t, err)
			return string(text)
		}
		var v struct {
			Credentials struct {
				ID     string `json:"access_key_id"`
				Secret string `json:"secret_access_key"`
				Token  string
			}
			Normalize bool
			OmitToken bool `json:"omit_session_token"`
			SignBody  bool `json:"sign_body"`
		}
		require.NoError(t, json.Unmarshal([]byte(read("context.json")), &v))
		head, body, _ := strings.Cut(read("request.txt"), "\n\n")
		head = strings.TrimSuffix(strings.ReplaceAll(head, "\n ", "\x00"), "\n")
		lines := strings.Split(head, "\n")
		method, target, _ := strings.Cut(strings.TrimSuffix(lines[0], " HTTP/1.1"), " ")
		path, _, _ := strings.Cut(target, "?")
		if !v.Normalize || v.OmitToken || strings.ContainsFunc(path, func(r rune) bool { return r == ' ' || r > 127 }) {
			continue
		}
		ran++
		req := newRequest(t, method, "https://example.amazonaws.com"+target, strings.NewReader(body))
		for _, line := range lines[1:] {
			name, value, _ := strings.Cut(line, ":")
			req.Header.Add(name, strings.ReplaceAll(value, "\x00", "\n "))
		}
		req.Host = "example.amazonaws.com"
		if v.SignBody {
			req.Header.Set("X-Amz-Content-Sha256", "to be filled in")
		}
		s := &sigv4.Signer{Service: "service", Region: "us-east-1", SignedHeaders: []string{"*"}}
		if body != "" {
			s.SignedHeaders = []string{"*", "content-length"}
		}
		at := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
		keys := stschain.Credentials{
			AccessKeyID: v.Credentials.ID, SecretAccessKey: stschain.NewSecret(v.Credentials.Secret),
			SessionToken: stschain.NewSecret(v.Credentials.Token),
		}
		hash := sigv4.PayloadHash([]byte(body))
		if !v.SignBody {
			u, _, err := s.Presign(req, hash, keys, at, time.Hour)
			require.NoError(t, err, c.Name())
			require.Equal(t, read("query-signature.txt"), mustParse(t, u.Reveal()).Query().Get("X-Amz-Signature"), c.Name())
		}
		require.NoError(t, s.Sign(req, hash, keys, at), c.Name())
		want := read("header-signature.txt")
		require.Equal(t, want, req.Header.Get("Authorization")[len(req.Header.Get("Authorization"))-64:], c.Name())
	}
	require.Equal(t, 28, ran)
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
