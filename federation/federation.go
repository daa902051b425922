// Package federation gets credentials for users whom an identity broker of one's
// own vouches for, by STS's GetFederationToken, and makes URLs that sign a browser
// in to the AWS console with temporary credentials of any kind.
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
// Set Policy or PolicyARNs. A federated session may do what both the signing user
// and the session's policies allow, so without a policy of its own it has no
// permissions: every call is denied, except what the policy of a resource, such as
// a bucket, grants the federated user by name. It can never call IAM with its keys,
// nor STS but for GetCallerIdentity.
//
// # Limits
//
// STS gives federated sessions for the long-lived keys of a user only. Temporary
// keys, which have a session token, are refused here before anything is sent. A
// program that has a role, and no keys, uses AssumeRole with a session name and
// session policies for the same end.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html
package federation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/stsquery"
)

// Provider gets credentials for a federated user. Its fields are not changed after
// first use. The limits in their comments are those of AWS; other servers have
// their own.
type Provider struct {
	Client *stsquery.Client // required; its Credentials are the long-lived keys of a user who may call sts:GetFederationToken

	Name string // required by AWS: who the federated user is, for CloudTrail and for resources' policies; 2 to 32 letters, digits and _+=,.@-

	// Policy, in JSON of at most 2048 characters, and the managed policies of
	// PolicyARNs, at most 10, are what the session may do, of what the signing user
	// may. Without any of them it may do nothing, see above.
	Policy     string
	PolicyARNs []string

	Duration time.Duration  // 15 minutes to 36 hours, in whole seconds; for the root user at most 1 hour. 0: 12 hours, for the root user 1
	Tags     []stsquery.Tag // session tags, at most 50; they need sts:TagSession

	MinimumSessionTokenSize int // in bytes, up to 4096, for testing what carries tokens. 0: as large as need be
}

// Retrieve gets a session of the federated user. Its errors wrap [*stsquery.Error]
// where STS was called. They are never Unavailable: a session whose base credentials are not
// configured has failed.
func (p *Provider) Retrieve(ctx context.Context) (creds stschain.Credentials, err error) {
	ctx, end := stschain.Step{Provider: p}.Start(ctx)
	defer func() { end(creds, err) }()
	out, err := p.GetFederationToken(ctx)
	if err != nil {
		return stschain.Credentials{}, err
	}
	return out.Credentials, nil
}

// GetFederationToken is Retrieve with all that STS answered: who the session is,
// how large its token is.
func (p *Provider) GetFederationToken(ctx context.Context) (*stsquery.GetFederationTokenOutput, error) {
	out, err := p.getFederationToken(ctx)
	if err != nil {
		return nil, fmt.Errorf("federation: %w", err)
	}
	return out, nil
}

func (p *Provider) getFederationToken(ctx context.Context) (*stsquery.GetFederationTokenOutput, error) {
	switch {
	case p == nil:
		return nil, stschain.Permanent(errors.New("the Provider is nil"))
	case p.Client == nil:
		return nil, stschain.Permanent(errors.New("Client is missing"))
	}
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

// Providers returns what signs: the cache over the client's credentials.
func (p *Provider) Providers() []stschain.Provider {
	if p == nil {
		return nil
	}
	return p.Client.Providers()
}

// String returns "federation" and the user's name.
func (p *Provider) String() string {
	if p == nil || p.Name == "" {
		return "federation"
	}
	return "federation " + p.Name
}
