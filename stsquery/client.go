// Package stsquery is a client of the AWS Security Token Service, and of the
// servers that speak its protocol. The flows of stschain are built on it; most
// programs want one of those, such as assumerole, and make a Client only to hand
// it to them:
//
//	client := &stsquery.Client{Credentials: base, Region: "eu-west-1"}
//
// # Operations
//
// Each of the eleven operations of STS is a method with an input and an output of
// its own, from [Client.AssumeRole] to [Client.GetWebIdentityToken]. What signs a
// request is asked through [stschain.Cached], made once and owned by the client, so
// a client may be called as often as one likes. [Client.Presign] makes a URL of any
// signed operation instead of calling it. [Client.AssumeRoleWithSAML] and
// [Client.AssumeRoleWithWebIdentity] are not signed, and never ask for credentials.
//
// # Errors
//
// Every error is an [*Error]. It is [stschain.ErrPermanent] where asking again
// does not help.
//
// # Clocks that disagree
//
// From the Date of every answer the client learns by how much the server's clock
// differs from its own, and dates the next signatures by the server's. If a
// signature was refused for its date, the request is sent again. Where the clocks
// are more than a minute apart, the expiry dates in all outputs are translated: they
// are on the clock of this process, as is whoever looks at them. The client starts
// from no difference; DisableClockSkewCorrection turns all of it off.
//
// # Limits
//
// At an endpoint of AWS, inputs are checked against the limits of the STS API
// reference before anything is sent, and everything that is wrong is reported at
// once. Other servers have limits of their own, so for them only what no server
// can mean is refused: negative durations, fractions of seconds, control characters.
//
// Answers are read up to 1 MiB, as strict XML without DTD. Redirects are never
// followed.
package stsquery

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
	"github.com/stschain-go/stschain/sigv4"
)

// Client calls STS. It is safe for concurrent use. Its fields are not changed
// after first use, and it is not copied.
type Client struct {
	// Credentials sign the requests. They are asked through stschain.Cached.
	// Required for signed operations; unsigned ones never touch them.
	Credentials stschain.Provider

	// Region is what the endpoint and the signature are for, such as "eu-west-1".
	// Required unless Endpoint and SigningRegion are set. "aws-global" is the
	// global endpoint, which the regional ones are better than: they answer faster
	// and fail alone.
	Region string

	// Endpoint is where requests go, instead of the region's STS:
	// "https://sts.example.com:8443/path?query", path and query being kept. The
	// scheme may be left out, and is https then. Plain http is for loopback only,
	// unless AllowHTTP is set.
	Endpoint  string
	AllowHTTP bool // true: plain http to any host. Everybody on the way then reads the credentials

	// FIPS and DualStack choose endpoints with validated cryptography, and endpoints
	// that speak IPv6 as well. Not every region has them. Neither goes with Endpoint.
	FIPS, DualStack bool

	// Global sends what is for one of the 15 oldest regions, us-east-1 among them, to
	// the global endpoint, as AWS SDKs used to. It is of no effect with FIPS, DualStack
	// or Endpoint. The global endpoint has neither AssumeRoot nor GetWebIdentityToken,
	// and its tokens need not work in younger regions.
	Global bool

	// SigningRegion and SigningName are the scope of signatures, for servers that
	// want another one than Region (empty: that) and "sts" (empty: that).
	SigningRegion, SigningName string

	// HTTPClient sends the requests. nil: one of the client's own, with bounded
	// times, TLS 1.2 or later, the proxies of the environment, and few idle
	// connections. A redirect is never followed, whatever its CheckRedirect says.
	HTTPClient *http.Client

	AttemptTimeout time.Duration  // bound on one attempt, from dialing to the last byte; 0: 10 s
	Retry          Retry          // zero: three attempts in the standard mode
	Clock          stschain.Clock // dates signatures, and drives the cache over Credentials that is the client's own; nil: the real one

	// DisableClockSkewCorrection leaves dates as they are: signatures are dated by
	// the Clock even if the server's is known to differ, and expiry dates stay what
	// the server said.
	DisableClockSkewCorrection bool

	once    sync.Once // for setUp
	http    *http.Client
	home    *endpoint // of Region
	homeErr error
	signer  *sigv4.Signer // for home
	quota   quota
	limiter limiter      // used in the Adaptive mode
	skew    atomic.Int64 // by how many nanoseconds the server's clock is ahead, as of the latest answer

	baseOnce sync.Once // apart, since unsigned operations do not even look at Credentials
	base     stschain.CachedProvider
}

const defaultTimeout = 10 * time.Second

// Providers returns what signs the client's requests: the cache over
// Credentials, or nothing if there are none. It is for reports; a flow answers
// with it for its own Providers.
func (c *Client) Providers() []stschain.Provider {
	if base := c.Cache(); base != nil {
		return []stschain.Provider{base}
	}
	return nil
}

// Cache returns the cache over Credentials that the client signs with: the same one each time, nil if
// there are no Credentials.
func (c *Client) Cache() stschain.CachedProvider {
	if c == nil {
		return nil
	}
	c.baseOnce.Do(func() {
		if c.Credentials == nil {
			return
		}
		c.base = wire.Cached(c.Credentials, c.Clock)
	})
	return c.base
}

// setUp makes what else the client owns, once.
func (c *Client) setUp() {
	c.once.Do(func() {
		c.http = wire.Client(c.HTTPClient, c.timeout())
		c.home, c.homeErr = c.resolve("")
		if c.homeErr == nil {
			c.signer = newSigner(c.home)
		}
	})
}

// newSigner makes a signer of all headers that a request comes with.
func newSigner(e *endpoint) *sigv4.Signer {
	return &sigv4.Signer{Service: e.signingName, Region: e.signingRegion, SignedHeaders: []string{"*"}}
}

func (c *Client) now() time.Time {
	if c.Clock == nil {
		return time.Now()
	}
	return c.Clock.Now()
}

func (c *Client) timeout() time.Duration {
	if c.AttemptTimeout == 0 {
		return defaultTimeout
	}
	return c.AttemptTimeout
}

// check finds settings that make no sense.
func (c *Client) check(op operation) error {
	switch {
	case c.AttemptTimeout < 0:
		return invalidf("Client.AttemptTimeout is %v, and must not be negative", c.AttemptTimeout)
	case c.Retry.MaxAttempts < 0:
		return invalidf("Client.Retry.MaxAttempts is %d, and must not be negative", c.Retry.MaxAttempts)
	case c.Retry.Mode < Standard || c.Retry.Mode > Legacy:
		return invalidf("Client.Retry.Mode is %v; Standard, Adaptive and Legacy are known", c.Retry.Mode)
	case !op.unsigned && c.Cache() == nil:
		return invalidf("Client.Credentials is missing")
	}
	return nil
}
