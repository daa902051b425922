package stsquery

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
)

// Error describes a failed call: an STS error response, a malformed response, a transport error, or a
// request rejected before it was sent. Every error of a Client is an *Error.
//
// It is [stschain.ErrPermanent] for the codes that a retry does not change (AccessDenied,
// IDPRejectedClaim, InvalidIdentityToken, MalformedPolicyDocument, PackedPolicyTooLarge and
// RegionDisabled; of other servers also InvalidAction, MethodNotAllowed, NoSuchEntity and
// NotImplemented; with and without the suffix "Exception"), for requests that exceed a limit, and for
// missing or invalid settings. It is [stschain.ErrThrottled] for the throttling codes that are retried,
// and for HTTP 429.
//
// It contains no secret: server texts are truncated to 512 bytes, and a text
// that shows a part of a secret of the request is replaced.
type Error struct {
	Operation  string        // AssumeRole
	Code       string        // AccessDenied; empty if the response has none
	Message    string        // of the server
	Type       string        // Sender or Receiver: which side is at fault; often empty
	RequestID  string        // for AWS support
	StatusCode int           // 0: no response
	Endpoint   string        // host and port, of Client.Region even if others were called; empty if it could not be resolved
	Attempts   int           // requests made, in all regions; 0: nothing was sent
	RetryAfter time.Duration // wait that the server requested (x-amz-retry-after); 0: none
	Err        error         // the cause if there is no error response, and the errors of FallbackRegions; else nil
}

// Error says what failed, with which response, and what to do about it.
func (e *Error) Error() string {
	text := "stsquery: " + e.Operation
	if e.Endpoint != "" && e.Attempts > 0 {
		text += " at " + e.Endpoint
	}
	if response := e.response(); response != "" {
		text += ": " + response
	}
	if e.RequestID != "" {
		text += " (request " + e.RequestID + ")"
	}
	if e.Attempts > 1 {
		text += fmt.Sprintf(" (%d attempts)", e.Attempts)
	}
	if hint := e.hint(); hint != "" {
		text += "; " + hint
	}
	return text
}

// response returns the response, or why there is none.
func (e *Error) response() (text string) {
	var status, cause string
	if e.StatusCode != 0 {
		status = strings.TrimSpace(strconv.Itoa(e.StatusCode) + " " + http.StatusText(e.StatusCode))
	}
	if e.Err != nil {
		cause = e.Err.Error()
	}
	for _, part := range []string{status, e.Code, e.Message, cause} {
		if part != "" && text != "" {
			part = ": " + part
		}
		text += part
	}
	return text
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether Code or StatusCode makes the error target: [stschain.ErrPermanent] or
// [stschain.ErrThrottled].
func (e *Error) Is(target error) bool {
	switch target {
	case stschain.ErrPermanent:
		return slices.Contains(permanentCodes, baseCode(e.Code))
	case stschain.ErrThrottled:
		return slices.Contains(throttlingCodes, e.Code) || e.StatusCode == http.StatusTooManyRequests
	}
	return false
}

// permanentCodes are codes without the suffix "Exception".
var permanentCodes = []string{
	"AccessDenied", "IDPRejectedClaim", "InvalidIdentityToken", "MalformedPolicyDocument", "PackedPolicyTooLarge", "RegionDisabled",
	"InvalidAction", "MethodNotAllowed", "NoSuchEntity", "NotImplemented", // of radosgw, MinIO and versitygw
}

// baseCode removes a suffix that servers disagree on.
func baseCode(code string) string { return strings.TrimSuffix(code, "Exception") }

// invalidf returns why a request cannot be sent. A setting must be changed first, so it is permanent.
func invalidf(format string, args ...any) error {
	return stschain.Permanent(fmt.Errorf(format, args...))
}
