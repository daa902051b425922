package differential_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

// signing is one request that both sign.
type signing struct {
	service, region string
	method, url     string
	header          http.Header
	payloadHash     string
	creds           stschain.Credentials
	at              time.Time
	life            time.Duration
}

func (s signing) s3() bool { return s.service == "s3" }

func drawSigning(r random) signing {
	s := signing{
		service:     oneOf(r, "s3", "sts", "execute-api", "es", "rds-db"),
		region:      oneOf(r, "us-east-1", "eu-west-1", "cn-north-1", "us-gov-west-1"),
		method:      oneOf(r, "GET", "POST", "PUT", "DELETE", "HEAD"),
		header:      http.Header{},
		payloadHash: sigv4.PayloadHash([]byte(r.word(0, 20))),
		at:          time.Unix(1_600_000_000+r.Int64N(1_000_000_000), r.Int64N(1e9)),
		life:        time.Duration(1+r.IntN(604800)) * time.Second,
		creds:       stschain.Credentials{AccessKeyID: "AKIA" + r.word(12, 16), SecretAccessKey: stschain.NewSecret(r.word(30, 40))},
	}
	if r.chance(50) {
		s.creds.SessionToken = stschain.NewSecret(r.word(1, 300) + oneOf(r, "", "==", "+/="))
	}
	if r.chance(10) {
		s.payloadHash = sigv4.UnsignedPayload
	}
	var b strings.Builder
	b.WriteString("https://" + strings.ToLower(r.word(1, 10)) + oneOf(r, ".example.com", ".amazonaws.com", "") + oneOf(r, "", "", ":443", ":8443"))
	for range r.IntN(5) {
		b.WriteString("/" + oneOf(r, url.PathEscape(r.text(6)), url.PathEscape(r.text(6)), r.word(1, 6), r.word(1, 6), oneOf(r, "", "", ".", "..")))
	}
	query := url.Values{}
	for range r.IntN(5) {
		key := r.text(6)
		for range 1 + r.IntN(2) {
			query.Add(key, r.text(6))
		}
	}
	if len(query) > 0 {
		b.WriteString("?" + query.Encode())
	}
	s.url = b.String()
	for range r.IntN(4) {
		name := oneOf(r, "Content-Type", "X-Amz-Meta-"+r.word(1, 5), "X-Custom-"+r.word(1, 5), "Content-Md5", "If-Match")
		for range 1 + r.IntN(2) {
			s.header.Add(name, headerValue(r))
		}
	}
	return s
}

// headerValue is one that net/http would send.
func headerValue(r random) string {
	var b strings.Builder
	for range 1 + r.IntN(4) {
		b.WriteString(r.word(1, 4) + oneOf(r, "", " ", "  ", ",", ";q=1", "=\"a  b\""))
	}
	return oneOf(r, "", " ") + b.String()
}

func (s signing) request() *http.Request {
	req, err := http.NewRequest(s.method, s.url, nil)
	if err != nil {
		panic(err) // a URL was drawn that is none
	}
	req.Header = s.header.Clone()
	return req
}

func (s signing) theirCreds() aws.Credentials {
	return aws.Credentials{AccessKeyID: s.creds.AccessKeyID, SecretAccessKey: s.creds.SecretAccessKey.Reveal(), SessionToken: s.creds.SessionToken.Reveal()}
}

// normalised is the request with the path that the rules of SigV4 sign, which the SDK's signer
// leaves to its caller: for S3 it is decoded and escaped anew, for others it is cleaned. The
// reason is "" if that changes nothing.
func (s signing) normalised() (n signing, reason string) {
	u, _ := url.Parse(s.url)
	written := u.EscapedPath()
	if s.s3() {
		u.RawPath = strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(u.Path), "+", "%20"), "%2F", "/")
		reason = "S3 signs the path decoded and escaped anew"
	} else {
		u.RawPath = cleaned(written)
		reason = "SigV4 signs a path without empty and dot segments"
	}
	if u.RawPath == written || written == "" {
		return s, ""
	}
	u.Path, _ = url.PathUnescape(u.RawPath)
	s.url = u.String()
	return s, reason
}

// cleaned is an escaped path without empty and dot segments.
func cleaned(escaped string) string {
	clean := path.Clean("/" + escaped)
	if clean != "/" && strings.HasSuffix(escaped, "/") {
		clean += "/"
	}
	return clean
}

// TestSigner compares what a request carries after it was signed by header.
func TestSigner(t *testing.T) {
	differ := tally{}
	for i := range *signerInputs {
		compare(t, differ, *first+uint64(i), signed, signedByThem)
	}
	differ.report(t, *signerInputs)
}

// TestPresigner compares the parameters of presigned URLs.
func TestPresigner(t *testing.T) {
	differ := tally{}
	for i := range *signerInputs {
		compare(t, differ, *first+uint64(i), presigned, presignedByThem)
	}
	differ.report(t, *signerInputs)
}

func compare(t *testing.T, differ tally, seed uint64, ours, theirs func(signing) (string, error)) {
	t.Helper()
	s := drawSigning(drawing(seed))
	got, err := ours(s)
	if err != nil {
		t.Fatalf("seed %d: %v\n%+v", seed, err, s)
	}
	want, err := theirs(s)
	if err != nil {
		t.Fatalf("seed %d: the SDK: %v\n%+v", seed, err, s)
	}
	if got == want {
		return
	}
	if n, reason := s.normalised(); reason != "" {
		differ[reason]++
		if want, err = theirs(n); err != nil {
			t.Fatalf("seed %d: the SDK: %v\n%+v", seed, err, n)
		}
	}
	if got != want {
		t.Fatalf("seed %d: %s %s\n%q\nours   %s\ntheirs %s", seed, s.method, s.url, s.header, got, want)
	}
}

func (s signing) ours() *sigv4.Signer {
	return &sigv4.Signer{Service: s.service, Region: s.region, SignedHeaders: []string{"*"}}
}

func (s signing) theirs() *v4.Signer {
	return v4.NewSigner(func(o *v4.SignerOptions) { o.DisableHeaderHoisting, o.DisableURIPathEscaping = true, s.s3() })
}

func signed(s signing) (string, error) {
	req := s.request()
	err := s.ours().Sign(req, s.payloadHash, s.creds, s.at)
	return req.Header.Get("Authorization"), err
}

func signedByThem(s signing) (string, error) {
	req := s.request()
	if s.s3() {
		req.Header.Set("X-Amz-Content-Sha256", s.payloadHash)
	}
	err := s.theirs().SignHTTP(context.Background(), s.theirCreds(), req, s.payloadHash, s.service, s.region, s.at)
	return req.Header.Get("Authorization"), err
}

func presigned(s signing) (string, error) {
	u, _, err := s.ours().Presign(s.request(), s.payloadHash, s.creds, s.at, s.life)
	return parameters(u.Reveal()), err
}

func presignedByThem(s signing) (string, error) {
	req := s.request()
	query := req.URL.Query()
	query.Set("X-Amz-Expires", fmt.Sprint(int(s.life.Seconds())))
	if s.s3() && s.payloadHash != sigv4.UnsignedPayload {
		query.Set("X-Amz-Content-Sha256", s.payloadHash)
	}
	req.URL.RawQuery = query.Encode()
	u, _, err := s.theirs().PresignHTTP(context.Background(), s.theirCreds(), req, s.payloadHash, s.service, s.region, s.at)
	return parameters(u), err
}

// parameters are the query of a URL, in one order.
func parameters(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "no URL"
	}
	query := u.Query()
	for _, values := range query {
		slices.Sort(values)
	}
	return query.Encode()
}
