package stsquery

import (
	"context"
	"time"

	"github.com/stschain-go/stschain"
)

// GetSessionTokenInput is what [Client.GetSessionToken] is asked with. A field
// that is zero is not sent. The limits are those of AWS.
type GetSessionTokenInput struct {
	Duration time.Duration // 15 minutes to 36 hours; for the root user at most 1 hour. 0: 12 hours, for the root user 1

	SerialNumber string          // of the caller's MFA device, or its ARN; 9 to 256 letters, digits and _+=/:,.@-
	TokenCode    stschain.Secret // from that device; 6 digits

	MinimumSessionTokenSize int // in bytes, up to 4096: STS pads the token to this; for testing what carries it
}

// GetSessionTokenOutput is what [Client.GetSessionToken] answers.
type GetSessionTokenOutput struct {
	Credentials             stschain.Credentials
	SessionTokenSize        int // in bytes; 0: not reported
	SessionTokenUtilization int // the same as percentage of the largest
	RequestID               string
}

// GetSessionToken trades the long-lived keys of an IAM user for temporary ones,
// which count as authenticated by MFA if a code was sent along. Keys that are
// temporary themselves are refused. It takes no permission, and no policy can
// forbid it. The root user's keys work too, and make a session that may do
// everything: better not.
//
// The result may do what the user may, but of IAM nothing without MFA, and of STS
// only AssumeRole and GetCallerIdentity. CloudTrail shows its deeds as the user's,
// with the time of the session's creation and whether there was MFA.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
func (c *Client) GetSessionToken(ctx context.Context, in GetSessionTokenInput) (*GetSessionTokenOutput, error) {
	var out GetSessionTokenOutput
	if err := c.call(ctx, in, out.decode); err != nil {
		return nil, err
	}
	return &out, nil
}

func (in GetSessionTokenInput) operation() operation {
	return operation{name: "GetSessionToken", once: !in.TokenCode.IsZero()}
}

func (in GetSessionTokenInput) check(r *rules) {
	r.duration("Duration", in.Duration, 15*time.Minute, 36*time.Hour)
	r.mfa(in.SerialNumber, in.TokenCode)
	r.number("MinimumSessionTokenSize", in.MinimumSessionTokenSize, maxTokenSize)
}

func (in GetSessionTokenInput) encode(q *query) {
	q.seconds("DurationSeconds", in.Duration)
	q.add("SerialNumber", in.SerialNumber)
	q.secret("TokenCode", in.TokenCode)
	q.number("MinimumSessionTokenSize", in.MinimumSessionTokenSize)
}

func (out *GetSessionTokenOutput) decode(result *element, requestID string) (err error) {
	out.Credentials, err = credentialsOf(result, "GetSessionToken")
	_, out.SessionTokenSize, out.SessionTokenUtilization = sizesOf(result)
	out.RequestID = requestID
	return err
}
