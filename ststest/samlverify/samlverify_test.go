package samlverify_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"html"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/crewjam/saml"
	"github.com/crewjam/saml/samlidp"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
	"github.com/stschain-go/stschain/ststest/samlverify"
)

const (
	roleARN     = "arn:aws:iam::123456789012:role/backup"
	adminARN    = "arn:aws:iam::123456789012:role/admin"
	providerARN = "arn:aws:iam::123456789012:saml-provider/corp"
	attributes  = "https://aws.amazon.com/SAML/Attributes/"
)

// corp is crewjam's identity provider, with a user who is signed in and may
// have the role backup.
type corp struct{ *samlidp.Server }

func newCorp() (corp, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return corp{}, err
	}
	cert, err := certificate(key)
	if err != nil {
		return corp{}, err
	}
	idp, err := samlidp.New(samlidp.Options{
		URL:         url.URL{Scheme: "https", Host: "idp.example"},
		Key:         key,
		Certificate: cert,
		Store:       &samlidp.MemoryStore{},
		Logger:      silent{},
	})
	if err != nil {
		return corp{}, err
	}
	c := corp{idp}
	idp.IDP.SessionProvider, idp.IDP.ServiceProviderProvider = c, c
	return c, nil
}

// certificate is one of two hours that a key gives itself.
func certificate(key crypto.Signer) (*x509.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "idp.example"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// started returns the identity provider and a response of it.
func started(t *testing.T) (corp, []byte) {
	t.Helper()
	c, err := newCorp()
	require.NoError(t, err)
	response, err := c.response()
	require.NoError(t, err)
	return c, response
}

type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Print(...any)          {}
func (silent) Println(...any)        {}
func (silent) Fatal(...any)          {}
func (silent) Fatalf(string, ...any) {}
func (silent) Fatalln(...any)        {}
func (silent) Panic(...any)          {}
func (silent) Panicf(string, ...any) {}
func (silent) Panicln(...any)        {}

// GetSession returns the user who is signed in, with the attributes that AWS gets.
func (corp) GetSession(http.ResponseWriter, *http.Request, *saml.IdpAuthnRequest) *saml.Session {
	attribute := func(name, value string) saml.Attribute {
		return saml.Attribute{Name: attributes + name, NameFormat: "urn:oasis:names:tc:SAML:2.0:attrname-format:uri",
			Values: []saml.AttributeValue{{Type: "xs:string", Value: value}}}
	}
	return &saml.Session{
		ID: "1", CreateTime: time.Now(), ExpireTime: time.Now().Add(time.Hour), Index: "1", NameID: "alice@corp.example",
		CustomAttributes: []saml.Attribute{
			attribute("Role", providerARN+","+roleARN),
			attribute("RoleSessionName", "alice"),
			attribute("SourceIdentity", "alice.corp"),
			attribute("PrincipalTag:team", "blue"),
		},
	}
}

// GetServiceProvider describes AWS.
func (corp) GetServiceProvider(*http.Request, string) (*saml.EntityDescriptor, error) {
	return &saml.EntityDescriptor{
		EntityID: "urn:amazon:webservices",
		SPSSODescriptors: []saml.SPSSODescriptor{{
			AssertionConsumerServices: []saml.IndexedEndpoint{{Binding: saml.HTTPPostBinding, Location: "https://signin.aws.amazon.com/saml"}},
		}},
	}, nil
}

var responseField = regexp.MustCompile(`name="SAMLResponse" value="([^"]*)"`)

// response is what the identity provider would have the browser post to AWS.
func (c corp) response() ([]byte, error) {
	rec := httptest.NewRecorder()
	c.IDP.ServeIDPInitiated(rec, httptest.NewRequest(http.MethodGet, "https://idp.example/login/aws", nil), "urn:amazon:webservices", "")
	m := responseField.FindStringSubmatch(rec.Body.String())
	if m == nil {
		return nil, fmt.Errorf("the identity provider returns %d, and no SAML response", rec.Code)
	}
	return base64.StdEncoding.DecodeString(html.UnescapeString(m[1]))
}

func (c corp) verifier() *samlverify.Verifier {
	return &samlverify.Verifier{Certificates: []*x509.Certificate{c.IDP.Certificate}}
}

// redeem sends a response to a server that calls the verifier.
func redeem(t *testing.T, v *samlverify.Verifier, response []byte) (*stsquery.AssumeRoleWithSAMLOutput, error) {
	t.Helper()
	srv := ststest.NewTest(t)
	srv.VerifyAssertion = v.Verify
	client := &stsquery.Client{Region: "eu-west-1", HTTPClient: srv.Client()}
	return client.AssumeRoleWithSAML(context.Background(), stsquery.AssumeRoleWithSAMLInput{
		RoleARN: roleARN, PrincipalARN: providerARN,
		SAMLAssertion: stschain.NewSecret(base64.StdEncoding.EncodeToString(response)),
	})
}

// unsigned takes the signature off the Response and leaves that of the Assertion.
func unsigned(response []byte) []byte {
	start, end := bytes.LastIndex(response, []byte("<ds:Signature ")), bytes.LastIndex(response, []byte("</ds:Signature>"))
	if assertion := bytes.Index(response, []byte("<saml:Assertion")); start > assertion { // the Response's comes first
		start, end = bytes.Index(response, []byte("<ds:Signature ")), bytes.Index(response, []byte("</ds:Signature>"))
	}
	return append(bytes.Clone(response[:start]), response[end+len("</ds:Signature>"):]...)
}

func TestVerify(t *testing.T) {
	idp, response := started(t)
	require.Equal(t, 2, bytes.Count(response, []byte("<ds:Signature ")))
	require.Equal(t, 1, bytes.Count(unsigned(response), []byte("<ds:Signature ")))
	for name, r := range map[string][]byte{"signed response": response, "signed assertion": unsigned(response)} {
		t.Run(name, func(t *testing.T) {
			out, err := redeem(t, idp.verifier(), r)
			require.NoError(t, err)
			require.Equal(t, "arn:aws:sts::123456789012:assumed-role/backup/alice", out.AssumedRoleUser.ARN)
			require.Equal(t, "https://idp.example/metadata", out.Issuer)
			require.Equal(t, "alice@corp.example", out.Subject)
			require.Equal(t, "alice.corp", out.SourceIdentity)
		})
	}
}

func TestRefused(t *testing.T) {
	idp, signed := started(t)
	_, foreign := started(t)
	response := string(signed)
	assertionOnly := string(unsigned([]byte(response)))
	start, end := strings.Index(assertionOnly, "<saml:Assertion"), strings.Index(assertionOnly, "</saml:Assertion>")+len("</saml:Assertion>")
	original := assertionOnly[start:end]
	id := regexp.MustCompile(`ID="([^"]*)"`).FindStringSubmatch(original)[1]
	evil := strings.ReplaceAll(original, roleARN, adminARN)
	evil = evil[:strings.Index(evil, "<ds:Signature ")] + evil[strings.Index(evil, "</ds:Signature>")+len("</ds:Signature>"):]
	evil = strings.Replace(evil, id, "evil", 1)
	require.NotEqual(t, original, evil)
	wrap := func(inner string) string { return assertionOnly[:start] + inner + assertionOnly[end:] }
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	stranger, err := certificate(key)
	require.NoError(t, err)

	tests := []struct {
		name     string
		response string
		verifier *samlverify.Verifier // nil: the identity provider's
		want     string
	}{
		{name: "another role", response: strings.ReplaceAll(response, roleARN, adminARN), want: "not valid"},
		{name: "another role in a signed assertion", response: strings.ReplaceAll(assertionOnly, roleARN, adminARN), want: "not valid"},
		{name: "another name", response: strings.ReplaceAll(assertionOnly, ">alice<", ">root<"), want: "not valid"},
		{name: "another identity provider", response: string(foreign), want: "trusted certs"},
		{name: "no signature", response: string(unsigned([]byte(assertionOnly))), want: "is signed"},
		{name: "no certificate", response: response, verifier: &samlverify.Verifier{}, want: "Certificates"},
		{name: "key of another kind", response: response, want: "trusted certs",
			verifier: &samlverify.Verifier{Certificates: []*x509.Certificate{stranger}}},
		{name: "expired certificate", response: response, want: "not valid at this time",
			verifier: &samlverify.Verifier{Certificates: idp.verifier().Certificates, Clock: clock(time.Now().Add(2 * time.Hour))}},
		{name: "forged assertion before the signed one", response: wrap(evil + original), want: "2 assertions"},
		{name: "forged assertion after the signed one", response: wrap(original + evil), want: "2 assertions"},
		{name: "signed assertion inside a forged one", want: "2 assertions",
			response: wrap(strings.Replace(evil, "</saml:Assertion>", original+"</saml:Assertion>", 1))},
		{name: "signed assertion inside an extension", response: wrap("<samlp:Extensions>" + original + "</samlp:Extensions>" + evil), want: "2 assertions"},
		{name: "only assertion hidden in an extension", response: wrap("<samlp:Extensions>" + original + "</samlp:Extensions>"), want: "is signed"},
		{name: "same ID twice", response: wrap(original + `<samlp:Extensions ID="` + id + `"/>`), want: "duplicate ID"},
		{name: "comment that splits a value", response: strings.Replace(assertionOnly, "role/backup", "role/adm<!-- -->in", 1), want: "not valid"},
		{name: "document type", response: `<!DOCTYPE x [<!ENTITY e "x">]>` + response, want: "document type"},
		{name: "processing instruction", response: strings.Replace(response, "<saml:Assertion", "<?php x?><saml:Assertion", 1), want: "processing instruction"},
		{name: "encrypted", response: wrap(original + `<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"/>`), want: "encrypted"},
		{name: "deep", response: strings.Repeat("<a>", 100_000), want: "levels"},
		{name: "wide", response: "<a>" + strings.Repeat("<b/>", 10_000) + "</a>", want: "elements"},
		{name: "long", response: strings.Repeat(" ", 1<<20+1), want: "longer than"},
		{name: "not XML", response: "PHNhbWw", want: "assertions"},
		{name: "assertion alone", response: strings.Replace(original, "<saml:Assertion", `<saml:Assertion xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"`, 1), want: "not a Response"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := test.verifier
			if v == nil {
				v = idp.verifier()
			}
			_, err := v.Verify([]byte(test.response))
			require.ErrorContains(t, err, "samlverify: ")
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "alice")

			if len(test.response) > 70_000 {
				return // more than STS takes
			}
			_, err = redeem(t, v, []byte(test.response))
			var refused *stsquery.Error
			require.ErrorAs(t, err, &refused)
			require.Equal(t, "InvalidIdentityToken", refused.Code)
		})
	}
}

// TestOnlyWhatIsSignedIsRead: what is outside of a signed assertion is not in
// the result of Verify.
func TestOnlyWhatIsSignedIsRead(t *testing.T) {
	idp, whole := started(t)
	response := strings.Replace(string(unsigned(whole)), "<saml:Assertion", "<evil/><saml:Assertion", 1)
	signed, err := idp.verifier().Verify([]byte(response))
	require.NoError(t, err)
	require.NotContains(t, string(signed), "evil")
	require.True(t, strings.HasPrefix(string(signed), "<saml:Assertion"), "%s", signed)
	require.Contains(t, string(signed), roleARN)
}

type clock time.Time

func (c clock) Now() time.Time { return time.Time(c) }

func FuzzVerify(f *testing.F) {
	f.Add([]byte(`<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"><saml:Assertion ID="x"><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/></saml:Assertion></samlp:Response>`))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(f, err)
	cert, err := certificate(key)
	require.NoError(f, err)
	v := &samlverify.Verifier{Certificates: []*x509.Certificate{cert}}
	f.Fuzz(func(t *testing.T, response []byte) {
		_, err := v.Verify(response)
		require.Error(t, err, "it is not signed")
	})
}
