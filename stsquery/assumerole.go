package stsquery

import (
	"context"
	"time"

	"github.com/stschain-go/stschain"
)

// AssumeRoleInput is what [Client.AssumeRole] is asked with. A field that is
// zero is not sent. The limits are those of AWS.
type AssumeRoleInput struct {
	RoleARN         string        // required by AWS; 20 to 2048 characters
	RoleSessionName string        // required by AWS; 2 to 64 letters, digits and _+=,.@-
	Duration        time.Duration // 15 minutes to 12 hours and at most the role's own maximum; 1 hour if a role assumes the role. 0: 1 hour

	// Policy is JSON that the session's permissions are cut down to, together with
	// the managed policies of PolicyARNs, at most 10.
	Policy     string
	PolicyARNs []string

	Tags              []Tag    // at most 50; they win over tags of the role, and must not be among those inherited from a role chain
	TransitiveTagKeys []string // of the tags that roles assumed with the session get too; at most 50

	ExternalID     string // what the trust policy of a third party's role asks for; 2 to 1224 letters, digits and _+=,.@:/-
	SourceIdentity string // stays with the session through role chains; limits of RoleSessionName, and not aws:

	SerialNumber string          // of the caller's MFA device, or its ARN; 9 to 256 letters, digits and _+=/:,.@-
	TokenCode    stschain.Secret // from that device; 6 digits

	ProvidedContexts        []ProvidedContext // at most 5
	MinimumSessionTokenSize int               // in bytes, up to 4096: STS pads the token to this; for testing what carries it
}

// ProvidedContext is a signed statement of a trusted provider about the caller.
type ProvidedContext struct {
	ProviderARN string          // 20 to 2048 characters
	Assertion   stschain.Secret // 4 to 2048 characters
}

// AssumeRoleOutput is what [Client.AssumeRole] answers.
type AssumeRoleOutput struct {
	Credentials             stschain.Credentials
	AssumedRoleUser         AssumedRoleUser
	SourceIdentity          string
	PackedPolicySize        int // policies and tags, as percentage of the space for them; AWS gave it up for SessionTokenUtilization
	SessionTokenSize        int // in bytes; 0: not reported
	SessionTokenUtilization int // the same as percentage of the largest
	RequestID               string
}

// AssumeRole gets credentials for a session of a role. The role's trust policy
// must admit the caller, who also needs sts:AssumeRole on it, unless that policy
// names a caller of the same account; tags need sts:TagSession and a source
// identity sts:SetSourceIdentity, of both. The root user cannot assume roles.
//
// The session can do anything that the role and its session policies both allow,
// but call GetFederationToken or GetSessionToken. It ends after its Duration,
// which STS refuses, rather than cuts, if it is longer than the role permits.
//
// CloudTrail shows the session's name and its source identity with all that it
// does, in the account of the role. It has the call itself in both accounts, with
// the external ID and the tags.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
func (c *Client) AssumeRole(ctx context.Context, in AssumeRoleInput) (*AssumeRoleOutput, error) {
	var out AssumeRoleOutput
	if err := c.call(ctx, in, out.decode); err != nil {
		return nil, err
	}
	return &out, nil
}

func (in AssumeRoleInput) operation() operation {
	return operation{name: "AssumeRole", once: !in.TokenCode.IsZero()}
}

func (in AssumeRoleInput) check(r *rules) {
	r.required("RoleARN", in.RoleARN)
	r.text("RoleARN", in.RoleARN, arnLimits)
	r.required("RoleSessionName", in.RoleSessionName)
	r.text("RoleSessionName", in.RoleSessionName, nameLimits)
	r.duration("Duration", in.Duration, 15*time.Minute, 12*time.Hour)
	r.policy("Policy", in.Policy, policyLimits)
	r.arns("PolicyARNs", in.PolicyARNs)
	r.tags("Tags", in.Tags)
	r.count("TransitiveTagKeys", len(in.TransitiveTagKeys), 50)
	for i, key := range in.TransitiveTagKeys {
		r.required(index("TransitiveTagKeys", i, ""), key)
		r.text(index("TransitiveTagKeys", i, ""), key, tagKeyLimits)
	}
	r.text("ExternalID", in.ExternalID, limits{2, 1224, wordOr("+=,.@:/-"), "letters, digits and _+=,.@:/-"})
	r.sourceIdentity("SourceIdentity", in.SourceIdentity)
	r.mfa(in.SerialNumber, in.TokenCode)
	r.count("ProvidedContexts", len(in.ProvidedContexts), 5)
	for i, p := range in.ProvidedContexts {
		r.required(index("ProvidedContexts", i, "ProviderARN"), p.ProviderARN)
		r.text(index("ProvidedContexts", i, "ProviderARN"), p.ProviderARN, arnLimits)
		r.required(index("ProvidedContexts", i, "Assertion"), p.Assertion.Reveal())
		r.secret(index("ProvidedContexts", i, "Assertion"), p.Assertion, contextLimits)
	}
	r.number("MinimumSessionTokenSize", in.MinimumSessionTokenSize, maxTokenSize)
}

func (in AssumeRoleInput) encode(q *query) {
	q.add("RoleArn", in.RoleARN)
	q.add("RoleSessionName", in.RoleSessionName)
	q.seconds("DurationSeconds", in.Duration)
	q.add("Policy", in.Policy)
	encodePolicyARNs(q, in.PolicyARNs)
	encodeTags(q, in.Tags)
	for i, key := range in.TransitiveTagKeys {
		q.member("TransitiveTagKeys", i, "", key)
	}
	q.add("ExternalId", in.ExternalID)
	q.add("SourceIdentity", in.SourceIdentity)
	q.add("SerialNumber", in.SerialNumber)
	q.secret("TokenCode", in.TokenCode)
	for i, p := range in.ProvidedContexts {
		q.member("ProvidedContexts", i, "ProviderArn", p.ProviderARN)
		q.member("ProvidedContexts", i, "ContextAssertion", p.Assertion.Reveal())
		q.hide(p.Assertion)
	}
	q.number("MinimumSessionTokenSize", in.MinimumSessionTokenSize)
}

func (out *AssumeRoleOutput) decode(result *element, requestID string) (err error) {
	out.Credentials, err = credentialsOf(result, "AssumeRole")
	out.AssumedRoleUser = assumedRoleUserOf(result)
	out.SourceIdentity = result.value("SourceIdentity")
	out.PackedPolicySize, out.SessionTokenSize, out.SessionTokenUtilization = sizesOf(result)
	out.RequestID = requestID
	return err
}
