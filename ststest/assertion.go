package ststest

import (
	"cmp"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
)

// Assertion is the content of a SAML response of an identity provider for AWS, for
// [Server.Assertion]. Zero fields get valid values.
type Assertion struct {
	Roles             []SAMLRole        // that the user may have; nil: none
	SessionName       string            // RoleSessionName; "": "alice"
	SessionDuration   time.Duration     // of the console session; 0: not set
	SourceIdentity    string            // "": not set
	Tags              map[string]string // PrincipalTag; nil: none
	TransitiveTagKeys []string          // nil: none

	Issuer      string // "": "https://idp.example/metadata"
	Subject     string // the NameID; "": "alice@example.com"
	SubjectType string // the format of the NameID; "": "persistent"
	Audience    string // "": "https://signin.aws.amazon.com/saml"
	Recipient   string // "": "https://signin.aws.amazon.com/saml"

	IssuedAt            time.Time // zero: now, on the server's clock
	NotBefore           time.Time // zero: a minute before IssuedAt
	NotOnOrAfter        time.Time // zero: five minutes after IssuedAt
	SessionNotOnOrAfter time.Time // the latest end of sessions; zero: not set
}

// SAMLRole is a value of the Role attribute: a role, and the identity provider that the role trusts.
type SAMLRole struct {
	RoleARN      string // "arn:aws:iam::123456789012:role/backup"
	ProviderARN  string // "arn:aws:iam::123456789012:saml-provider/corp"
	ProviderLast bool   // true: the role comes first in the value; identity providers write both
}

const signInURL = "https://signin.aws.amazon.com/saml"

// Assertion returns a SAML response, in base64 as a browser would post it. It is
// not signed: while VerifyAssertion is nil, the server accepts exactly these bytes, because it records them.
func (s *Server) Assertion(a Assertion) stschain.Secret {
	issued := a.IssuedAt
	if issued.IsZero() {
		issued = s.now()
	}
	document := a.document(issued)
	s.asserted.add(s, document)
	return stschain.NewSecret(base64.StdEncoding.EncodeToString(document))
}

// asserted has the hashes of the responses that the server issued, the oldest first. It is guarded by the server's lock.
type asserted struct{ hashes []string }

// maxAsserted bounds the recorded responses; the oldest are dropped.
const maxAsserted = 10_000

func (a *asserted) add(s *Server, document []byte) {
	s.lock()
	defer s.mu.Unlock()
	if len(a.hashes) == maxAsserted {
		a.hashes = a.hashes[1:]
	}
	a.hashes = append(a.hashes, hexHash(document))
}

func (a *asserted) holds(s *Server, document []byte) bool {
	s.lock()
	defer s.mu.Unlock()
	return slices.Contains(a.hashes, hexHash(document))
}

// document is the XML of the response.
func (a Assertion) document(issued time.Time) []byte {
	issuer := escapeXML(cmp.Or(a.Issuer, "https://idp.example/metadata"))
	recipient := escapeXML(cmp.Or(a.Recipient, signInURL))
	ends := orTime(a.NotOnOrAfter, issued.Add(redeemWithin))
	format := cmp.Or(a.SubjectType, "persistent")
	if !strings.HasPrefix(format, "urn:") {
		format = "urn:oasis:names:tc:SAML:2.0:nameid-format:" + format
	}
	session := ""
	if !a.SessionNotOnOrAfter.IsZero() {
		session = fmt.Sprintf(` SessionNotOnOrAfter="%s"`, instant(a.SessionNotOnOrAfter))
	}

	var out strings.Builder
	fmt.Fprintf(&out, `<samlp:Response xmlns:samlp=%q xmlns:saml=%q ID="_%s" Version="2.0" IssueInstant=%q Destination=%q>`,
		samlProtocol, samlAssertion, requestID(), instant(issued), recipient)
	fmt.Fprintf(&out, `<saml:Issuer>%s</saml:Issuer>`, issuer)
	fmt.Fprintf(&out, `<samlp:Status><samlp:StatusCode Value=%q/></samlp:Status>`, samlSuccess)
	fmt.Fprintf(&out, `<saml:Assertion ID="_%s" Version="2.0" IssueInstant=%q><saml:Issuer>%s</saml:Issuer>`, requestID(), instant(issued), issuer)
	fmt.Fprintf(&out, `<saml:Subject><saml:NameID Format=%q>%s</saml:NameID>`, escapeXML(format), escapeXML(cmp.Or(a.Subject, "alice@example.com")))
	fmt.Fprintf(&out, `<saml:SubjectConfirmation Method=%q><saml:SubjectConfirmationData NotOnOrAfter=%q Recipient=%q/></saml:SubjectConfirmation></saml:Subject>`,
		samlBearer, instant(ends), recipient)
	fmt.Fprintf(&out, `<saml:Conditions NotBefore=%q NotOnOrAfter=%q><saml:AudienceRestriction><saml:Audience>%s</saml:Audience></saml:AudienceRestriction></saml:Conditions>`,
		instant(orTime(a.NotBefore, issued.Add(-time.Minute))), instant(ends), escapeXML(cmp.Or(a.Audience, signInURL)))
	fmt.Fprintf(&out, `<saml:AuthnStatement AuthnInstant=%q%s><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>`,
		instant(issued), session)
	out.WriteString(`<saml:AttributeStatement>`)
	a.attributes(func(name string, values ...string) {
		fmt.Fprintf(&out, `<saml:Attribute Name="%s%s">`, samlAttributes, escapeXML(name))
		for _, v := range values {
			fmt.Fprintf(&out, `<saml:AttributeValue>%s</saml:AttributeValue>`, escapeXML(v))
		}
		out.WriteString(`</saml:Attribute>`)
	})
	out.WriteString(`</saml:AttributeStatement></saml:Assertion></samlp:Response>`)
	return []byte(out.String())
}

// attributes calls add with each attribute for AWS.
func (a Assertion) attributes(add func(name string, values ...string)) {
	var roles []string
	for _, r := range a.Roles {
		if r.ProviderLast {
			roles = append(roles, r.RoleARN+","+r.ProviderARN)
		} else {
			roles = append(roles, r.ProviderARN+","+r.RoleARN)
		}
	}
	if roles != nil {
		add("Role", roles...)
	}
	add("RoleSessionName", cmp.Or(a.SessionName, "alice"))
	if a.SessionDuration != 0 {
		add("SessionDuration", strconv.Itoa(int(a.SessionDuration/time.Second)))
	}
	if a.SourceIdentity != "" {
		add("SourceIdentity", a.SourceIdentity)
	}
	for _, key := range slices.Sorted(maps.Keys(a.Tags)) {
		add("PrincipalTag:"+key, a.Tags[key])
	}
	if a.TransitiveTagKeys != nil {
		add("TransitiveTagKeys", a.TransitiveTagKeys...)
	}
}

// escapeXML escapes text, in elements and in attributes.
func escapeXML(s string) string {
	var out strings.Builder
	xml.EscapeText(&out, []byte(s))
	return out.String()
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999Z") }

func orTime(t, otherwise time.Time) time.Time {
	if t.IsZero() {
		return otherwise
	}
	return t
}
