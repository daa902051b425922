package stsquery

import (
	"context"
	"errors"
)

// GetCallerIdentityInput is what [Client.GetCallerIdentity] is asked with:
// nothing but a signature.
type GetCallerIdentityInput struct{}

// GetCallerIdentityOutput is what [Client.GetCallerIdentity] answers.
type GetCallerIdentityOutput struct {
	UserID    string // unique ID of the user, role session or federated user
	Account   string
	ARN       string
	RequestID string
}

// GetCallerIdentity tells who the client's credentials are. Everybody may ask;
// no policy can forbid it, since a refusal would say the same. CloudTrail has the
// call, like any other, in the account of the caller.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
func (c *Client) GetCallerIdentity(ctx context.Context, in GetCallerIdentityInput) (*GetCallerIdentityOutput, error) {
	var out GetCallerIdentityOutput
	if err := c.call(ctx, in, out.decode); err != nil {
		return nil, err
	}
	return &out, nil
}

func (GetCallerIdentityInput) operation() operation { return operation{name: "GetCallerIdentity"} }
func (GetCallerIdentityInput) check(*rules)         {}
func (GetCallerIdentityInput) encode(*query)        {}

func (out *GetCallerIdentityOutput) decode(result *element, requestID string) error {
	*out = GetCallerIdentityOutput{
		UserID:    result.value("UserId"),
		Account:   result.value("Account"),
		ARN:       result.value("Arn"),
		RequestID: requestID,
	}
	if out.UserID == "" && out.Account == "" && out.ARN == "" {
		return errors.New("the answer names nobody")
	}
	return nil
}
