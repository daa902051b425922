package stsquery

import (
	"context"
	"time"

	"github.com/stschain-go/stschain"
)

// AssumeRoleInput is the input of [Client.AssumeRole]. Zero fields are not sent. The limits are those of
// AWS.
type AssumeRoleInput struct {
	RoleARN         string        // required by AWS; 20 to 2048 characters
	RoleSessionName string        // required by AWS; 2 to 64 letters, digits and _+=,.@-
	Duration        time.Duration // 15 minutes to 12 hours and at most the role's own maximum; 1 hour if a role assumes the role. 0: 1 hour

	// Policy is JSON that limits the permissions of the session, together with the managed policies of
	// PolicyARNs, at most 10.
	Policy     string
	PolicyARNs []string

	Tags              []Tag    // at most 50; they override tags of the role, and must not be among those inherited from a role chain
	TransitiveTagKeys []string // of the tags that sessions of further roles inherit; at most 50

	ExternalID     string // that the trust policy of a third party's role requires; 2 to 1224 letters, digits and _+=,.@:/-
	SourceIdentity string // stays with the session through role chains; limits of RoleSessionName, and not aws:

	SerialNumber string          // of the caller's MFA device, or its ARN; 9 to 256 letters, digits and _+=/:,.@-
	TokenCode    stschain.Secret // from that device; 6 digits

	ProvidedContexts []ProvidedContext // at most 5

	MinimumSessionTokenSize int // in bytes, up to 4096: STS pads the token to this size, to test whether proxies, headers and databases accept large tokens. 0: no padding
}

// ProvidedContext is a signed assertion of a trusted provider about the caller.
type ProvidedContext struct {
	ProviderARN string          // 20 to 2048 characters
	Assertion   stschain.Secret // 4 to 2048 characters
}

// AssumeRoleOutput is the response of [Client.AssumeRole].
type AssumeRoleOutput struct {
	Credentials             stschain.Credentials
	AssumedRoleUser         AssumedRoleUser
	SourceIdentity          string
	PackedPolicySize        int // policies and tags, as a percentage of the space for them; AWS replaced it with SessionTokenUtilization
	SessionTokenSize        int // in bytes; 0: not reported
	SessionTokenUtilization int // SessionTokenSize as a percentage of the maximum
	RequestID               string
}

// AssumeRole returns credentials for a session of a role. The role's trust policy must admit the caller,
// which also needs sts:AssumeRole on it, unless that policy names a caller of the same account; tags need
// sts:TagSession and a source identity sts:SetSourceIdentity, from both. The root user cannot assume roles.
//
// The session has the permissions that the role and its session policies both allow, except
// GetFederationToken and GetSessionToken. It ends after its Duration. STS refuses a Duration that is
// longer than the role permits.
//
// CloudTrail logs the session's name and its source identity with its actions, in the account of the
// role. It logs the call itself in both accounts, with the external ID and the tags.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
func (c *Client) AssumeRole(ctx context.Context, in AssumeRoleInput) (*AssumeRoleOutput, error) {
	return do(ctx, c, in, new(AssumeRoleOutput))
}

func (in AssumeRoleInput) operation() operation {
	return operation{name: "AssumeRole", once: !in.TokenCode.IsZero()}
}

func (in AssumeRoleInput) check(r *rules) {
	r.required("RoleARN", in.RoleARN, arnLimits)
	r.required("RoleSessionName", in.RoleSessionName, nameLimits)
	r.duration(in.Duration, 15*time.Minute, 12*time.Hour)
	r.policies(in.Policy, in.PolicyARNs, policyLimits)
	r.tags(in.Tags)
	r.list("TransitiveTagKeys", in.TransitiveTagKeys, 50, tagKeyLimits)
	r.text("ExternalID", in.ExternalID, externalIDLimits)
	r.text("SourceIdentity", in.SourceIdentity, nameLimits)
	r.unreserved("SourceIdentity", in.SourceIdentity)
	r.mfa(in.SerialNumber, in.TokenCode)
	r.count("ProvidedContexts", len(in.ProvidedContexts), 5)
	for i, p := range in.ProvidedContexts {
		r.required(member("ProvidedContexts", i, ".ProviderARN"), p.ProviderARN, arnLimits)
		assertion := member("ProvidedContexts", i, ".Assertion")
		r.missing(assertion, r.aws && p.Assertion.IsZero())
		r.secret(assertion, p.Assertion, limits{4, 2048, nil, ""})
	}
	r.tokenSize(in.MinimumSessionTokenSize)
}

func (in AssumeRoleInput) encode(q *query) {
	q.add("RoleArn", in.RoleARN)
	q.add("RoleSessionName", in.RoleSessionName)
	q.seconds("DurationSeconds", in.Duration)
	q.add("Policy", in.Policy)
	q.members("PolicyArns", "arn", in.PolicyARNs)
	q.tags(in.Tags)
	q.members("TransitiveTagKeys", "", in.TransitiveTagKeys)
	q.add("ExternalId", in.ExternalID)
	q.add("SourceIdentity", in.SourceIdentity)
	q.add("SerialNumber", in.SerialNumber)
	q.secret("TokenCode", in.TokenCode)
	for i, p := range in.ProvidedContexts {
		q.member("ProvidedContexts", i, "ProviderArn", p.ProviderARN)
		q.member("ProvidedContexts", i, "ContextAssertion", p.Assertion.Reveal())
		q.secrets = append(q.secrets, p.Assertion)
	}
	q.number("MinimumSessionTokenSize", in.MinimumSessionTokenSize)
}

func (out *AssumeRoleOutput) decode(r result) error {
	creds, err := r.credentials()
	*out = AssumeRoleOutput{
		Credentials:             creds,
		AssumedRoleUser:         r.user(),
		SourceIdentity:          r.value("SourceIdentity"),
		PackedPolicySize:        r.number("PackedPolicySize"),
		SessionTokenSize:        r.number("SessionTokenSize"),
		SessionTokenUtilization: r.number("SessionTokenUtilization"),
		RequestID:               r.requestID,
	}
	return err
}
