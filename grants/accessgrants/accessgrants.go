// Package accessgrants gets credentials for a bucket, a prefix or an object from S3 Access Grants.
//
//	reports := &accessgrants.Provider{
//		Credentials: base, // of a user or role that has a grant
//		Account:     "123456789012",
//		Region:      "eu-west-1",
//		Target:      "s3://reports/2026/*",
//		Permission:  accessgrants.Read,
//	}
//	client := &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: "eu-west-1", Credentials: reports}}
//
// The owner of the data grants a user, a role or a group of a directory access to a bucket or prefix, in an Access Grants instance of its
// account and region. GetDataAccess returns credentials of the instance's role, for such a grant. A [Provider] gets them for one
// target; [Grants] keeps those of many prefixes and selects them by the URL of a request.
//
// # Targets
//
// A Target with an asterisk at its end is a bucket or a prefix, s3://bucket/prefix/*. Without one it is one object, s3://bucket/key. The
// permission is READ, WRITE or READWRITE.
//
// The grant that matches may cover more than Target: with privilege Default the credentials are for all that the grant covers, with
// Minimal only for Target. [Provider.GetDataAccess] returns the scope of the grant, MatchedGrantTarget, and the grantee. They are also in the Note of each
// [stschain.Refreshed] event and of the step of a [stschain.Trace]. If the grant covers less than Target, Retrieve
// returns an error, because requests for the rest would fail one by one.
//
// # Permissions
//
// The credentials need s3:GetDataAccess on the instance, and their user or role a grant, or a session of an identity provider whose
// user or group has one. If no grant matches, the error is AccessDenied, which is [stschain.ErrPermanent].
//
// # Duration
//
// Credentials are valid for Duration, an hour by default. A Duration beyond the maximum of the role of the grant's location is an error.
//
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_GetDataAccess.html
package accessgrants

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/grants/internal/call"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/wire"
)

// Permission is what credentials may do.
type Permission string

// The permissions.
const (
	Read      Permission = "READ"
	Write     Permission = "WRITE"
	ReadWrite Permission = "READWRITE"
)

// Privilege is what credentials are for.
type Privilege string

// The privileges.
const (
	Default Privilege = "Default" // all that the grant covers
	Minimal Privilege = "Minimal" // the target
)

// Provider returns credentials for one target. It calls S3 each time, so use it through a [stschain.Cache]. Do not
// change its fields after first use, and do not copy it.
type Provider struct {
	Credentials stschain.Provider // required: of the grantee, called through stschain.Cached
	Account     string            // required: of the Access Grants instance, 12 digits
	Region      string            // required: of the instance, and of the bucket

	Target     string     // required: s3://bucket/prefix/*, or one object, s3://bucket/key
	Permission Permission // required
	Privilege  Privilege  // "": Default

	Duration     time.Duration // 15 minutes to 12 hours, in whole seconds; 0: 1 hour
	AuditContext string        // shown in the events of CloudTrail; up to 1,024 characters

	Endpoint        string // "": https://ACCOUNT.s3-control.REGION.amazonaws.com. With a custom endpoint, FIPS and DualStack are an error
	FIPS, DualStack bool
	AllowHTTP       bool // true: plain http to hosts other than loopback

	MaxAttempts int            // of a request, if there is no response, or 429 or 5xx; 0: 3
	HTTPClient  *http.Client   // follows no redirect and uses no cookies; nil: a client with timeouts
	Clock       stschain.Clock // nil: the system clock

	once   sync.Once
	base   stschain.CachedProvider
	server wire.ServerClock
}

// DataAccess is the response of GetDataAccess.
type DataAccess struct {
	Credentials        stschain.Credentials
	MatchedGrantTarget string  // the scope of the grant: s3://bucket/prefix/*; "": the server did not return it
	Grantee            Grantee // zero: the server did not return it
}

// Grantee is the user, role or group that has the grant.
type Grantee struct {
	Type       string // IAM, DIRECTORY_USER or DIRECTORY_GROUP
	Identifier string // an ARN, or an ID of IAM Identity Center
}

// Covers reports whether the scope of the grant covers a target. It is true if the scope is unknown.
func (d *DataAccess) Covers(target string) bool {
	return d.MatchedGrantTarget == "" || covers(d.MatchedGrantTarget, target)
}

// covers reports whether a scope covers a target: both may end in an asterisk, which stands for any text.
func covers(scope, target string) bool {
	prefix, open := strings.CutSuffix(scope, "*")
	if !open {
		return scope == target
	}
	return strings.HasPrefix(strings.TrimSuffix(target, "*"), prefix)
}

// Retrieve returns new credentials for Target. It is an error if the grant covers less.
func (p *Provider) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	return flow.Retrieve(ctx, p, func(ctx context.Context) (*DataAccess, error) {
		d, err := p.GetDataAccess(ctx)
		if err != nil {
			return nil, err
		}
		if !d.Covers(p.Target) {
			return nil, stschain.Permanent(fmt.Errorf("%s: the grant covers less than Target: %s; set Target to that, or to a part of it", p, redact.OneLine(d.MatchedGrantTarget, 256)))
		}
		stschain.Note(ctx, func() string { return d.note() })
		return d, nil
	}, func(d *DataAccess) stschain.Credentials { return d.Credentials })
}

func (d *DataAccess) note() string {
	if d.MatchedGrantTarget == "" {
		return ""
	}
	return redact.OneLine(strings.TrimSpace("the grant covers "+d.MatchedGrantTarget+" for "+d.Grantee.Type+" "+d.Grantee.Identifier), 512)
}

// GetDataAccess returns new credentials and the scope of the grant. An error response is a *grants.Error.
func (p *Provider) GetDataAccess(ctx context.Context) (_ *DataAccess, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", p, err)
		}
	}()
	u, err := p.url()
	if err != nil {
		return nil, err
	}
	c := call.Call{
		Operation: "GetDataAccess", Service: "s3", Region: p.Region, URL: u, Header: http.Header{"X-Amz-Account-Id": {p.Account}}, Credentials: p.cached(),
		HTTPClient: p.HTTPClient, MaxAttempts: p.MaxAttempts, Clock: p.Clock, Server: &p.server,
	}
	c.URL = u.JoinPath("v20180820", "accessgrantsinstance", "dataaccess")
	c.URL.RawQuery = p.query()
	r, err := c.Do(ctx)
	if err != nil {
		return nil, err
	}
	r.Credentials.AccountID, r.Credentials.Origin = p.Account, p.String()
	return &DataAccess{r.Credentials, r.MatchedGrantTarget, Grantee{r.GranteeType, r.GranteeIdentifier}}, nil
}

func (p *Provider) query() string {
	q := url.Values{"target": {p.Target}, "permission": {string(p.Permission)}}
	if p.Duration != 0 {
		q.Set("durationSeconds", strconv.FormatInt(int64(p.Duration/time.Second), 10))
	}
	if p.Privilege != "" {
		q.Set("privilege", string(p.Privilege))
	}
	if isObject(p.Target) {
		q.Set("targetType", "Object")
	}
	if p.AuditContext != "" {
		q.Set("auditContext", p.AuditContext)
	}
	return strings.ReplaceAll(q.Encode(), "+", "%20")
}

func (p *Provider) cached() stschain.CachedProvider {
	p.once.Do(func() {
		if p.Credentials != nil {
			p.base = wire.Cached(p.Credentials, p.Clock)
		}
	})
	return p.base
}

// url checks the fields, and returns the URL of the service.
func (p *Provider) url() (*url.URL, error) {
	var err error
	switch {
	case !isAccount(p.Account):
		err = errors.New("Account is missing, or not 12 digits")
	case !wire.IsLabel(p.Region):
		err = errors.New("Region is missing, or not a valid region name")
	case p.Permission != Read && p.Permission != Write && p.Permission != ReadWrite:
		err = fmt.Errorf("Permission %q is not valid: set Read, Write or ReadWrite", redact.OneLine(string(p.Permission), 64))
	case p.Privilege != "" && p.Privilege != Default && p.Privilege != Minimal:
		err = fmt.Errorf("Privilege %q is not valid: set Default, Minimal or none", redact.OneLine(string(p.Privilege), 64))
	case p.Duration != 0 && (p.Duration < 15*time.Minute || p.Duration > 12*time.Hour || p.Duration%time.Second != 0):
		err = fmt.Errorf("Duration is %v: 15 minutes to 12 hours in whole seconds are allowed", p.Duration)
	case len(p.AuditContext) > 1024:
		err = fmt.Errorf("AuditContext has %d characters, more than 1,024", len(p.AuditContext))
	default:
		err = checkTarget(p.Target)
	}
	if err != nil {
		return nil, stschain.Permanent(err)
	}
	u, err := wire.Base(p.Endpoint, p.AllowHTTP, p.FIPS || p.DualStack, p.host())
	return u, stschain.Permanent(err)
}

func (p *Provider) host() string {
	service := "s3-control"
	if p.FIPS {
		service += "-fips"
	}
	if p.DualStack {
		service += ".dualstack"
	}
	return p.Account + "." + service + "." + p.Region + "." + wire.Domain(p.Region)
}

// checkTarget returns why a target is not valid. The error does not show it, since it may be misplaced.
func checkTarget(target string) error {
	path, ok := strings.CutPrefix(target, "s3://")
	bucket, key, slash := strings.Cut(path, "/")
	switch {
	case !ok || bucket == "" || !slash || strings.Contains(bucket, "*"):
		return errors.New("Target is not like s3://bucket/prefix/*, or s3://bucket/key for an object")
	case key == "" || strings.HasSuffix(key, "/"):
		return errors.New("Target ends in a slash, and is neither a prefix nor an object: add an asterisk")
	case len(target) > 2000:
		return fmt.Errorf("Target has %d characters, more than 2,000", len(target))
	}
	return nil
}

// isObject reports whether a target is one object.
func isObject(target string) bool { return !strings.HasSuffix(target, "*") }

func isAccount(s string) bool { return len(s) == 12 && strings.Trim(s, "0123456789") == "" }

// Identity returns what decides the credentials: the caller, the instance, the target, the permission, the privilege, the duration and the audit context.
func (p *Provider) Identity(ctx context.Context) (stschain.Identity, error) {
	u, err := p.url()
	var caller string
	if err == nil {
		caller, err = flow.Caller(ctx, "Credentials", p.Credentials)
	}
	if err != nil {
		return stschain.Identity{}, fmt.Errorf("%s: %w", p, err)
	}
	return stschain.NewIdentity("accessgrants",
		"server="+wire.Server(u), "region="+p.Region, caller, "account="+p.Account, "target="+p.Target,
		"permission="+string(p.Permission), "privilege="+string(p.Privilege), "duration="+p.Duration.String(), "audit="+p.AuditContext), nil
}

// Providers returns the cache over Credentials.
func (p *Provider) Providers() []stschain.Provider {
	if base := p.cached(); base != nil {
		return []stschain.Provider{base}
	}
	return nil
}

// String returns "accessgrants", the permission and the target.
func (p *Provider) String() string {
	if checkTarget(p.Target) != nil {
		return "accessgrants" // it may be a misplaced secret
	}
	return flow.Name("accessgrants", redact.OneLine(string(p.Permission)+" "+p.Target, 256))
}
