package sigv4

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/signature"
)

// Signer signs requests for one service in one region. It caches the signing
// keys that it derives, so use one Signer for many requests. It is safe for
// concurrent use. Do not copy it, and do not change its fields after first use.
type Signer struct {
	Service string // required: the signing name, such as "sts" or "execute-api"
	Region  string // required without RegionSet: a name, such as "eu-west-1"

	// RegionSet makes the signatures those of SigV4a, which are valid in several regions; see [Regions]. nil: Signature
	// Version 4, for Region.
	RegionSet RegionSet

	// SignedHeaders are signed if the request has them with a value, in addition
	// to host, Content-Type, Content-MD5, Range, If-* and X-Amz-*. "*" is all
	// headers except Content-Length and those that proxies, CDNs and tracing add
	// or change. Naming one that does not arrive as it was signed (hop-by-hop,
	// User-Agent, Accept-Encoding, Expect, tracing, forwarding) is an error.
	SignedHeaders []string

	once     sync.Once // for what follows from the fields
	to       service
	invalid  error // there is no such service
	unstable error // SignedHeaders names such a header

	keys       signature.Keys
	regionKeys signature.RegionKeys
	dates      signature.Dates
}

func (s *Signer) setUp() {
	s.once.Do(func() {
		s.to, s.invalid = Scope{Service: s.Service, Region: s.Region, RegionSet: s.RegionSet}.check()
		if i := slices.IndexFunc(s.SignedHeaders, isUnstable); i >= 0 {
			s.unstable = fmt.Errorf("sigv4: SignedHeaders names %s, which changes after signing and would break the signature; remove it", s.SignedHeaders[i])
		}
	})
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
	to, err := s.prepare(req, payloadHash)
	if err != nil {
		return err
	}
	return s.sign(to, req, payloadHash, c, at)
}

// prepare checks what a Transport checks before it reads the body.
func (s *Signer) prepare(req *http.Request, payloadHash string) (service, error) {
	s.setUp()
	err := s.invalid
	if err == nil {
		err = s.check(req)
	}
	if err == nil && !s.to.unsignedPayload && !isPayloadHash(payloadHash) {
		err = errors.New("sigv4: the payload hash is neither a SHA-256 in lower-case hex nor " + UnsignedPayload)
	}
	return s.to, err
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
	var space [12]signature.Field
	fields, hashed, err := s.fields(space[:0], req)
	if err != nil {
		return err
	}
	values := make([]string, 0, 5) // of the host and the headers that are set below
	value := func(v string) []string {
		values = append(values, v)
		return values[len(values)-1 : len(values) : len(values)]
	}
	fields = append(fields, signature.Field{Name: "host", Values: value(hostOf(req)), Canonical: true})
	set := func(name, lower, v string) {
		own := value(v)
		req.Header[name] = own
		fields = append(fields, signature.Field{Name: lower, Values: own, Canonical: true})
	}
	if hashed || to.contentHash {
		set("X-Amz-Content-Sha256", "x-amz-content-sha256", signing.payload)
	}
	set("X-Amz-Date", "x-amz-date", signing.date) // in this order they are often sorted
	if signing.regions != "" {
		set("X-Amz-Region-Set", "x-amz-region-set", signing.regions)
	}
	if signing.key.Token != "" {
		name, lower := "X-Amz-Security-Token", "x-amz-security-token"
		if to.S3Session {
			name, lower = s3SessionToken, "x-amz-s3session-token"
		}
		set(name, lower, signing.key.Token)
	}
	if err := sortFields(fields); err != nil {
		return err
	}
	r := parts(req, fields, signing.payload, to)
	req.Header["Authorization"] = value(signing.key.Authorization(&r, signing.date))
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
	to, err := s.prepare(req, payloadHash)
	if err != nil {
		return stschain.Secret{}, nil, err
	}
	return s.presign(to, req, payloadHash, c, at, life)
}

// presign presigns a request that passed check.
func (s *Signer) presign(to service, req *http.Request, payloadHash string, c stschain.Credentials, at time.Time, life time.Duration) (url stschain.Secret, signed http.Header, err error) {
	if life < time.Second || life > 7*24*time.Hour || life%time.Second != 0 {
		return stschain.Secret{}, nil, fmt.Errorf("sigv4: a life of %v cannot be presigned: it must be whole seconds, from 1s to 168h", life)
	}
	r := new(http.Request)
	*r = *req
	r.Header = maps.Clone(req.Header)
	signing, err := s.begin(to, r, payloadHash, c, at)
	if err != nil {
		return stschain.Secret{}, nil, err
	}
	var space [12]signature.Field
	fields, hashed, err := s.fields(space[:0], r)
	if err != nil {
		return stschain.Secret{}, nil, err
	}
	if to.unsignedPayload { // this service reads it from a header, which must be sent with the URL
		fields = append(fields, signature.Field{Name: "X-Amz-Content-Sha256", Values: []string{UnsignedPayload}})
	}
	fields = append(fields, signature.Field{Name: "host", Values: []string{hostOf(r)}, Canonical: true})
	if err := sortFields(fields); err != nil {
		return stschain.Secret{}, nil, err
	}
	signed = make(http.Header, len(fields))
	for _, f := range fields {
		signed[http.CanonicalHeaderKey(f.Name)] = slices.Clone(f.Values)
	}
	target := *r.URL
	target.Fragment, target.RawFragment, target.RawQuery, target.ForceQuery = "", "", "", false
	target.Host = wireHost(target.Scheme, target.Host)
	p := parts(r, fields, signing.payload, to)
	text := signing.key.PresignedURL(target.String(), &p, signing.date, signature.Presigning{
		Seconds:       int64(life / time.Second),
		TokenUnsigned: to.tokenAfter,
		S3Session:     to.S3Session,
		ContentHash:   (hashed || to.contentHash) && signing.payload != UnsignedPayload,
	})
	return stschain.NewSecret(text), signed, nil
}

// signing contains the validated inputs of one signature.
type signing struct {
	key     *signature.Key
	date    string
	payload string // hash of the body, or UnsignedPayload
	regions string // of SigV4a
}

// begin validates the inputs of a signature. It then normalizes req.
func (s *Signer) begin(to service, req *http.Request, payloadHash string, c stschain.Credentials, at time.Time) (signing, error) {
	if to.unsignedPayload {
		payloadHash = UnsignedPayload
	}
	if at.IsZero() {
		return signing{}, errors.New("sigv4: the time to sign at is zero; pass time.Now()")
	}
	date := s.dates.Format(at)
	keys, scope, regions := &s.keys, signature.Scope{Date: date[:8], Region: to.Region, Service: to.Service}, ""
	if to.RegionSet != nil {
		keys, regions = to.RegionSet.keys(req.Context(), &s.regionKeys, to.Region)
		scope.Region = regions
	}
	key, err := keys.Get(c, scope, at)
	if err != nil {
		return signing{}, fmt.Errorf("sigv4: %w", err)
	}
	if err := normalize(req, to.s3); err != nil {
		return signing{}, err
	}
	return signing{key, date, payloadHash, regions}, nil
}

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
