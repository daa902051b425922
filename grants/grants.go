// Package grants has the error of its subpackages, which get credentials for a part of S3:
//
//   - grants/s3express: sessions of five minutes for one directory bucket of S3 Express One Zone
//   - grants/accessgrants: credentials for the bucket, prefix or object of a grant in S3 Access Grants
//
// Both call S3 with the credentials of a [stschain.Provider], and both have a type that keeps the results of many buckets or
// prefixes fresh and selects them for the requests of a sigv4.Transport.
package grants

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/stschain-go/stschain"
)

// Error is how a call of S3 failed: an error response, a malformed response, or none. It contains no secret.
//
// It is [stschain.ErrPermanent] for the codes that a retry does not change, such as AccessDenied and NoSuchBucket, and
// [stschain.ErrThrottled] for SlowDown and other codes of throttling, and for HTTP 429.
type Error struct {
	Operation  string // CreateSession or GetDataAccess
	Host       string
	StatusCode int    // 0: no response
	Code       string // AccessDenied; "": the response has none
	Message    string // of S3
	RequestID  string // for AWS support
	Err        error  // the cause if there is no error response; else nil
}

// Error says what failed, with which response, and what to do about it.
func (e *Error) Error() string {
	text := e.Operation + " at " + e.Host
	var status, cause string
	if e.StatusCode != 0 {
		status = strings.TrimSpace(strconv.Itoa(e.StatusCode) + " " + http.StatusText(e.StatusCode))
	}
	if e.Err != nil {
		cause = e.Err.Error()
	}
	for _, part := range []string{status, e.Code, e.Message, cause} {
		if part != "" {
			text += ": " + part
		}
	}
	if e.RequestID != "" {
		text += fmt.Sprintf(" (request %s)", e.RequestID)
	}
	if hint := e.hint(); hint != "" {
		text += "; " + hint
	}
	return text
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether the error is [stschain.ErrPermanent] or [stschain.ErrThrottled].
func (e *Error) Is(target error) bool {
	switch target {
	case stschain.ErrPermanent:
		return slices.Contains(permanentCodes, e.Code)
	case stschain.ErrThrottled:
		return slices.Contains(throttlingCodes, e.Code) || e.StatusCode == http.StatusTooManyRequests
	}
	return false
}

var permanentCodes = []string{
	"AccessDenied", "AccessGrantsInstanceNotExistsError", "InvalidAccessGrantsInstance", "InvalidArgument", "InvalidBucketName", "InvalidRequest",
	"MethodNotAllowed", "NoSuchAccessGrantsInstance", "NoSuchAccessPoint", "NoSuchBucket", "NotImplemented",
}

var throttlingCodes = []string{"RequestLimitExceeded", "SlowDown", "Throttling", "ThrottlingException", "TooManyRequestsException"}

// hint returns what to do about a refusal, or "".
func (e *Error) hint() string {
	for _, h := range hints {
		if h.code == e.Code && (h.operation == "" || h.operation == e.Operation) {
			return h.text
		}
	}
	return ""
}

// hints are the hints on the most frequent refusals. The first match applies.
var hints = []struct{ code, operation, text string }{
	{"AccessDenied", "CreateSession", "the caller needs s3express:CreateSession on the bucket, by its own policy or the bucket's, and for the session's mode"},
	{"AccessDenied", "GetDataAccess", "the caller needs s3:GetDataAccess, and a grant to it that covers the target and the permission"},
	{"NoSuchBucket", "CreateSession", "check the name, the zone and the region of the directory bucket"},
	{"AccessGrantsInstanceNotExistsError", "", noInstance},
	{"InvalidAccessGrantsInstance", "", noInstance},
	{"NoSuchAccessGrantsInstance", "", noInstance},
	{"InvalidRequest", "GetDataAccess", "check Target, and set a Duration of at most the maximum of the role of the grant's location"},
	{"AuthorizationHeaderMalformed", "", otherRegion},
	{"PermanentRedirect", "", otherRegion},
	{"SignatureDoesNotMatch", "", "check the secret access key, the region and this machine's clock"},
	{"InvalidAccessKeyId", "", "the access key does not exist in this partition, is inactive, or lacks its session token"},
	{"ExpiredToken", "", expired},
	{"InvalidToken", "", expired},
	{"RequestTimeTooSkewed", "", "check this machine's clock"},
	{"SlowDown", "", "share the credentials of one Provider through a stschain.Cache or a stschain.Pool"},
}

const (
	noInstance  = "the account has no S3 Access Grants instance in this region: check Account and Region"
	otherRegion = "check Region: the bucket or the instance is in another one"
	expired     = "the credentials that signed the request are no longer valid"
)
