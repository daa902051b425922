package otelsts

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// class is the error.type of a failure, from a list that neither a server nor a
// provider can extend.
func class(err error) string {
	for cause := err; ; {
		failure, ok := errors.AsType[*stsquery.Error](cause)
		if !ok {
			break
		}
		if code := strings.TrimSuffix(failure.Code, "Exception"); stsCodes[code] {
			return code
		}
		if failure.StatusCode >= 400 && failure.StatusCode <= 599 {
			return strconv.Itoa(failure.StatusCode)
		}
		cause = failure.Err // it may be another call of STS, for the keys to sign this one
	}
	var network net.Error
	switch isNetwork := errors.As(err, &network); {
	case errors.Is(err, stschain.ErrPrompt):
		return "prompt_required"
	case errors.Is(err, context.DeadlineExceeded), isNetwork && network.Timeout():
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case isNetwork:
		return "network"
	case unavailable(err):
		return "unavailable"
	case errors.Is(err, stschain.ErrPermanent):
		return "permanent"
	}
	return "_OTHER"
}

// unavailable reports whether the provider is not configured, or no provider of the chain that it uses.
func unavailable(err error) bool {
	chain, ok := errors.AsType[*stschain.ChainError](err)
	return stschain.IsUnavailable(err) || ok && chain.Unavailable()
}

// stsCodes are the error codes of STS and those common to AWS's query services,
// without the suffix Exception, on which servers disagree.
var stsCodes = map[string]bool{
	"AccessDenied":                          true,
	"ExpiredToken":                          true,
	"ExpiredTradeInToken":                   true,
	"IDPCommunicationError":                 true,
	"IDPRejectedClaim":                      true,
	"IncompleteSignature":                   true,
	"InternalError":                         true,
	"InternalFailure":                       true,
	"InvalidAction":                         true,
	"InvalidAuthorizationMessage":           true,
	"InvalidClientTokenId":                  true,
	"InvalidIdentityToken":                  true,
	"InvalidParameterValue":                 true,
	"InvalidQueryParameter":                 true,
	"InvalidToken":                          true,
	"JWTPayloadSizeExceeded":                true,
	"MalformedPolicyDocument":               true,
	"MalformedQueryString":                  true,
	"MissingAuthenticationToken":            true,
	"MissingParameter":                      true,
	"NotAuthorized":                         true,
	"OptInRequired":                         true,
	"OutboundWebIdentityFederationDisabled": true,
	"PackedPolicyTooLarge":                  true,
	"RegionDisabled":                        true,
	"RequestExpired":                        true,
	"RequestInTheFuture":                    true,
	"RequestLimitExceeded":                  true,
	"RequestTimeTooSkewed":                  true,
	"ServiceUnavailable":                    true,
	"SessionDurationEscalation":             true,
	"SignatureDoesNotMatch":                 true,
	"SlowDown":                              true,
	"Throttling":                            true,
	"TooManyRequests":                       true,
	"ValidationError":                       true,
}
