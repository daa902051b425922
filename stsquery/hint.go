package stsquery

import (
	"slices"
	"strings"
)

// hint returns what to do about a refusal, or "".
func (e *Error) hint() string {
	code := baseCode(e.Code)
	for i := range hints {
		if h := &hints[i]; h.code == code && (h.operation == "" || h.operation == e.Operation) && strings.Contains(e.Message, h.message) {
			return h.text
		}
	}
	return ""
}

// known reports whether a code is one of those that servers are known to send.
// Such a code can be shown, even if a short secret happens to be a part of it.
func known(code string) bool {
	if slices.Contains(throttlingCodes, code) {
		return true
	}
	base := baseCode(code)
	for i := range hints {
		if hints[i].code == base {
			return true
		}
	}
	return false
}

const (
	badKey       = "the access key does not exist in this partition, is inactive, or lacks its session token"
	badSignature = "check the secret access key, the region and this machine's clock"
	badClock     = "check this machine's clock"
	expired      = "the credentials that signed the request are no longer valid"
	noOperation  = "the server does not have this operation: check the endpoint"
	slowDown     = "share one stschain.Cache instead of assuming the role again and again"
)

// advice is the hint on a refusal.
type advice struct {
	code      string // without "Exception"
	operation string // "": any
	message   string // a part of the server's message
	text      string
}

// hints are the hints on the most frequent refusals. The first match applies.
var hints = []advice{
	// AccessDenied has many causes. It is MinIO's code for wrong keys too.
	{"AccessDenied", "", "signature we calculated", badSignature},
	{"AccessDenied", "", "Access Key Id you provided does not exist", badKey},
	{"AccessDenied", "", "MultiFactorAuthentication", "check the MFA device's serial number and its code, which works once"},
	{"AccessDenied", "", "with session credentials", "sign with the long-lived keys of an IAM user"},
	{"AccessDenied", "AssumeRole", "", "the role's trust policy must admit the caller with the external ID, tags and MFA as sent, and the caller needs sts:AssumeRole on the role"},
	{"AccessDenied", "AssumeRoleWithSAML", "", "the role's trust policy must admit the SAML provider and the assertion's audience, and, for its tags, sts:TagSession"},
	{"AccessDenied", "AssumeRoleWithWebIdentity", "", "the role's trust policy must admit the token's issuer, audience and subject"},
	{"AccessDenied", "AssumeRoot", "", "the caller must be in the organization's management account or the delegated administrator's, with centralized root access on and sts:AssumeRoot allowed"},
	{"SignatureDoesNotMatch", "", "", badSignature},
	{"ExpiredToken", "AssumeRoleWithSAML", "", "an assertion is accepted for five minutes after it was issued: get a new one for each call, and check the identity provider's clock"},
	{"ExpiredToken", "AssumeRoleWithWebIdentity", "", "the web identity token has expired: have its issuer make a new one, or read its file again"},
	{"ExpiredToken", "", "", expired},
	{"InvalidToken", "", "", expired},
	{"ExpiredTradeInToken", "", "", "get a new trade-in token"},
	{"InvalidClientTokenId", "", "", badKey},
	{"RequestExpired", "", "", badClock},
	{"RequestTimeTooSkewed", "", "", badClock},
	{"RequestInTheFuture", "", "", badClock},
	{"RegionDisabled", "", "", "activate STS for this region in the account, or use another region"},
	{"IDPRejectedClaim", "", "", "the identity provider rejected the claims of the token or assertion: it may have been revoked, have expired, or be made for another audience"},
	{"IDPCommunicationError", "", "", "STS could not reach the identity provider: its issuer's URL must respond quickly to requests from the internet"},
	{"InvalidIdentityToken", "AssumeRoleWithSAML", "", "the SAML provider in IAM must have the identity provider's current metadata, and PrincipalARN must name it"},
	{"InvalidIdentityToken", "", "", "IAM must have an OpenID Connect provider for exactly the token's issuer and audience, whose keys STS can fetch"},
	{"PackedPolicyTooLarge", "", "", "pass shorter session policies or fewer tags"},
	{"MalformedPolicyDocument", "", "", "check the session policy"},
	{"InvalidAuthorizationMessage", "", "", "pass the encoded message whole and without line breaks; it may also have expired"},
	{"OutboundWebIdentityFederationDisabled", "", "", "an administrator of the account must enable outbound web identity federation in IAM"},
	{"SessionDurationEscalation", "", "", "set a Duration that ends before the session of the caller does"},
	{"JWTPayloadSizeExceeded", "", "", "pass fewer or shorter tags and audiences"},
	{"ValidationError", "", "role chaining", "a role that is assumed with the credentials of another role is limited to one hour: set Duration, or duration_seconds in the profile, to an hour or less, or assume it with long-lived keys"},
	{"ValidationError", "", "MaxSessionDuration", "set a shorter Duration or raise the role's maximum; a role assumed by a role is limited to one hour"},
	{"NoSuchEntity", "", "", "check the ARN of the role: the server has no such role"},
	{"MethodNotAllowed", "", "", noOperation},
	{"NotImplemented", "", "", noOperation},
	{"InvalidAction", "", "", noOperation},
	{"Throttling", "", "", slowDown},
	{"TooManyRequests", "", "", slowDown},
}
