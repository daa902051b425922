// Package sessiontoken gets temporary credentials for the user whose long-lived keys sign, with STS's
// GetSessionToken. Its main use is MFA: one code makes a session, and the session assumes many roles.
//
//	session := stschain.Cached(&sessiontoken.Provider{
//		Client:       &stsquery.Client{Credentials: &env.Provider{}, Region: "eu-west-1"},
//		SerialNumber: "arn:aws:iam::123456789012:mfa/alice",
//		MFAToken:     readFromTerminal,
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
// The two roles share the session because they share the cache that [stschain.Cached] makes. With the
// bare Provider each client would make its own cache and prompt for its own code. The session satisfies
// trust policies that require aws:MultiFactorAuthPresent.
//
// # Prompts
//
// MFAToken is called once, even if many callers need the session at the same time. Background refreshes never call
// it: a cache over the provider prompts only while a caller waits, for up to five minutes. The same is true of a
// cache over a role that the session assumes, which refreshes in the background as long as the session is valid. A
// caller that gives up does not end the prompt of the others.
//
// A code is sent once. If STS rejects it, MFAToken is called for another one, once.
//
// # Limits
//
// STS returns sessions for the long-lived keys of a user only. Temporary keys, which have a session
// token, are refused before a request is sent. The session has the user's permissions, except that it
// cannot call IAM without MFA, nor STS operations other than AssumeRole and GetCallerIdentity. It cannot
// open the console either.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
package sessiontoken

import (
	"context"
	"fmt"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/stsquery"
)

// Provider gets session tokens. Do not change its fields after first use. The
// limits in their comments are those of AWS; other servers have their own.
type Provider struct {
	Client *stsquery.Client // required; its Credentials are the long-lived keys of a user

	Duration time.Duration // 15 minutes to 36 hours, in whole seconds; for the root user at most 1 hour. 0: 12 hours, for the root user 1

	// SerialNumber is the serial number or the ARN of the user's MFA device. MFAToken returns its current
	// code, and should honor ctx. Set both or neither; without them the session does not count as authenticated by MFA.
	SerialNumber string
	MFAToken     func(ctx context.Context, serial string) (stschain.Secret, error)

	MinimumSessionTokenSize int // in bytes, up to 4096, to test whether proxies, headers and databases accept large tokens. 0: no minimum
}

// Retrieve gets a session. Its errors wrap [*stsquery.Error] if STS refused. They are never Unavailable:
// a session whose base credentials are not configured has failed.
func (p *Provider) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	return flow.Retrieve(ctx, p, p.GetSessionToken, func(out *stsquery.GetSessionTokenOutput) stschain.Credentials { return out.Credentials })
}

// GetSessionToken is Retrieve with the complete response of STS.
func (p *Provider) GetSessionToken(ctx context.Context) (_ *stsquery.GetSessionTokenOutput, err error) {
	defer flow.Wrap(&err, "sessiontoken", "")
	base, err := flow.LongLivedKeys(ctx, p.Client, "GetSessionToken")
	if err != nil {
		return nil, err
	}
	in := stsquery.GetSessionTokenInput{
		Duration:                p.Duration,
		SerialNumber:            p.SerialNumber,
		MinimumSessionTokenSize: p.MinimumSessionTokenSize,
	}
	device := flow.MFA{Serial: p.SerialNumber, Token: p.MFAToken}
	out, err := flow.SendMFA(ctx, p.Client, device, func(code stschain.Secret) (*stsquery.GetSessionTokenOutput, error) {
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

// Identity returns what decides the session: all fields but MFAToken, the server, and the identity of Client.Credentials.
func (p *Provider) Identity(ctx context.Context) (_ stschain.Identity, err error) {
	defer flow.Wrap(&err, "sessiontoken", "")
	return flow.Identity(ctx, "sessiontoken", p.Client, true,
		"duration="+p.Duration.String(),
		"mfa="+p.SerialNumber,
		fmt.Sprint("token-size=", p.MinimumSessionTokenSize))
}

// Providers returns the cache over the credentials that sign.
func (p *Provider) Providers() []stschain.Provider { return p.Client.Providers() }

// String returns "sessiontoken" and the MFA device, if there is one.
func (p *Provider) String() string { return flow.Name("sessiontoken", p.SerialNumber) }
