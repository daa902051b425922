package sigv4

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/signature"
)

// Signer signs requests for one service in one region. It caches the signing
// keys that it derives, so use one Signer for many requests. It is safe for
// concurrent use. Do not copy it, and do not change its fields after first use.
type Signer struct {
	Service string // required: the signing name, such as "sts" or "execute-api"
	Region  string // required: a name, such as "eu-west-1"

	// SignedHeaders are signed if the request has them with a value, in addition
	// to host, Content-Type, Content-MD5, Range, If-* and X-Amz-*. "*" is all
	// headers except Content-Length and those that proxies, CDNs and tracing add
	// or change. Naming one that does not arrive as it was signed (hop-by-hop,
	// User-Agent, Accept-Encoding, Expect, tracing, forwarding) is an error.
	SignedHeaders []string

	keys signature.Keys
}

// Sign adds X-Amz-Date, X-Amz-Security-Token and Authorization to req, replacing
// earlier ones, and normalizes req as the package comment describes.
// If req.URL has to change, it is replaced by a copy. The body is not touched:
// payloadHash is the hash of the body that will be sent; see [PayloadHash] and
// [UnsignedPayload]. Services accept a signature for 5 to 15 minutes around at.
//
// Errors name the field of the Signer or the part of the request that cannot
// be signed. They never contain a secret.
func (s *Signer) Sign(req *http.Request, payloadHash string, c stschain.Credentials, at time.Time) error {
	to, err := Scope{s.Service, s.Region}.check()
	if err != nil {
		return err
	}
	if err := s.check(req); err != nil {
		return err
	}
	return s.sign(to, req, payloadHash, c, at)
}

// sign signs a request that passed check.
func (s *Signer) sign(to service, req *http.Request, payloadHash string, c stschain.Credentials, at time.Time) error {
	signing, err := s.begin(to, req, payloadHash, c, at)
	if err != nil {
		return err
	}
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	values := make([]string, 5) // of the headers that are set below, and the host
	set := func(i int, name, value string) {
		values[i] = value
		req.Header[name] = values[i : i+1 : i+1]
	}
	set(0, "X-Amz-Date", signing.Time)
	if signing.token != "" {
		set(1, "X-Amz-Security-Token", signing.token)
	}
	if signing.hashed {
		set(2, "X-Amz-Content-Sha256", signing.payload)
	}
	var space [12]signature.Field
	fields, err := s.fields(space[:0], req, values[3:4:4])
	if err != nil {
		return err
	}
	r := parts(req, fields, signing.payload, to)
	set(4, "Authorization", signing.Authorization(&r))
	return nil
}

// Presign returns a URL that carries the signature, valid from at for life: whole
// seconds, from 1 s to 7 days. It ends earlier if the credentials do. Until then
// the URL is as good as a credential. signed are the headers that must be sent
// with it, Host among them: those of req that [Signer.SignedHeaders] describes.
//
// req is only read: the changes that [Signer.Sign] makes are made to the result.
// For S3 payloadHash is [UnsignedPayload] unless the body is known.
func (s *Signer) Presign(req *http.Request, payloadHash string, c stschain.Credentials, at time.Time, life time.Duration) (url stschain.Secret, signed http.Header, err error) {
	to, err := Scope{s.Service, s.Region}.check()
	if err != nil {
		return stschain.Secret{}, nil, err
	}
	if err := s.check(req); err != nil {
		return stschain.Secret{}, nil, err
	}
	return s.presign(to, req, payloadHash, c, at, life)
}

// presign presigns a request that passed check.
func (s *Signer) presign(to service, req *http.Request, payloadHash string, c stschain.Credentials, at time.Time, life time.Duration) (url stschain.Secret, signed http.Header, err error) {
	if life < time.Second || life > 7*24*time.Hour || life%time.Second != 0 {
		return stschain.Secret{}, nil, fmt.Errorf("sigv4: a life of %v cannot be presigned: it must be whole seconds, from 1s to 168h", life)
	}
	r := shallow(req)
	signing, err := s.begin(to, r, payloadHash, c, at)
	if err != nil {
		return stschain.Secret{}, nil, err
	}
	if to.unsignedPayload { // this service reads it from a header, which must be sent with the URL
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
	target := *r.URL
	target.Fragment, target.RawFragment = "", ""
	target.Host = wireHost(target.Scheme, target.Host)
	p := parts(r, fields, signing.payload, to)
	target.RawQuery = signing.PresignedQuery(&p, signature.Presigning{
		Seconds:       int64(life / time.Second),
		Token:         signing.token,
		TokenUnsigned: to.tokenAfter,
		ContentHash:   signing.hashed && signing.payload != UnsignedPayload,
	})
	return stschain.NewSecret(target.String()), signed, nil
}

// signing contains the validated inputs of one signature.
type signing struct {
	signature.Signing
	payload string // hash of the body, or UnsignedPayload
	token   string // session token, "" if there is none
	hashed  bool   // the request or the URL has the hash of the body
}

// begin validates the inputs of a signature. It then normalizes req and removes
// an earlier signature.
func (s *Signer) begin(to service, req *http.Request, payloadHash string, c stschain.Credentials, at time.Time) (signing, error) {
	if to.unsignedPayload {
		payloadHash = UnsignedPayload
	}
	token := c.SessionToken.Reveal()
	if err := cmp.Or(redact.MalformedID("AccessKeyID", c.AccessKeyID), redact.Malformed("SessionToken", token)); err != nil {
		return signing{}, fmt.Errorf("sigv4: %w", err)
	}
	switch {
	case c.AccessKeyID == "" || c.SecretAccessKey.IsZero():
		return signing{}, errors.New("sigv4: the credentials lack AccessKeyID or SecretAccessKey")
	case !isPayloadHash(payloadHash):
		return signing{}, errors.New("sigv4: the payload hash is neither a SHA-256 in lower-case hex nor " + UnsignedPayload)
	case at.IsZero():
		return signing{}, errors.New("sigv4: the time to sign at is zero; pass time.Now()")
	}
	var space [16]byte
	now := string(at.UTC().AppendFormat(space[:0], dateFormat))
	full := signature.Scope{Date: now[:8], Region: to.Region, Service: to.Service}
	key, err := s.keys.Get(c.SecretAccessKey, full)
	if err != nil {
		return signing{}, fmt.Errorf("sigv4: %w", err)
	}
	if err := normalize(req, to.s3); err != nil {
		return signing{}, err
	}
	hashed := removeSignature(req.Header) || to.contentHash
	return signing{signature.Signing{AccessKeyID: c.AccessKeyID, Key: key, Time: now, Scope: full}, payloadHash, token, hashed}, nil
}

const dateFormat = "20060102T150405Z"

// parts returns the parts of a normalized request that are signed.
func parts(req *http.Request, fields []signature.Field, payload string, to service) signature.Request {
	return signature.Request{
		Method:      cmp.Or(req.Method, http.MethodGet),
		Path:        req.URL.EscapedPath(),
		Query:       req.URL.RawQuery,
		Header:      fields,
		Payload:     payload,
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
