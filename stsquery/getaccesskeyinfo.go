package stsquery

import (
	"context"
	"errors"
)

// GetAccessKeyInfoInput is what [Client.GetAccessKeyInfo] is asked with.
type GetAccessKeyInfoInput struct {
	AccessKeyID string // required by AWS; 16 to 128 letters, digits and _
}

// GetAccessKeyInfoOutput is what [Client.GetAccessKeyInfo] answers.
type GetAccessKeyInfoOutput struct {
	Account   string // ID of the account that the key is of
	RequestID string
}

// GetAccessKeyInfo tells which account an access key is of, whoever's it is: a
// long-lived one (AKIA...) or a temporary one (ASIA...). Whether the key is active,
// inactive or deleted the answer does not say; for a deleted one there may be none.
// The caller needs sts:GetAccessKeyInfo. Who made a temporary key is in the
// CloudTrail of its account.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetAccessKeyInfo.html
func (c *Client) GetAccessKeyInfo(ctx context.Context, in GetAccessKeyInfoInput) (*GetAccessKeyInfoOutput, error) {
	var out GetAccessKeyInfoOutput
	if err := c.call(ctx, in, out.decode); err != nil {
		return nil, err
	}
	return &out, nil
}

func (GetAccessKeyInfoInput) operation() operation { return operation{name: "GetAccessKeyInfo"} }

func (in GetAccessKeyInfoInput) check(r *rules) {
	r.required("AccessKeyID", in.AccessKeyID)
	r.text("AccessKeyID", in.AccessKeyID, limits{16, 128, isWord, "letters, digits and _"})
}

func (in GetAccessKeyInfoInput) encode(q *query) { q.add("AccessKeyId", in.AccessKeyID) }

func (out *GetAccessKeyInfoOutput) decode(result *element, requestID string) error {
	out.Account = result.value("Account")
	out.RequestID = requestID
	if out.Account == "" {
		return errors.New("the answer names no account")
	}
	return nil
}
