package ststest_test

import (
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/ststest"
)

const providerARN = "arn:aws:iam::123456789012:saml-provider/corp"

// mayBackUp is the Role attribute of most assertions here.
var mayBackUp = []ststest.SAMLRole{{RoleARN: roleARN, ProviderARN: providerARN}}

func withSAML(assertion stschain.Secret, pairs ...string) url.Values {
	return form("AssumeRoleWithSAML", append([]string{"RoleArn", roleARN, "PrincipalArn", providerARN, "SAMLAssertion", assertion.Reveal()}, pairs...)...)
}

func TestAssumeRoleWithSAML(t *testing.T) {
	srv, _ := fixed(t)
	srv.DenyUndeclared = true
	srv.AddRole(ststest.Role{ARN: roleARN, SAMLProviders: []string{providerARN}})
	got := open(t, srv, withSAML(srv.Assertion(ststest.Assertion{
		Roles: []ststest.SAMLRole{
			{RoleARN: "arn:aws:iam::123456789012:role/other", ProviderARN: providerARN},
			{RoleARN: roleARN, ProviderARN: providerARN, ProviderLast: true},
		},
		SessionName:       "bob@example.com",
		SessionDuration:   2 * time.Hour,
		SourceIdentity:    "bob",
		Tags:              map[string]string{"Team": "blue & green", "cost": "1"},
		TransitiveTagKeys: []string{"Team"},
		Issuer:            "https://example.com/saml",
		Subject:           "SamlExample",
		SubjectType:       "transient",
	}), "MinimumSessionTokenSize", "4096"))
	require.Equal(t, 200, got.status, got.body)
	require.Equal(t, "AssumeRoleWithSAMLResponse", got.XMLName.Local)
	require.Equal(t, "2026-11-21T13:00:00Z", got.value("Expiration"), "SessionDuration is for the console")
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/backup/bob@example.com", got.value("Arn"))
	require.Equal(t, "SamlExample", got.value("Subject"))
	require.Equal(t, "transient", got.value("SubjectType"))
	require.Equal(t, "https://example.com/saml", got.value("Issuer"))
	require.Equal(t, "https://signin.aws.amazon.com/saml", got.value("Audience"))
	require.Equal(t, "VyyaC4mcd4TBxz4HbukfypxU1as=", got.value("NameQualifier"))
	require.Equal(t, "bob", got.value("SourceIdentity"))
	require.Equal(t, "4096", got.value("SessionTokenSize"))
	require.Equal(t, "100", got.value("SessionTokenUtilization"))
	require.Len(t, got.value("SessionToken"), 4096)

	caller, ok := srv.Caller(got.credentials().AccessKeyID)
	require.True(t, ok)
	require.Equal(t, map[string]string{"Team": "blue & green", "cost": "1"}, caller.Tags)
	require.Equal(t, []string{"Team"}, caller.TransitiveTagKeys)
	require.Equal(t, got.value("Arn"), whoAmI(t, srv, got.credentials()).Caller.Arn)
	require.Equal(t, "[redacted]", srv.Calls()[0].Form.Get("SAMLAssertion"))
}

func TestSAMLLineBreaksAndReuse(t *testing.T) {
	srv := ststest.NewTest(t)
	text := srv.Assertion(ststest.Assertion{Roles: mayBackUp}).Reveal()
	broken := text[:76] + "\r\n" + text[76:] + "\n"
	require.Equal(t, 200, open(t, srv, withSAML(stschain.NewSecret(broken))).status)
	require.Equal(t, 200, open(t, srv, withSAML(stschain.NewSecret(text))).status)
}

func TestSAMLTimes(t *testing.T) {
	srv, mock := fixed(t)
	at := func(when time.Duration, a ststest.Assertion) reply {
		a.Roles, a.IssuedAt = mayBackUp, start
		mock.Set(start.Add(when))
		return open(t, srv, withSAML(srv.Assertion(a)))
	}
	later := start.Add(time.Hour)
	tests := []struct {
		name      string
		when      time.Duration
		assertion ststest.Assertion
		code      string // "": accepted
		message   string
		expires   time.Duration // after when; 0: an hour
	}{
		{name: "at once"},
		{name: "last moment", when: 5*time.Minute - 1},
		{name: "expired", when: 5 * time.Minute, code: "ExpiredTokenException", message: "Response has expired"},
		{name: "expired early", when: time.Minute, assertion: ststest.Assertion{NotOnOrAfter: start.Add(time.Minute)}, code: "ExpiredTokenException", message: "Response has expired"},
		{name: "five minutes", when: 5 * time.Minute, assertion: ststest.Assertion{NotOnOrAfter: later}},
		{name: "over five minutes", when: 5*time.Minute + 1, assertion: ststest.Assertion{NotOnOrAfter: later}, code: "ExpiredTokenException",
			message: "Token must be redeemed within 5 minutes of issuance"},
		{name: "a minute early", when: -time.Minute},
		{name: "too early", when: -time.Minute - 1, code: "InvalidIdentityToken", message: "not yet valid"},
		{name: "session ends sooner", assertion: ststest.Assertion{SessionNotOnOrAfter: start.Add(20 * time.Minute)}, expires: 20 * time.Minute},
		{name: "regional endpoint", assertion: ststest.Assertion{Recipient: "https://eu-west-1.signin.aws.amazon.com/saml/acs/x", Audience: "urn:amazon:webservices"}},
		{name: "session ends later", assertion: ststest.Assertion{SessionNotOnOrAfter: start.Add(2 * time.Hour)}},
		{name: "session has ended", assertion: ststest.Assertion{SessionNotOnOrAfter: start}, code: "ExpiredTokenException", message: "Response has expired"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := at(test.when, test.assertion)
			if test.code != "" {
				require.Equal(t, 400, got.status, got.body)
				require.Equal(t, test.code, got.code())
				require.Contains(t, got.Error.Message, test.message)
				return
			}
			if test.expires == 0 {
				test.expires = time.Hour
			}
			require.Equal(t, start.Add(test.when+test.expires).Truncate(time.Second).Format(time.RFC3339), got.value("Expiration"), got.body)
		})
	}
}

func TestSAMLRefused(t *testing.T) {
	const elsewhere = "arn:aws:iam::210987654321:saml-provider/corp"
	tests := []struct {
		name      string
		assertion ststest.Assertion
		role      ststest.Role
		deny      bool
		pairs     []string
		code      string
		message   string
	}{
		{name: "no role", code: "AccessDenied", message: "Not authorized to perform sts:AssumeRoleWithSAML"},
		{name: "another role", assertion: ststest.Assertion{Roles: []ststest.SAMLRole{{RoleARN: roleARN + "x", ProviderARN: providerARN}}}, code: "AccessDenied"},
		{name: "another provider", assertion: ststest.Assertion{Roles: mayBackUp}, pairs: []string{"PrincipalArn", providerARN + "x"}, code: "AccessDenied"},
		{name: "provider of another account", assertion: ststest.Assertion{Roles: []ststest.SAMLRole{{RoleARN: roleARN, ProviderARN: elsewhere}}},
			pairs: []string{"PrincipalArn", elsewhere}, code: "AccessDenied"},
		{name: "undeclared role", assertion: ststest.Assertion{Roles: mayBackUp}, deny: true, code: "AccessDenied"},
		{name: "role that trusts another", assertion: ststest.Assertion{Roles: mayBackUp}, role: ststest.Role{ARN: roleARN, SAMLProviders: []string{providerARN + "x"}}, code: "AccessDenied"},
		{name: "audience", assertion: ststest.Assertion{Roles: mayBackUp, Audience: "https://example.com"}, code: "InvalidIdentityToken", message: "required audience"},
		{name: "recipient", assertion: ststest.Assertion{Roles: mayBackUp, Recipient: "https://example.com/saml"}, code: "InvalidIdentityToken", message: "recipient"},
		{name: "session name", assertion: ststest.Assertion{Roles: mayBackUp, SessionName: "a b"}, code: "InvalidIdentityToken", message: "RoleSessionName in AuthnResponse must match"},
		{name: "source identity", assertion: ststest.Assertion{Roles: mayBackUp, SourceIdentity: "x"}, code: "InvalidIdentityToken", message: "Source Identity must match"},
		{name: "tags that differ in case", assertion: ststest.Assertion{Roles: mayBackUp, Tags: map[string]string{"a": "1", "A": "2"}}, code: "InvalidParameterValue", message: "Duplicate tag keys"},
		{name: "transitive key without a tag", assertion: ststest.Assertion{Roles: mayBackUp, TransitiveTagKeys: []string{"a"}}, code: "ValidationError", message: "must be included"},
		{name: "above role's most", assertion: ststest.Assertion{Roles: mayBackUp}, role: ststest.Role{ARN: roleARN, MaxDuration: time.Hour},
			pairs: []string{"DurationSeconds", "7200"}, code: "ValidationError", message: "MaxSessionDuration"},
		{name: "provider is not an ARN", assertion: ststest.Assertion{Roles: mayBackUp}, pairs: []string{"PrincipalArn", roleARN}, code: "ValidationError", message: "is invalid"},
		{name: "role is not an ARN", assertion: ststest.Assertion{Roles: mayBackUp}, pairs: []string{"RoleArn", providerARN}, code: "ValidationError", message: "is invalid"},
		{name: "session name in the form", assertion: ststest.Assertion{Roles: mayBackUp}, pairs: []string{"RoleSessionName", "bob"}, code: "InvalidQueryParameter"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			srv, _ := fixed(t)
			srv.AllowRefusals("ValidationError", "InvalidQueryParameter")
			srv.DenyUndeclared = test.deny
			if test.role.ARN != "" {
				srv.AddRole(test.role)
			}
			got := open(t, srv, withSAML(srv.Assertion(test.assertion), test.pairs...))
			require.Equal(t, test.code, got.code(), got.body)
			require.Contains(t, got.Error.Message, test.message)
		})
	}
}

// b64 is an assertion as it is sent.
func b64(document string) stschain.Secret {
	return stschain.NewSecret(base64.StdEncoding.EncodeToString([]byte(document)))
}

func TestSAMLForgeries(t *testing.T) {
	srv, _ := fixed(t)
	good, err := base64.StdEncoding.DecodeString(srv.Assertion(ststest.Assertion{Roles: mayBackUp}).Reveal())
	require.NoError(t, err)
	elsewhere := ststest.New()
	elsewhere.Clock = srv.Clock
	for name, assertion := range map[string]stschain.Secret{
		"another server's": elsewhere.Assertion(ststest.Assertion{Roles: mayBackUp}),
		"one byte more":    b64(string(good) + " "),
		"another role":     b64(strings.ReplaceAll(string(good), "backup", "admin")),
		"not XML":          b64("<x"),
		"empty":            b64("    "),
		"not base64":       stschain.NewSecret("????"),
	} {
		got := open(t, srv, withSAML(assertion))
		require.Equal(t, 400, got.status, name)
		require.Equal(t, "InvalidIdentityToken", got.code(), name)
	}
	require.Equal(t, 200, open(t, srv, withSAML(b64(string(good)))).status)
}

// TestVerifyAssertion: what the hook returns is read, and nothing else.
func TestVerifyAssertion(t *testing.T) {
	srv, _ := fixed(t)
	document, err := base64.StdEncoding.DecodeString(srv.Assertion(ststest.Assertion{Roles: mayBackUp, Subject: "signed"}).Reveal())
	require.NoError(t, err)
	var received string
	srv.VerifyAssertion = func(response []byte) ([]byte, error) {
		received = string(response)
		if received == "forged" {
			return nil, errors.New("the digest differs")
		}
		return document, nil
	}
	got := open(t, srv, withSAML(b64("<Response/>")))
	require.Equal(t, 200, got.status, got.body)
	require.Equal(t, "signed", got.value("Subject"))
	require.Equal(t, "<Response/>", received)
	got = open(t, srv, withSAML(b64("forged")))
	require.Equal(t, "InvalidIdentityToken", got.code())
	require.Equal(t, "Response signature invalid", got.Error.Message)
}

const (
	responseStart  = `<p:Response xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" xmlns="urn:oasis:names:tc:SAML:2.0:assertion">`
	emptyAssertion = `<Assertion><Issuer> idp </Issuer></Assertion>`
)

func TestParseSAML(t *testing.T) {
	const deep = 100
	tests := []struct {
		name, document string
		want           string // of the error; "": none
	}{
		{"response", responseStart + emptyAssertion + "</p:Response>", ""},
		{"assertion alone", `<Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion"><Issuer>i<!-- -->dp</Issuer></Assertion>`, ""},
		{"declaration and comments", `<?xml version="1.0"?><!-- -->` + responseStart + emptyAssertion + "</p:Response>", ""},
		{"document type", `<!DOCTYPE x>` + responseStart + emptyAssertion + "</p:Response>", "document type"},
		{"entity", `<!DOCTYPE x [<!ENTITY e "x">]>` + responseStart + "&e;</p:Response>", "document type"},
		{"processing instruction", "<?php x?>" + responseStart + "</p:Response>", "processing instruction"},
		{"two assertions", responseStart + emptyAssertion + emptyAssertion + "</p:Response>", "2 assertions"},
		{"no assertion", responseStart + "<x>" + emptyAssertion + "</x></p:Response>", "0 assertions"},
		{"encrypted", responseStart + "<EncryptedAssertion/></p:Response>", "encrypted"},
		{"failed", responseStart + `<p:Status><p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder"/></p:Status></p:Response>`, "status"},
		{"two roots", emptyAssertion + emptyAssertion, "root element"},
		{"text after the root", emptyAssertion + "x", "root element"},
		{"nothing", "", "root element"},
		{"other namespace", emptyAssertion, "neither"},
		{"attribute twice", `<a b="1" b="2"/>`, "duplicate attribute"},
		{"no time", `<Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion" IssueInstant="yesterday"><Issuer>idp</Issuer></Assertion>`, "IssueInstant is not a time"},
		{"deep", strings.Repeat("<a>", deep) + strings.Repeat("</a>", deep), "nested deeper"},
		{"wide", "<a>" + strings.Repeat("<b/>", 6000) + "</a>", "more than 5000 elements"},
		{"breaks off", responseStart, "well-formed"},
		{"charset", `<?xml version="1.0" encoding="UTF-7"?><a/>`, "UTF-8"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			issuer, _, err := ststest.ParseSAML([]byte(test.document))
			if test.want == "" {
				require.NoError(t, err)
				require.Equal(t, "idp", issuer)
				return
			}
			require.ErrorContains(t, err, test.want)
			require.Empty(t, issuer)
		})
	}
}

// FuzzSAML: what is read is well-formed XML without a document type, and names
// the issuer that encoding/xml sees too.
func FuzzSAML(f *testing.F) {
	document, err := base64.StdEncoding.DecodeString(ststest.New().Assertion(ststest.Assertion{
		Roles: mayBackUp, Tags: map[string]string{"k": "v"}, SessionNotOnOrAfter: start,
	}).Reveal())
	require.NoError(f, err)
	f.Add(document)
	f.Add([]byte(responseStart + emptyAssertion + "</p:Response>"))
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY e "x">]><x>&e;</x>`))
	f.Fuzz(func(t *testing.T, document []byte) {
		issuer, _, err := ststest.ParseSAML(document)
		if err != nil {
			require.Empty(t, issuer)
			return
		}
		d := xml.NewDecoder(strings.NewReader(string(document)))
		for {
			token, err := d.Token()
			if err == io.EOF {
				return
			}
			require.NoError(t, err)
			_, isDirective := token.(xml.Directive)
			require.False(t, isDirective)
		}
	})
}
