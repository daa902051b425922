// Package assumerole gets credentials for a role with STS's AssumeRole.
//
//	role := &assumerole.Provider{
//		Client:  &stsquery.Client{Credentials: base, Region: "eu-west-1"},
//		RoleARN: "arn:aws:iam::123456789012:role/backup",
//	}
//
// A Provider calls STS each time. Pass it to a type that caches: a
// sigv4.Transport, another stsquery.Client, or an explicit [stschain.Cache]
// that several clients share.
//
// # Role chains
//
// A role can assume another role: set Credentials of the second role's client to the first role. Each
// client caches the credentials that it signs with, so in the steady state a refresh of the last role
// costs one call. Each hop has its own region and endpoint. AWS limits a role that was assumed by a
// role to one hour.
//
// # MFA
//
// With SerialNumber and MFAToken, every refresh needs a code. MFAToken is called only while a caller
// waits: background refreshes do not prompt. A code is sent once; if STS rejects it, MFAToken is called
// for another one, once.
package assumerole

import (
	"context"
	"fmt"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/stsquery"
)

// Provider assumes a role. Do not change its fields after first use. The limits
// in their comments are those of AWS; other servers have their own.
type Provider struct {
	Client *stsquery.Client // required; its Credentials assume the role

	RoleARN     string        // required by AWS
	SessionName string        // 2 to 64 letters, digits and _+=,.@-; CloudTrail shows it. Empty: the names of the program and the host, so that other hosts cannot share the session
	Duration    time.Duration // 15 minutes to 12 hours, in whole seconds, and at most the role's own maximum; 1 hour in a role chain. 0: 1 hour

	ExternalID string // required by the trust policies of third parties, as protection against the confused deputy problem

	// Policy, in JSON, and the managed policies of PolicyARNs, at most 10, restrict the session's
	// permissions; they never add any. Empty: all permissions of the role.
	Policy     string
	PolicyARNs []string

	Tags              []stsquery.Tag // session tags, at most 50
	TransitiveTagKeys []string       // keys of the Tags that are passed on to roles assumed by the session
	SourceIdentity    string         // the user behind the session, for CloudTrail; passed on through role chains

	// SerialNumber is the serial number or the ARN of the caller's MFA device. MFAToken returns its current
	// code, and should honor ctx. Set both or neither.
	SerialNumber string
	MFAToken     func(ctx context.Context, serial string) (stschain.Secret, error)

	ProvidedContexts        []stsquery.ProvidedContext // signed context assertions of a trusted provider, at most 5
	MinimumSessionTokenSize int                        // in bytes, up to 4096, to test whether proxies, headers and databases accept large tokens. 0: no minimum
}

// Retrieve assumes the role. Its errors wrap [*stsquery.Error] if STS refused. They are never
// Unavailable: a role whose base credentials are not configured has failed.
func (p *Provider) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	return flow.Retrieve(ctx, p, p.AssumeRole, func(out *stsquery.AssumeRoleOutput) stschain.Credentials { return out.Credentials })
}

// AssumeRole is Retrieve with the complete response of STS: the session's user, the size of its token,
// its source identity.
func (p *Provider) AssumeRole(ctx context.Context) (_ *stsquery.AssumeRoleOutput, err error) {
	defer flow.Wrap(&err, "assumerole", p.RoleARN)
	in := stsquery.AssumeRoleInput{
		RoleARN:                 p.RoleARN,
		RoleSessionName:         flow.SessionName(p.SessionName),
		Duration:                p.Duration,
		Policy:                  p.Policy,
		PolicyARNs:              p.PolicyARNs,
		Tags:                    p.Tags,
		TransitiveTagKeys:       p.TransitiveTagKeys,
		ExternalID:              p.ExternalID,
		SourceIdentity:          p.SourceIdentity,
		SerialNumber:            p.SerialNumber,
		ProvidedContexts:        p.ProvidedContexts,
		MinimumSessionTokenSize: p.MinimumSessionTokenSize,
	}
	device := flow.MFA{Serial: p.SerialNumber, Token: p.MFAToken}
	out, err := flow.SendMFA(ctx, p.Client, device, func(code stschain.Secret) (*stsquery.AssumeRoleOutput, error) {
		in.TokenCode = code
		return p.Client.AssumeRole(ctx, in)
	})
	if err != nil {
		return nil, err
	}
	if err := flow.Complete(&out.Credentials, p.String(), p.RoleARN, out.AssumedRoleUser.ARN); err != nil {
		return nil, err
	}
	return out, nil
}

// Identity returns what decides the session: all fields but MFAToken, the server, and the identity of Client.Credentials.
// Set SessionName to share the session with other hosts.
func (p *Provider) Identity(ctx context.Context) (_ stschain.Identity, err error) {
	defer flow.Wrap(&err, "assumerole", p.RoleARN)
	contexts := flow.Set(p.ProvidedContexts, func(c stsquery.ProvidedContext) []string { return []string{c.ProviderARN, c.Assertion.Reveal()} })
	return flow.Identity(ctx, "assumerole", p.Client, true,
		"role="+p.RoleARN,
		flow.Session(p.SessionName),
		"duration="+p.Duration.String(),
		"external-id="+p.ExternalID,
		"policy="+p.Policy,
		"policies="+flow.Names(p.PolicyARNs),
		"tags="+flow.Tags(p.Tags),
		"transitive="+flow.Names(p.TransitiveTagKeys),
		"source-identity="+p.SourceIdentity,
		"mfa="+p.SerialNumber,
		"contexts="+stschain.NewSecret(contexts).Fingerprint(),
		fmt.Sprint("token-size=", p.MinimumSessionTokenSize))
}

// Providers returns the cache over the credentials that assume the role.
func (p *Provider) Providers() []stschain.Provider { return p.Client.Providers() }

// String returns "assumerole" and the role.
func (p *Provider) String() string { return flow.Name("assumerole", p.RoleARN) }
