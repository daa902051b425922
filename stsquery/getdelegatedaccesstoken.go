package stsquery

import (
	"context"

	"github.com/stschain-go/stschain"
)

// GetDelegatedAccessTokenInput is what [Client.GetDelegatedAccessToken] is asked
// with.
type GetDelegatedAccessTokenInput struct {
	TradeInToken stschain.Secret // required by AWS; as good as the credentials that it is traded for
}

// GetDelegatedAccessTokenOutput is what [Client.GetDelegatedAccessToken] answers.
type GetDelegatedAccessTokenOutput struct {
	Credentials             stschain.Credentials
	AssumedPrincipal        string // ARN of who the credentials are
	PackedPolicySize        int    // as percentage of the space for policies; AWS no longer fills it
	SessionTokenSize        int    // in bytes; 0: not reported
	SessionTokenUtilization int    // the same as percentage of the largest
	RequestID               string
}

// GetDelegatedAccessToken trades a token, which somebody gave away to delegate
// access, for credentials of the principal that it stands for. The token must not
// have expired. AWS does not offer this operation for general use.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetDelegatedAccessToken.html
func (c *Client) GetDelegatedAccessToken(ctx context.Context, in GetDelegatedAccessTokenInput) (*GetDelegatedAccessTokenOutput, error) {
	var out GetDelegatedAccessTokenOutput
	if err := c.call(ctx, in, out.decode); err != nil {
		return nil, err
	}
	return &out, nil
}

func (GetDelegatedAccessTokenInput) operation() operation {
	return operation{name: "GetDelegatedAccessToken"}
}

func (in GetDelegatedAccessTokenInput) check(r *rules) {
	r.required("TradeInToken", in.TradeInToken.Reveal())
	r.secret("TradeInToken", in.TradeInToken, anyLimits)
}

func (in GetDelegatedAccessTokenInput) encode(q *query) { q.secret("TradeInToken", in.TradeInToken) }

func (out *GetDelegatedAccessTokenOutput) decode(result *element, requestID string) (err error) {
	out.Credentials, err = credentialsOf(result, "GetDelegatedAccessToken")
	out.AssumedPrincipal = result.value("AssumedPrincipal")
	out.PackedPolicySize, out.SessionTokenSize, out.SessionTokenUtilization = sizesOf(result)
	out.RequestID = requestID
	return err
}
