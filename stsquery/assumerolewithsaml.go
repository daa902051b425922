package stsquery

import (
	"context"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
)

// AssumeRoleWithSAMLInput is what [Client.AssumeRoleWithSAML] is asked with. A
// field that is zero is not sent. The limits are those of AWS.
type AssumeRoleWithSAMLInput struct {
	RoleARN       string          // required by AWS; 20 to 2048 characters
	PrincipalARN  string          // of the SAML provider in IAM that speaks for the identity provider; required by AWS; 20 to 2048 characters
	SAMLAssertion stschain.Secret // the identity provider's response in base64, line breaks apart; required; 4 to 100,000 characters

	// Policy is JSON of at most 2048 characters that the session's permissions are
	// cut down to, together with the managed policies of PolicyARNs, at most 10.
	Policy     string
	PolicyARNs []string

	// Duration is 15 minutes to 12 hours and at most the role's own maximum; the
	// session ends earlier if the assertion's SessionNotOnOrAfter says so. 0: 1 hour.
	Duration time.Duration

	MinimumSessionTokenSize int // in bytes, up to 4096: STS pads the token to this; for testing what carries it
}

// AssumeRoleWithSAMLOutput is what [Client.AssumeRoleWithSAML] answers.
type AssumeRoleWithSAMLOutput struct {
	Credentials             stschain.Credentials
	AssumedRoleUser         AssumedRoleUser
	Subject                 string // NameID of the assertion's subject
	SubjectType             string // format of that: persistent, transient, or a whole URI
	Issuer                  string // of the assertion
	Audience                string // the assertion's Recipient
	NameQualifier           string // tells persistent subjects of one provider from those of others: base64 of the SHA-1 of issuer, account ID, "/" and provider name
	SourceIdentity          string // from the assertion's attribute
	PackedPolicySize        int    // policies and tags, as percentage of the space for them; AWS gave it up for SessionTokenUtilization
	SessionTokenSize        int    // in bytes; 0: not reported
	SessionTokenUtilization int    // the same as percentage of the largest
	RequestID               string
}

// AssumeRoleWithSAML gets credentials for a session of a role for whom a SAML
// 2.0 identity provider vouches. The request is not signed: nobody's keys are
// needed, and the client's Credentials are not touched.
//
// The account needs a SAML provider with the identity provider's metadata, and
// the role a trust policy that admits it; roles of IAM Identity Center, named
// AWSReservedSSO_, cannot be assumed so. An assertion is taken for five minutes
// after it was issued, so there must be a new one for each renewal. Session name,
// session tags and source identity come from its attributes.
//
// The session can do anything that the role and its session policies both allow,
// but call GetFederationToken or GetSessionToken. CloudTrail shows the assertion's
// NameID, among others: have the provider send one that says nothing private.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithSAML.html
func (c *Client) AssumeRoleWithSAML(ctx context.Context, in AssumeRoleWithSAMLInput) (*AssumeRoleWithSAMLOutput, error) {
	var out AssumeRoleWithSAMLOutput
	if err := c.call(ctx, in, out.decode); err != nil {
		return nil, err
	}
	return &out, nil
}

func (AssumeRoleWithSAMLInput) operation() operation {
	return operation{name: "AssumeRoleWithSAML", unsigned: true}
}

func (in AssumeRoleWithSAMLInput) check(r *rules) {
	r.required("RoleARN", in.RoleARN)
	r.text("RoleARN", in.RoleARN, arnLimits)
	r.required("PrincipalARN", in.PrincipalARN)
	r.text("PrincipalARN", in.PrincipalARN, arnLimits)
	if in.SAMLAssertion.IsZero() {
		r.addf("SAMLAssertion is missing")
	}
	r.secret("SAMLAssertion", oneLine(in.SAMLAssertion), limits{4, 100_000, nil, ""})
	r.policy("Policy", in.Policy, shortPolicyLimits)
	r.arns("PolicyARNs", in.PolicyARNs)
	r.duration("Duration", in.Duration, 15*time.Minute, 12*time.Hour)
	r.number("MinimumSessionTokenSize", in.MinimumSessionTokenSize, maxTokenSize)
}

func (in AssumeRoleWithSAMLInput) encode(q *query) {
	q.add("RoleArn", in.RoleARN)
	q.add("PrincipalArn", in.PrincipalARN)
	q.secret("SAMLAssertion", oneLine(in.SAMLAssertion))
	q.add("Policy", in.Policy)
	encodePolicyARNs(q, in.PolicyARNs)
	q.seconds("DurationSeconds", in.Duration)
	q.number("MinimumSessionTokenSize", in.MinimumSessionTokenSize)
}

// oneLine takes out the space that base64 may be broken up with.
func oneLine(s stschain.Secret) stschain.Secret {
	return stschain.NewSecret(strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n", r) {
			return -1
		}
		return r
	}, s.Reveal()))
}

func (out *AssumeRoleWithSAMLOutput) decode(result *element, requestID string) (err error) {
	out.Credentials, err = credentialsOf(result, "AssumeRoleWithSAML")
	out.AssumedRoleUser = assumedRoleUserOf(result)
	out.Subject = result.value("Subject")
	out.SubjectType = result.value("SubjectType")
	out.Issuer = result.value("Issuer")
	out.Audience = result.value("Audience")
	out.NameQualifier = result.value("NameQualifier")
	out.SourceIdentity = result.value("SourceIdentity")
	out.PackedPolicySize, out.SessionTokenSize, out.SessionTokenUtilization = sizesOf(result)
	out.RequestID = requestID
	return err
}
