package sigv4

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/stschain-go/stschain/internal/system"
)

// verdict is what a response says about the signature of its request.
type verdict uint

const (
	accepted      verdict = 0 // or refused for another reason
	wrongDate     verdict = 1 << 0
	rejectedToken verdict = 1 << 1
)

// verdict finds out whether the service rejected the session token, or the date
// of the signature; it then learns the service's clock.
func (t *Transport) verdict(resp *http.Response, host string, d date) verdict {
	e := errorOf(resp)
	switch {
	case slices.Contains(dateCodes, e.code) && t.clocks.learn(host, d, resp.Header, system.Now(t.Clock)):
		return wrongDate
	case RejectsToken(e.code, e.message):
		return rejectedToken
	}
	return accepted
}

// dateCodes are the codes that reject a date; some only say that the signature is
// wrong. They apply only if the service's clock really differs.
var dateCodes = []string{
	"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture",
	"SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure",
}

// tokenCodes are the codes that reject a session token. Codes for unknown keys are not among them: new
// credentials would not help.
var tokenCodes = []string{
	"ExpiredToken",
	"ExpiredTokenException",
	"InvalidToken",         // S3
	"InvalidTokenId",       // MinIO
	"RequestExpired",       // EC2
	"TokenRefreshRequired", // S3
}

// messageCodes are the codes that reject a session token only together with one of expiredMessages.
var messageCodes = []string{
	"AccessDeniedException", // Neptune
	"UnrecognizedClientException",
}

// expiredMessages are without the period that some services add.
var expiredMessages = []string{
	"The security token included in the request is expired",
	"The security token included in the request has expired",
	"The provided token has expired",
	"The token included in the request is expired",
}

// RejectsToken reports whether a service error of this code rejects the session
// token that signed the request. Some services say so only in the message,
// which must completely match one of a list, because parts of a message may
// come from the request.
//
// EC2 uses RequestExpired for a wrong date as well. Check the date first.
func RejectsToken(code, message string) bool {
	return slices.Contains(tokenCodes, code) ||
		slices.Contains(messageCodes, code) && slices.Contains(expiredMessages, strings.TrimSuffix(strings.TrimSpace(message), "."))
}

// replace replaces rejected credentials with others, if there are any.
func (k *keys) replace(ctx context.Context) bool {
	c, err := k.of.Retrieve(ctx)
	same := c.AccessKeyID == k.AccessKeyID && c.SecretAccessKey == k.SecretAccessKey && c.SessionToken == k.SessionToken
	k.Credentials = c
	return err == nil && !same
}
