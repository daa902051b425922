package stsquery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stschain-go/stschain"
)

// AssumeRoleWithWebIdentityInput is what [Client.AssumeRoleWithWebIdentity] is
// asked with. A field that is zero is not sent. The limits are those of AWS.
type AssumeRoleWithWebIdentityInput struct {
	RoleARN         string // required by AWS; 20 to 2048 characters
	RoleSessionName string // required by AWS; 2 to 64 letters, digits and _+=,.@-

	// WebIdentityToken is an OpenID Connect ID token, or an OAuth 2.0 access token
	// of one of the providers of ProviderID; 4 to 20,000 characters. Token brings
	// one anew for each attempt instead, which is worth it for tokens that rotate;
	// it is also asked again, once, if STS says that the token expired. One of the
	// two is required.
	WebIdentityToken stschain.Secret
	Token            func(ctx context.Context) (stschain.Secret, error)

	// ProviderID is who made an OAuth 2.0 access token: www.amazon.com or
	// graph.facebook.com. Not for ID tokens, which say it themselves. 4 to 2048
	// characters.
	ProviderID string

	// Policy is JSON of at most 2048 characters that the session's permissions are
	// cut down to, together with the managed policies of PolicyARNs, at most 10.
	Policy     string
	PolicyARNs []string

	Duration time.Duration // 15 minutes to 12 hours and at most the role's own maximum. 0: 1 hour

	MinimumSessionTokenSize int // in bytes, up to 4096: STS pads the token to this; for testing what carries it
}

// AssumeRoleWithWebIdentityOutput is what [Client.AssumeRoleWithWebIdentity]
// answers.
type AssumeRoleWithWebIdentityOutput struct {
	Credentials                 stschain.Credentials
	AssumedRoleUser             AssumedRoleUser
	SubjectFromWebIdentityToken string // the token's sub: who the provider vouched for
	Provider                    string // the token's iss, or the ProviderID sent
	Audience                    string // of the token: the application that it was made for
	SourceIdentity              string // from a claim of the token
	PackedPolicySize            int    // policies and tags, as percentage of the space for them; AWS gave it up for SessionTokenUtilization
	SessionTokenSize            int    // in bytes; 0: not reported
	SessionTokenUtilization     int    // the same as percentage of the largest
	RequestID                   string
}

// AssumeRoleWithWebIdentity gets credentials for a session of a role for whom a
// web identity provider vouches: an OpenID Connect provider that IAM knows, or
// one of those that STS knows itself. The request is not signed: nobody's keys
// are needed, and the client's Credentials are not touched.
//
// The role's trust policy must admit the provider, and should check the token's
// audience and subject. Tokens are signed with RSA (RS256, RS384, RS512) or ECDSA
// (ES256, ES384, ES512). Session tags and source identity come from their claims.
//
// STS fetches the provider's keys itself, and may fail to in passing: then it
// answers IDPCommunicationError or InvalidIdentityToken, and both are tried again.
//
// The session can do anything that the role and its session policies both allow,
// but call GetFederationToken or GetSessionToken. CloudTrail shows the token's
// subject: have it be one that says nothing private.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
func (c *Client) AssumeRoleWithWebIdentity(ctx context.Context, in AssumeRoleWithWebIdentityInput) (*AssumeRoleWithWebIdentityOutput, error) {
	var out AssumeRoleWithWebIdentityOutput
	if err := c.call(ctx, in, out.decode); err != nil {
		return nil, err
	}
	return &out, nil
}

func (AssumeRoleWithWebIdentityInput) operation() operation {
	return operation{name: "AssumeRoleWithWebIdentity", unsigned: true, retried: "InvalidIdentityToken"}
}

// renew reads the token for the next attempt.
func (in AssumeRoleWithWebIdentityInput) renew(ctx context.Context) (Input, error) {
	if in.Token == nil {
		return in, nil
	}
	token, err := in.Token(ctx)
	switch {
	case err != nil:
		// A call without a token is a failed call, not an absent one.
		return nil, fmt.Errorf("no web identity token: %w", err)
	case token.IsZero():
		return nil, errors.New("no web identity token: Token returned an empty one")
	}
	in.WebIdentityToken, in.Token = token, nil
	return in, nil
}

func (in AssumeRoleWithWebIdentityInput) check(r *rules) {
	r.required("RoleARN", in.RoleARN)
	r.text("RoleARN", in.RoleARN, arnLimits)
	r.required("RoleSessionName", in.RoleSessionName)
	r.text("RoleSessionName", in.RoleSessionName, nameLimits)
	switch {
	case in.WebIdentityToken.IsZero() && in.Token == nil:
		r.addf("WebIdentityToken and Token are missing: one of them is needed")
	case !in.WebIdentityToken.IsZero() && in.Token != nil:
		r.addf("WebIdentityToken and Token are both set: one of them is needed")
	}
	r.secret("WebIdentityToken", in.WebIdentityToken, limits{4, 20_000, nil, ""})
	r.text("ProviderID", in.ProviderID, limits{4, 2048, nil, ""})
	r.policy("Policy", in.Policy, shortPolicyLimits)
	r.arns("PolicyARNs", in.PolicyARNs)
	r.duration("Duration", in.Duration, 15*time.Minute, 12*time.Hour)
	r.number("MinimumSessionTokenSize", in.MinimumSessionTokenSize, maxTokenSize)
}

func (in AssumeRoleWithWebIdentityInput) encode(q *query) {
	q.add("RoleArn", in.RoleARN)
	q.add("RoleSessionName", in.RoleSessionName)
	q.secret("WebIdentityToken", in.WebIdentityToken)
	q.add("ProviderId", in.ProviderID)
	q.add("Policy", in.Policy)
	encodePolicyARNs(q, in.PolicyARNs)
	q.seconds("DurationSeconds", in.Duration)
	q.number("MinimumSessionTokenSize", in.MinimumSessionTokenSize)
}

func (out *AssumeRoleWithWebIdentityOutput) decode(result *element, requestID string) (err error) {
	out.Credentials, err = credentialsOf(result, "AssumeRoleWithWebIdentity")
	out.AssumedRoleUser = assumedRoleUserOf(result)
	out.SubjectFromWebIdentityToken = result.value("SubjectFromWebIdentityToken")
	out.Provider = result.value("Provider")
	out.Audience = result.value("Audience")
	out.SourceIdentity = result.value("SourceIdentity")
	out.PackedPolicySize, out.SessionTokenSize, out.SessionTokenUtilization = sizesOf(result)
	out.RequestID = requestID
	return err
}
