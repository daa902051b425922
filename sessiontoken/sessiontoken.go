// Package sessiontoken gets temporary credentials for the user whose long-lived
// keys sign, by STS's GetSessionToken. What one wants them for is MFA: one code
// makes a session, and many roles are assumed with it.
//
//	session := stschain.Cached(&sessiontoken.Provider{
//		Client:       &stsquery.Client{Credentials: &env.Provider{}, Region: "eu-west-1"},
//		SerialNumber: "arn:aws:iam::123456789012:mfa/alice",
//		MFAToken:     askAtTheTerminal,
//	})
//	backup := &assumerole.Provider{
//		Client:  &stsquery.Client{Credentials: session, Region: "eu-west-1"},
//		RoleARN: "arn:aws:iam::123456789012:role/backup",
//	}
//	audit := &assumerole.Provider{
//		Client:  &stsquery.Client{Credentials: session, Region: "eu-west-1"},
//		RoleARN: "arn:aws:iam::123456789012:role/audit",
//	}
//
// The two roles share the session because they share the cache, which
// [stschain.Cached] makes: given the bare Provider, each client would make a cache
// of its own and ask for a code of its own. Trust policies that want
// aws:MultiFactorAuthPresent are content with the session.
//
// # Who is asked, and when
//
// However many callers need the session at once, MFAToken is asked once. It is
// never asked in the background: a cache over the provider refreshes only when a
// caller needs credentials, and waits up to five minutes for an answer. So does a
// cache over a role that is assumed with the session; it refreshes in the
// background as long as that needs no code. A caller who does not want to wait
// leaves on its own context, and the question stays open for the others.
//
// A code is sent once. If STS rejects it, MFAToken is asked for another one, once.
//
// # Limits
//
// STS gives sessions for the long-lived keys of a user only. Temporary keys, which
// have a session token, are refused here before anything is sent. The session may
// do what the user may, but of IAM nothing without MFA, and of STS only AssumeRole
// and GetCallerIdentity; it cannot open the console either.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
package sessiontoken

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/stsquery"
)

// Provider gets session tokens. Its fields are not changed after first use. The
// limits in their comments are those of AWS; other servers have their own.
type Provider struct {
	Client *stsquery.Client // required; its Credentials are the long-lived keys of a user

	Duration time.Duration // 15 minutes to 36 hours, in whole seconds; for the root user at most 1 hour. 0: 12 hours, for the root user 1

	// SerialNumber is that of the user's MFA device, or its ARN. MFAToken asks for
	// its current code; the two go together. MFAToken should honour ctx. Empty: a
	// session without MFA.
	SerialNumber string
	MFAToken     func(ctx context.Context, serial string) (stschain.Secret, error)

	MinimumSessionTokenSize int // in bytes, up to 4096, for testing what carries tokens. 0: as large as need be
}

// Retrieve gets a session. Its errors wrap [*stsquery.Error] where STS was asked.
// They are never Unavailable: a session whose base credentials are not configured has failed.
func (p *Provider) Retrieve(ctx context.Context) (creds stschain.Credentials, err error) {
	ctx, end := stschain.Step{Provider: p}.Start(ctx)
	defer func() { end(creds, err) }()
	out, err := p.GetSessionToken(ctx)
	if err != nil {
		return stschain.Credentials{}, err
	}
	return out.Credentials, nil
}

// GetSessionToken is Retrieve with all that STS answered.
func (p *Provider) GetSessionToken(ctx context.Context) (*stsquery.GetSessionTokenOutput, error) {
	out, err := p.getSessionToken(ctx)
	if err != nil {
		return nil, fmt.Errorf("sessiontoken: %w", err)
	}
	return out, nil
}

func (p *Provider) getSessionToken(ctx context.Context) (*stsquery.GetSessionTokenOutput, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	base, err := flow.LongLivedKeys(ctx, p.Client, "GetSessionToken")
	if err != nil {
		return nil, err
	}
	in := stsquery.GetSessionTokenInput{
		Duration:                p.Duration,
		SerialNumber:            p.SerialNumber,
		MinimumSessionTokenSize: p.MinimumSessionTokenSize,
	}
	out, err := flow.SendMFA(ctx, p.device(), p.Client, func(code stschain.Secret) (*stsquery.GetSessionTokenOutput, error) {
		in.TokenCode = code
		return p.Client.GetSessionToken(ctx, in)
	})
	if err != nil {
		return nil, err
	}
	out.Credentials.Origin = p.String()
	out.Credentials.AccountID = base.AccountID // the session is of the same user
	return out, nil
}

func (p *Provider) device() flow.MFA { return flow.MFA{Serial: p.SerialNumber, Token: p.MFAToken} }

// Providers returns what signs: the cache over the client's credentials.
func (p *Provider) Providers() []stschain.Provider {
	if p == nil {
		return nil
	}
	return p.Client.Providers()
}

// String returns "sessiontoken" and the MFA device, if there is one.
func (p *Provider) String() string {
	if p == nil || p.SerialNumber == "" {
		return "sessiontoken"
	}
	return "sessiontoken " + p.SerialNumber
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
