// Package sigv4 signs HTTP requests with AWS Signature Version 4.
//
// Most programs want [Transport]: an http.RoundTripper that signs every request
// of an http.Client with credentials that stay fresh.
//
//	client := &http.Client{Transport: &sigv4.Transport{
//		Service: "s3", Region: "eu-west-1", Source: provider,
//	}}
//
// One client of several services has a function that picks them, see
// Transport.Scope.
//
// # Frameworks
//
// What takes an http.RoundTripper or an http.Client takes a Transport, and that is
// best: each try is signed, and a rejected token is replaced. What has only a hook
// before it sends takes [Transport.SignRequest]:
//
//	restyClient.SetPreRequestHook(func(_ *resty.Client, r *http.Request) error {
//		return transport.SignRequest(r)
//	})
//
// A struct that embeds a *Transport and has a method OverrideSigningPort(uint16) is
// a signer of opensearch-go.
//
// # Low level
//
// [Signer] is for requests that are signed at one place and sent at another: it
// takes the credentials and the instant, does no I/O and knows no clock.
//
// # What is signed
//
// The host, Content-Type, every X-Amz-* header, and the headers that the field
// SignedHeaders names. Nothing else: what proxies and instrumentation change on
// the way would break the signature. A header whose values are empty is signed
// only if it is an X-Amz-* header.
//
// # What is changed
//
// Services differ in how they read some things that may stand in a request, and
// a signature is good only if both sides read the same. Signing therefore brings
// a request into a form that all of them read alike, without changing what it
// means:
//
//   - A default port leaves the host, and so does an IPv6 zone.
//   - In the query a "+" becomes "%20", and what RFC 3986 allows in no query is
//     escaped. Order and duplicates stay.
//   - A tab in a signed header becomes a space.
//   - For S3 the path is escaped as S3 does it, to which "%2F" is a slash. It is
//     never cleaned: "//" and ".." are sent as they are.
//
// # Services
//
// S3's own rules (the path is signed as it is sent, X-Amz-Content-Sha256 is
// added) hold for the services s3, s3-object-lambda and s3-outposts. S3 Express
// has sessions of its own, and is refused. X-Amz-Content-Sha256 is also added
// for aoss, and to any request that has it.
//
// Rules: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
package sigv4

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/signature"
)

// UnsignedPayload stands for the hash of a body that is not signed. S3 takes it,
// and in presigned URLs expects it; few other services do.
const UnsignedPayload = "UNSIGNED-PAYLOAD"

// PayloadHash returns the hash of a body as [Signer] wants it: SHA-256 in hex.
// That of no body is PayloadHash(nil).
func PayloadHash(body []byte) string {
	sum := sha256.Sum256(body)
	var space [2 * sha256.Size]byte
	return string(hex.AppendEncode(space[:0], sum[:]))
}

// Signer signs requests for one service in one region. It remembers the signing
// keys that it derives, so use one for many requests; it is safe for concurrent
// use and must not be copied. Fields are not changed after first use.
type Signer struct {
	Service string // required: the signing name, as "sts" or "execute-api"
	Region  string // required: one host label, as "eu-west-1"

	// SignedHeaders are signed if the request has them with a value, besides
	// host, Content-Type and X-Amz-*. "*" is all headers but Content-Length
	// and those that change on the way. To name one that does (hop-by-hop,
	// User-Agent, Accept-Encoding, Expect, tracing, forwarding) is an error.
	SignedHeaders []string

	keys signature.Keys
}

// Sign adds X-Amz-Date, X-Amz-Security-Token and Authorization to req, in place
// of earlier ones, and brings it into the form that the package comment tells.
// A req.URL that has to change is replaced by a copy. The body is not touched:
// payloadHash is that of what will be sent, see [PayloadHash] and
// [UnsignedPayload]. Services accept a signature for 5 to 15 minutes around at.
//
// Errors name the field of the Signer or the part of the request that cannot
// be signed, and never hold a secret.
func (s *Signer) Sign(req *http.Request, payloadHash string, c stschain.Credentials, at time.Time) error {
	return s.signFor(scope{s.Service, s.Region}, req, payloadHash, c, at)
}

func (s *Signer) signFor(sc scope, req *http.Request, payloadHash string, c stschain.Credentials, at time.Time) error {
	rules, err := s.check(sc, req, payloadHash, c, at)
	if err != nil {
		return err
	}
	token, err := sessionToken(c)
	if err != nil {
		return err
	}
	if err := settle(req, rules.s3); err != nil {
		return err
	}
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	asked := removeOwn(req.Header)
	signing := s.signing(sc, c, at)
	values := make([]string, 5) // of the headers that are set below, and the host
	set := func(i int, name, value string) {
		values[i] = value
		req.Header[name] = values[i : i+1 : i+1]
	}
	set(0, "X-Amz-Date", signing.Time)
	if token != "" {
		set(1, "X-Amz-Security-Token", token)
	}
	if asked || rules.contentHash {
		set(2, "X-Amz-Content-Sha256", payloadHash)
	}
	var space [12]signature.Field
	fields, err := s.fields(space[:0], req, values[3:4:4])
	if err != nil {
		return err
	}
	r := parts(req, payloadHash, fields, rules)
	set(4, "Authorization", signing.Authorization(&r))
	return nil
}

// Presign returns a URL that carries the signature, good from at for life: whole
// seconds, from 1 s to 7 days. It ends earlier if the credentials do. The URL is
// as good as a credential until then. signed are the headers that have to be
// sent with it, Host among them; they are what req has of host, Content-Type,
// X-Amz-* and SignedHeaders.
//
// req is only read: the changes that [Signer.Sign] makes are made to the result.
// For S3 payloadHash is [UnsignedPayload] unless the body is known.
func (s *Signer) Presign(req *http.Request, payloadHash string, c stschain.Credentials, at time.Time, life time.Duration) (url stschain.Secret, signed http.Header, err error) {
	sc := scope{s.Service, s.Region}
	rules, err := s.check(sc, req, payloadHash, c, at)
	if err != nil {
		return stschain.Secret{}, nil, err
	}
	token, err := sessionToken(c)
	if err != nil {
		return stschain.Secret{}, nil, err
	}
	if life < time.Second || life > 7*24*time.Hour || life%time.Second != 0 {
		return stschain.Secret{}, nil, fmt.Errorf("sigv4: a life of %v cannot be presigned: whole seconds from 1s to 168h", life)
	}
	r := shallow(req)
	if err := settle(r, rules.s3); err != nil {
		return stschain.Secret{}, nil, err
	}
	asked := removeOwn(r.Header)
	fields, err := s.fields(nil, r, make([]string, 1))
	if err != nil {
		return stschain.Secret{}, nil, err
	}
	signed = make(http.Header, len(fields))
	for _, f := range fields {
		signed[http.CanonicalHeaderKey(f.Name)] = slices.Clone(f.Values)
	}
	signing := s.signing(sc, c, at)
	target := *r.URL
	target.Fragment, target.RawFragment = "", ""
	target.Host = wireHost(target.Scheme, target.Host)
	p := parts(r, payloadHash, fields, rules)
	target.RawQuery = signing.PresignedQuery(&p, signature.Presigning{
		Seconds:     int64(life / time.Second),
		Token:       token,
		ContentHash: (asked || rules.contentHash) && payloadHash != UnsignedPayload,
	})
	return stschain.NewSecret(target.String()), signed, nil
}

// parts is what is signed of a settled request.
func parts(req *http.Request, payloadHash string, fields []signature.Field, r rules) signature.Request {
	return signature.Request{
		Method:      cmp.Or(req.Method, http.MethodGet),
		Path:        req.URL.EscapedPath(),
		Query:       req.URL.RawQuery,
		Header:      fields,
		Payload:     payloadHash,
		RawPath:     r.s3,
		EscapedOnce: r.s3,
	}
}

// shallow returns a copy of req that shares everything but the header map.
func shallow(req *http.Request) *http.Request {
	r := req.WithContext(req.Context())
	r.Header = make(http.Header, len(req.Header)+4)
	for name, values := range req.Header {
		r.Header[name] = slices.Clip(values)
	}
	return r
}

func (s *Signer) check(sc scope, req *http.Request, payloadHash string, c stschain.Credentials, at time.Time) (rules, error) {
	if err := sc.check(); err != nil {
		return rules{}, err
	}
	if err := s.checkHeaders(); err != nil {
		return rules{}, err
	}
	switch {
	case c.AccessKeyID == "" || c.SecretAccessKey.IsZero():
		return rules{}, errors.New("sigv4: the credentials lack AccessKeyID or SecretAccessKey")
	case !isHeaderText(c.AccessKeyID):
		return rules{}, errors.New("sigv4: AccessKeyID holds white space or a control character")
	case !isPayloadHash(payloadHash):
		return rules{}, errors.New("sigv4: the payload hash is neither SHA-256 in lower-case hex nor " + UnsignedPayload)
	case at.IsZero():
		return rules{}, errors.New("sigv4: the instant to sign at is zero")
	}
	if err := checkURL(req); err != nil {
		return rules{}, err
	}
	return sc.rules(), nil
}

func (s *Signer) checkHeaders() error {
	for _, name := range s.SignedHeaders {
		if isUnstable(name) {
			return fmt.Errorf("sigv4: SignedHeaders names %s, which changes on the way: the signature would break", name)
		}
	}
	return nil
}

// sessionToken reveals the token, "" if there is none.
func sessionToken(c stschain.Credentials) (string, error) {
	token := c.SessionToken.Reveal()
	// A tab would arrive as a space; other control characters net/http refuses to send.
	if strings.TrimSpace(token) != token || strings.IndexByte(token, '\n') >= 0 || strings.IndexByte(token, '\t') >= 0 {
		return "", errors.New("sigv4: SessionToken holds a line break, a tab, or white space at an end")
	}
	return token, nil
}

func (s *Signer) signing(sc scope, c stschain.Credentials, at time.Time) signature.Signing {
	var space [16]byte
	now := string(at.UTC().AppendFormat(space[:0], "20060102T150405Z"))
	full := signature.Scope{Date: now[:8], Region: sc.region, Service: sc.service}
	return signature.Signing{
		AccessKeyID: c.AccessKeyID,
		Key:         s.keys.Get(c.SecretAccessKey, full),
		Time:        now,
		Scope:       full,
	}
}
