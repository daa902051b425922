package awssdk

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/stschain-go/stschain"
)

// RetryRejected is for APIOptions of an aws.Config, or of a client whose
// credentials come from p. When a service answers ExpiredToken,
// ExpiredTokenException or InvalidToken, the cache is told, and if it then has
// other credentials the request is tried again with them, as one of the attempts
// that the client's Retryer allows. Without it such an error goes to the caller,
// and the credentials stay in use until they are refreshed.
//
// A body that cannot be read twice is not sent again, and an answer to HEAD has no
// code to go by.
func (p *CredentialsProvider) RetryRejected(stack *middleware.Stack) error {
	// At the end of Finalize: inside the loop of attempts, and after signing.
	return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("stschainRetryRejected", p.watch), middleware.After)
}

func (p *CredentialsProvider) watch(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	middleware.FinalizeOutput, middleware.Metadata, error,
) {
	out, metadata, err := next.HandleFinalize(ctx, in)
	req, ok := in.Request.(*smithyhttp.Request)
	if err == nil || !ok || p.Credentials == nil || !rejectsToken(err) {
		return out, metadata, err
	}
	used := signedWith(req.Header.Get("Authorization"))
	if used == "" {
		return out, metadata, err
	}
	p.held().Invalidate(stschain.Credentials{AccessKeyID: used})
	if body := req.GetStream(); body != nil && !req.IsStreamSeekable() {
		return out, metadata, err
	}
	if creds, failed := p.held().Retrieve(ctx); failed == nil && creds.AccessKeyID != used {
		err = replaced{err}
	}
	return out, metadata, err
}

func rejectsToken(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode() {
	case "ExpiredToken", "ExpiredTokenException", "InvalidToken":
		return true
	}
	return false
}

// signedWith is the access key ID in an Authorization header; "" if there is none.
func signedWith(authorization string) string {
	_, credential, _ := strings.Cut(authorization, "Credential=")
	id, _, signed := strings.Cut(credential, "/")
	if !signed {
		return ""
	}
	return id
}

// replaced is a rejection for which there are other credentials by now. The SDK
// asks errors whether they can be retried.
type replaced struct{ error }

func (replaced) RetryableError() bool { return true }
func (r replaced) Unwrap() error      { return r.error }
