package differential_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go/aws-http-auth/credentials"
	"github.com/aws/smithy-go/aws-http-auth/sigv4a"
	v4 "github.com/aws/smithy-go/aws-http-auth/v4"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/ststest"
)

// regionSets are what both sign for.
var regionSets = [][]string{{"*"}, {"us-east-1"}, {"us-east-1", "eu-west-1"}, {"eu-*", "us-west-2"}}

// drawRegional draws a request, its region set, and whether it is presigned.
func drawRegional(seed uint64) (s signing, regions []string, presigned bool) {
	r := drawing(seed)
	s = drawSigning(r)
	s.service = oneOf(r, "s3", "sts", "execute-api", "events", "ses")
	s.header.Del("Content-Md5")
	return s, oneOf(r, regionSets...), r.chance(50)
}

// TestSigV4aOurs verifies requests that are signed with SigV4a by a verifier that is made of the rules of
// smithy-go: its canonical request with its header rules, and its derivation of keys.
func TestSigV4aOurs(t *testing.T) {
	differ := tally{}
	for i := range *sigv4aInputs {
		seed := *first + uint64(i)
		s, regions, presigned := drawRegional(seed)
		n, reason := s.normalised()
		if reason != "" {
			differ[reason]++
		}
		signer := &sigv4.Signer{Service: s.service, RegionSet: sigv4.Regions(regions...)}
		req, canonical := s.request(), n.request()
		canonical.Header = http.Header{}
		var signature, signedHeaders string
		if presigned {
			u, _, err := signer.Presign(req, s.payloadHash, s.creds, s.at, s.life)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			signedURL, _ := url.Parse(u.Reveal())
			query := signedURL.Query()
			signature, signedHeaders = query.Get("X-Amz-Signature"), query.Get("X-Amz-SignedHeaders")
			if query.Get("X-Amz-Region-Set") != strings.Join(regions, ",") {
				t.Fatalf("seed %d: %s", seed, u.Reveal())
			}
			query.Del("X-Amz-Signature")
			canonical.URL.RawQuery = query.Encode()
		} else {
			if err := signer.Sign(req, s.payloadHash, s.creds, s.at); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			_, fields, _ := strings.Cut(req.Header.Get("Authorization"), ", SignedHeaders=")
			signedHeaders, signature, _ = strings.Cut(fields, ", Signature=")
		}
		for name := range strings.SplitSeq(signedHeaders, ";") {
			canonical.Header[http.CanonicalHeaderKey(name)] = req.Header.Values(name)
		}
		canonical.Header.Set("Host", hostSent(req))
		if err := s.verifyTheirs(canonical, signedHeaders, signature); err != nil {
			t.Fatalf("seed %d: %s %s for %q, presigned %t: %v", seed, s.method, s.url, regions, presigned, err)
		}
	}
	differ.report(t, *sigv4aInputs)
}

func hostSent(req *http.Request) string {
	return strings.TrimSuffix(req.URL.Host, ":443")
}

// verifyTheirs verifies a signature by the rules of smithy-go. Its canonical request is that of the signer in its package
// internal/v4: the path as it is escaped, escaped again except for S3, the query sorted, the values trimmed.
func (s signing) verifyTheirs(req *http.Request, signedHeaders, signature string) error {
	path := req.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	if !s.s3() {
		path = strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(path), "+", "%20"), "%2F", "/")
	}
	lines := []string{req.Method, path, queryOf(req.URL)}
	for name := range strings.SplitSeq(signedHeaders, ";") {
		var values []string
		for _, v := range req.Header.Values(name) {
			values = append(values, strings.Join(strings.Fields(v), " "))
		}
		lines = append(lines, name+":"+strings.Join(values, ","))
	}
	hash := sha256.Sum256([]byte(strings.Join(append(lines, "", signedHeaders, s.payloadHash), "\n")))
	at := s.at.UTC()
	toSign := fmt.Sprintf("AWS4-ECDSA-P256-SHA256\n%s\n%s/%s/aws4_request\n%x", at.Format("20060102T150405Z"), at.Format("20060102"), s.service, hash)
	der, err := hex.DecodeString(signature)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(toSign))
	if !ecdsa.VerifyASN1(theirKey(s.creds), sum[:], der) {
		return fmt.Errorf("the signature does not verify:\n%s\n%s", strings.Join(lines, "\n"), toSign)
	}
	return nil
}

func queryOf(u *url.URL) string {
	var pairs []string
	for name, values := range u.Query() {
		for _, v := range values {
			pairs = append(pairs, escaped(name)+"\x00"+escaped(v))
		}
	}
	slices.Sort(pairs) // by name, then by value
	return strings.ReplaceAll(strings.Join(pairs, "&"), "\x00", "=")
}

func escaped(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// theirKey is the public key by the derivation of smithy-go, which accepts candidates below n - 2.
func theirKey(c stschain.Credentials) *ecdsa.PublicKey {
	n := elliptic.P256().Params().N
	for counter := byte(1); counter != 0; counter++ {
		mac := hmac.New(sha256.New, []byte("AWS4A"+c.SecretAccessKey.Reveal()))
		mac.Write([]byte("\x00\x00\x00\x01AWS4-ECDSA-P256-SHA256\x00" + c.AccessKeyID + string([]byte{counter}) + "\x00\x00\x01\x00"))
		k := new(big.Int).SetBytes(mac.Sum(nil))
		if k.Cmp(new(big.Int).Sub(n, big.NewInt(2))) < 0 {
			d := k.Add(k, big.NewInt(1)).FillBytes(make([]byte, 32))
			if private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d); err == nil {
				return &private.PublicKey
			}
		}
	}
	panic("no candidate")
}

// TestSigV4aTheirs has ststest verify requests that smithy-go signed.
func TestSigV4aTheirs(t *testing.T) {
	differ := tally{}
	for i := range *sigv4aInputs {
		seed := *first + uint64(i)
		s, regions, presigned := drawRegional(seed)
		n, reason := s.normalised() // it signs the path as it is
		if reason != "" {
			differ[reason]++
		}
		body := "body " + fmt.Sprint(seed)
		req := n.request()
		req.Header = plainHeader(n.header)
		hash := sha256.Sum256([]byte(body))
		in := &sigv4a.SignRequestInput{
			Request: req, PayloadHash: hash[:], Service: s.service, RegionSet: regions, Time: s.at,
			Credentials: credentials.Credentials{AccessKeyID: s.creds.AccessKeyID, SecretAccessKey: s.creds.SecretAccessKey.Reveal(), SessionToken: s.creds.SessionToken.Reveal()},
		}
		if presigned {
			in.SignatureType = v4.SignatureTypeQueryString
		}
		if presigned && s.s3() {
			in.PayloadHash = v4.UnsignedPayload()
		}
		err := sigv4a.New().SignRequest(in, func(o *v4.SignerOptions) {
			o.DisableDoublePathEscape, o.AddPayloadHashHeader = s.s3(), s.s3() && !presigned
		})
		if err != nil {
			t.Fatalf("seed %d: smithy-go: %v", seed, err)
		}
		srv := ststest.New()
		srv.Clock = clockAt(s.at)
		srv.AddKeys("arn:aws:iam::123456789012:user/theirs", s.creds)
		rec := httptest.NewRecorder()
		arrived := httptest.NewRequest(req.Method, req.URL.RequestURI(), strings.NewReader(body))
		arrived.Header = req.Header.Clone()
		arrived.Header.Del("Host")
		arrived.Host = req.Host
		arrived.Header.Set("Content-Length", fmt.Sprint(len(body)))
		srv.Protect(s.service, regionIn(regions), nil).ServeHTTP(rec, arrived)
		if rec.Code != http.StatusOK {
			t.Fatalf("seed %d: %s %s for %q, presigned %t: %d %s", seed, s.method, n.url, regions, presigned, rec.Code, rec.Body)
		}
	}
	differ.report(t, *sigv4aInputs)
}

type clockAt time.Time

func (c clockAt) Now() time.Time { return time.Time(c) }

// plainHeader is a header without the values whose inner spaces smithy-go does not squeeze.
func plainHeader(h http.Header) http.Header {
	plain := http.Header{}
	for name, values := range h {
		for _, v := range values {
			plain.Add(name, strings.Join(strings.Fields(v), " "))
		}
	}
	return plain
}

// regionIn is a region of a region set.
func regionIn(regions []string) string {
	if regions[0] == "*" {
		return "ap-south-1"
	}
	return strings.ReplaceAll(regions[0], "*", "north-1")
}
