package ststest

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
)

type assumeRoleWithWebIdentityResult struct {
	XMLName xml.Name `xml:"AssumeRoleWithWebIdentityResult"`
	sessionXML
	AssumedRoleUser             assumedRoleUser
	SubjectFromWebIdentityToken string
	Provider                    string
	Audience                    string
	SourceIdentity              string `xml:",omitempty"`
}

func (q *request) assumeRoleWithWebIdentity() (any, *refusal) {
	v := violations{form: q.form}
	v.required("RoleArn", 20, 2048, nil)
	v.required("RoleSessionName", 2, 64, nameChars)
	v.requiredSecret("WebIdentityToken", 4, maxToken)
	v.text("ProviderId", 4, 2048, nil)
	v.policies(maxSessionPolicy)
	requested, no := v.roleDuration()
	if no != nil {
		return nil, no
	}
	arn := q.form.Get("RoleArn")
	id, no := roleSession(arn, q.form.Get("RoleSessionName"))
	if no != nil {
		return nil, no
	}
	if q.form.Has("ProviderId") {
		return nil, badIdentity("No OAuth 2.0 provider is known here; ProviderId is not for OpenID Connect ID tokens.")
	}
	t, audience, no := q.webIdentity()
	if no != nil {
		return nil, no
	}
	role, declared := q.server.role(arn)
	if !declared && q.server.DenyUndeclared || !role.trustsToken(t) {
		return nil, forbidden("Not authorized to perform sts:AssumeRoleWithWebIdentity")
	}
	life, no := roleLifetime(requested, role.MaxDuration, false)
	if no != nil {
		return nil, no
	}
	if id.tags, no = t.tags(); no != nil {
		return nil, no
	}
	id.sourceIdentity = t.text("https://aws.amazon.com/source_identity")
	if s := id.sourceIdentity; s != "" && !isSourceIdentity(s) {
		return nil, badIdentity("The source identity in the token must match [\\w+=,.@-]{2,64}")
	}
	session, no := q.grant(id, life)
	if no != nil {
		return nil, no
	}
	return assumeRoleWithWebIdentityResult{
		sessionXML:                  session,
		AssumedRoleUser:             assumedRoleUser{id.userID, id.arn},
		SubjectFromWebIdentityToken: t.text("sub"),
		Provider:                    t.text("iss"),
		Audience:                    audience,
		SourceIdentity:              id.sourceIdentity,
	}, nil
}

// webIdentity verifies the token of a request, and returns it with its registered audience.
func (q *request) webIdentity() (jwt, string, *refusal) {
	token := q.form.Get("WebIdentityToken")
	t, err := parseJWT(token)
	if err != nil {
		return t, "", badIdentity("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)").
			because(err.Error())
	}
	issuer := q.server.knownIssuer(t.text("iss"))
	if issuer == nil {
		return t, "", badIdentity("No OpenIDConnect provider found in your account for " + t.text("iss"))
	}
	if no := issuer.verify(t, q.now); no != nil {
		return t, "", no
	}
	i := slices.IndexFunc(t.audiences(), issuer.accepts)
	switch {
	case i < 0:
		return t, "", badIdentity("Incorrect token audience")
	case t.text("sub") == "":
		return t, "", badIdentity("Missing a required claim: sub")
	case issuer.rejects(token):
		return t, "", &refusal{status: http.StatusForbidden, code: "IDPRejectedClaim", message: "The identity provider rejected the token."}
	}
	return t, t.audiences()[i], nil
}

func (s *Server) knownIssuer(url string) *Issuer {
	s.lock()
	defer s.mu.Unlock()
	return s.issuers[url]
}

// tags returns the session tags in the claim that AWS defines.
func (t jwt) tags() (sessionTags, *refusal) {
	claim, ok := t.claims["https://aws.amazon.com/tags"]
	if !ok {
		return nil, nil
	}
	malformed := badIdentity("The claim https://aws.amazon.com/tags is malformed.")
	object, ok := claim.(map[string]any)
	if !ok {
		return nil, malformed
	}
	principal, _ := object["principal_tags"].(map[string]any)
	var tags []sessionTag
	for key, value := range principal {
		values := texts(value)
		if len(values) != 1 {
			return nil, malformed
		}
		tags = append(tags, sessionTag{key: key, value: values[0]})
	}
	return newTags(tags, texts(object["transitive_tag_keys"]), nil)
}

func isSourceIdentity(s string) bool {
	return len(s) >= 2 && len(s) <= 64 && nameChars.MatchString(s)
}

// trustsToken reports whether WebIdentity allows a verified token.
func (r Role) trustsToken(t jwt) bool {
	return r.WebIdentity == nil || slices.ContainsFunc(r.WebIdentity, func(trust WebIdentityTrust) bool {
		return (trust.Issuer == "" || trust.Issuer == t.text("iss")) &&
			(trust.Audience == "" || slices.Contains(t.audiences(), trust.Audience)) &&
			(trust.Subject == "" || like(trust.Subject, t.text("sub")))
	})
}

// like reports whether text matches a pattern in which * matches any text, like StringLike in IAM.
func like(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, parts[0])
	for _, part := range parts[1 : len(parts)-1] {
		if i := strings.Index(text, part); i >= 0 {
			text = text[i+len(part):]
		} else {
			ok = false
		}
	}
	return ok && strings.HasSuffix(text, parts[len(parts)-1])
}
