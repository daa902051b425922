package proof

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/internal/wire"
	"github.com/stschain-go/stschain/sigv4"
)

// Bearer gets bearer tokens for an AWS service, with CreateBearerToken of AWS Sign-In: a client sends one in the header
// Authorization instead of signing its requests. It caches the token and refreshes it by the rules of a
// [stschain.Cache]: before it expires, in the background, once for all callers.
//
// AWS may issue a token that is valid only as long as the credentials that sign the request. So they are refreshed
// first if they expire before the token would. Errors of the service are a [*SignInError].
//
// It is safe for concurrent use. Do not change its fields after first use, and do not copy it.
//
// Source: the model of the service signin in the AWS SDKs.
type Bearer struct {
	Credentials stschain.Provider // required; retrieved through stschain.Cached
	Region      string            // required: "eu-west-1", of the endpoint and the signature
	Resource    string            // required: the service that accepts the token, "ecr.amazonaws.com"

	Duration time.Duration // 5 minutes to 12 hours, in whole seconds. 0: 12 hours
	OAuth    bool          // true: an OAuth 2.0 access token of CreateOAuth2TokenWithIAM, such as aws-mcp.amazonaws.com accepts, for at most an hour; without Duration

	MinLife time.Duration        // the minimum remaining lifetime of a returned token; at most its lifetime less 5 s. 0: any valid token
	OnEvent func(stschain.Event) // nil: none. See stschain.Cache

	Endpoint    string         // "": https://REGION.oauth.signin.aws, which only the partition aws has
	AllowHTTP   bool           // true: plain http to hosts other than loopback
	MaxAttempts int            // of a request, if there is no response, or 429 or 5xx; 0: 3
	HTTPClient  *http.Client   // follows no redirect and uses no cookies; nil: a client with timeouts
	Clock       stschain.Clock // nil: the system clock

	once   sync.Once
	creds  stschain.CachedProvider
	issued issued
}

const (
	bearerLeast = 5 * time.Minute
	oauthLife   = time.Hour
)

// Token returns the cached token, or waits for a new one.
func (b *Bearer) Token(ctx context.Context) (_ Token, err error) {
	defer flow.Wrap(&err, "proof", "no bearer token")
	if err := b.check(); err != nil {
		return Token{}, err
	}
	return b.issued.token(ctx, b, b.MinLife)
}

// Invalidate reports that a service rejected a token. If it is the cached one, the next call gets another one.
func (b *Bearer) Invalidate(rejected Token) {
	if b.check() == nil {
		b.issued.reject(b, rejected)
	}
}

func (b *Bearer) issuer() *issuer {
	return &issuer{"bearer token " + b.Resource, b.issue, func() []stschain.Provider { return []stschain.Provider{b.cache()} }, b.Clock, b.OnEvent}
}

// cache returns the cache over Credentials.
func (b *Bearer) cache() stschain.CachedProvider {
	b.once.Do(func() { b.creds = wire.Cached(b.Credentials, b.Clock) })
	return b.creds
}

func (b *Bearer) issue(ctx context.Context) (Token, error) {
	if _, err := credentials(ctx, b.cache(), terms{life: b.life() + trip, clock: b.Clock}); err != nil {
		return Token{}, fmt.Errorf("no credentials to sign with: %w", err)
	}
	call := b.call()
	keys := &observed{CachedProvider: b.cache()}
	client := wire.Client(b.HTTPClient, 0)
	client.Transport = &sigv4.Transport{
		Service: "signin", Region: b.Region, Credentials: keys, Base: client.Transport, AllowHTTP: b.AllowHTTP, Clock: b.Clock,
	}
	if b.HTTPClient == nil {
		defer client.CloseIdleConnections()
	}
	return call.call(ctx, client, keys.secrets)
}

// call returns the operation that issues the token.
func (b *Bearer) call() *signIn {
	type grant struct {
		Duration  int64  `json:"duration,omitempty"` // seconds
		GrantType string `json:"grant_type"`
		Resource  string `json:"resource"`
	}
	s := &signIn{
		operation: "CreateBearerToken", query: "x-amz-token-request-type=bearer",
		body:   grant{int64(b.Duration / time.Second), "client_credentials", b.Resource},
		region: b.Region, endpoint: b.Endpoint, allowHTTP: b.AllowHTTP, attempts: b.MaxAttempts, clock: b.Clock,
	}
	if b.OAuth {
		s.operation, s.query = "CreateOAuth2TokenWithIAM", "x-amz-client-auth-method=iam"
	}
	return s
}

// life is how long a token is valid when it is issued, unless the credentials expire before.
func (b *Bearer) life() time.Duration {
	if b.OAuth {
		return oauthLife
	}
	return cmp.Or(b.Duration, maxBearerLife)
}

func (b *Bearer) check() error {
	switch {
	case b.Credentials == nil:
		return flow.Missing("Credentials")
	case b.OAuth && b.Duration != 0:
		return stschain.Permanent(fmt.Errorf("Duration is %v, and OAuth tokens have a fixed lifetime: leave it 0", b.Duration))
	case b.Duration != 0 && (b.Duration < bearerLeast || b.Duration > maxBearerLife || b.Duration%time.Second != 0):
		return stschain.Permanent(fmt.Errorf("Duration is %v, and whole seconds from %v to %v are allowed", b.Duration, bearerLeast, maxBearerLife))
	}
	if err := checkGrant(b.Region, b.Resource); err != nil {
		return err
	}
	return checkMinLife(b.MinLife, b.life())
}

// checkGrant checks what all requests for tokens of AWS Sign-In have.
func checkGrant(region, resource string) error {
	for _, f := range []field{
		{"Region", region, wire.IsLabel, "a region such as eu-west-1"},
		{"Resource", resource, isResource, "the name of a service such as ecr.amazonaws.com"},
	} {
		if err := f.check(); err != nil {
			return err
		}
	}
	return nil
}

func isResource(s string) bool { return len(s) <= 253 && wire.IsHost(s) }

// observed remembers the secrets of the credentials that it returned, so that no error shows them.
type observed struct {
	stschain.CachedProvider
	returned []stschain.Secret
}

// Retrieve returns the credentials. One request at a time calls it.
func (o *observed) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	creds, err := o.CachedProvider.Retrieve(ctx)
	if err == nil {
		o.returned = append(o.returned, creds.SecretAccessKey, creds.SessionToken)
	}
	return creds, err
}

func (o *observed) secrets() []stschain.Secret { return o.returned }
