package stsquery

import (
	"context"
	"errors"
)

// DecodeAuthorizationMessageInput is the input of [Client.DecodeAuthorizationMessage].
type DecodeAuthorizationMessageInput struct {
	EncodedMessage string // from the error response; required by AWS; up to 10,240 characters
}

// DecodeAuthorizationMessageOutput is the response of [Client.DecodeAuthorizationMessage].
type DecodeAuthorizationMessageOutput struct {
	DecodedMessage string // JSON
	RequestID      string
}

// DecodeAuthorizationMessage decodes the encoded message of an error response, such as EC2's
// UnauthorizedOperation: the principal, the action, and the reasons of the decision. Few
// operations of AWS send one. It is encoded because the reasons may be confidential, so
// decoding it needs a separate permission: sts:DecodeAuthorizationMessage.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html
func (c *Client) DecodeAuthorizationMessage(ctx context.Context, in DecodeAuthorizationMessageInput) (*DecodeAuthorizationMessageOutput, error) {
	return do(ctx, c, in, new(DecodeAuthorizationMessageOutput))
}

func (DecodeAuthorizationMessageInput) operation() operation {
	return operation{name: "DecodeAuthorizationMessage"}
}

func (in DecodeAuthorizationMessageInput) check(r *rules) {
	r.required("EncodedMessage", in.EncodedMessage, limits{1, 10240, nil, ""})
}

func (in DecodeAuthorizationMessageInput) encode(q *query) {
	q.add("EncodedMessage", in.EncodedMessage)
}

func (out *DecodeAuthorizationMessageOutput) decode(r result) error {
	*out = DecodeAuthorizationMessageOutput{r.value("DecodedMessage"), r.requestID}
	if out.DecodedMessage == "" {
		return errors.New("response has no DecodedMessage")
	}
	return nil
}
