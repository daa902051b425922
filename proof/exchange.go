package proof

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
)

// TokenExchange exchanges a JWT of an identity provider for an access token of an AWS service, with
// CreateOAuth2TokenWithTokenExchange of AWS Sign-In (RFC 8693). It needs no credentials. It caches the access token and
// refreshes it by the rules of a [stschain.Cache]: before it expires, in the background, once for all callers.
//
// A token is valid for an hour, and at most as long as the JWT. Errors of the service are a [*SignInError].
//
// It is safe for concurrent use. Do not change its fields after first use, and do not copy it.
//
// Source: the model of the service signin in the AWS SDKs.
type TokenExchange struct {
	// SubjectToken is required: it returns the JWT. It is called for each exchange, so that it can return a
	// new one. If it prompts the user, it must call [stschain.Prompt] first.
	SubjectToken func(ctx context.Context) (stschain.Secret, error)

	Region   string   // required: "eu-west-1"
	Resource string   // required: the service that accepts the token, "glue.amazonaws.com"
	Scope    []string // ARNs of managed policies that limit the token; nil: it is not limited

	MinLife time.Duration        // the minimum remaining lifetime of a returned token; at most an hour less 5 s. 0: any valid token
	OnEvent func(stschain.Event) // nil: none. See stschain.Cache

	Endpoint    string         // "": https://REGION.oauth.signin.aws, which only the partition aws has
	AllowHTTP   bool           // true: plain http to hosts other than loopback
	MaxAttempts int            // of a request, if there is no response, or 429 or 5xx; 0: 3
	HTTPClient  *http.Client   // follows no redirect and uses no cookies; nil: a client with timeouts
	Clock       stschain.Clock // nil: the system clock

	issued issued
}

const maxSubject = 20_000 // the longest web identity token of STS, in bytes

// Token returns the cached token, or waits for a new one.
func (x *TokenExchange) Token(ctx context.Context) (_ Token, err error) {
	defer flow.Wrap(&err, "proof", "no token by exchange")
	if err := x.check(); err != nil {
		return Token{}, err
	}
	return x.issued.token(ctx, x, x.MinLife)
}

// Invalidate reports that a service rejected a token. If it is the cached one, the next call gets another one.
func (x *TokenExchange) Invalidate(rejected Token) {
	if x.check() == nil {
		x.issued.reject(x, rejected)
	}
}

func (x *TokenExchange) issuer() *issuer {
	return &issuer{"exchanged token " + x.Resource, x.issue, nil, x.Clock, x.OnEvent}
}

func (x *TokenExchange) issue(ctx context.Context) (Token, error) {
	subject, err := x.SubjectToken(ctx)
	if err != nil {
		return Token{}, fmt.Errorf("no subject token: %w", err)
	}
	subject = stschain.NewSecret(strings.TrimSpace(subject.Reveal()))
	switch n := len(subject.Reveal()); {
	case n == 0:
		return Token{}, errors.New("no subject token: SubjectToken returned an empty one")
	case n > maxSubject:
		return Token{}, stschain.Permanent(fmt.Errorf("the subject token has %d bytes, and at most %d are sent", n, maxSubject))
	case !isBearer(subject.Reveal()):
		return Token{}, stschain.Permanent(errors.New("the subject token is not a JWT: it has characters other than letters, digits, hyphens, underscores and periods"))
	}
	return x.call(subject).call(ctx, x.HTTPClient, func() []stschain.Secret { return []stschain.Secret{subject} })
}

// call returns the operation that exchanges a token.
func (x *TokenExchange) call(subject stschain.Secret) *signIn {
	type grant struct {
		GrantType        string `json:"grant_type"`
		Resource         string `json:"resource"`
		Scope            string `json:"scope,omitempty"`
		SubjectToken     string `json:"subject_token"`
		SubjectTokenType string `json:"subject_token_type"`
	}
	return &signIn{
		operation: "CreateOAuth2TokenWithTokenExchange", query: "x-amz-oauth-token-method=token-exchange",
		body: grant{
			"urn:ietf:params:oauth:grant-type:token-exchange", x.Resource, strings.Join(x.Scope, " "),
			subject.Reveal(), "urn:ietf:params:oauth:token-type:jwt",
		},
		region: x.Region, endpoint: x.Endpoint, allowHTTP: x.AllowHTTP, attempts: x.MaxAttempts, clock: x.Clock,
	}
}

func (x *TokenExchange) check() error {
	if x.SubjectToken == nil {
		return flow.Missing("SubjectToken")
	}
	if err := checkGrant(x.Region, x.Resource); err != nil {
		return err
	}
	for _, arn := range x.Scope {
		if !isPolicyARN(arn) {
			return stschain.Permanent(fmt.Errorf("Scope has %.128q, and ARNs of managed policies are required", arn))
		}
	}
	return checkMinLife(x.MinLife, oauthLife)
}

func isPolicyARN(s string) bool {
	return strings.HasPrefix(s, "arn:") && strings.Contains(s, ":policy/") && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}
