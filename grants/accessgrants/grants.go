package accessgrants

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/internal/wire"
	"github.com/stschain-go/stschain/sigv4"
)

// Grants keeps the credentials of many targets, for a [sigv4.Transport]: set its CredentialsFor and its Scope to the methods
// of these names. It is safe for concurrent use. Do not change its fields after first use, and do not copy it.
type Grants struct {
	Credentials stschain.Provider // required: of the grantee, called through stschain.Cached
	Account     string            // required: of the Access Grants instance, 12 digits
	Region      string            // required: of the instance, and of the buckets

	// Target returns the target whose credentials are for the object with this key, often its prefix:
	// s3://bucket/prefix/*. Without an asterisk at its end, it is an object. It must cover the object. It is required. A request that lists
	// objects has the prefix that it lists as key, and other requests for a bucket have "".
	Target func(bucket, key string) (string, error)

	Permission Permission                       // "": Read for GET and HEAD, Write for other methods. Copies need ReadWrite
	Configure  func(p *Provider)                // sets the privilege, the duration and the audit context of a target, and nothing else; nil: the defaults
	MaxTargets int                              // whose credentials are kept; 0: 10,000. Beyond that, the one that was not used for longest, about, is evicted
	OnEvent    func(stschain.PoolEvent[Access]) // as in stschain.Pool

	FIPS, DualStack bool           // of GetDataAccess; other requests may be sent to any host of S3
	MaxAttempts     int            // as in Provider
	HTTPClient      *http.Client   // for GetDataAccess, as in Provider
	Clock           stschain.Clock // nil: the system clock

	once sync.Once
	base stschain.CachedProvider
	pool stschain.Pool[Access]
	err  error // of the fields
}

// Access is what credentials are for.
type Access struct {
	Target     string
	Permission Permission
}

// CredentialsFor returns what signs a request: the credentials of its target.
func (g *Grants) CredentialsFor(req *http.Request) (stschain.CachedProvider, error) {
	bucket, key, err := g.parse(req)
	if err != nil {
		return nil, err
	}
	target, err := g.Target(bucket, key)
	if err != nil {
		return nil, fmt.Errorf("accessgrants: no target for bucket %q: %w", bucket, err)
	}
	if object := "s3://" + bucket + "/" + key; !covers(target, object) {
		return nil, fmt.Errorf("accessgrants: Target returned %q, which does not cover %q", target, object)
	}
	return g.pool.Provider(Access{target, g.permission(req.Method)}), nil
}

// Scope returns what a request is signed for: s3 in Region. It is an error for hosts other than those of S3 in Region.
func (g *Grants) Scope(req *http.Request) (sigv4.Scope, error) {
	_, _, err := g.parse(req)
	return sigv4.Scope{Service: "s3", Region: g.Region}, err
}

// Pool returns the pool of the credentials, for its Warm, Forget, All and Status.
func (g *Grants) Pool() *stschain.Pool[Access] {
	g.once.Do(g.setUp)
	return &g.pool
}

// Providers returns the cache over Credentials.
func (g *Grants) Providers() []stschain.Provider {
	if g.once.Do(g.setUp); g.base == nil {
		return nil
	}
	return []stschain.Provider{g.base}
}

func (g *Grants) setUp() {
	if g.Credentials != nil {
		g.base = wire.Cached(g.Credentials, g.Clock)
	}
	g.pool.New, g.pool.Clock, g.pool.MaxEntries, g.pool.OnEvent = g.provider, g.Clock, g.MaxTargets, g.OnEvent
	switch {
	case g.Credentials == nil:
		g.err = flow.Missing("Credentials")
	case g.Target == nil:
		g.err = flow.Missing("Target")
	case !isAccount(g.Account):
		g.err = stschain.Permanent(errors.New("Account is missing, or not 12 digits"))
	case !wire.IsLabel(g.Region):
		g.err = stschain.Permanent(errors.New("Region is missing, or not a valid region name"))
	}
	if g.err != nil {
		g.err = fmt.Errorf("accessgrants: %w", g.err)
	}
}

// provider makes the provider of a target, for the pool.
func (g *Grants) provider(a Access) (stschain.Provider, error) {
	if g.err != nil {
		return nil, g.err
	}
	p := &Provider{
		Credentials: g.base, Account: g.Account, Region: g.Region, Target: a.Target, Permission: a.Permission,
		FIPS: g.FIPS, DualStack: g.DualStack, MaxAttempts: g.MaxAttempts, HTTPClient: g.HTTPClient, Clock: g.Clock,
	}
	if g.Configure != nil {
		g.Configure(p)
	}
	if p.Target != a.Target || p.Permission != a.Permission {
		return nil, stschain.Permanent(errors.New("accessgrants: Configure changed Target or Permission, which requests for other targets would use"))
	}
	return p, nil
}

func (g *Grants) permission(method string) Permission {
	switch {
	case g.Permission != "":
		return g.Permission
	case method == "" || method == http.MethodGet || method == http.MethodHead:
		return Read
	}
	return Write
}

// parse returns the bucket of a request, and the key of the object.
func (g *Grants) parse(req *http.Request) (bucket, key string, err error) {
	if g.once.Do(g.setUp); g.err != nil {
		return "", "", g.err
	}
	if req.Host != "" && !strings.EqualFold(req.Host, req.URL.Host) {
		return "", "", errors.New("accessgrants: the Host of the request is not the host of its URL")
	}
	bucket, key, ok := g.split(req.URL)
	if !ok {
		return "", "", fmt.Errorf("accessgrants: %q is not the URL of a bucket of S3 in %s; use another Transport for it", req.URL.Host[:min(len(req.URL.Host), 255)], g.Region)
	}
	if key == "" {
		key = req.URL.Query().Get("prefix")
	}
	return bucket, key, nil
}

// split returns the bucket and the key of a URL, with the bucket in the host or in the path.
func (g *Grants) split(u *url.URL) (bucket, key string, ok bool) {
	host, path := strings.ToLower(u.Hostname()), strings.TrimPrefix(u.Path, "/")
	if port := u.Port(); port != "" && port != "443" {
		return "", "", false
	}
	for _, service := range [...]string{"s3", "s3.dualstack", "s3-fips", "s3-fips.dualstack"} {
		base := service + "." + g.Region + "." + wire.Domain(g.Region)
		if host == base {
			bucket, key, _ = strings.Cut(path, "/")
			return bucket, key, bucket != ""
		}
		if bucket, ok := strings.CutSuffix(host, "."+base); ok {
			return bucket, path, bucket != ""
		}
	}
	return "", "", false
}
