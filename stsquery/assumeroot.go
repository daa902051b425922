package stsquery

import (
	"context"
	"time"

	"github.com/stschain-go/stschain"
)

// AssumeRootInput is the input of [Client.AssumeRoot]. Zero fields are not sent. The limits are those of
// AWS.
type AssumeRootInput struct {
	TargetPrincipal string // required by AWS; ARN or ID of the member account; 12 to 2048 characters

	// TaskPolicyARN is the task of the session and its only permissions. Required by AWS; one of the
	// managed policies arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials,
	// .../IAMCreateRootUserPassword, .../IAMDeleteRootUserCredentials, .../S3UnlockBucketPolicy and
	// .../SQSUnlockQueuePolicy. 20 to 2048 characters.
	TaskPolicyARN string

	Duration time.Duration // up to 15 minutes. 0: 15 minutes

	MinimumSessionTokenSize int // in bytes, up to 4096: STS pads the token to this size, to test whether proxies, headers and databases accept large tokens. 0: no padding
}

// AssumeRootOutput is the response of [Client.AssumeRoot].
type AssumeRootOutput struct {
	Credentials             stschain.Credentials
	SourceIdentity          string // of the caller's session
	SessionTokenSize        int    // in bytes; 0: not reported
	SessionTokenUtilization int    // SessionTokenSize as a percentage of the maximum
	RequestID               string
}

// AssumeRoot returns credentials for one task as the root user of a member account. It is for the
// management account of an organization, and for the account that IAM is delegated to, once centralized
// root access is enabled there; the caller needs sts:AssumeRoot, and must not be a root user. The session
// has the permissions of the task policy only. Only regional endpoints have this operation: for the
// global one it is refused before it is sent.
//
// CloudTrail logs the call and the actions of the session.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoot.html
func (c *Client) AssumeRoot(ctx context.Context, in AssumeRootInput) (*AssumeRootOutput, error) {
	return do(ctx, c, in, new(AssumeRootOutput))
}

func (AssumeRootInput) operation() operation { return operation{name: "AssumeRoot"} }

func (in AssumeRootInput) check(r *rules) {
	r.regional()
	r.required("TargetPrincipal", in.TargetPrincipal, limits{12, 2048, nil, ""})
	r.required("TaskPolicyARN", in.TaskPolicyARN, arnLimits)
	r.duration(in.Duration, time.Second, 15*time.Minute)
	r.tokenSize(in.MinimumSessionTokenSize)
}

func (in AssumeRootInput) encode(q *query) {
	q.add("TargetPrincipal", in.TargetPrincipal)
	q.add("TaskPolicyArn.arn", in.TaskPolicyARN)
	q.seconds("DurationSeconds", in.Duration)
	q.number("MinimumSessionTokenSize", in.MinimumSessionTokenSize)
}

func (out *AssumeRootOutput) decode(r result) error {
	creds, err := r.credentials()
	*out = AssumeRootOutput{
		Credentials:             creds,
		SourceIdentity:          r.value("SourceIdentity"),
		SessionTokenSize:        r.number("SessionTokenSize"),
		SessionTokenUtilization: r.number("SessionTokenUtilization"),
		RequestID:               r.requestID,
	}
	return err
}
