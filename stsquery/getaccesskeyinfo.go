package stsquery

import (
	"context"
	"errors"
)

// GetAccessKeyInfoInput is the input of [Client.GetAccessKeyInfo].
type GetAccessKeyInfoInput struct {
	AccessKeyID string // required by AWS; 16 to 128 letters, digits and _
}

// GetAccessKeyInfoOutput is the response of [Client.GetAccessKeyInfo].
type GetAccessKeyInfoOutput struct {
	Account   string // ID of the account of the key
	RequestID string
}

// GetAccessKeyInfo returns the account of an access key of any account: a long-lived one (AKIA...) or a
// temporary one (ASIA...). The response does not say whether the key is active, inactive or deleted; a
// deleted one may have none. The caller needs sts:GetAccessKeyInfo. The account's CloudTrail log shows
// which principal created a temporary key.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetAccessKeyInfo.html
func (c *Client) GetAccessKeyInfo(ctx context.Context, in GetAccessKeyInfoInput) (*GetAccessKeyInfoOutput, error) {
	return do(ctx, c, in, new(GetAccessKeyInfoOutput))
}

func (GetAccessKeyInfoInput) operation() operation { return operation{name: "GetAccessKeyInfo"} }

func (in GetAccessKeyInfoInput) check(r *rules) {
	r.required("AccessKeyID", in.AccessKeyID, limits{16, 128, isWord, "letters, digits and _"})
}

func (in GetAccessKeyInfoInput) encode(q *query) { q.add("AccessKeyId", in.AccessKeyID) }

func (out *GetAccessKeyInfoOutput) decode(r result) error {
	*out = GetAccessKeyInfoOutput{r.value("Account"), r.requestID}
	if out.Account == "" {
		return errors.New("response has no Account")
	}
	return nil
}
