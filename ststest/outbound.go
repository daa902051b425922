package ststest

import (
	"cmp"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"time"
)

type getWebIdentityTokenResult struct {
	XMLName          xml.Name `xml:"GetWebIdentityTokenResult"`
	WebIdentityToken string
	Expiration       string
}

var outboundAlgorithms = regexp.MustCompile(`^(RS256|ES384)$`)

// maxClaims bounds the claims of a token, in bytes of JSON. STS does not document
// its own limit.
const maxClaims = 8 << 10

func (q *request) getWebIdentityToken() (any, *refusal) {
	v := violations{form: q.form}
	v.count("Audience", 1, 10)
	v.each("Audience.member.#", 1, 1000, nil)
	v.required("SigningAlgorithm", 5, 5, outboundAlgorithms)
	v.tags()
	requested := v.number("DurationSeconds", 60, 3600)
	if no := v.refusal(); no != nil {
		return nil, no
	}
	tags, no := newTags(q.formTags(), nil, nil)
	if no != nil {
		return nil, no
	}
	if q.server.OutboundDisabled {
		return nil, &refusal{status: http.StatusForbidden, code: "OutboundWebIdentityFederationDisabledException",
			message: "Outbound web identity federation is not enabled for account " + q.caller.account + "."}
	}
	expires := q.now.UTC().Truncate(time.Second).Add(cmp.Or(requested, 5*time.Minute))
	if q.caller.temporary() && !q.caller.creds.Expires.IsZero() && expires.After(q.caller.creds.Expires) {
		return nil, &refusal{status: http.StatusForbidden, code: "SessionDurationEscalationException",
			message: "The token would outlive the credentials of the request, which expire at " + q.caller.creds.Expires.Format(time.RFC3339) + "."}
	}

	aws := map[string]any{"aws_account": q.caller.account}
	if q.region != "" {
		aws["source_region"] = q.region
	}
	if requested, _ := tags.shown(); requested != nil {
		aws["request_tags"] = requested
	}
	if principal, _ := q.caller.tags.shown(); principal != nil {
		aws["principal_tags"] = principal
	}
	var audience any = members(q.form, "Audience.member.#")
	if all := audience.([]string); len(all) == 1 {
		audience = all[0]
	}
	issuer := q.server.Outbound()
	claims := map[string]any{
		"iss":                        issuer.URL,
		"sub":                        cmp.Or(q.caller.role, q.caller.arn),
		"aud":                        audience,
		"iat":                        q.now.Unix(),
		"exp":                        expires.Unix(),
		"jti":                        requestID(),
		"https://sts.amazonaws.com/": aws,
	}
	if text, err := json.Marshal(claims); err != nil || len(text) > maxClaims {
		return nil, &refusal{status: http.StatusBadRequest, code: "JWTPayloadSizeExceededException",
			message: fmt.Sprintf("The claims of the token take %d bytes, and the limit is %d.", len(text), maxClaims)}
	}
	return getWebIdentityTokenResult{
		WebIdentityToken: issuer.sign(q.form.Get("SigningAlgorithm"), claims),
		Expiration:       expires.Format(time.RFC3339),
	}, nil
}
