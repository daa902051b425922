package proof

import (
	"fmt"
	"net/http"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// SignInError is an error response of AWS Sign-In to a [Bearer] or a [TokenExchange], or a response that is not one of
// the operation.
//
// It is [stschain.ErrPermanent] if the service rejected the request (4xx with an error code, except 408 and 429), and
// [stschain.ErrThrottled] for 429. It contains no secret: texts of the server are truncated to 512 bytes, and a text
// that shows a part of a secret of the request is replaced.
type SignInError struct {
	Operation  string // CreateBearerToken
	Code       string // AccessDeniedException; "": the response has none
	Reason     string // the OAuth error, such as invalid_grant, or TOKEN_EXPIRED; "": the response has none
	Message    string // of the server
	RequestID  string // for AWS support
	StatusCode int
	Endpoint   string // host and port

	problem error // of a response that is not one of the service
}

// Error says what failed, with which response, and what to do about it.
func (e *SignInError) Error() string {
	text := fmt.Sprintf("%s at %s: %d %s", e.Operation, e.Endpoint, e.StatusCode, http.StatusText(e.StatusCode))
	for _, part := range []string{e.Code, e.Reason, e.Message} {
		if part != "" {
			text += ": " + part
		}
	}
	if e.problem != nil {
		text += ": unexpected response: " + e.problem.Error()
	}
	if e.RequestID != "" {
		text += " (request " + e.RequestID + ")"
	}
	if hint := e.hint(); hint != "" {
		text += "; " + hint
	}
	return text
}

// Is reports whether the response makes the error target: [stschain.ErrPermanent] or [stschain.ErrThrottled].
func (e *SignInError) Is(target error) bool {
	switch target {
	case stschain.ErrPermanent:
		return e.StatusCode/100 == 4 && !wire.Retryable(e.StatusCode) && e.Code+e.Reason != ""
	case stschain.ErrThrottled:
		return e.StatusCode == http.StatusTooManyRequests
	}
	return false
}

// hint returns what to do about a refusal, or "".
func (e *SignInError) hint() string {
	for _, h := range signInHints {
		if (h.code == "" || h.code == e.Code) && (h.reason == "" || h.reason == e.Reason) {
			return h.text
		}
	}
	return ""
}

// signInHints are the hints on frequent refusals. The first match applies.
var signInHints = []struct{ code, reason, text string }{
	{"", "INSUFFICIENT_PERMISSIONS", "the caller's policies must allow this operation of AWS Sign-In for the resource"},
	{"", "TOKEN_EXPIRED", "get a new token, or new credentials, and check this machine's clock"},
	{"", "USER_CREDENTIALS_CHANGED", "the password was changed since: sign in again"},
	{"", "unsupported_grant_type", "the service does not issue such tokens: check Region and Endpoint"},
	{"", "invalid_target", "check Resource: the service does not issue tokens for it"},
	{"InvalidGrantException", "", "the subject token is not accepted: check its issuer, audience and expiry"},
	{"InvalidScopeException", "", "check Scope: it lists ARNs of managed policies"},
	{"ServiceQuotaExceededException", "", "reuse one value of the type, which caches its token"},
	{"ExpiredTokenException", "", "the credentials that signed the request are no longer valid"},
	{"InvalidSignatureException", "", "check the secret access key, the region and this machine's clock"},
	{"UnrecognizedClientException", "", "the access key does not exist in this partition, is inactive, or lacks its session token"},
}
