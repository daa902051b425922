package saml_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/saml"
	"github.com/stschain-go/stschain/ststest"
)

const (
	backup  = "arn:aws:iam::123456789012:role/ops/backup"
	admin   = "arn:aws:iam::123456789012:role/admin"
	corp    = "arn:aws:iam::123456789012:saml-provider/corp"
	partner = "arn:aws:iam::123456789012:saml-provider/partner"
	other   = "arn:aws-cn:iam::210987654321:saml-provider/other"

	rolesOf = "https://aws.amazon.com/SAML/Attributes/"
)

// encoded returns a document in the form that an identity provider posts.
func encoded(document string) stschain.Secret {
	return stschain.NewSecret(base64.StdEncoding.EncodeToString([]byte(document)))
}

// response returns a response with one assertion of these statements.
func response(statements string) string {
	return `<p:Response xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol"><Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion">` +
		statements + `</Assertion></p:Response>`
}

// withRoles returns a response whose Role attribute has these values, as XML.
func withRoles(values ...string) string {
	return response(`<AttributeStatement><Attribute Name="` + rolesOf + `Role"><AttributeValue>` +
		strings.Join(values, `</AttributeValue><AttributeValue>`) + `</AttributeValue></Attribute></AttributeStatement>`)
}

// pairs returns the ARNs of roles.
func pairs(roles []saml.Role) (list [][2]string) {
	for _, r := range roles {
		list = append(list, [2]string{r.RoleARN, r.ProviderARN})
	}
	return list
}

func TestRoles(t *testing.T) {
	srv := ststest.NewTest(t)
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	roles, err := saml.Roles(srv.Assertion(ststest.Assertion{
		Roles:               []ststest.SAMLRole{{RoleARN: backup, ProviderARN: corp}, {RoleARN: admin, ProviderARN: other, ProviderLast: true}},
		SessionName:         "alice@example.com",
		SessionDuration:     2 * time.Hour,
		IssuedAt:            at,
		SessionNotOnOrAfter: at.Add(8*time.Hour + time.Second/2),
	}))
	require.NoError(t, err)
	both := saml.Role{SessionName: "alice@example.com", SessionDuration: 2 * time.Hour, NotOnOrAfter: at.Add(5 * time.Minute), SessionNotOnOrAfter: at.Add(8*time.Hour + time.Second/2)}
	first, second := both, both
	first.RoleARN, first.ProviderARN = backup, corp
	second.RoleARN, second.ProviderARN = admin, other
	require.Equal(t, []saml.Role{first, second}, roles)
}

// Identity providers write XML in many ways.
// Reports: gimme-aws-creds#251.
func TestRolesInAnyXML(t *testing.T) {
	const pair = backup + "," + corp
	for name, test := range map[string]struct {
		document string
		want     [][2]string
	}{
		"default namespace": {withRoles(pair), [][2]string{{backup, corp}}},
		"other prefixes, order, quotes": {`<?xml version="1.0" encoding="UTF-8"?>
			<saml2p:Response Version='2.0' xmlns:saml2p='urn:oasis:names:tc:SAML:2.0:protocol'>
			<saml2:Issuer xmlns:saml2='urn:oasis:names:tc:SAML:2.0:assertion'>i</saml2:Issuer>
			<a:Assertion xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:xs="http://www.w3.org/2001/XMLSchema"><a:AttributeStatement>
			<a:Attribute NameFormat="x" FriendlyName='Role' Name="` + rolesOf + `Role">
			<a:AttributeValue xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">
				` + pair + `
			</a:AttributeValue></a:Attribute></a:AttributeStatement></a:Assertion></saml2p:Response>`, [][2]string{{backup, corp}}},
		"white space in a pair":   {withRoles("\n" + corp + " ,\n\t" + admin), [][2]string{{admin, corp}}},
		"a pair twice":            {withRoles(pair, corp+","+backup, pair), [][2]string{{backup, corp}}},
		"CDATA":                   {withRoles("<![CDATA[" + pair + "]]>"), [][2]string{{backup, corp}}},
		"CDATA in the middle":     {withRoles(backup + "<![CDATA[,]]>" + corp), [][2]string{{backup, corp}}},
		"character references":    {withRoles("arn&#58;" + strings.TrimPrefix(pair, "arn:")), [][2]string{{backup, corp}}},
		"comma in a role's name":  {withRoles(admin + ",b," + corp), [][2]string{{admin + ",b", corp}}},
		"and the other way round": {withRoles(corp + "," + admin + ",b"), [][2]string{{admin + ",b", corp}}},
		"one good among bad":      {withRoles("x", backup, pair, pair+","+admin, corp+","+corp, backup+","+admin, backup+","+corp+",x"), [][2]string{{backup, corp}}},
		"two statements": {response(strings.Repeat(`<AttributeStatement><Attribute Name="x"><AttributeValue><b>c</b></AttributeValue></Attribute>`+
			`<Attribute Name="`+rolesOf+`Role"><AttributeValue>`+pair+`</AttributeValue></Attribute></AttributeStatement>`, 2)), [][2]string{{backup, corp}}},
		// Signatures ignore comments, so a value must not be truncated at one.
		"comment in a value":  {withRoles(admin + "<!-- x -->-reader," + corp), [][2]string{{admin + "-reader", corp}}},
		"comment around":      {withRoles("<!-- a -->" + pair + "<!-- b -->"), [][2]string{{backup, corp}}},
		"comment between two": {withRoles(admin+"<!---->", pair), [][2]string{{backup, corp}}},
	} {
		t.Run(name, func(t *testing.T) {
			roles, err := saml.Roles(encoded(test.document))
			require.NoError(t, err)
			require.Equal(t, test.want, pairs(roles))
		})
	}
}

// Attributes outside of the assertion's own statements are ignored.
func TestRolesElsewhere(t *testing.T) {
	statement := strings.TrimSuffix(strings.TrimPrefix(withRoles(admin+","+corp),
		`<p:Response xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol"><Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion">`), `</Assertion></p:Response>`)
	for name, statements := range map[string]string{
		"advice":              `<Advice><Assertion>` + statement + `</Assertion></Advice>`,
		"signature":           `<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><Object><Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion">` + statement + `</Assertion></Object></Signature>`,
		"another namespace":   `<x xmlns="urn:x">` + statement + `</x>`,
		"SAML 1":              strings.ReplaceAll(statement, "<AttributeStatement", `<AttributeStatement xmlns="urn:oasis:names:tc:SAML:1.0:assertion"`),
		"no namespace":        strings.ReplaceAll(statement, "<AttributeStatement", `<AttributeStatement xmlns=""`),
		"undeclared prefix":   strings.NewReplacer("</", "</saml:", "<A", "<saml:A").Replace(statement),
		"another attribute":   strings.ReplaceAll(statement, "Attributes/Role", "Attributes/role"),
		"name of a namespace": strings.ReplaceAll(statement, "Attribute Name", `Attribute xmlns:x="urn:x" x:Name`),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := saml.Roles(encoded(response(statements)))
			require.ErrorContains(t, err, "the assertion has no role: the identity provider must send the attribute "+rolesOf+"Role")
		})
	}
}

// Reports: gimme-aws-creds#251.
func TestRolesEncodings(t *testing.T) {
	document := withRoles(backup+","+corp) + strings.Repeat(" ", 2) // padded
	plain := base64.StdEncoding.EncodeToString([]byte(document))
	require.Contains(t, plain, "=")
	var lines strings.Builder
	for i := 0; i < len(plain); i += 76 {
		lines.WriteString(plain[i:min(i+76, len(plain))] + "\r\n")
	}
	for name, given := range map[string]string{
		"one line":        plain,
		"lines":           lines.String(),
		"indented":        "  " + strings.ReplaceAll(plain, "A", "A\n\t"),
		"no padding":      strings.TrimRight(plain, "="),
		"URL-encoded":     url.QueryEscape(plain),
		"form":            url.Values{"SAMLResponse": {plain}, "RelayState": {"x=y&SAMLResponse=z"}}.Encode(),
		"form of lines":   url.Values{"SAMLResponse": {lines.String()}}.Encode(),
		"form, unescaped": "RelayState=&SAMLResponse=" + plain + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			roles, err := saml.Roles(stschain.NewSecret(given))
			require.NoError(t, err)
			require.Equal(t, [][2]string{{backup, corp}}, pairs(roles))
		})
	}
	// A "+" of base64 is not a space, unless it is in an escaped form.
	const plus = "<p:Response xmlns:p=\"urn:oasis:names:tc:SAML:2.0:protocol\">~~>"
	text := base64.StdEncoding.EncodeToString([]byte(plus))
	require.Contains(t, text, "+")
	for _, given := range []string{text, "SAMLResponse=" + text, "SAMLResponse=" + url.QueryEscape(text)} {
		_, err := saml.Roles(stschain.NewSecret(given))
		require.ErrorContains(t, err, "malformed XML at line 1", "the base64 was decoded")
	}
}

func TestRolesRefused(t *testing.T) {
	const secret = "canary-4711"
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, test := range map[string]struct{ given, want string }{
		"empty":              {"", "is empty"},
		"blank":              {" \r\n", "is empty"},
		"empty form value":   {"SAMLResponse=&RelayState=" + secret, "is empty"},
		"not base64":         {secret + "!", "is not base64"},
		"base64url":          {"_-" + secret, "is not base64"},
		"bad escape":         {"SAMLResponse=" + secret + "%zz", "is not a valid form value"},
		"XML":                {"<Response>" + secret, "is XML: it must be in base64"},
		"too long":           {strings.Repeat("a", 100_001), "has 100001 characters, and STS accepts at most 100000"},
		"far too long":       {strings.Repeat("a ", 1<<20), "and STS accepts at most 100000"},
		"not XML":            {b64(secret), "is base64, but not of XML in UTF-8"},
		"text before":        {b64("x" + withRoles(secret)), "not of XML"},
		"text after":         {b64(withRoles(backup+","+corp) + secret), "malformed XML at line 1"},
		"two roots":          {b64(withRoles(secret) + withRoles(secret)), "is XML with two roots"},
		"ends early":         {b64(strings.TrimSuffix(withRoles(secret), "</p:Response>")), "malformed XML at line 1, column"},
		"mismatched":         {b64(response("<a>" + secret + "</b>")), "malformed XML at line 1, column"},
		"control character":  {b64(response("\x01" + secret)), "malformed XML"},
		"invalid UTF-8":      {b64(response("\xff" + secret)), "malformed XML"},
		"UTF-16":             {b64(`<?xml version="1.0" encoding="UTF-16"?>` + response(secret)), "not of XML in UTF-8"},
		"DTD":                {b64(`<!DOCTYPE r [<!ENTITY e "` + secret + `">]>` + response("&e;")), "is XML with a DTD"},
		"DTD inside":         {b64(response(`<!ENTITY e "` + secret + `">`)), "is XML with a DTD"},
		"unknown entity":     {b64(response("&" + strings.ReplaceAll(secret, "-", "") + ";")), "malformed XML"},
		"instruction":        {b64(response(`<?php ` + secret + `?>`)), "processing instructions"},
		"instruction before": {b64(`<?xml-stylesheet href="` + secret + `"?>` + response("")), "processing instructions"},
		"10,000 deep":        {b64(response(strings.Repeat("<a>", 10_000) + secret + strings.Repeat("</a>", 10_000))), "more than 5000 elements or 32 levels"},
		"many elements":      {b64(response(strings.Repeat("<a/>", 4_998))), "the assertion has no role"},
		"too many elements":  {b64(response(strings.Repeat("<a/>", 4_999))), "more than 5000 elements or 32 levels"},
		"attribute twice":    {b64(response(`<AttributeStatement Name="a" Name="` + secret + `"/>`)), "a duplicate attribute"},
		"another document":   {b64(`<html><body>` + secret + `</body></html>`), "is not a SAML 2.0 response"},
		"SAML 1":             {b64(`<Response xmlns="urn:oasis:names:tc:SAML:1.0:protocol">` + secret + `</Response>`), "is not a SAML 2.0 response"},
		"bare assertion":     {b64(`<Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion"/>`), "STS requires the complete response"},
		"no assertion":       {b64(`<Response xmlns="urn:oasis:names:tc:SAML:2.0:protocol">` + secret + `</Response>`), "the identity provider refused"},
		"two assertions":     {b64(response(`</Assertion><Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion">`)), "more than one assertion"},
		"encrypted":          {b64(`<Response xmlns="urn:oasis:names:tc:SAML:2.0:protocol"><EncryptedAssertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion"/></Response>`), "only STS can read its roles: set RoleARN and PrincipalARN"},
		"no attributes":      {b64(response(secret)), "the assertion has no role: the identity provider must send"},
		"bad roles":          {b64(withRoles(secret, secret)), "its attribute " + rolesOf + "Role has 2 values, and none is"},
		"XML as a role":      {b64(withRoles("<b>" + backup + "," + corp + "</b>")), "XML instead of text in the attribute " + rolesOf + "Role"},
		"element in a role":  {b64(withRoles(backup + "<b/>," + corp)), "XML instead of text"},
		"ARN of two lines":   {b64(withRoles(backup + "\n" + secret + "," + corp)), "has no role"},
		"bad time":           {b64(response(`<Conditions NotOnOrAfter="` + secret + `"/>`)), "has a NotOnOrAfter of Conditions that is not a valid time"},
		"bad session time":   {b64(response(`<AuthnStatement SessionNotOnOrAfter="tomorrow"/>`)), "has a SessionNotOnOrAfter of AuthnStatement that is not a valid time"},
		"bad duration": {b64(response(`<AttributeStatement><Attribute Name="` + rolesOf + `SessionDuration"><AttributeValue>` + secret +
			`</AttributeValue></Attribute></AttributeStatement>`)), "SessionDuration, which is not a number of seconds"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := saml.Roles(stschain.NewSecret(test.given))
			require.ErrorContains(t, err, "saml: the ")
			require.ErrorContains(t, err, test.want)
			canary.Check(t, secret, err)
			if len(test.given) > 100 && len(test.given) < 1_000 {
				canary.Check(t, test.given, err)
			}
		})
	}
}

// The earliest end of a session counts, and of the ends of an assertion the one that STS uses.
func TestTimes(t *testing.T) {
	const pair = `<AttributeStatement><Attribute Name="` + rolesOf + `Role"><AttributeValue>` + backup + "," + corp + `</AttributeValue></Attribute></AttributeStatement>`
	confirmation := func(end string) string {
		return `<SubjectConfirmation><SubjectConfirmationData` + end + `/></SubjectConfirmation>`
	}
	at := func(minute int) string { return fmt.Sprintf(` NotOnOrAfter="2026-11-21T12:%02d:00Z"`, minute) }
	for name, test := range map[string]struct {
		statements   string
		use, session string // the minute; "": zero
	}{
		"none":                   {statements: ""},
		"conditions":             {statements: `<Conditions` + at(5) + `/>`, use: "5"},
		"empty":                  {statements: `<Conditions NotOnOrAfter=""/>`},
		"subject":                {statements: `<Subject>` + confirmation(at(4)) + `</Subject>`, use: "4"},
		"both":                   {statements: `<Subject>` + confirmation(at(4)) + `</Subject><Conditions` + at(5) + `/>`, use: "4"},
		"both, conditions first": {statements: `<Subject>` + confirmation(at(6)) + `</Subject><Conditions` + at(5) + `/>`, use: "5"},
		"one of two subjects":    {statements: `<Subject>` + confirmation(at(3)) + confirmation(at(4)) + `</Subject><Conditions` + at(5) + `/>`, use: "4"},
		"one without an end":     {statements: `<Subject>` + confirmation(at(3)) + confirmation("") + `</Subject><Conditions` + at(5) + `/>`, use: "5"},
		"session":                {statements: `<AuthnStatement SessionNotOnOrAfter="2026-11-21T12:30:00.000Z"/>`, session: "30"},
		"two sessions":           {statements: `<AuthnStatement SessionNotOnOrAfter="2026-11-21T12:30:00Z"/><AuthnStatement SessionNotOnOrAfter="2026-11-21T12:20:00Z"/>`, session: "20"},
		"no zone is UTC":         {statements: `<AuthnStatement SessionNotOnOrAfter="2026-11-21T12:30:00"/>`, session: "30"},
		"a zone":                 {statements: `<AuthnStatement SessionNotOnOrAfter=" 2026-11-21T14:30:00+02:00 "/>`, session: "30"},
		"condition of a subject": {statements: `<Subject><Conditions` + at(1) + `/></Subject>`},
	} {
		t.Run(name, func(t *testing.T) {
			roles, err := saml.Roles(encoded(response(test.statements + pair)))
			require.NoError(t, err)
			minute := func(at time.Time) string {
				if at.IsZero() {
					return ""
				}
				return fmt.Sprint(at.Sub(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)).Minutes())
			}
			require.Equal(t, test.use, minute(roles[0].NotOnOrAfter))
			require.Equal(t, test.session, minute(roles[0].SessionNotOnOrAfter))
		})
	}
}

func FuzzRoles(f *testing.F) {
	f.Add([]byte(withRoles(backup + "," + corp)))
	f.Add([]byte(response(`<Conditions NotOnOrAfter="2026-11-21T12:00:00Z"/><AuthnStatement SessionNotOnOrAfter="2026-11-21T14:30:00+02:00"/>`)))
	f.Add([]byte(withRoles("<![CDATA["+corp+"]]>,<!-- -->"+admin, "&#97;")))
	f.Add([]byte(`<!DOCTYPE x>`))
	f.Add([]byte(strings.Repeat("<a>", 40)))
	f.Fuzz(func(t *testing.T, document []byte) {
		roles, err := saml.Roles(stschain.NewSecret(base64.StdEncoding.EncodeToString(document)))
		if (err == nil) != (len(roles) > 0) {
			t.Errorf("%d roles and error %v", len(roles), err)
		}
		for _, r := range roles {
			for _, arn := range []string{r.RoleARN, r.ProviderARN} {
				if !strings.HasPrefix(arn, "arn:") || strings.ContainsFunc(arn, func(r rune) bool { return r <= ' ' || r > '~' }) {
					t.Errorf("ARN %q", arn)
				}
			}
		}
	})
}
