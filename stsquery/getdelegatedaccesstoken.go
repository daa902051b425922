package stsquery

import (
	"context"

	"github.com/stschain-go/stschain"
)

// GetDelegatedAccessTokenInput is the input of [Client.GetDelegatedAccessToken].
type GetDelegatedAccessTokenInput struct {
	TradeInToken stschain.Secret // required by AWS; as good as the credentials that it is exchanged for
}

// GetDelegatedAccessTokenOutput is the response of [Client.GetDelegatedAccessToken].
type GetDelegatedAccessTokenOutput struct {
	Credentials             stschain.Credentials
	AssumedPrincipal        string // ARN of the principal of the credentials
	PackedPolicySize        int    // policies and tags, as a percentage of the space for them; AWS replaced it with SessionTokenUtilization
	SessionTokenSize        int    // in bytes; 0: not reported
	SessionTokenUtilization int    // SessionTokenSize as a percentage of the maximum
	RequestID               string
}

// GetDelegatedAccessToken exchanges a token, which a principal issued to delegate access, for credentials
// of that principal. The token must not have expired. AWS does not offer this operation for general use.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetDelegatedAccessToken.html
func (c *Client) GetDelegatedAccessToken(ctx context.Context, in GetDelegatedAccessTokenInput) (*GetDelegatedAccessTokenOutput, error) {
	return do(ctx, c, in, new(GetDelegatedAccessTokenOutput))
}

func (GetDelegatedAccessTokenInput) operation() operation {
	return operation{name: "GetDelegatedAccessToken", regional: true}
}

func (in GetDelegatedAccessTokenInput) check(r *rules) {
	r.missing("TradeInToken", r.aws && in.TradeInToken.IsZero())
	r.secret("TradeInToken", in.TradeInToken, anyLimits)
}

func (in GetDelegatedAccessTokenInput) encode(q *query) { q.secret("TradeInToken", in.TradeInToken) }

func (out *GetDelegatedAccessTokenOutput) decode(r result) error {
	creds, err := r.credentials()
	*out = GetDelegatedAccessTokenOutput{
		Credentials:             creds,
		AssumedPrincipal:        r.value("AssumedPrincipal"),
		PackedPolicySize:        r.number("PackedPolicySize"),
		SessionTokenSize:        r.number("SessionTokenSize"),
		SessionTokenUtilization: r.number("SessionTokenUtilization"),
		RequestID:               r.requestID,
	}
	return err
}
