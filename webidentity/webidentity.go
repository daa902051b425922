// Package webidentity gets credentials for a role with STS's AssumeRoleWithWebIdentity: a token of an
// identity provider authenticates the program, and no keys are needed.
//
//	role := &webidentity.Provider{
//		Client:  &stsquery.Client{Region: "eu-west-1"},
//		RoleARN: "arn:aws:iam::123456789012:role/backup",
//		Token:   webidentity.TokenFile("/var/run/secrets/tokens/aws"),
//	}
//
// On Kubernetes with IAM roles for service accounts, environment variables configure everything:
//
//	role := &webidentity.FromEnv{}
//
// A Provider calls STS each time. Pass it to a type that caches: a
// sigv4.Transport, an stsquery.Client, or an explicit [stschain.Cache] that
// several clients share.
//
// # Tokens
//
// A token is read again for each attempt, since tokens rotate. [TokenFile] and
// [TokenVariable] read what another program provides, [GitHubActions] requests
// a token, and any function can be a source.
//
// A token that is a JWT is parsed, but not verified; STS does that. A token that expired long ago is not
// sent. If STS refuses a token, the error shows its issuer, subject and audience, which a trust policy
// checks. A token that is not a JWT is sent as it is: OAuth 2.0 access tokens, which are used with
// ProviderID, do not have to be JWTs. Errors never contain a token.
package webidentity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/stsquery"
)

// Provider assumes a role with a token of an identity provider. Do not change
// its fields after first use. The limits in their comments are those of AWS;
// other servers have their own.
type Provider struct {
	Client *stsquery.Client // required; its Credentials are not used

	RoleARN     string        // required by AWS
	SessionName string        // 2 to 64 letters, digits and _+=,.@-; CloudTrail shows it. Empty: the names of the program and the host, so that other hosts cannot share the session
	Duration    time.Duration // 15 minutes to 12 hours, in whole seconds, and at most the role's own maximum. 0: 1 hour

	// Token returns the identity provider's token, at most 20,000 characters; required. It is called for each
	// attempt. It should honor ctx, and call stschain.Prompt before it prompts the user.
	Token func(ctx context.Context) (stschain.Secret, error)

	// ProviderID is the issuer of an access token of OAuth 2.0: www.amazon.com or graph.facebook.com. Empty: the
	// token is one of OpenID Connect, which names its issuer.
	ProviderID string

	// Policy, in JSON of at most 2048 characters, and the managed policies of PolicyARNs, at most 10, restrict
	// the session's permissions; they never add any. Empty: all permissions of the role.
	Policy     string
	PolicyARNs []string

	MinimumSessionTokenSize int // in bytes, up to 4096, to test whether proxies, headers and databases accept large tokens. 0: no minimum
}

// Retrieve assumes the role. Its errors wrap [*stsquery.Error] if STS refused. They are never
// Unavailable: a role without a token has failed.
func (p *Provider) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	return flow.Retrieve(ctx, p, p.AssumeRoleWithWebIdentity, func(out *stsquery.AssumeRoleWithWebIdentityOutput) stschain.Credentials { return out.Credentials })
}

// AssumeRoleWithWebIdentity is Retrieve with the complete response of STS: the session's user, and what
// the token contained.
func (p *Provider) AssumeRoleWithWebIdentity(ctx context.Context) (_ *stsquery.AssumeRoleWithWebIdentityOutput, err error) {
	defer flow.Wrap(&err, "webidentity", p.RoleARN)
	if err := p.check(); err != nil {
		return nil, err
	}
	sent := new(presented)
	out, err := p.Client.AssumeRoleWithWebIdentity(ctx, stsquery.AssumeRoleWithWebIdentityInput{
		RoleARN:         p.RoleARN,
		RoleSessionName: flow.SessionName(p.SessionName),
		Token: func(ctx context.Context) (_ stschain.Secret, err error) {
			sent, err = p.present(ctx)
			return sent.token, err
		},
		ProviderID:              p.ProviderID,
		Policy:                  p.Policy,
		PolicyARNs:              p.PolicyARNs,
		Duration:                p.Duration,
		MinimumSessionTokenSize: p.MinimumSessionTokenSize,
	})
	if err != nil {
		return nil, sent.explain(err, system.Now(p.Client.Clock))
	}
	if err := flow.Complete(&out.Credentials, p.String(), p.RoleARN, out.AssumedRoleUser.ARN); err != nil {
		return nil, err
	}
	return out, nil
}

func (p *Provider) check() error {
	switch {
	case p.Client == nil:
		return flow.Missing("Client")
	case p.Token == nil:
		return flow.Missing("Token")
	}
	return nil
}

// Identity returns what decides the session: all fields, the server, and the token, which it reads. A token that
// [TokenFile] or [GitHubActions] returned counts by the claims that STS evaluates, so that the next one has the same
// identity. Any other token counts by its bytes. Set SessionName to share the session with other hosts.
func (p *Provider) Identity(ctx context.Context) (_ stschain.Identity, err error) {
	defer flow.Wrap(&err, "webidentity", p.RoleARN)
	if err := p.check(); err != nil {
		return stschain.Identity{}, err
	}
	token, err := p.present(ctx)
	if err != nil {
		return stschain.Identity{}, fmt.Errorf("no web identity token: %w", err)
	}
	return flow.Identity(ctx, "webidentity", p.Client, false, append(token.identity(),
		"role="+p.RoleARN,
		flow.Session(p.SessionName),
		"duration="+p.Duration.String(),
		"provider="+p.ProviderID,
		"policy="+p.Policy,
		"policies="+flow.Names(p.PolicyARNs),
		fmt.Sprint("token-size=", p.MinimumSessionTokenSize))...)
}

// present returns a token, unless STS would certainly refuse it.
func (p *Provider) present(ctx context.Context) (*presented, error) {
	ctx, origin := withOrigin(ctx)
	token, err := p.Token(ctx)
	if err != nil {
		return new(presented), err
	}
	text := strings.TrimSpace(token.Reveal())
	if text == "" {
		return new(presented), errors.New("Token returned an empty one")
	}
	sent := &presented{token: stschain.NewSecret(text), origin: origin.String()}
	sent.local = origin.isOf(sent.token)
	sent.claims, sent.isJWT = peek(text)
	if now := system.Now(p.Client.Clock); sent.expiry().Passed(now) {
		return new(presented), errors.New(sent.expired(now))
	}
	return sent, nil
}

// String returns "webidentity" and the role.
func (p *Provider) String() string { return flow.Name("webidentity", p.RoleARN) }
