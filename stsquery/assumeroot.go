package stsquery

import (
	"context"
	"time"

	"github.com/stschain-go/stschain"
)

// AssumeRootInput is what [Client.AssumeRoot] is asked with. A field that is
// zero is not sent. The limits are those of AWS.
type AssumeRootInput struct {
	TargetPrincipal string // required by AWS; ARN or ID of the member account; 12 to 2048 characters

	// TaskPolicyARN says what the session is for, and is all that it may do.
	// Required by AWS; one of the managed policies
	// arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials,
	// .../IAMCreateRootUserPassword, .../IAMDeleteRootUserCredentials,
	// .../S3UnlockBucketPolicy and .../SQSUnlockQueuePolicy. 20 to 2048 characters.
	TaskPolicyARN string

	Duration time.Duration // up to 15 minutes. 0: 15 minutes

	MinimumSessionTokenSize int // in bytes, up to 4096: STS pads the token to this; for testing what carries it
}

// AssumeRootOutput is what [Client.AssumeRoot] answers.
type AssumeRootOutput struct {
	Credentials             stschain.Credentials
	SourceIdentity          string // of the session that asked
	SessionTokenSize        int    // in bytes; 0: not reported
	SessionTokenUtilization int    // the same as percentage of the largest
	RequestID               string
}

// AssumeRoot gets credentials for one task as the root user of a member account.
// It is for the management account of an organization, and for the account that
// it delegates IAM to, once centralized root access is switched on there; the
// caller needs sts:AssumeRoot, and must not be a root user. The session may do
// what the task policy allows and nothing else. Only regional endpoints have this
// operation: at the global one it is refused before it is sent.
//
// CloudTrail has the call, and what the session does.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoot.html
func (c *Client) AssumeRoot(ctx context.Context, in AssumeRootInput) (*AssumeRootOutput, error) {
	var out AssumeRootOutput
	if err := c.call(ctx, in, out.decode); err != nil {
		return nil, err
	}
	return &out, nil
}

func (AssumeRootInput) operation() operation { return operation{name: "AssumeRoot"} }

func (in AssumeRootInput) check(r *rules) {
	r.regional()
	r.required("TargetPrincipal", in.TargetPrincipal)
	r.text("TargetPrincipal", in.TargetPrincipal, limits{12, 2048, nil, ""})
	r.required("TaskPolicyARN", in.TaskPolicyARN)
	r.text("TaskPolicyARN", in.TaskPolicyARN, arnLimits)
	r.duration("Duration", in.Duration, time.Second, 15*time.Minute)
	r.number("MinimumSessionTokenSize", in.MinimumSessionTokenSize, maxTokenSize)
}

func (in AssumeRootInput) encode(q *query) {
	q.add("TargetPrincipal", in.TargetPrincipal)
	q.add("TaskPolicyArn.arn", in.TaskPolicyARN)
	q.seconds("DurationSeconds", in.Duration)
	q.number("MinimumSessionTokenSize", in.MinimumSessionTokenSize)
}

func (out *AssumeRootOutput) decode(result *element, requestID string) (err error) {
	out.Credentials, err = credentialsOf(result, "AssumeRoot")
	out.SourceIdentity = result.value("SourceIdentity")
	_, out.SessionTokenSize, out.SessionTokenUtilization = sizesOf(result)
	out.RequestID = requestID
	return err
}
