package stsquery

import (
	"context"
	"time"

	"github.com/stschain-go/stschain"
)

// GetSessionTokenInput is the input of [Client.GetSessionToken]. Zero fields are not sent. The limits are
// those of AWS.
type GetSessionTokenInput struct {
	Duration time.Duration // 15 minutes to 36 hours; for the root user at most 1 hour. 0: 12 hours, for the root user 1

	SerialNumber string          // of the caller's MFA device, or its ARN; 9 to 256 letters, digits and _+=/:,.@-
	TokenCode    stschain.Secret // from that device; 6 digits

	MinimumSessionTokenSize int // in bytes, up to 4096: STS pads the token to this size, to test whether proxies, headers and databases accept large tokens. 0: no padding
}

// GetSessionTokenOutput is the response of [Client.GetSessionToken].
type GetSessionTokenOutput struct {
	Credentials             stschain.Credentials
	SessionTokenSize        int // in bytes; 0: not reported
	SessionTokenUtilization int // SessionTokenSize as a percentage of the maximum
	RequestID               string
}

// GetSessionToken exchanges the long-lived keys of an IAM user for temporary ones, which count as
// authenticated by MFA if a code was sent with the request. Temporary keys are refused. It needs no
// permission, and no policy can deny it. The root user's keys work too, and make a session with all
// permissions, but should not be used.
//
// The session has the permissions of the user, but without MFA it cannot call IAM, and of STS it can call
// only AssumeRole and GetCallerIdentity. CloudTrail attributes its actions to the user, with the time of
// the session's creation and whether MFA was used.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
func (c *Client) GetSessionToken(ctx context.Context, in GetSessionTokenInput) (*GetSessionTokenOutput, error) {
	return do(ctx, c, in, new(GetSessionTokenOutput))
}

func (in GetSessionTokenInput) operation() operation {
	return operation{name: "GetSessionToken", once: !in.TokenCode.IsZero()}
}

func (in GetSessionTokenInput) check(r *rules) {
	r.duration(in.Duration, 15*time.Minute, 36*time.Hour)
	r.mfa(in.SerialNumber, in.TokenCode)
	r.tokenSize(in.MinimumSessionTokenSize)
}

func (in GetSessionTokenInput) encode(q *query) {
	q.seconds("DurationSeconds", in.Duration)
	q.add("SerialNumber", in.SerialNumber)
	q.secret("TokenCode", in.TokenCode)
	q.number("MinimumSessionTokenSize", in.MinimumSessionTokenSize)
}

func (out *GetSessionTokenOutput) decode(r result) error {
	creds, err := r.credentials()
	*out = GetSessionTokenOutput{creds, r.number("SessionTokenSize"), r.number("SessionTokenUtilization"), r.requestID}
	return err
}
