// Package stsquery is a client of the AWS Security Token Service, and of the
// servers that implement its protocol. The flows of stschain are built on it; most
// programs use one of those, such as assumerole, and make a Client only to pass
// it to them:
//
//	client := &stsquery.Client{Credentials: base, Region: "eu-west-1"}
//
// # Operations
//
// Each of the eleven operations of STS is a method with its own input and output,
// from [Client.AssumeRole] to [Client.GetWebIdentityToken]. The client caches the
// credentials that sign its requests ([stschain.Cached]), so calls are cheap.
// [Client.Presign] makes a URL of any signed operation instead of calling it.
// [Client.AssumeRoleWithSAML] and [Client.AssumeRoleWithWebIdentity] are not signed,
// and never retrieve credentials.
//
// # Errors
//
// Every error is an [*Error]. It is [stschain.ErrPermanent] where a retry does not
// help.
//
// # Clock skew
//
// From the Date of each response the client learns by how much the server's clock
// differs from its own, and dates the next signatures by the server's. If a
// signature was refused for its date, the request is sent again. Where the clocks
// are more than a minute apart, the expiry dates in all outputs are converted to the
// clock of this process. The client starts without a known difference; DisableClockSkewCorrection disables all of this.
//
// # Regions
//
// A Client calls the STS of one region. With FallbackRegions it calls that of another
// region while the first is down, so that a program that starts during an outage gets
// credentials. The steps of a [stschain.Trace] name the host of each request, and the Note of
// a [stschain.Event] the one that was used.
//
// # Limits
//
// At an endpoint of AWS, inputs are checked against the limits of the STS API
// reference before they are sent, and all violations are reported together.
// Other servers have their own limits, so for them the client refuses only what
// no server can accept: negative durations, fractions of seconds, control
// characters.
//
// Responses are read up to 1 MiB, as strict XML without DTD. Redirects are not
// followed.
package stsquery

import (
	"cmp"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
	"github.com/stschain-go/stschain/sigv4"
)

// Client calls STS. It is safe for concurrent use. Do not change its fields after first use, and do not copy it.
type Client struct {
	// Credentials sign the requests. The client retrieves them through
	// stschain.Cached. Required for signed operations; unsigned ones never use them.
	Credentials stschain.Provider

	// Region selects the endpoint and is the region of the signature, such as
	// "eu-west-1". Required unless Endpoint and SigningRegion are set. "aws-global" is
	// the global endpoint; the regional ones respond faster and fail independently.
	Region string

	// Endpoint is the URL of a server other than the region's STS, such as
	// "https://sts.example.com:8443/path?query"; path and query are sent as
	// given. Without a scheme it is https. Plain http is allowed for loopback
	// only, unless AllowHTTP is set.
	Endpoint  string
	AllowHTTP bool // true: plain http to any host. Credentials are then visible to anyone on the network path

	// FIPS and DualStack select endpoints with validated cryptography, and endpoints
	// that support IPv6 as well. Not every region has them. They cannot be combined
	// with Endpoint.
	FIPS, DualStack bool

	// Global sends requests for one of the 15 oldest regions, us-east-1 among them, to
	// the global endpoint, as AWS SDKs used to. It has no effect with FIPS, DualStack
	// or Endpoint. The global endpoint has neither AssumeRoot nor GetWebIdentityToken,
	// and its tokens may not work in newer regions.
	Global bool

	// FallbackRegions are other regions of the partition of Region, such as
	// "eu-central-1". They are called, in this order, while the STS of Region is down:
	// no response within AttemptTimeout, a lost or refused connection, a host name
	// without an address, or HTTP 5xx. After any other failure, such as AccessDenied,
	// throttling or an untrusted certificate, no other region is called.
	//
	// The first request to each fallback region is sent immediately and is not a retry.
	// If all regions are down, the retries of Retry go to each region in turn. A fallback
	// region that refuses the request, for instance because it is not activated for the
	// account, is not called again: the retries go to Region, whose response decides.
	// The context must leave time for the second request.
	//
	// A request with an MFA code is only sent to another region if no connection was made.
	// Presign, GetWebIdentityToken and GetDelegatedAccessToken, whose results depend on the region,
	// use Region only. FallbackRegions is not part of the identity, see Server. Entries equal to
	// Region are skipped. It cannot be combined with Endpoint. nil: no fallback.
	FallbackRegions []string

	// SigningRegion and SigningName are the scope of signatures, for servers
	// that require a scope other than Region (empty: Region) and "sts" (empty:
	// "sts").
	SigningRegion, SigningName string

	// SigningRegionSet signs calls with SigV4a, so that their signatures are valid in these regions. Regions without
	// names is the signing region. With FallbackRegions, it must contain them too. nil: Signature Version 4. Presign and the proofs of package proof, whose verifiers know
	// Signature Version 4 only, do not use it.
	SigningRegionSet sigv4.RegionSet

	// HTTPClient sends the requests. nil: a client with timeouts, TLS 1.2 or
	// later, the proxies of the environment, and few idle connections.
	// Redirects are not followed, whatever its CheckRedirect is.
	HTTPClient *http.Client

	AttemptTimeout time.Duration  // of one attempt, from dialing to the last byte; 0: 10 s
	Retry          Retry          // zero: three attempts in the standard mode
	Clock          stschain.Clock // dates signatures, and drives the cache over Credentials that the client creates; nil: the system clock

	// DisableClockSkewCorrection dates signatures by the Clock even if the server's is
	// known to differ, and returns expiry dates as the server sent them.
	DisableClockSkewCorrection bool

	once    sync.Once // for setUp
	http    *http.Client
	home    *endpoint // of Region
	homeErr error
	places  []place // of Region and FallbackRegions; nil: no fallback
	quota   quota
	limiter limiter      // used in the Adaptive mode
	skew    atomic.Int64 // by how many nanoseconds the server's clock is ahead, as of the latest response

	cacheOnce sync.Once // separate, because unsigned operations must not use Credentials
	cache     stschain.CachedProvider
}

// Providers returns the cache over Credentials, or nothing if there are none. It
// is for reports; a flow returns it as its own Providers.
func (c *Client) Providers() []stschain.Provider {
	if cache := c.Cache(); cache != nil {
		return []stschain.Provider{cache}
	}
	return nil
}

// Cache returns the cache over Credentials: the same one each time, nil if there are no Credentials.
func (c *Client) Cache() stschain.CachedProvider {
	if c == nil {
		return nil
	}
	c.cacheOnce.Do(func() {
		if c.Credentials != nil {
			c.cache = wire.Cached(c.Credentials, c.Clock)
		}
	})
	return c.cache
}

// setUp initializes the rest of the client, once.
func (c *Client) setUp() {
	c.once.Do(func() {
		c.http = wire.Client(c.HTTPClient, c.timeout())
		c.home, c.homeErr = c.resolve("")
		if c.homeErr == nil {
			c.homeErr = c.addPlaces()
		}
	})
}

func (c *Client) timeout() time.Duration { return cmp.Or(c.AttemptTimeout, 10*time.Second) }

// check finds invalid settings.
func (c *Client) check(op operation) error {
	switch {
	case c.AttemptTimeout < 0:
		return invalidf("Client.AttemptTimeout is %v, and must not be negative", c.AttemptTimeout)
	case c.Retry.MaxAttempts < 0:
		return invalidf("Client.Retry.MaxAttempts is %d, and must not be negative", c.Retry.MaxAttempts)
	case !c.Retry.Mode.known():
		return invalidf("Client.Retry.Mode is %v; Standard, Adaptive and Legacy are allowed", c.Retry.Mode)
	case !op.unsigned && c.Cache() == nil:
		return invalidf("Client.Credentials is missing")
	}
	return nil
}
