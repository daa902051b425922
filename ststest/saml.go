package ststest

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/xml"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

type assumeRoleWithSAMLResult struct {
	XMLName xml.Name `xml:"AssumeRoleWithSAMLResult"`
	sessionXML
	AssumedRoleUser assumedRoleUser
	Subject         string
	SubjectType     string
	Issuer          string
	Audience        string
	NameQualifier   string
	SourceIdentity  string `xml:",omitempty"`
}

func (q *request) assumeRoleWithSAML() (any, *refusal) {
	v := violations{form: q.form}
	v.required("RoleArn", 20, 2048, nil)
	v.required("PrincipalArn", 20, 2048, nil)
	v.requiredSecret("SAMLAssertion", 4, 100_000)
	v.policies(maxSessionPolicy)
	requested, no := v.roleDuration()
	if no != nil {
		return nil, no
	}
	arn, provider := q.form.Get("RoleArn"), q.form.Get("PrincipalArn")
	if _, ok := parseRoleARN(arn); !ok {
		return nil, malformed("ValidationError", arn+" is invalid")
	}
	m := providerARN.FindStringSubmatch(provider)
	if m == nil {
		return nil, malformed("ValidationError", provider+" is invalid")
	}
	response, no := q.samlResponse()
	if no != nil {
		return nil, no
	}
	recipient, no := response.check(q.now)
	if no != nil {
		return nil, no
	}
	role, declared := q.server.role(arn)
	switch {
	case !response.grants(arn, provider),
		accountOf(arn) != accountOf(provider),
		!declared && q.server.DenyUndeclared,
		role.SAMLProviders != nil && !slices.Contains(role.SAMLProviders, provider):
		return nil, forbidden("Not authorized to perform sts:AssumeRoleWithSAML")
	}
	id, no := response.session(arn)
	if no != nil {
		return nil, no
	}
	life, no := roleLifetime(requested, role.MaxDuration, false)
	if no != nil {
		return nil, no
	}
	if end := response.sessionNotOnOrAfter; !end.IsZero() {
		life = min(life, end.Sub(q.now))
	}
	session, no := q.grant(id, life)
	if no != nil {
		return nil, no
	}
	qualifier := sha1.Sum([]byte(response.issuer + accountOf(provider) + "/" + m[1]))
	return assumeRoleWithSAMLResult{
		sessionXML:      session,
		AssumedRoleUser: assumedRoleUser{id.userID, id.arn},
		Subject:         response.subject,
		SubjectType:     strings.TrimPrefix(response.subjectType, "urn:oasis:names:tc:SAML:2.0:nameid-format:"),
		Issuer:          response.issuer,
		Audience:        recipient,
		NameQualifier:   base64.StdEncoding.EncodeToString(qualifier[:]),
		SourceIdentity:  id.sourceIdentity,
	}, nil
}

var providerARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:saml-provider/([\w._-]{1,128})$`)

// samlResponse decodes and verifies the response in a request.
func (q *request) samlResponse() (samlResponse, *refusal) {
	document, err := decodeSAML(q.form.Get("SAMLAssertion"))
	if err != nil {
		return samlResponse{}, badIdentity("Invalid base64 SAMLResponse")
	}
	if verify := q.server.VerifyAssertion; verify != nil {
		if document, err = verify(document); err != nil {
			return samlResponse{}, badIdentity("Response signature invalid").because(err.Error())
		}
	} else if !q.server.asserted.holds(q.server, document) {
		return samlResponse{}, badIdentity("Response signature invalid").
			because("it is not what Server.Assertion returned, and Server.VerifyAssertion is nil")
	}
	r, err := parseSAML(document)
	if err != nil {
		return samlResponse{}, badIdentity("Invalid SAML response: " + err.Error())
	}
	return r, nil
}

// decodeSAML decodes base64, which may have line breaks.
func decodeSAML(text string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
}

// redeemWithin is how long after its issue an assertion can be used.
const redeemWithin = 5 * time.Minute

// check verifies that the response is for AWS and currently valid, and returns its recipient.
func (r *samlResponse) check(now time.Time) (recipient string, no *refusal) {
	i := slices.IndexFunc(r.confirmations, func(c samlConfirmation) bool { return isSignInURL(c.recipient) })
	switch {
	case r.issuer == "":
		return "", badIdentity("Issuer not present in SAML response")
	case !slices.ContainsFunc(r.audiences, func(a string) bool { return a == "urn:amazon:webservices" || isSignInURL(a) }):
		return "", badIdentity("Response does not contain the required audience.")
	case i < 0:
		return "", badIdentity("Response does not contain the required recipient.")
	case r.issued.IsZero():
		return "", badIdentity("Response does not say when it was issued.")
	case now.Before(r.notBefore):
		return "", badIdentity("Response is not yet valid.")
	case now.After(r.issued.Add(redeemWithin)):
		return "", expiredIdentity("Token must be redeemed within 5 minutes of issuance")
	}
	for _, end := range []time.Time{r.notOnOrAfter, r.confirmations[i].notOnOrAfter, r.sessionNotOnOrAfter} {
		if !end.IsZero() && !now.Before(end) {
			return "", expiredIdentity("Response has expired")
		}
	}
	return r.confirmations[i].recipient, nil
}

// isSignInURL reports whether a URL is a SAML endpoint of the AWS console.
func isSignInURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && (u.Path == "/saml" || strings.HasPrefix(u.Path, "/saml/")) &&
		(strings.HasPrefix(u.Host, "signin.") || strings.Contains(u.Host, ".signin."))
}

func (r *samlResponse) attribute(name string) []string { return r.attributes[samlAttributes+name] }

// grants reports whether the Role attribute names the pair, in either order.
func (r *samlResponse) grants(role, provider string) bool {
	return slices.ContainsFunc(r.attribute("Role"), func(value string) bool {
		a, b, _ := strings.Cut(value, ",")
		a, b = strings.TrimSpace(a), strings.TrimSpace(b)
		return a == role && b == provider || a == provider && b == role
	})
}

// session returns the session that the attributes describe.
func (r *samlResponse) session(role string) (identity, *refusal) {
	names, sources := r.attribute("RoleSessionName"), r.attribute("SourceIdentity")
	switch {
	case len(names) != 1:
		return identity{}, badIdentity("RoleSessionName is required in AuthnResponse")
	case len(names[0]) < 2 || len(names[0]) > 64 || !nameChars.MatchString(names[0]):
		return identity{}, badIdentity("RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}")
	case len(sources) > 1 || len(sources) == 1 && !isSourceIdentity(sources[0]):
		return identity{}, badIdentity("Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with \"aws:\"")
	}
	id, no := roleSession(role, names[0])
	if no != nil {
		return identity{}, no
	}
	if len(sources) == 1 {
		id.sourceIdentity = sources[0]
	}
	var tags []sessionTag
	for name, values := range r.attributes {
		key, ok := strings.CutPrefix(name, samlAttributes+"PrincipalTag:")
		switch {
		case !ok:
		case len(values) != 1:
			return identity{}, badIdentity("PrincipalTag:" + key + " must have one value")
		default:
			tags = append(tags, sessionTag{key: key, value: values[0]})
		}
	}
	id.tags, no = newTags(tags, r.attribute("TransitiveTagKeys"), nil)
	return id, no
}
