package awssdk

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

// RetryRejected is for APIOptions of an aws.Config, or of a client whose credentials come from p. If a service rejects
// the session token, with an error for which sigv4.RejectsToken returns true, it invalidates the credentials in the
// cache. If the cache then has other credentials, the request is sent again with them, as one of the attempts that the
// client's Retryer allows. Without it the error is returned to the caller, and the credentials stay in use until they are
// refreshed.
//
// A body that cannot be read twice is not sent again. The response to a HEAD request has no error code.
func (p *CredentialsProvider) RetryRejected(stack *middleware.Stack) error {
	// At the end of Finalize: inside the loop of attempts, and after signing.
	return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("stschainRetryRejected", p.retryRejected), middleware.After)
}

func (p *CredentialsProvider) retryRejected(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	middleware.FinalizeOutput, middleware.Metadata, error,
) {
	out, metadata, err := next.HandleFinalize(ctx, in)
	req, ok := in.Request.(*smithyhttp.Request)
	if err == nil || !ok || p.Credentials == nil || !rejectsToken(err) {
		return out, metadata, err
	}
	used := signedBy(req.Header.Get("Authorization"))
	if used == "" {
		return out, metadata, err
	}
	p.cached().Invalidate(stschain.Credentials{AccessKeyID: used})
	if body := req.GetStream(); body != nil && !req.IsStreamSeekable() {
		return out, metadata, err
	}
	if creds, failed := p.cached().Retrieve(ctx); failed == nil && creds.AccessKeyID != used {
		err = replaced{err}
	}
	return out, metadata, err
}

// rejectsToken reports whether err rejects the session token. EC2 has the same code for that and for a wrong date.
func rejectsToken(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && sigv4.RejectsToken(api.ErrorCode(), api.ErrorMessage()) && (api.ErrorCode() != "RequestExpired" || !wrongDate(err))
}

// wrongDate reports whether the clock of the service differs from ours by more than the five minutes that a signature
// is valid for. The SDK corrects that by itself.
func wrongDate(err error) bool {
	failed, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || failed.Response == nil {
		return false
	}
	date, err := http.ParseTime(failed.Response.Header.Get("Date"))
	return err == nil && time.Since(date).Abs() > 5*time.Minute
}

// signedBy returns the access key ID of an Authorization header, or "".
func signedBy(authorization string) string {
	_, credential, _ := strings.Cut(authorization, "Credential=")
	id, _, signed := strings.Cut(credential, "/")
	if !signed {
		return ""
	}
	return id
}

// replaced is a rejection after which the cache has other credentials. The SDK retries errors with this method.
type replaced struct{ error }

func (replaced) RetryableError() bool { return true }
func (r replaced) Unwrap() error      { return r.error }
