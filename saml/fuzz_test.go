package saml_test

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/saml"
)

// FuzzRoleNames: Roles returns the role and the times that were written, in either order of the ARNs and in
// every form of an assertion.
func FuzzRoleNames(f *testing.F) {
	f.Add("ops/backup", "corp", "alice@example.com", int64(1795284000), 0)
	f.Add("a,b", "c", "<&>'\"", int64(-1), 90)
	f.Add("role/x", "saml-provider/y", " ", int64(253402300799), -600)
	f.Add("r", "p", strings.Repeat("\"", 20_000), int64(0), 0)
	f.Fuzz(func(t *testing.T, name, provider, session string, unix int64, minutes int) {
		role, principal := "arn:aws:iam::123456789012:role/"+name, "arn:aws:iam::123456789012:saml-provider/"+provider
		plain := func(s string) bool {
			return s != "" && len(s) < 1000 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) && !strings.Contains(s, "arn:")
		}
		ends := time.Unix(unix%253402300800, 0).In(time.FixedZone("", minutes%(14*60)*60))
		if !plain(name) || !plain(provider) || len(session) > 1000 || strings.Contains(provider, ",") || ends.Year() < 1 || ends.Year() > 9999 {
			return
		}
		escape := func(s string) string {
			var b bytes.Buffer
			if err := xml.EscapeText(&b, []byte(s)); err != nil {
				t.Fatal(err)
			}
			return b.String()
		}
		at := ends.Format(time.RFC3339)
		for _, value := range []string{role + "," + principal, principal + " , " + role} {
			document := response(`<Conditions NotOnOrAfter="` + at + `"/><AuthnStatement SessionNotOnOrAfter="` + at + `"/><AttributeStatement><Attribute Name="` + rolesOf + `RoleSessionName"><AttributeValue>` + escape(session) +
				`</AttributeValue></Attribute><Attribute Name="` + rolesOf + `Role"><AttributeValue>` + escape(value) + `</AttributeValue></Attribute></AttributeStatement>`)
			text := base64.StdEncoding.EncodeToString([]byte(document))
			lines := strings.Join(slices.Collect(func(yield func(string) bool) {
				for chunk := range slices.Chunk([]byte(text), 76) {
					if !yield(string(chunk)) {
						return
					}
				}
			}), "\r\n")
			for _, given := range []string{text, lines, "RelayState=x&SAMLResponse=" + url.QueryEscape(text), strings.TrimRight(text, "=")} {
				roles, err := saml.Roles(stschain.NewSecret(given))
				if err != nil || len(roles) != 1 {
					t.Fatalf("%s: %d roles, %v", document, len(roles), err)
				}
				if r := roles[0]; r.RoleARN != role || r.ProviderARN != principal || !r.NotOnOrAfter.Equal(ends) || !r.SessionNotOnOrAfter.Equal(ends) {
					t.Fatalf("%s: %+v", document, r)
				}
			}
		}
	})
}
