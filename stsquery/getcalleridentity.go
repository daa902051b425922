package stsquery

import (
	"context"
	"errors"
)

// GetCallerIdentityInput is the operation GetCallerIdentity for [Client.Presign]. It has no parameters.
type GetCallerIdentityInput struct{}

// GetCallerIdentityOutput is the response of [Client.GetCallerIdentity].
type GetCallerIdentityOutput struct {
	UserID    string // unique ID of the user, role session or federated user
	Account   string
	ARN       string
	RequestID string
}

// GetCallerIdentity returns the identity of the client's credentials. It needs no permission, and
// no policy can deny it. CloudTrail logs the call in the account of the caller.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
func (c *Client) GetCallerIdentity(ctx context.Context) (*GetCallerIdentityOutput, error) {
	return do(ctx, c, GetCallerIdentityInput{}, new(GetCallerIdentityOutput))
}

func (GetCallerIdentityInput) operation() operation { return operation{name: "GetCallerIdentity"} }
func (GetCallerIdentityInput) check(*rules)         {}
func (GetCallerIdentityInput) encode(*query)        {}

func (out *GetCallerIdentityOutput) decode(r result) error {
	*out = GetCallerIdentityOutput{r.value("UserId"), r.value("Account"), r.value("Arn"), r.requestID}
	if out.UserID == "" && out.Account == "" && out.ARN == "" {
		return errors.New("response has no Arn, UserId or Account")
	}
	return nil
}
