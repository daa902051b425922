package sigv4

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/signature"
)

// Signer signs requests for one service in one region. It remembers the signing
// keys that it derives, so use one for many requests; it is safe for concurrent
// use and must not be copied. Fields are not changed after first use.
type Signer struct {
	Service string // required: the signing name, as "sts" or "execute-api"
	Region  string // required: a name, as "eu-west-1"

	// SignedHeaders are signed if the request has them with a value, in addition
	// to host, Content-Type, Content-MD5, Range, If-* and X-Amz-*. "*" is all
	// headers except Content-Length and those that proxies, CDNs and tracing add
	// or change. Naming one that does not arrive as it was signed (hop-by-hop,
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
	to, err := newScope(s.Service, s.Region)
	if err != nil {
		return err
	}
	return s.sign(to, req, payloadHash, c, at)
}

func (s *Signer) sign(to scope, req *http.Request, payloadHash string, c stschain.Credentials, at time.Time) error {
	if err := s.check(req, payloadHash, c, at); err != nil {
		return err
	}
	if to.unsignedPayload {
		payloadHash = UnsignedPayload
	}
	token, err := sessionToken(c)
	if err != nil {
		return err
	}
	if err := settle(req, to.s3); err != nil {
		return err
	}
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	asked := removeOwn(req.Header)
	signing := s.signing(to, c, at)
	values := make([]string, 5) // of the headers that are set below, and the host
	set := func(i int, name, value string) {
		values[i] = value
		req.Header[name] = values[i : i+1 : i+1]
	}
	set(0, "X-Amz-Date", signing.Time)
	if token != "" {
		set(1, "X-Amz-Security-Token", token)
	}
	if asked || to.contentHash {
		set(2, "X-Amz-Content-Sha256", payloadHash)
	}
	var space [12]signature.Field
	fields, err := s.fields(space[:0], req, values[3:4:4])
	if err != nil {
		return err
	}
	r := parts(req, payloadHash, fields, to)
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
	to, err := newScope(s.Service, s.Region)
	if err != nil {
		return stschain.Secret{}, nil, err
	}
	if err := s.check(req, payloadHash, c, at); err != nil {
		return stschain.Secret{}, nil, err
	}
	if to.unsignedPayload {
		payloadHash = UnsignedPayload
	}
	token, err := sessionToken(c)
	if err != nil {
		return stschain.Secret{}, nil, err
	}
	if life < time.Second || life > 7*24*time.Hour || life%time.Second != 0 {
		return stschain.Secret{}, nil, fmt.Errorf("sigv4: a life of %v cannot be presigned: whole seconds from 1s to 168h", life)
	}
	r := shallow(req)
	if err := settle(r, to.s3); err != nil {
		return stschain.Secret{}, nil, err
	}
	asked := removeOwn(r.Header)
	if to.unsignedPayload { // this service reads it from a header, which the sender of the URL then has to send
		r.Header["X-Amz-Content-Sha256"] = []string{UnsignedPayload}
	}
	fields, err := s.fields(nil, r, make([]string, 1))
	if err != nil {
		return stschain.Secret{}, nil, err
	}
	signed = make(http.Header, len(fields))
	for _, f := range fields {
		signed[http.CanonicalHeaderKey(f.Name)] = slices.Clone(f.Values)
	}
	signing := s.signing(to, c, at)
	target := *r.URL
	target.Fragment, target.RawFragment = "", ""
	target.Host = wireHost(target.Scheme, target.Host)
	p := parts(r, payloadHash, fields, to)
	target.RawQuery = signing.PresignedQuery(&p, signature.Presigning{
		Seconds:       int64(life / time.Second),
		Token:         token,
		TokenUnsigned: to.tokenAfter,
		ContentHash:   (asked || to.contentHash) && payloadHash != UnsignedPayload,
	})
	return stschain.NewSecret(target.String()), signed, nil
}

// parts is what is signed of a settled request.
func parts(req *http.Request, payloadHash string, fields []signature.Field, to scope) signature.Request {
	return signature.Request{
		Method:      cmp.Or(req.Method, http.MethodGet),
		Path:        req.URL.EscapedPath(),
		Query:       req.URL.RawQuery,
		Header:      fields,
		Payload:     payloadHash,
		RawPath:     to.s3,
		EscapedOnce: to.s3,
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

func (s *Signer) check(req *http.Request, payloadHash string, c stschain.Credentials, at time.Time) error {
	if err := s.checkHeaders(); err != nil {
		return err
	}
	switch {
	case c.AccessKeyID == "" || c.SecretAccessKey.IsZero():
		return errors.New("sigv4: the credentials lack AccessKeyID or SecretAccessKey")
	case !isHeaderText(c.AccessKeyID):
		return errors.New("sigv4: AccessKeyID holds white space or a control character")
	case !isPayloadHash(payloadHash):
		return errors.New("sigv4: the payload hash is neither SHA-256 in lower-case hex nor " + UnsignedPayload)
	case at.IsZero():
		return errors.New("sigv4: the instant to sign at is zero")
	}
	if err := checkURL(req); err != nil {
		return err
	}
	return s.checkCount(req.Header)
}

func (s *Signer) checkHeaders() error {
	for _, name := range s.SignedHeaders {
		if isUnstable(name) {
			return fmt.Errorf("sigv4: SignedHeaders names %s, which changes after signing and would break the signature; remove it", name)
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

func (s *Signer) signing(to scope, c stschain.Credentials, at time.Time) signature.Signing {
	var space [16]byte
	now := string(at.UTC().AppendFormat(space[:0], "20060102T150405Z"))
	full := signature.Scope{Date: now[:8], Region: to.region, Service: to.service}
	return signature.Signing{
		AccessKeyID: c.AccessKeyID,
		Key:         s.keys.Get(c.SecretAccessKey, full),
		Time:        now,
		Scope:       full,
	}
}
