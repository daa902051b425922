// Package assumerole gets credentials for a role, by STS's AssumeRole.
//
//	role := &assumerole.Provider{
//		Client:  &stsquery.Client{Credentials: base, Region: "eu-west-1"},
//		RoleARN: "arn:aws:iam::123456789012:role/backup",
//	}
//
// A Provider asks STS each time. It is meant to be held by something that asks
// through [stschain.Cached]: a sigv4.Transport, another stsquery.Client, or an
// explicit [stschain.Cache] that several holders share.
//
// # Role chains
//
// A role can be assumed by a role: give the client of the second one the first
// one as Credentials. Each client caches what it signs with, so in the steady
// state a refresh of the last role costs one call. Each hop has its own region and
// endpoint. AWS limits a role that was assumed by a role to one hour.
//
// # MFA
//
// With SerialNumber and MFAToken a person, or a device, is asked for a code on
// every refresh. A cache over such a provider never refreshes in the background, so
// that nobody is asked out of the blue. A code is sent once; if STS rejects it,
// MFAToken is asked for another one, once.
package assumerole

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/stsquery"
)

// Provider assumes a role. Its fields are not changed after first use. The
// limits in their comments are those of AWS; other servers have their own.
type Provider struct {
	Client *stsquery.Client // required; its Credentials assume the role

	RoleARN     string        // required by AWS
	SessionName string        // 2 to 64 letters, digits and _+=,.@-. Empty: the program's name and the host's, since CloudTrail shows it
	Duration    time.Duration // 15 minutes to 12 hours, in whole seconds, and at most the role's own maximum; 1 hour in a role chain. 0: 1 hour

	ExternalID string // what a third party's trust policy asks for, against being used as its deputy

	// Policy, in JSON, and the managed policies of PolicyARNs, at most 10, cut the
	// session's permissions down; they never add any. Empty: all that the role has.
	Policy     string
	PolicyARNs []string

	Tags              []stsquery.Tag // session tags, at most 50
	TransitiveTagKeys []string       // of those that roles assumed by the session get too
	SourceIdentity    string         // who is behind the session, for CloudTrail; stays through role chains

	// SerialNumber is that of the caller's MFA device, or its ARN. MFAToken asks for
	// its current code; the two go together. MFAToken should honour ctx.
	SerialNumber string
	MFAToken     func(ctx context.Context, serial string) (stschain.Secret, error)

	ProvidedContexts        []stsquery.ProvidedContext // signed statements of a trusted provider, at most 5
	MinimumSessionTokenSize int                        // in bytes, up to 4096, for testing what carries tokens. 0: as large as need be
}

// Retrieve assumes the role. Its errors wrap [*stsquery.Error] where STS was asked
// and refused. They are never Unavailable: a role whose base credentials are not
// configured has failed.
func (p *Provider) Retrieve(ctx context.Context) (creds stschain.Credentials, err error) {
	ctx, end := stschain.Step{Provider: p}.Start(ctx)
	defer func() { end(creds, err) }()
	out, err := p.AssumeRole(ctx)
	if err != nil {
		return stschain.Credentials{}, err
	}
	return out.Credentials, nil
}

// AssumeRole is Retrieve with all that STS answered: who the session is, how large its
// token is, its source identity.
func (p *Provider) AssumeRole(ctx context.Context) (*stsquery.AssumeRoleOutput, error) {
	out, err := p.assumeRole(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.errorPrefix(), err)
	}
	return out, nil
}

func (p *Provider) assumeRole(ctx context.Context) (*stsquery.AssumeRoleOutput, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	in := stsquery.AssumeRoleInput{
		RoleARN:                 p.RoleARN,
		RoleSessionName:         p.SessionName,
		Duration:                p.Duration,
		Policy:                  p.Policy,
		PolicyARNs:              p.PolicyARNs,
		Tags:                    p.Tags,
		TransitiveTagKeys:       p.TransitiveTagKeys,
		ExternalID:              p.ExternalID,
		SourceIdentity:          p.SourceIdentity,
		ProvidedContexts:        p.ProvidedContexts,
		MinimumSessionTokenSize: p.MinimumSessionTokenSize,
	}
	if in.RoleSessionName == "" {
		in.RoleSessionName = flow.SessionName()
	}
	out, err := p.send(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := flow.CheckSession(p.RoleARN, out.AssumedRoleUser.ARN); err != nil {
		return nil, err
	}
	out.Credentials.Origin = p.String()
	out.Credentials.AccountID = flow.AccountID(out.AssumedRoleUser.ARN, p.RoleARN)
	return out, nil
}

// send asks STS, with an MFA code if there is somebody to ask for one.
func (p *Provider) send(ctx context.Context, in stsquery.AssumeRoleInput) (*stsquery.AssumeRoleOutput, error) {
	in.SerialNumber = p.SerialNumber
	return flow.SendMFA(ctx, p.device(), p.Client, func(code stschain.Secret) (*stsquery.AssumeRoleOutput, error) {
		in.TokenCode = code
		return p.Client.AssumeRole(ctx, in)
	})
}

func (p *Provider) device() flow.MFA { return flow.MFA{Serial: p.SerialNumber, Token: p.MFAToken} }

// Providers returns what assumes the role: the cache over the client's
// credentials.
func (p *Provider) Providers() []stschain.Provider {
	if p == nil {
		return nil
	}
	return p.Client.Providers()
}

// String returns "assumerole" and the role.
func (p *Provider) String() string {
	if p == nil || p.RoleARN == "" {
		return "assumerole"
	}
	return "assumerole " + p.RoleARN
}

func (p *Provider) errorPrefix() string {
	if p == nil || p.RoleARN == "" {
		return "assumerole"
	}
	return "assumerole: " + p.RoleARN
}

// check finds what is missing. The values are the client's to check.
func (p *Provider) check() error {
	switch {
	case p == nil:
		return stschain.Permanent(errors.New("the Provider is nil"))
	case p.Client == nil:
		return stschain.Permanent(errors.New("Client is missing"))
	}
	return p.device().Check()
}
