package stsquery

import (
	"context"
	"time"

	"github.com/stschain-go/stschain"
)

// GetFederationTokenInput is the input of [Client.GetFederationToken]. Zero fields are not sent. The
// limits are those of AWS.
type GetFederationTokenInput struct {
	Name string // of the federated user, such as Bob; required by AWS; 2 to 32 letters, digits and _+=,.@-

	// Policy is JSON of at most 2048 characters that limits the permissions of the session, together with
	// the managed policies of PolicyARNs, at most 10. Without any policy the session has only the
	// permissions that policies of resources grant it by name.
	Policy     string
	PolicyARNs []string

	Duration time.Duration // 15 minutes to 36 hours; for the root user at most 1 hour. 0: 12 hours, for the root user 1

	Tags []Tag // at most 50; they override tags of the calling user with the same key

	MinimumSessionTokenSize int // in bytes, up to 4096: STS pads the token to this size, to test whether proxies, headers and databases accept large tokens. 0: no padding
}

// GetFederationTokenOutput is the response of [Client.GetFederationToken].
type GetFederationTokenOutput struct {
	Credentials             stschain.Credentials
	FederatedUser           FederatedUser
	PackedPolicySize        int // policies and tags, as a percentage of the space for them; AWS replaced it with SessionTokenUtilization
	SessionTokenSize        int // in bytes; 0: not reported
	SessionTokenUtilization int // SessionTokenSize as a percentage of the maximum
	RequestID               string
}

// FederatedUser identifies a federated session.
type FederatedUser struct {
	ARN             string // arn:aws:sts::123456789012:federated-user/Bob
	FederatedUserID string // the account's ID, a colon, the name: 123456789012:Bob
}

// GetFederationToken returns credentials for a user that the caller's own identity broker authenticated.
// The caller must sign with the long-lived keys of an IAM user that has sts:GetFederationToken, and
// sts:TagSession for tags; temporary keys are refused. The root user's keys work too, but should not be
// used.
//
// The session has the permissions that the IAM user and the session policies both allow. It cannot call
// IAM, nor any operation of STS except GetCallerIdentity. In a console session opened with these
// credentials, IAM is available.
//
// CloudTrail logs the session as a federated user of that Name: use one without private data.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html
func (c *Client) GetFederationToken(ctx context.Context, in GetFederationTokenInput) (*GetFederationTokenOutput, error) {
	return do(ctx, c, in, new(GetFederationTokenOutput))
}

func (GetFederationTokenInput) operation() operation { return operation{name: "GetFederationToken"} }

func (in GetFederationTokenInput) check(r *rules) {
	r.required("Name", in.Name, limits{2, 32, nameLimits.chars, nameLimits.allowed})
	r.policies(in.Policy, in.PolicyARNs, shortPolicyLimits)
	r.duration(in.Duration, 15*time.Minute, 36*time.Hour)
	r.tags(in.Tags)
	r.tokenSize(in.MinimumSessionTokenSize)
}

func (in GetFederationTokenInput) encode(q *query) {
	q.add("Name", in.Name)
	q.add("Policy", in.Policy)
	q.members("PolicyArns", "arn", in.PolicyARNs)
	q.seconds("DurationSeconds", in.Duration)
	q.tags(in.Tags)
	q.number("MinimumSessionTokenSize", in.MinimumSessionTokenSize)
}

func (out *GetFederationTokenOutput) decode(r result) error {
	creds, err := r.credentials()
	user := r.child("FederatedUser")
	*out = GetFederationTokenOutput{
		Credentials:             creds,
		FederatedUser:           FederatedUser{user.value("Arn"), user.value("FederatedUserId")},
		PackedPolicySize:        r.number("PackedPolicySize"),
		SessionTokenSize:        r.number("SessionTokenSize"),
		SessionTokenUtilization: r.number("SessionTokenUtilization"),
		RequestID:               r.requestID,
	}
	return err
}
