package stsquery

import (
	"context"
	"time"

	"github.com/stschain-go/stschain"
)

// GetFederationTokenInput is what [Client.GetFederationToken] is asked with. A
// field that is zero is not sent. The limits are those of AWS.
type GetFederationTokenInput struct {
	Name string // of the federated user, such as Bob; required by AWS; 2 to 32 letters, digits and _+=,.@-

	// Policy is JSON of at most 2048 characters that the caller's permissions are
	// cut down to, together with the managed policies of PolicyARNs, at most 10.
	// Without any policy the session may do nothing but what resources' policies
	// grant it by name.
	Policy     string
	PolicyARNs []string

	Duration time.Duration // 15 minutes to 36 hours; for the root user at most 1 hour. 0: 12 hours, for the root user 1

	Tags []Tag // at most 50; one wins over a tag of the calling user with the same key

	MinimumSessionTokenSize int // in bytes, up to 4096: STS pads the token to this; for testing what carries it
}

// GetFederationTokenOutput is what [Client.GetFederationToken] answers.
type GetFederationTokenOutput struct {
	Credentials             stschain.Credentials
	FederatedUser           FederatedUser
	PackedPolicySize        int // policies and tags, as percentage of the space for them; AWS gave it up for SessionTokenUtilization
	SessionTokenSize        int // in bytes; 0: not reported
	SessionTokenUtilization int // the same as percentage of the largest
	RequestID               string
}

// FederatedUser is who a federated session is.
type FederatedUser struct {
	ARN             string // arn:aws:sts::123456789012:federated-user/Bob
	FederatedUserID string // the account's ID, a colon, the name: 123456789012:Bob
}

// GetFederationToken gets credentials for a user whom the caller's own identity
// broker vouches for. The caller must sign with the long-lived keys of an IAM
// user, who needs sts:GetFederationToken, and sts:TagSession for tags; temporary
// keys are refused. The root user's keys work too: better not.
//
// The session may do what the IAM user and the session policies both allow. Of
// IAM it can call nothing, and of STS only GetCallerIdentity; in the console,
// which it can be used to open, IAM is not closed to it.
//
// CloudTrail shows the session as a federated user of that Name: have it be one
// that says nothing private.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html
func (c *Client) GetFederationToken(ctx context.Context, in GetFederationTokenInput) (*GetFederationTokenOutput, error) {
	var out GetFederationTokenOutput
	if err := c.call(ctx, in, out.decode); err != nil {
		return nil, err
	}
	return &out, nil
}

func (GetFederationTokenInput) operation() operation { return operation{name: "GetFederationToken"} }

func (in GetFederationTokenInput) check(r *rules) {
	r.required("Name", in.Name)
	r.text("Name", in.Name, limits{2, 32, nameLimits.chars, nameLimits.allowed})
	r.policy("Policy", in.Policy, shortPolicyLimits)
	r.arns("PolicyARNs", in.PolicyARNs)
	r.duration("Duration", in.Duration, 15*time.Minute, 36*time.Hour)
	r.tags("Tags", in.Tags)
	r.number("MinimumSessionTokenSize", in.MinimumSessionTokenSize, maxTokenSize)
}

func (in GetFederationTokenInput) encode(q *query) {
	q.add("Name", in.Name)
	q.add("Policy", in.Policy)
	encodePolicyARNs(q, in.PolicyARNs)
	q.seconds("DurationSeconds", in.Duration)
	encodeTags(q, in.Tags)
	q.number("MinimumSessionTokenSize", in.MinimumSessionTokenSize)
}

func (out *GetFederationTokenOutput) decode(result *element, requestID string) (err error) {
	out.Credentials, err = credentialsOf(result, "GetFederationToken")
	user := result.child("FederatedUser")
	out.FederatedUser = FederatedUser{ARN: user.value("Arn"), FederatedUserID: user.value("FederatedUserId")}
	out.PackedPolicySize, out.SessionTokenSize, out.SessionTokenUtilization = sizesOf(result)
	out.RequestID = requestID
	return err
}
