package stsquery

import (
	"context"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
)

// AssumeRoleWithSAMLInput is the input of [Client.AssumeRoleWithSAML]. Zero fields are not sent. The
// limits are those of AWS.
type AssumeRoleWithSAMLInput struct {
	RoleARN       string          // required by AWS; 20 to 2048 characters
	PrincipalARN  string          // of the SAML provider in IAM that represents the identity provider; required by AWS; 20 to 2048 characters
	SAMLAssertion stschain.Secret // the identity provider's response in base64, which may have line breaks; required; 4 to 100,000 characters

	// SessionNotOnOrAfter is that of the assertion, on the identity provider's clock, which is taken to
	// agree with that of STS. Credentials.Expires is no later. It is not sent. Zero: STS alone sets Expires.
	SessionNotOnOrAfter time.Time

	// Policy is JSON of at most 2048 characters that limits the permissions of the session, together with
	// the managed policies of PolicyARNs, at most 10.
	Policy     string
	PolicyARNs []string

	// Duration is 15 minutes to 12 hours and at most the role's own maximum; the session ends earlier if
	// the assertion's SessionNotOnOrAfter is. 0: 1 hour.
	Duration time.Duration

	MinimumSessionTokenSize int // in bytes, up to 4096: STS pads the token to this size, to test whether proxies, headers and databases accept large tokens. 0: no padding
}

// AssumeRoleWithSAMLOutput is the response of [Client.AssumeRoleWithSAML].
type AssumeRoleWithSAMLOutput struct {
	Credentials             stschain.Credentials
	AssumedRoleUser         AssumedRoleUser
	Subject                 string // NameID of the assertion's subject
	SubjectType             string // its format: persistent, transient, or a whole URI
	Issuer                  string // of the assertion
	Audience                string // the assertion's Recipient
	NameQualifier           string // distinguishes persistent subjects of different providers: base64 of the SHA-1 of issuer, account ID, "/" and provider name
	SourceIdentity          string // from the assertion's attribute
	PackedPolicySize        int    // policies and tags, as a percentage of the space for them; AWS replaced it with SessionTokenUtilization
	SessionTokenSize        int    // in bytes; 0: not reported
	SessionTokenUtilization int    // SessionTokenSize as a percentage of the maximum
	RequestID               string
}

// AssumeRoleWithSAML returns credentials for a session of a role for a user that a SAML 2.0 identity
// provider authenticated. The request is not signed: it needs no keys, and the client's Credentials are
// not used.
//
// The account needs a SAML provider with the identity provider's metadata, and the role a trust policy
// that admits it; roles of IAM Identity Center, named AWSReservedSSO_, cannot be assumed this way. An
// assertion is accepted for five minutes after it was issued, so each renewal needs a new one. Session
// name, session tags and source identity come from its attributes.
//
// The session has the permissions that the role and its session policies both allow, except
// GetFederationToken and GetSessionToken. CloudTrail logs the assertion's NameID, among others: have the
// provider send one without private data.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithSAML.html
func (c *Client) AssumeRoleWithSAML(ctx context.Context, in AssumeRoleWithSAMLInput) (*AssumeRoleWithSAMLOutput, error) {
	out, err := do(ctx, c, in, new(AssumeRoleWithSAMLOutput))
	if err != nil || in.SessionNotOnOrAfter.IsZero() {
		return out, err
	}
	skew := c.date().Expiry()
	if end := in.SessionNotOnOrAfter.Add(-skew); end.Before(out.Credentials.Expires) {
		out.Credentials.Expires = end
	}
	return out, nil
}

func (AssumeRoleWithSAMLInput) operation() operation {
	return operation{name: "AssumeRoleWithSAML", unsigned: true}
}

func (in AssumeRoleWithSAMLInput) check(r *rules) {
	r.required("RoleARN", in.RoleARN, arnLimits)
	r.required("PrincipalARN", in.PrincipalARN, arnLimits)
	r.missing("SAMLAssertion", in.SAMLAssertion.IsZero())
	r.secret("SAMLAssertion", unfolded(in.SAMLAssertion), limits{4, 100_000, nil, ""})
	r.policies(in.Policy, in.PolicyARNs, shortPolicyLimits)
	r.duration(in.Duration, 15*time.Minute, 12*time.Hour)
	r.tokenSize(in.MinimumSessionTokenSize)
}

func (in AssumeRoleWithSAMLInput) encode(q *query) {
	q.add("RoleArn", in.RoleARN)
	q.add("PrincipalArn", in.PrincipalARN)
	q.secret("SAMLAssertion", unfolded(in.SAMLAssertion))
	q.add("Policy", in.Policy)
	q.members("PolicyArns", "arn", in.PolicyARNs)
	q.seconds("DurationSeconds", in.Duration)
	q.number("MinimumSessionTokenSize", in.MinimumSessionTokenSize)
}

// unfolded removes the white space that base64 may contain.
func unfolded(s stschain.Secret) stschain.Secret {
	return stschain.NewSecret(strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "").Replace(s.Reveal()))
}

func (out *AssumeRoleWithSAMLOutput) decode(r result) error {
	creds, err := r.credentials()
	*out = AssumeRoleWithSAMLOutput{
		Credentials:             creds,
		AssumedRoleUser:         r.user(),
		Subject:                 r.value("Subject"),
		SubjectType:             r.value("SubjectType"),
		Issuer:                  r.value("Issuer"),
		Audience:                r.value("Audience"),
		NameQualifier:           r.value("NameQualifier"),
		SourceIdentity:          r.value("SourceIdentity"),
		PackedPolicySize:        r.number("PackedPolicySize"),
		SessionTokenSize:        r.number("SessionTokenSize"),
		SessionTokenUtilization: r.number("SessionTokenUtilization"),
		RequestID:               r.requestID,
	}
	return err
}
