package stsquery

import (
	"cmp"
	"context"
	"time"

	"github.com/stschain-go/stschain"
)

// GetWebIdentityTokenInput is the input of [Client.GetWebIdentityToken]. Zero fields are not sent. The
// limits are those of AWS.
type GetWebIdentityTokenInput struct {
	Audience         []string      // the token's aud, the services that it is for; required by AWS; 1 to 10 of 1 to 1000 characters
	SigningAlgorithm string        // RS256 (RSA with SHA-256) or ES384 (ECDSA on P-384 with SHA-384); required by AWS
	Duration         time.Duration // 1 minute to 1 hour, and no longer than the caller's own session. 0: 5 minutes
	Tags             []Tag         // become claims of the token; at most 50
}

// GetWebIdentityTokenOutput is the response of [Client.GetWebIdentityToken].
type GetWebIdentityTokenOutput struct {
	WebIdentityToken stschain.Secret // a signed JWT
	Expires          time.Time
	RequestID        string
}

// GetWebIdentityToken returns a signed JWT with the identity of the caller, for services outside AWS:
// they verify it with the keys that the account's issuer publishes (OpenID Connect discovery), and check
// that they are its audience. The account must have outbound web identity federation enabled, and the
// caller needs sts:GetWebIdentityToken. AWS itself does not accept the token. Only regional endpoints
// have this operation: for the global one it is refused before it is sent.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html
func (c *Client) GetWebIdentityToken(ctx context.Context, in GetWebIdentityTokenInput) (*GetWebIdentityTokenOutput, error) {
	return do(ctx, c, in, new(GetWebIdentityTokenOutput))
}

func (GetWebIdentityTokenInput) operation() operation {
	return operation{name: "GetWebIdentityToken", regional: true}
}

func (in GetWebIdentityTokenInput) check(r *rules) {
	r.regional()
	r.missing("Audience", r.aws && len(in.Audience) == 0)
	r.list("Audience", in.Audience, 10, limits{1, 1000, nil, ""})
	r.required("SigningAlgorithm", in.SigningAlgorithm, anyLimits)
	if a := in.SigningAlgorithm; r.aws && a != "" && a != "RS256" && a != "ES384" {
		r.addf("SigningAlgorithm is %s, and RS256 and ES384 are allowed", quote(a))
	}
	r.duration(in.Duration, time.Minute, time.Hour)
	r.tags(in.Tags)
}

func (in GetWebIdentityTokenInput) encode(q *query) {
	q.members("Audience", "", in.Audience)
	q.add("SigningAlgorithm", in.SigningAlgorithm)
	q.seconds("DurationSeconds", in.Duration)
	q.tags(in.Tags)
}

func (out *GetWebIdentityTokenOutput) decode(r result) error {
	token := r.value("WebIdentityToken")
	expires, err := r.expiration(r.element)
	*out = GetWebIdentityTokenOutput{stschain.NewSecret(token), expires, r.requestID}
	return cmp.Or(usable("WebIdentityToken", token), err)
}
