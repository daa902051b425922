package sso_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stschain-go/stschain/source/sso"
)

// FuzzRegistrationName: the text that names a file is JSON in ASCII with the values.
func FuzzRegistrationName(f *testing.F) {
	f.Add("eu-west-1", "https://example.awsapps.com/start", "work", "sso:account:access")
	f.Add("0", "\xd2", "\x82", "0")
	f.Add("a\"b\\c", "\b\f\n\r\t\x00\x7f", "caf\u00e9 \U0001f600", "")
	f.Fuzz(func(t *testing.T, region, startURL, session, scope string) {
		text := sso.RegistrationName(region, startURL, session, []string{scope})
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("%q is not ASCII", text)
		}
		var doc struct {
			Region, StartURL string
			Session          string `json:"session_name"`
			Scopes           []string
		}
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		valid := utf8.ValidString(region) && utf8.ValidString(startURL) && utf8.ValidString(session) && utf8.ValidString(scope)
		if valid && (doc.Region != region || doc.StartURL != startURL || doc.Session != session || doc.Scopes[0] != scope) {
			t.Fatalf("%q is %+v", text, doc)
		}
	})
}

// FuzzLogin: whatever the service returns, the sign-in ends, with a page that a browser may open or an error of one line.
func FuzzLogin(f *testing.F) {
	f.Add(200, `{"clientId":"c","clientSecret":"canary-4711","clientSecretExpiresAt":4102444800}`,
		200, `{"deviceCode":"canary-4712","userCode":"U","verificationUriComplete":"https://x.example/","expiresIn":600,"interval":1}`,
		200, `{"accessToken":"canary-4713","expiresIn":3600,"refreshToken":"canary-4714"}`)
	f.Add(200, `{"clientId":"c","clientSecret":"canary-4711","clientSecretExpiresAt":1}`,
		200, `{"deviceCode":"canary-4712","userCode":"U","verificationUri":"javascript:x","expiresIn":-1,"interval":9999999999}`, 400, `{"error":"slow_down"}`)
	f.Add(400, `{"__type":"x#InvalidClientException"}`, 401, `{"error":"invalid_client"}`, 400, `{"error":"canary-4712"}`)
	f.Fuzz(func(t *testing.T, registered int, client string, started int, device string, created int, token string) {
		synctest.Test(t, func(t *testing.T) {
			c := newCenter(t)
			c.MaxAttempts = 1
			c.rewrite = func(r *http.Request) *http.Response {
				switch r.URL.Path {
				case "/client/register":
					return respond(200+(registered-200)&0x1ff, client)
				case "/device_authorization":
					return respond(200+(started-200)&0x1ff, device)
				}
				return respond(200+(created-200)&0x1ff, token)
			}
			p, err := c.Begin(t.Context())
			if err == nil {
				if !sso.IsPage(p.URL) || strings.ContainsFunc(p.UserCode, unicode.IsControl) {
					t.Fatalf("%+v", p)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				_, err = p.Wait(ctx)
			}
			if err == nil {
				return
			}
			if text := err.Error(); len(text) > 4000 || strings.ContainsFunc(text, unicode.IsControl) {
				t.Fatalf("%q", text)
			}
		})
	})
}
