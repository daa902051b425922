// Package webidentity gets credentials for a role by STS's
// AssumeRoleWithWebIdentity: an identity provider vouches for the program with a
// token, and no keys are needed.
//
//	role := &webidentity.Provider{
//		Client:  &stsquery.Client{Region: "eu-west-1"},
//		RoleARN: "arn:aws:iam::123456789012:role/backup",
//		Token:   webidentity.TokenFile("/var/run/secrets/tokens/aws"),
//	}
//
// On Kubernetes with IAM roles for service accounts everything is in environment
// variables already:
//
//	role := &webidentity.FromEnv{}
//
// A Provider asks STS each time. It is meant to be held by something that asks
// through [stschain.Cached]: a sigv4.Transport, an stsquery.Client, or an explicit
// [stschain.Cache] that several holders share.
//
// # Tokens
//
// A token is read again for each attempt, since tokens rotate. [TokenFile] and
// [TokenVariable] read it from where something else puts it, [GitHubActions] asks
// for it, and any function can be a source.
//
// A token that is a JWT is looked into, not verified; that is for STS to do. One that
// is long expired is not sent. If STS refuses a token, the error tells its issuer,
// subject and audience, which are what a trust policy asks for. A token that is no
// JWT is sent as it is: the access tokens of OAuth 2.0, which go with ProviderID,
// need not be JWTs. No error holds a token.
package webidentity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/stsquery"
)

// Provider assumes a role for whom an identity provider vouches. Its fields are
// not changed after first use. The limits in their comments are those of AWS; other
// servers have their own.
type Provider struct {
	Client *stsquery.Client // required; its Credentials are never touched

	RoleARN     string        // required by AWS
	SessionName string        // 2 to 64 letters, digits and _+=,.@-. Empty: the program's name and the host's, since CloudTrail shows it
	Duration    time.Duration // 15 minutes to 12 hours, in whole seconds, and at most the role's own maximum. 0: 1 hour

	// Token brings the identity provider's token, at most 20,000 characters; required.
	// It is asked for each attempt, and should honour ctx. Where it asks a person,
	// put the provider into a stschain.Cache that is Interactive.
	Token func(ctx context.Context) (stschain.Secret, error)

	// ProviderID is who made an access token of OAuth 2.0: www.amazon.com or
	// graph.facebook.com. Empty: the token is one of OpenID Connect, which tells it.
	ProviderID string

	// Policy, in JSON of at most 2048 characters, and the managed policies of
	// PolicyARNs, at most 10, cut the session's permissions down; they never add any.
	// Empty: all that the role has.
	Policy     string
	PolicyARNs []string

	MinimumSessionTokenSize int // in bytes, up to 4096, for testing what carries tokens. 0: as large as need be
}

// Retrieve assumes the role. Its errors wrap [*stsquery.Error] where STS was asked
// and refused. They are never Unavailable: a role without a token has failed.
func (p *Provider) Retrieve(ctx context.Context) (creds stschain.Credentials, err error) {
	ctx, end := stschain.Step{Provider: p}.Start(ctx)
	defer func() { end(creds, err) }()
	out, err := p.AssumeRoleWithWebIdentity(ctx)
	if err != nil {
		return stschain.Credentials{}, err
	}
	return out.Credentials, nil
}

// AssumeRoleWithWebIdentity is Retrieve with all that STS answered: who the session
// is, and what was in the token.
func (p *Provider) AssumeRoleWithWebIdentity(ctx context.Context) (*stsquery.AssumeRoleWithWebIdentityOutput, error) {
	out, err := p.assumeRole(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.errorPrefix(), err)
	}
	return out, nil
}

func (p *Provider) assumeRole(ctx context.Context) (*stsquery.AssumeRoleWithWebIdentityOutput, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	var sent presented
	in := stsquery.AssumeRoleWithWebIdentityInput{
		RoleARN:         p.RoleARN,
		RoleSessionName: p.SessionName,
		Token: func(ctx context.Context) (_ stschain.Secret, err error) {
			sent, err = p.present(ctx)
			return sent.token, err
		},
		ProviderID:              p.ProviderID,
		Policy:                  p.Policy,
		PolicyARNs:              p.PolicyARNs,
		Duration:                p.Duration,
		MinimumSessionTokenSize: p.MinimumSessionTokenSize,
	}
	if in.RoleSessionName == "" {
		in.RoleSessionName = flow.SessionName()
	}
	out, err := p.Client.AssumeRoleWithWebIdentity(ctx, in)
	if err != nil {
		return nil, sent.explain(err, p.now())
	}
	if err := flow.CheckSession(p.RoleARN, out.AssumedRoleUser.ARN); err != nil {
		return nil, err
	}
	out.Credentials.Origin = p.String()
	out.Credentials.AccountID = flow.AccountID(out.AssumedRoleUser.ARN, p.RoleARN)
	return out, nil
}

// present brings a token that is worth sending.
func (p *Provider) present(ctx context.Context) (presented, error) {
	ctx, origin := withOrigin(ctx)
	token, err := p.Token(ctx)
	if err != nil {
		return presented{}, err
	}
	text := strings.TrimSpace(token.Reveal())
	if text == "" {
		return presented{}, errors.New("Token gave an empty one")
	}
	sent := presented{token: stschain.NewSecret(text), origin: origin.String()}
	sent.claims, sent.isJWT = peek(text)
	return sent, sent.check(p.now())
}

func (p *Provider) now() time.Time {
	if p.Client.Clock == nil {
		return time.Now()
	}
	return p.Client.Clock.Now()
}

// String returns "webidentity" and the role.
func (p *Provider) String() string {
	if p == nil || p.RoleARN == "" {
		return "webidentity"
	}
	return "webidentity " + p.RoleARN
}

func (p *Provider) errorPrefix() string {
	if p == nil || p.RoleARN == "" {
		return "webidentity"
	}
	return "webidentity: " + p.RoleARN
}

// check finds what is missing. The values are the client's to check.
func (p *Provider) check() error {
	switch {
	case p == nil:
		return stschain.Permanent(errors.New("the Provider is nil"))
	case p.Client == nil:
		return stschain.Permanent(errors.New("Client is missing"))
	case p.Token == nil:
		return stschain.Permanent(errors.New("Token is missing"))
	}
	return nil
}
