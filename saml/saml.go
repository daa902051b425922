// Package saml gets credentials for a role by STS's AssumeRoleWithSAML: an identity
// provider vouches for somebody with a SAML 2.0 assertion, and no keys are needed.
//
//	role := &saml.Provider{
//		Client:    &stsquery.Client{Region: "eu-west-1"},
//		Assertion: signIn, // a func that brings what the identity provider posts to AWS
//	}
//
// A Provider asks STS each time. It is meant to be held by something that asks
// through [stschain.Cached]: a sigv4.Transport, an stsquery.Client, or an explicit
// [stschain.Cache] that several holders share.
//
// # Assertions
//
// STS takes an assertion within five minutes after it was issued, so one cannot be
// kept for the next refresh: Assertion is called for a new one each time. Where that
// needs a user who signs in, such as with a browser, Assertion calls [stschain.Prompt]
// first: a cache over the Provider then refreshes only while a caller waits, and gives the
// user five minutes.
//
// An assertion says which roles it is for. [Roles] lists them; if there is only one,
// a Provider need not name it.
//
// # What is read, and what is not
//
// Assertions are read to find roles and times, and never trusted: signatures are for
// STS to verify. The XML is read strictly. There is no DTD, no entity beyond XML's own
// five, one encoding, UTF-8, and a bound on size and depth. The text of a value is
// the whole text, whatever comments are in it. No error holds an assertion.
package saml

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/stsquery"
)

// Provider assumes a role for which there is a SAML assertion. Its fields are not
// changed after first use. The limits in their comments are those of AWS; other
// servers have their own.
type Provider struct {
	Client *stsquery.Client // required; its Credentials are never touched

	// RoleARN is the role, and PrincipalARN the SAML provider in IAM that stands for
	// the identity provider. What is empty is taken from the assertion, if it leaves no
	// choice.
	RoleARN, PrincipalARN string

	// Assertion brings a new assertion: the identity provider's whole response in
	// base64, as [Roles] takes it; required. It should honour ctx, and call [stschain.Prompt]
	// before it opens a browser or asks the user for anything.
	Assertion func(ctx context.Context) (stschain.Secret, error)

	Duration time.Duration // 15 minutes to 12 hours, in whole seconds, and at most the role's own maximum. 0: 1 hour

	// Policy, in JSON of at most 2048 characters, and the managed policies of
	// PolicyARNs, at most 10, cut the session's permissions down; they never add any.
	// Empty: all that the role has.
	Policy     string
	PolicyARNs []string

	MinimumSessionTokenSize int // in bytes, up to 4096, for testing what carries tokens. 0: as large as need be
}

// Retrieve assumes the role. Its errors wrap [*stsquery.Error], where STS was asked.
// They are never Unavailable: a role without an assertion has failed. The credentials do not
// outlive the assertion's SessionNotOnOrAfter.
func (p *Provider) Retrieve(ctx context.Context) (creds stschain.Credentials, err error) {
	ctx, end := stschain.Step{Provider: p}.Start(ctx)
	defer func() { end(creds, err) }()
	out, err := p.AssumeRoleWithSAML(ctx)
	if err != nil {
		return stschain.Credentials{}, err
	}
	return out.Credentials, nil
}

// AssumeRoleWithSAML is Retrieve with all that STS answered: who the session is, and
// what was in the assertion.
func (p *Provider) AssumeRoleWithSAML(ctx context.Context) (*stsquery.AssumeRoleWithSAMLOutput, error) {
	out, err := p.assumeRole(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.errorPrefix(), err)
	}
	return out, nil
}

func (p *Provider) assumeRole(ctx context.Context) (*stsquery.AssumeRoleWithSAMLOutput, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	given, err := p.Assertion(ctx)
	if err != nil {
		return nil, fmt.Errorf("no SAML assertion: %w", err)
	}
	response, a, err := read(given.Reveal())
	if err != nil {
		return nil, err
	}
	if err := a.usable(p.now()); err != nil {
		return nil, err
	}
	roleARN, principalARN, err := a.choose(p.RoleARN, p.PrincipalARN)
	if err != nil {
		return nil, err
	}
	out, err := p.Client.AssumeRoleWithSAML(ctx, stsquery.AssumeRoleWithSAMLInput{
		RoleARN:                 roleARN,
		PrincipalARN:            principalARN,
		SAMLAssertion:           response,
		SessionNotOnOrAfter:     a.sessionNotOnOrAfter,
		Policy:                  p.Policy,
		PolicyARNs:              p.PolicyARNs,
		Duration:                p.Duration,
		MinimumSessionTokenSize: p.MinimumSessionTokenSize,
	})
	if err != nil {
		if err = a.explain(err, p.now()); p.RoleARN == "" {
			err = fmt.Errorf("%s: %w", roleARN, err)
		}
		return nil, err
	}
	if err := flow.CheckSession(roleARN, out.AssumedRoleUser.ARN); err != nil {
		return nil, err
	}
	creds := &out.Credentials
	creds.Origin = (&Provider{RoleARN: roleARN}).String()
	creds.AccountID = flow.AccountID(out.AssumedRoleUser.ARN, roleARN)
	return out, nil
}

func (p *Provider) now() time.Time {
	if p.Client.Clock == nil {
		return time.Now()
	}
	return p.Client.Clock.Now()
}

// String returns "saml" and the role, if that is named.
func (p *Provider) String() string {
	if p == nil || p.RoleARN == "" {
		return "saml"
	}
	return "saml " + p.RoleARN
}

func (p *Provider) errorPrefix() string {
	if p == nil || p.RoleARN == "" {
		return "saml"
	}
	return "saml: " + p.RoleARN
}

// check finds what is missing. The values are the client's to check.
func (p *Provider) check() error {
	switch {
	case p == nil:
		return stschain.Permanent(errors.New("the Provider is nil"))
	case p.Client == nil:
		return stschain.Permanent(errors.New("Client is missing"))
	case p.Assertion == nil:
		return stschain.Permanent(errors.New("Assertion is missing"))
	}
	return nil
}
