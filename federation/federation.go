// Package federation gets credentials for users that your own identity broker has authenticated, with
// STS's GetFederationToken, and makes URLs that sign a browser in to the AWS console with temporary
// credentials of any kind.
//
//	bob := &federation.Provider{
//		Client:     &stsquery.Client{Credentials: &env.Provider{}, Region: "eu-west-1"},
//		Name:       "bob",
//		PolicyARNs: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"},
//	}
//	console := &federation.SignIn{Credentials: bob, Region: "eu-west-1"}
//	link, err := console.SignInURL(ctx)
//
// # Permissions
//
// Set Policy or PolicyARNs. A federated session has the permissions that both the signing user and the
// session's policies allow, so without a session policy it has none: every call is denied, except
// those that the policy of a resource, such as a bucket, grants to the federated user by name. Its
// keys can never call IAM, nor STS operations other than GetCallerIdentity.
//
// # Limits
//
// STS returns federated sessions for the long-lived keys of a user only.
// Temporary keys, which have a session token, are refused before a request is
// sent. A program that has a role and no keys uses AssumeRole with a session
// name and session policies instead.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html
package federation

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/stsquery"
)

// Provider gets credentials for a federated user. Do not change its fields
// after first use. The limits in their comments are those of AWS; other servers
// have their own.
type Provider struct {
	Client *stsquery.Client // required; its Credentials are the long-lived keys of a user with the permission sts:GetFederationToken

	Name string // required by AWS: the federated user's name, for CloudTrail and resource policies; 2 to 32 letters, digits and _+=,.@-

	// Policy, in JSON of at most 2048 characters, and the managed policies of
	// PolicyARNs, at most 10, grant the session a part of the signing user's
	// permissions. Without them it has none; see the package comment.
	Policy     string
	PolicyARNs []string

	Duration time.Duration  // 15 minutes to 36 hours, in whole seconds; for the root user at most 1 hour. 0: 12 hours, for the root user 1
	Tags     []stsquery.Tag // session tags, at most 50; they require sts:TagSession

	MinimumSessionTokenSize int // in bytes, up to 4096, to test whether proxies, headers and databases accept large tokens. 0: no minimum
}

// Retrieve gets a session of the federated user. Its errors wrap [*stsquery.Error] if STS refused. They
// are never Unavailable: a session whose base credentials are not configured has failed.
func (p *Provider) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	return flow.Retrieve(ctx, p, p.GetFederationToken, func(out *stsquery.GetFederationTokenOutput) stschain.Credentials { return out.Credentials })
}

// GetFederationToken is Retrieve with the complete response of STS: the federated user, the size of the
// session's token.
func (p *Provider) GetFederationToken(ctx context.Context) (_ *stsquery.GetFederationTokenOutput, err error) {
	defer flow.Wrap(&err, "federation", "")
	base, err := flow.LongLivedKeys(ctx, p.Client, "GetFederationToken")
	if err != nil {
		return nil, err
	}
	out, err := p.Client.GetFederationToken(ctx, stsquery.GetFederationTokenInput{
		Name:                    p.Name,
		Policy:                  p.Policy,
		PolicyARNs:              p.PolicyARNs,
		Duration:                p.Duration,
		Tags:                    p.Tags,
		MinimumSessionTokenSize: p.MinimumSessionTokenSize,
	})
	if err != nil {
		return nil, err
	}
	out.Credentials.Origin = p.String()
	out.Credentials.AccountID = cmp.Or(flow.AccountID(out.FederatedUser.ARN), base.AccountID)
	return out, nil
}

// Identity returns what decides the session: all fields, the server, and the identity of Client.Credentials.
func (p *Provider) Identity(ctx context.Context) (_ stschain.Identity, err error) {
	defer flow.Wrap(&err, "federation", "")
	return flow.Identity(ctx, "federation", p.Client, true,
		"name="+p.Name,
		"policy="+p.Policy,
		"policies="+flow.Names(p.PolicyARNs),
		"duration="+p.Duration.String(),
		"tags="+flow.Tags(p.Tags),
		fmt.Sprint("token-size=", p.MinimumSessionTokenSize))
}

// Providers returns the cache over the credentials that sign.
func (p *Provider) Providers() []stschain.Provider { return p.Client.Providers() }

// String returns "federation" and the user's name.
func (p *Provider) String() string { return flow.Name("federation", p.Name) }
