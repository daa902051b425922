package stsquery

import (
	"context"
	"time"

	"github.com/stschain-go/stschain"
)

// GetWebIdentityTokenInput is what [Client.GetWebIdentityToken] is asked with. A
// field that is zero is not sent. The limits are those of AWS.
type GetWebIdentityTokenInput struct {
	Audience         []string      // the token's aud, who it is for; required by AWS; 1 to 10 of 1 to 1000 characters
	SigningAlgorithm string        // RS256 (RSA with SHA-256) or ES384 (ECDSA on P-384 with SHA-384); required by AWS
	Duration         time.Duration // 1 minute to 1 hour, and no longer than the caller's own session. 0: 5 minutes
	Tags             []Tag         // become claims of the token; at most 50
}

// GetWebIdentityTokenOutput is what [Client.GetWebIdentityToken] answers.
type GetWebIdentityTokenOutput struct {
	WebIdentityToken stschain.Secret // a signed JWT
	Expires          time.Time
	RequestID        string
}

// GetWebIdentityToken gets a signed JWT that says who the caller is, for services
// outside AWS: they check it with the keys that the account's issuer publishes
// (OpenID Connect discovery), and that it is meant for them. The account must have
// outbound web identity federation enabled, and the caller needs
// sts:GetWebIdentityToken. The token is a proof of identity, to be traded for
// what the service itself gives out; AWS takes it for nothing. Only regional
// endpoints have this operation: at the global one it is refused before it is sent.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html
func (c *Client) GetWebIdentityToken(ctx context.Context, in GetWebIdentityTokenInput) (*GetWebIdentityTokenOutput, error) {
	var out GetWebIdentityTokenOutput
	if err := c.call(ctx, in, out.decode); err != nil {
		return nil, err
	}
	return &out, nil
}

func (GetWebIdentityTokenInput) operation() operation { return operation{name: "GetWebIdentityToken"} }

func (in GetWebIdentityTokenInput) check(r *rules) {
	r.regional()
	if r.aws && len(in.Audience) == 0 {
		r.addf("Audience is missing")
	}
	r.count("Audience", len(in.Audience), 10)
	for i, audience := range in.Audience {
		r.required(index("Audience", i, ""), audience)
		r.text(index("Audience", i, ""), audience, limits{1, 1000, nil, ""})
	}
	r.required("SigningAlgorithm", in.SigningAlgorithm)
	if a := in.SigningAlgorithm; r.aws && a != "" && a != "RS256" && a != "ES384" {
		r.addf("SigningAlgorithm is %s, and RS256 and ES384 are allowed", quote(a))
	}
	r.duration("Duration", in.Duration, time.Minute, time.Hour)
	r.tags("Tags", in.Tags)
}

func (in GetWebIdentityTokenInput) encode(q *query) {
	for i, audience := range in.Audience {
		q.member("Audience", i, "", audience)
	}
	q.add("SigningAlgorithm", in.SigningAlgorithm)
	q.seconds("DurationSeconds", in.Duration)
	encodeTags(q, in.Tags)
}

func (out *GetWebIdentityTokenOutput) decode(result *element, requestID string) (err error) {
	token := result.value("WebIdentityToken")
	out.WebIdentityToken = stschain.NewSecret(token)
	out.RequestID = requestID
	if err := sendable("WebIdentityToken", token); err != nil {
		return err
	}
	out.Expires, err = expirationOf(result)
	return err
}
