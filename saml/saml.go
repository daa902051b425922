// Package saml gets credentials for a role with STS's AssumeRoleWithSAML: a SAML 2.0 assertion of an
// identity provider authenticates the user, and no keys are needed.
//
//	role := &saml.Provider{
//		Client:    &stsquery.Client{Region: "eu-west-1"},
//		Assertion: signIn, // a func that returns what the identity provider posts to AWS
//	}
//
// A Provider calls STS each time. Pass it to a type that caches: a
// sigv4.Transport, an stsquery.Client, or an explicit [stschain.Cache] that
// several clients share.
//
// # Assertions
//
// STS accepts an assertion within five minutes after it was issued, so one cannot be kept for the next
// refresh: Assertion is called for a new one each time. If the user has to sign in, for example in a
// browser, Assertion must call [stschain.Prompt] first: a cache over the Provider then refreshes only
// while a caller waits, and gives the user five minutes.
//
// An assertion says which roles it is for. [Roles] lists them; if there is only one, RoleARN can be left
// out.
//
// # Parsing
//
// Assertions are parsed to find roles and times, and never trusted: STS verifies the signatures. The
// parser is strict: no DTD, no entities other than the five of XML, UTF-8 as the only encoding, and
// bounds on size and depth. The text of a value is the complete text, including that after comments. Errors
// never contain an assertion.
package saml

import (
	"context"
	"fmt"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/stsquery"
)

// Provider assumes a role with a SAML assertion. Do not change its fields after
// first use. The limits in their comments are those of AWS; other servers have
// their own.
type Provider struct {
	Client *stsquery.Client // required; its Credentials are not used

	// RoleARN is the role, and PrincipalARN the SAML provider in IAM that represents the identity provider. An
	// empty one is taken from the assertion if there is only one to choose.
	RoleARN, PrincipalARN string

	// Assertion returns a new assertion: the identity provider's complete response in base64, as [Roles] takes
	// it; required. It should honor ctx, and call [stschain.Prompt] before it opens a browser or prompts the
	// user.
	Assertion func(ctx context.Context) (stschain.Secret, error)

	Duration time.Duration // 15 minutes to 12 hours, in whole seconds, and at most the role's own maximum. 0: 1 hour

	// Policy, in JSON of at most 2048 characters, and the managed policies of PolicyARNs, at most 10, restrict
	// the session's permissions; they never add any. Empty: all permissions of the role.
	Policy     string
	PolicyARNs []string

	MinimumSessionTokenSize int // in bytes, up to 4096, to test whether proxies, headers and databases accept large tokens. 0: no minimum
}

// Retrieve assumes the role. Its errors wrap [*stsquery.Error] if STS refused. They are never
// Unavailable: a role without an assertion has failed. The credentials do not outlive the assertion's
// SessionNotOnOrAfter.
func (p *Provider) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	return flow.Retrieve(ctx, p, p.AssumeRoleWithSAML, func(out *stsquery.AssumeRoleWithSAMLOutput) stschain.Credentials { return out.Credentials })
}

// AssumeRoleWithSAML is Retrieve with the complete response of STS: the session's user, and what the
// assertion contained.
func (p *Provider) AssumeRoleWithSAML(ctx context.Context) (_ *stsquery.AssumeRoleWithSAMLOutput, err error) {
	defer flow.Wrap(&err, "saml", p.RoleARN)
	response, a, err := p.present(ctx)
	if err != nil {
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
		Policy:                  p.Policy,
		PolicyARNs:              p.PolicyARNs,
		Duration:                p.Duration,
		SessionNotOnOrAfter:     a.SessionNotOnOrAfter,
		MinimumSessionTokenSize: p.MinimumSessionTokenSize,
	})
	if err != nil {
		if err = a.explain(err, system.Now(p.Client.Clock)); p.RoleARN == "" {
			err = fmt.Errorf("%s: %w", roleARN, err)
		}
		return nil, err
	}
	if err := flow.Complete(&out.Credentials, flow.Name("saml", roleARN), roleARN, out.AssumedRoleUser.ARN); err != nil {
		return nil, err
	}
	return out, nil
}

// present returns an assertion, unless STS would certainly refuse it.
func (p *Provider) present(ctx context.Context) (response stschain.Secret, a *assertion, err error) {
	switch {
	case p.Client == nil:
		return response, a, flow.Missing("Client")
	case p.Assertion == nil:
		return response, a, flow.Missing("Assertion")
	}
	given, err := p.Assertion(ctx)
	if err != nil {
		return response, a, fmt.Errorf("no SAML assertion: %w", err)
	}
	if response, a, err = read(given.Reveal()); err != nil {
		return response, a, err
	}
	if now := system.Now(p.Client.Clock); a.expiry().Passed(now) {
		err = fmt.Errorf("%s: STS accepts an assertion within five minutes after it was issued, so Assertion must return a new one each time", a.expiry().Describe(now))
	}
	return response, a, err
}

// Identity returns what decides the session: all fields, the server, and the assertion, for which it calls
// Assertion. Another assertion is another identity, even if it is for the same user.
func (p *Provider) Identity(ctx context.Context) (_ stschain.Identity, err error) {
	defer flow.Wrap(&err, "saml", p.RoleARN)
	response, _, err := p.present(ctx)
	if err != nil {
		return stschain.Identity{}, err
	}
	return flow.Identity(ctx, "saml", p.Client, false,
		"role="+p.RoleARN,
		"principal="+p.PrincipalARN,
		"assertion="+response.Fingerprint(),
		"duration="+p.Duration.String(),
		"policy="+p.Policy,
		"policies="+flow.Names(p.PolicyARNs),
		fmt.Sprint("token-size=", p.MinimumSessionTokenSize))
}

// String returns "saml" and the role, if that is set.
func (p *Provider) String() string { return flow.Name("saml", p.RoleARN) }
