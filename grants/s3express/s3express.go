// Package s3express gets sessions for directory buckets of S3 Express One Zone, and signs requests with them.
//
//	sessions := &s3express.Sessions{Credentials: base}
//	client := &http.Client{Transport: &sigv4.Transport{
//		CredentialsFor: sessions.CredentialsFor,
//		Scope:          sessions.Scope,
//	}}
//	resp, err := client.Get("https://logs--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com/today")
//
// A session is for one bucket and is valid for five minutes. S3 authorizes a request with it faster than one with the
// credentials of a role. [Sessions] keeps a session for each bucket that is used, and renews it in the background in its last minute, or
// earlier, so that buckets whose sessions began together are not renewed together. If S3 rejects a session, the Transport
// invalidates it, and sends the request once more with a new one. A [Provider] creates the sessions of one bucket.
//
// # Buckets
//
// A directory bucket has a name like logs--usw2-az1--x-s3, an access point to one like app--usw2-az1--xa-s3. Both contain the
// zone. Requests are sent to the host of the bucket, [Bucket.Host], which may be a FIPS or dual-stack one, and one of a local
// zone. Operations on buckets, such as CreateBucket, are at the host s3express-control.REGION.amazonaws.com.
//
// Requests to other hosts are refused, so that a session, or the credentials that create sessions, are not sent to a host that a URL
// happens to have. Use another Transport, with service s3, for other buckets.
//
// # Requests without a session
//
// S3 accepts no session for CopyObject, UploadPartCopy, HeadBucket and CreateSession, and for operations on buckets. These are
// signed with Sessions.Credentials. The same is true of all requests if DisableSessionAuth is set, or the
// environment variable AWS_S3_DISABLE_EXPRESS_SESSION_AUTH is true.
//
// # Permissions
//
// The credentials need s3express:CreateSession on the bucket. Without a Mode, S3 creates a session for reading and writing,
// or, if the policy does not allow that, for reading.
//
// # Presigned URLs
//
// sigv4.Transport.Presign works with sessions too. A URL expires with its session, within five minutes.
//
// # Integrity
//
// S3 Express does not support Content-MD5. Add x-amz-checksum-crc32 to uploads if you want S3 to compare a checksum beyond the
// SHA-256 of the signature.
//
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateSession.html
package s3express

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/grants/internal/call"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/wire"
)

const service = "s3express"

// Mode is what a session may do.
type Mode string

// The modes. S3 has no others.
const (
	ReadOnly  Mode = "ReadOnly"
	ReadWrite Mode = "ReadWrite"
)

// Provider creates the sessions of one bucket. It calls S3 each time, so use it through a [stschain.Cache]. Do not
// change its fields after first use, and do not copy it.
type Provider struct {
	Credentials stschain.Provider // required: of a user or a role, called through stschain.Cached
	Bucket      string            // required: the name of a directory bucket or of an access point to one
	Region      string            // required

	Mode Mode // "": ReadWrite, or if that is not allowed ReadOnly

	// The encryption of objects that the session writes. Empty: that of the bucket.
	ServerSideEncryption string // "AES256" or "aws:kms"
	KMSKeyID             string // the key of aws:kms
	EncryptionContext    string // JSON in base64
	BucketKeyEnabled     bool

	Endpoint        string // the URL of the bucket; "": the host of the bucket. With a custom endpoint, FIPS and DualStack are an error
	FIPS, DualStack bool
	AllowHTTP       bool // true: plain http to hosts other than loopback

	MaxAttempts int            // of a request, if there is no response, or 429 or 5xx; 0: 3
	HTTPClient  *http.Client   // follows no redirect and uses no cookies; nil: a client with timeouts
	Clock       stschain.Clock // nil: the system clock

	once   sync.Once
	base   stschain.CachedProvider
	server wire.ServerClock
}

// Session is the response of CreateSession.
type Session struct {
	Credentials stschain.Credentials // the session token is for the header X-Amz-S3session-Token

	// The encryption of objects that the session writes.
	ServerSideEncryption, KMSKeyID, EncryptionContext string
	BucketKeyEnabled                                  bool
}

// Retrieve returns the credentials of a new session. They are for requests to the bucket, and only with a
// [sigv4.Scope] whose S3Session is set.
//
// [sigv4.Scope]: https://pkg.go.dev/github.com/stschain-go/stschain/sigv4#Scope
func (p *Provider) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	return flow.Retrieve(ctx, p, p.CreateSession, func(s *Session) stschain.Credentials { return s.Credentials })
}

// CreateSession creates a session. An error response is a *grants.Error.
func (p *Provider) CreateSession(ctx context.Context) (_ *Session, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", p, err)
		}
	}()
	u, err := p.url()
	if err != nil {
		return nil, err
	}
	u.RawQuery = "session="
	c := call.Call{
		Operation: "CreateSession", Service: service, Region: p.Region, URL: u, Header: p.header(), Credentials: p.cached(),
		HTTPClient: p.HTTPClient, MaxAttempts: p.MaxAttempts, Clock: p.Clock, Server: &p.server,
	}
	r, err := c.Do(ctx)
	if err != nil {
		return nil, err
	}
	r.Credentials.Origin = p.String()
	enabled, _ := strconv.ParseBool(r.Header.Get(encryption + "-Bucket-Key-Enabled")) // informational
	return &Session{
		Credentials:          r.Credentials,
		ServerSideEncryption: r.Header.Get(encryption),
		KMSKeyID:             r.Header.Get(encryption + "-Aws-Kms-Key-Id"),
		EncryptionContext:    r.Header.Get(encryption + "-Context"),
		BucketKeyEnabled:     enabled,
	}, nil
}

const encryption = "X-Amz-Server-Side-Encryption"

func (p *Provider) header() http.Header {
	h := http.Header{}
	enabled := ""
	if p.BucketKeyEnabled {
		enabled = "true"
	}
	for _, field := range [][2]string{
		{"X-Amz-Create-Session-Mode", string(p.Mode)}, {encryption, p.ServerSideEncryption}, {encryption + "-Aws-Kms-Key-Id", p.KMSKeyID},
		{encryption + "-Context", p.EncryptionContext}, {encryption + "-Bucket-Key-Enabled", enabled},
	} {
		if field[1] != "" {
			h.Set(field[0], field[1])
		}
	}
	return h
}

func (p *Provider) cached() stschain.CachedProvider {
	p.once.Do(func() {
		if p.Credentials != nil {
			p.base = wire.Cached(p.Credentials, p.Clock)
		}
	})
	return p.base
}

// url checks the fields, and returns the URL of the bucket.
func (p *Provider) url() (*url.URL, error) {
	b := Bucket{p.Bucket, p.Region, p.FIPS, p.DualStack}
	err := b.check()
	switch {
	case err != nil:
	case p.Mode != "" && p.Mode != ReadOnly && p.Mode != ReadWrite:
		err = fmt.Errorf("Mode %q is not valid: set ReadOnly, ReadWrite or none", redact.OneLine(string(p.Mode), 64))
	case !redact.Visible(p.ServerSideEncryption), !redact.Visible(p.KMSKeyID), !redact.Visible(p.EncryptionContext):
		err = errors.New("ServerSideEncryption, KMSKeyID or EncryptionContext has characters that no header can carry")
	}
	if err != nil {
		return nil, stschain.Permanent(err)
	}
	u, err := wire.Base(p.Endpoint, p.AllowHTTP, p.FIPS || p.DualStack, b.Host())
	return u, stschain.Permanent(err)
}

// Identity returns what decides the credentials: the caller, the bucket with its host and region, the mode and the encryption.
func (p *Provider) Identity(ctx context.Context) (stschain.Identity, error) {
	u, err := p.url()
	var caller string
	if err == nil {
		caller, err = flow.Caller(ctx, "Credentials", p.Credentials)
	}
	if err != nil {
		return stschain.Identity{}, fmt.Errorf("%s: %w", p, err)
	}
	enabled := ""
	if p.BucketKeyEnabled {
		enabled = "true"
	}
	return stschain.NewIdentity("s3express",
		"server="+wire.Server(u), "region="+p.Region, caller, "bucket="+p.Bucket, "mode="+string(p.Mode),
		"encryption="+p.ServerSideEncryption, "key="+p.KMSKeyID, "context="+p.EncryptionContext, "bucket-key="+enabled), nil
}

// Providers returns the cache over Credentials.
func (p *Provider) Providers() []stschain.Provider {
	if base := p.cached(); base != nil {
		return []stschain.Provider{base}
	}
	return nil
}

// String returns "s3express" and the bucket.
func (p *Provider) String() string {
	if _, err := zoneOf(p.Bucket); err != nil {
		return "s3express" // it may be a misplaced secret
	}
	return flow.Name("s3express", p.Bucket)
}
