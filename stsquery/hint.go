package stsquery

import "strings"

// hint is what to do about the commonest refusals.
func (e *Error) hint() string {
	switch baseCode(e.Code) {
	case "AccessDenied":
		return e.deniedHint()
	case "SignatureDoesNotMatch":
		return signatureHint
	case "ExpiredToken":
		switch e.Operation {
		case "AssumeRoleWithSAML":
			return "an assertion is accepted for five minutes after it was issued: get a new one for each call, and check the identity provider's clock"
		case "AssumeRoleWithWebIdentity":
			return "the web identity token has expired: have its issuer make a new one, or read its file again"
		}
		return "the credentials that signed the request are no longer valid"
	case "InvalidToken":
		return "the credentials that signed the request are no longer valid"
	case "ExpiredTradeInToken":
		return "get a new trade-in token"
	case "InvalidClientTokenId":
		return keyHint
	case "RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture":
		return "check this machine's clock"
	case "RegionDisabled":
		return "activate STS for this region in the account, or use another region"
	case "IDPRejectedClaim":
		return "the identity provider did not stand by what the token or assertion claims: it may have been revoked, have expired, or be made for another audience"
	case "IDPCommunicationError":
		return "STS could not reach the identity provider: its issuer's URL must answer from the internet, and fast"
	case "InvalidIdentityToken":
		if e.Operation == "AssumeRoleWithSAML" {
			return "the SAML provider in IAM must hold the identity provider's current metadata, and PrincipalARN must name it"
		}
		return "IAM must have an OpenID Connect provider for exactly the token's issuer and audience, whose keys STS can fetch"
	case "PackedPolicyTooLarge":
		return "pass shorter session policies or fewer tags"
	case "MalformedPolicyDocument":
		return "check the session policy"
	case "InvalidAuthorizationMessage":
		return "pass the encoded message whole and without line breaks; it may also have expired"
	case "OutboundWebIdentityFederationDisabled":
		return "an administrator of the account must enable outbound web identity federation in IAM"
	case "SessionDurationEscalation":
		return "ask for a Duration that ends before the session of the caller does"
	case "JWTPayloadSizeExceeded":
		return "pass fewer or shorter tags and audiences"
	case "ValidationError":
		switch {
		case strings.Contains(e.Message, "role chaining"):
			return "a role that is assumed with the credentials of another role lives an hour at most: set Duration, or duration_seconds in the profile, to an hour or less, or assume it with long-lived keys"
		case strings.Contains(e.Message, "MaxSessionDuration"):
			return "ask for a shorter Duration or raise the role's maximum; a role assumed by a role lives an hour at most"
		}
	case "NoSuchEntity":
		return "check the ARN of the role: the server has no such role"
	case "MethodNotAllowed", "NotImplemented", "InvalidAction":
		return "the server does not have this operation: check the endpoint"
	case "Throttling", "TooManyRequests":
		return "share one stschain.Cache instead of assuming the role again and again"
	}
	return ""
}

const (
	keyHint       = "the access key does not exist in this partition, is inactive, or lacks its session token"
	signatureHint = "check the secret access key, the region and this machine's clock"
)

// deniedHint is what to do about AccessDenied, which says little by itself, and
// is MinIO's code for wrong keys too.
func (e *Error) deniedHint() string {
	switch {
	case strings.Contains(e.Message, "signature we calculated"):
		return signatureHint
	case strings.Contains(e.Message, "Access Key Id you provided does not exist"):
		return keyHint
	case strings.Contains(e.Message, "MultiFactorAuthentication"):
		return "check the MFA device's serial number and its code, which works once"
	case strings.Contains(e.Message, "with session credentials"):
		return "sign with the long-lived keys of an IAM user"
	}
	switch e.Operation {
	case "AssumeRole":
		return "the role's trust policy must admit the caller with the external ID, tags and MFA as sent, and the caller needs sts:AssumeRole on the role"
	case "AssumeRoleWithSAML":
		return "the role's trust policy must admit the SAML provider and the assertion's audience, and, for its tags, sts:TagSession"
	case "AssumeRoleWithWebIdentity":
		return "the role's trust policy must admit the token's issuer, audience and subject"
	case "AssumeRoot":
		return "the caller must be in the organization's management account or the delegated administrator's, with centralized root access on and sts:AssumeRoot allowed"
	}
	return ""
}
