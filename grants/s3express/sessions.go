package s3express

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/wire"
	"github.com/stschain-go/stschain/sigv4"
)

// Sessions keeps the sessions of many buckets, for a [sigv4.Transport]: set its CredentialsFor and its Scope to the methods
// of these names. It is safe for concurrent use. Do not change its fields after first use, and do not copy it.
type Sessions struct {
	// Credentials create the sessions, and sign the requests that take none. They are required, and called through
	// stschain.Cached.
	Credentials stschain.Provider

	Region             string                           // of all buckets; "": that in the host of a request. Required with Endpoint
	Configure          func(p *Provider)                // sets the mode and the encryption of the sessions of p.Bucket, and nothing else; nil: the defaults
	DisableSessionAuth bool                             // true: sign all requests with Credentials, as if the environment variable were true
	MaxBuckets         int                              // whose sessions are kept; 0: 10,000. Beyond that, the one that was not used for longest, about, is evicted
	OnEvent            func(stschain.PoolEvent[Bucket]) // as in stschain.Pool

	// Endpoint is the URL of an S3 Express other than that of AWS. A bucket is a subdomain of its host, or, if that is
	// an IP address or localhost, the first part of the path. "": the hosts of AWS.
	Endpoint  string
	AllowHTTP bool // true: plain http to an Endpoint other than loopback; see also that field of the Transport

	MaxAttempts int                                          // as in Provider
	HTTPClient  *http.Client                                 // for CreateSession, as in Provider
	Clock       stschain.Clock                               // nil: the system clock
	LookupEnv   func(name string) (value string, found bool) // nil: os.LookupEnv

	once     sync.Once
	base     stschain.CachedProvider
	pool     stschain.Pool[Bucket]
	endpoint *url.URL // nil: AWS
	disabled bool
	err      error // of the fields
}

// CredentialsFor returns what signs a request: the sessions of its bucket, or Credentials.
func (s *Sessions) CredentialsFor(req *http.Request) (stschain.CachedProvider, error) {
	at, err := s.place(req)
	switch {
	case err != nil:
		return nil, err
	case at.session:
		return s.pool.Provider(at.Bucket), nil
	}
	return s.base, nil
}

// Scope returns what a request is signed for. It is an error for hosts that are not those of directory buckets.
func (s *Sessions) Scope(req *http.Request) (sigv4.Scope, error) {
	at, err := s.place(req)
	return sigv4.Scope{Service: service, Region: at.Region, S3Session: at.session}, err
}

// Pool returns the pool of the sessions, for its Warm, Forget, All and Status.
func (s *Sessions) Pool() *stschain.Pool[Bucket] {
	s.once.Do(s.setUp)
	return &s.pool
}

// Providers returns the cache over Credentials.
func (s *Sessions) Providers() []stschain.Provider {
	if s.once.Do(s.setUp); s.base == nil {
		return nil
	}
	return []stschain.Provider{s.base}
}

const variable = "AWS_S3_DISABLE_EXPRESS_SESSION_AUTH"

func (s *Sessions) setUp() {
	if s.Credentials != nil {
		s.base = wire.Cached(s.Credentials, s.Clock)
	}
	s.pool.New, s.pool.Clock, s.pool.MaxEntries, s.pool.OnEvent = s.provider, s.Clock, s.MaxBuckets, s.OnEvent
	s.pool.Configure = func(_ Bucket, c *stschain.Cache) { c.AdvisoryWindow = time.Minute }
	s.err = stschain.Permanent(s.check())
}

// check checks and reads the fields.
func (s *Sessions) check() (err error) {
	switch value := system.Getenv(s.LookupEnv, variable); {
	case value == "", strings.EqualFold(value, "false"):
		s.disabled = s.DisableSessionAuth
	case strings.EqualFold(value, "true"):
		s.disabled = true
	default:
		return fmt.Errorf("s3express: %s is neither true nor false", variable)
	}
	switch {
	case s.Credentials == nil:
		return fmt.Errorf("s3express: %w", flow.Missing("Credentials"))
	case s.Region != "" && !wire.IsLabel(s.Region):
		return errors.New("s3express: Region is not a valid region name")
	case s.Endpoint == "":
		return nil
	case s.Region == "":
		return errors.New("s3express: Region is required with Endpoint")
	}
	if s.endpoint, err = wire.Endpoint("Endpoint", s.Endpoint, s.AllowHTTP, false, ""); err != nil {
		return fmt.Errorf("s3express: %w", err)
	}
	if s.endpoint.RawQuery != "" || s.endpoint.Path != "/" {
		return errors.New("s3express: Endpoint has a path or a query, which is not allowed")
	}
	return nil
}

// provider makes the provider of a bucket, for the pool.
func (s *Sessions) provider(b Bucket) (stschain.Provider, error) {
	if s.err != nil {
		return nil, s.err
	}
	if s.Region != "" && b.Region != s.Region {
		return nil, stschain.Permanent(fmt.Errorf("s3express: the bucket is in %q, and Region is %s", b.Region, s.Region))
	}
	p := &Provider{
		Credentials: s.base, Bucket: b.Name, Region: b.Region, FIPS: b.FIPS, DualStack: b.DualStack, AllowHTTP: s.AllowHTTP,
		MaxAttempts: s.MaxAttempts, HTTPClient: s.HTTPClient, Clock: s.Clock,
	}
	if s.endpoint != nil {
		p.Endpoint = s.bucketURL(b.Name)
	}
	if s.Configure != nil {
		s.Configure(p)
	}
	if p.Bucket != b.Name || p.Region != b.Region {
		return nil, stschain.Permanent(errors.New("s3express: Configure changed Bucket or Region, which requests of other buckets would use"))
	}
	return p, nil
}

// bucketURL is the URL of a bucket at Endpoint.
func (s *Sessions) bucketURL(name string) string {
	u := *s.endpoint
	if s.inPath() {
		u.Path = "/" + name
	} else {
		u.Host = name + "." + u.Host
	}
	return u.String()
}

// inPath reports whether Endpoint has buckets in paths.
func (s *Sessions) inPath() bool {
	host := s.endpoint.Hostname()
	return wire.IsLoopback(host) || strings.Trim(host, "0123456789.") == "" || strings.Contains(host, ":")
}

// place is where a request is sent.
type place struct {
	Bucket
	session bool // a session signs it
}

func (s *Sessions) place(req *http.Request) (at place, err error) {
	if s.once.Do(s.setUp); s.err != nil {
		return place{}, s.err
	}
	if req.Host != "" && !strings.EqualFold(req.Host, req.URL.Host) {
		return place{}, errors.New("s3express: the Host of the request is not the host of its URL")
	}
	path := strings.TrimPrefix(req.URL.Path, "/")
	switch {
	case s.endpoint == nil && req.URL.Port() != "" && req.URL.Port() != "443":
		return place{}, fmt.Errorf("s3express: port %s is not that of a host of AWS", req.URL.Port())
	case s.endpoint == nil:
		at.Bucket, err = parseHost(req.URL.Hostname())
	default:
		at.Bucket, path, err = s.parseEndpoint(req.URL, path)
	}
	if err != nil {
		return place{}, fmt.Errorf("s3express: %w", err)
	}
	if s.Region != "" && at.Region != s.Region {
		return place{}, fmt.Errorf("s3express: the host is in %s, and Region is %s", at.Region, s.Region)
	}
	at.session = !s.disabled && at.Name != "" && takesSession(req, path)
	return at, nil
}

// parseEndpoint returns the bucket of a request to Endpoint, and the key of the object.
func (s *Sessions) parseEndpoint(u *url.URL, path string) (b Bucket, key string, err error) {
	b.Region = s.Region
	host, base := strings.ToLower(u.Host), strings.ToLower(s.endpoint.Host)
	switch {
	case u.Scheme != s.endpoint.Scheme:
		return b, "", fmt.Errorf("the scheme %s is not that of Endpoint", u.Scheme)
	case host == base && s.inPath():
		b.Name, key, _ = strings.Cut(path, "/")
	case host == base:
		key = path
	case !s.inPath() && strings.HasSuffix(host, "."+base):
		b.Name, key = strings.TrimSuffix(host, "."+base), path
	default:
		return b, "", fmt.Errorf("%q is not the host of Endpoint", host)
	}
	if b.Name != "" {
		_, err = zoneOf(b.Name)
	}
	return b, key, err
}

const copySource = "X-Amz-Copy-Source"

// takesSession reports whether S3 accepts a session for a request: not for CreateSession, HeadBucket, CopyObject and
// UploadPartCopy, nor for operations on the bucket itself.
func takesSession(req *http.Request, key string) bool {
	for name := range req.Header {
		if len(name) == len(copySource) && strings.EqualFold(name, copySource) {
			return false
		}
	}
	switch {
	case strings.Contains(req.URL.RawQuery, "session") && req.URL.Query().Has("session"):
		return false
	case key == "":
		return req.Method != http.MethodHead && req.Method != http.MethodPut && req.Method != http.MethodDelete
	}
	return true
}
