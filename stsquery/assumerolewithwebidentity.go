package stsquery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stschain-go/stschain"
)

// AssumeRoleWithWebIdentityInput is the input of [Client.AssumeRoleWithWebIdentity]. Zero fields are not
// sent. The limits are those of AWS.
type AssumeRoleWithWebIdentityInput struct {
	RoleARN         string // required by AWS; 20 to 2048 characters
	RoleSessionName string // required by AWS; 2 to 64 letters, digits and _+=,.@-

	// WebIdentityToken is an OpenID Connect ID token, or an OAuth 2.0 access token of one of the providers
	// of ProviderID; 4 to 20,000 characters. Token is called for each attempt instead, for tokens that
	// rotate; it is also called again, once, if STS reports that the token has expired. One of the two is
	// required.
	WebIdentityToken stschain.Secret
	Token            func(ctx context.Context) (stschain.Secret, error)

	// ProviderID is the issuer of an OAuth 2.0 access token: www.amazon.com or graph.facebook.com. Not for
	// ID tokens, which contain it. 4 to 2048 characters.
	ProviderID string

	// Policy is JSON of at most 2048 characters that limits the permissions of the session, together with
	// the managed policies of PolicyARNs, at most 10.
	Policy     string
	PolicyARNs []string

	Duration time.Duration // 15 minutes to 12 hours and at most the role's own maximum. 0: 1 hour

	MinimumSessionTokenSize int // in bytes, up to 4096: STS pads the token to this size, to test whether proxies, headers and databases accept large tokens. 0: no padding
}

// AssumeRoleWithWebIdentityOutput is the response of [Client.AssumeRoleWithWebIdentity].
type AssumeRoleWithWebIdentityOutput struct {
	Credentials                 stschain.Credentials
	AssumedRoleUser             AssumedRoleUser
	SubjectFromWebIdentityToken string // the token's sub: the user that the provider authenticated
	Provider                    string // the token's iss, or the ProviderID sent
	Audience                    string // of the token: the application that it was issued for
	SourceIdentity              string // from a claim of the token
	PackedPolicySize            int    // policies and tags, as a percentage of the space for them; AWS replaced it with SessionTokenUtilization
	SessionTokenSize            int    // in bytes; 0: not reported
	SessionTokenUtilization     int    // SessionTokenSize as a percentage of the maximum
	RequestID                   string
}

// AssumeRoleWithWebIdentity returns credentials for a session of a role for a user or workload that a web
// identity provider authenticated: an OpenID Connect provider in IAM, or one of those built into STS.
// The request is not signed: it needs no keys, and the client's Credentials are not used.
//
// The role's trust policy must admit the provider, and should check the token's audience and subject.
// Tokens are signed with RSA (RS256, RS384, RS512) or ECDSA (ES256, ES384, ES512). Session tags and
// source identity come from their claims.
//
// STS fetches the provider's keys itself, which may fail temporarily: then it returns
// IDPCommunicationError or InvalidIdentityToken, and both are retried.
//
// The session has the permissions that the role and its session policies both allow, except
// GetFederationToken and GetSessionToken. CloudTrail logs the token's subject: use one without private
// data.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
func (c *Client) AssumeRoleWithWebIdentity(ctx context.Context, in AssumeRoleWithWebIdentityInput) (*AssumeRoleWithWebIdentityOutput, error) {
	return do(ctx, c, in, new(AssumeRoleWithWebIdentityOutput))
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
		// Wrapped, so that a chain does not mistake Token's Unavailable error for one of the call.
		return nil, fmt.Errorf("no web identity token: %w", err)
	case token.IsZero():
		return nil, errors.New("no web identity token: Token returned an empty one")
	}
	in.WebIdentityToken, in.Token = token, nil
	return in, nil
}

func (in AssumeRoleWithWebIdentityInput) check(r *rules) {
	r.required("RoleARN", in.RoleARN, arnLimits)
	r.required("RoleSessionName", in.RoleSessionName, nameLimits)
	switch {
	case in.WebIdentityToken.IsZero() && in.Token == nil:
		r.addf("WebIdentityToken and Token are missing: set one of them")
	case !in.WebIdentityToken.IsZero() && in.Token != nil:
		r.addf("WebIdentityToken and Token are both set: set one of them")
	}
	r.secret("WebIdentityToken", in.WebIdentityToken, limits{4, 20_000, nil, ""})
	r.text("ProviderID", in.ProviderID, limits{4, 2048, nil, ""})
	r.policies(in.Policy, in.PolicyARNs, shortPolicyLimits)
	r.duration(in.Duration, 15*time.Minute, 12*time.Hour)
	r.tokenSize(in.MinimumSessionTokenSize)
}

func (in AssumeRoleWithWebIdentityInput) encode(q *query) {
	q.add("RoleArn", in.RoleARN)
	q.add("RoleSessionName", in.RoleSessionName)
	q.secret("WebIdentityToken", in.WebIdentityToken)
	q.add("ProviderId", in.ProviderID)
	q.add("Policy", in.Policy)
	q.members("PolicyArns", "arn", in.PolicyARNs)
	q.seconds("DurationSeconds", in.Duration)
	q.number("MinimumSessionTokenSize", in.MinimumSessionTokenSize)
}

func (out *AssumeRoleWithWebIdentityOutput) decode(r result) error {
	creds, err := r.credentials()
	*out = AssumeRoleWithWebIdentityOutput{
		Credentials:                 creds,
		AssumedRoleUser:             r.user(),
		SubjectFromWebIdentityToken: r.value("SubjectFromWebIdentityToken"),
		Provider:                    r.value("Provider"),
		Audience:                    r.value("Audience"),
		SourceIdentity:              r.value("SourceIdentity"),
		PackedPolicySize:            r.number("PackedPolicySize"),
		SessionTokenSize:            r.number("SessionTokenSize"),
		SessionTokenUtilization:     r.number("SessionTokenUtilization"),
		RequestID:                   r.requestID,
	}
	return err
}
