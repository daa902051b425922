package federation_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stschain-go/stschain/federation"
)

// FuzzSignInResponse: the sign-in endpoint's response has a token, which is in the link unchanged, or the
// error is one line that shows nothing of the response.
func FuzzSignInResponse(f *testing.F) {
	f.Add(200, response)
	f.Add(200, " \n"+`{"SigninToken":"a b+c/&=#%\u2028"}`)
	f.Add(200, `{"signintoken":"x","SigninToken":1}`)
	f.Add(200, `{"SigninToken":""}`)
	f.Add(400, "canary-in-the-response")
	f.Add(302, `{"SigninToken":"canary-in-the-response"}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		status = 200 + (status-200)&0x1ff
		s := &federation.SignIn{Credentials: temporary(time.Now()), Region: "eu-west-1", HTTPClient: &http.Client{Transport: &exchange{status: status, body: body, location: "https://canary-in-the-response.example"}}}
		link, err := s.SignInURL(t.Context())
		if err != nil {
			if text := err.Error(); len(text) > 1000 || strings.ContainsFunc(text, unicode.IsControl) || strings.Contains(text, "canary") || strings.Contains(text, secretKey) {
				t.Fatalf("%q", text)
			}
			return
		}
		u, err := url.Parse(link.URL.Reveal())
		if err != nil || status != 200 {
			t.Fatalf("%d, %v", status, err)
		}
		given := u.Query().Get("SigninToken")
		if given == "" || u.Query().Get("Action") != "login" || u.Host != "signin.aws.amazon.com" || len(u.Query()["SigninToken"]) != 1 {
			t.Fatalf("%q returns %s", body, u)
		}
	})
}

// FuzzEndpoint: a configured endpoint is called as it is, over https or loopback, or refused with an error
// that shows no password.
func FuzzEndpoint(f *testing.F) {
	for _, s := range []string{"https://signin.example/federation", "http://127.0.0.1:1/x", "http://h/", "https://u:hunter4711@h/", "https://h/?a", "https://h/#", "//h", "https://h:x/", "HTTPS://H"} {
		f.Add(s)
	}
	f.Add("http://[0:0:0:0:0:0:0:1]/")
	f.Add("http://localho\u017ft/")
	f.Add("https://h/?")
	f.Fuzz(func(t *testing.T, endpoint string) {
		x := &exchange{body: response}
		s := &federation.SignIn{Credentials: temporary(time.Now()), Region: "eu-west-1", Endpoint: endpoint, HTTPClient: &http.Client{Transport: x}}
		_, err := s.SignInURL(t.Context())
		given, parseErr := url.Parse(endpoint)
		for _, r := range x.requests {
			ip, _ := netip.ParseAddr(r.URL.Hostname())
			here := strings.EqualFold(r.URL.Hostname(), "localhost") || ip.Unmap().IsLoopback()
			if endpoint != "" && (parseErr != nil || r.URL.Host != strings.TrimSuffix(given.Host, ":") || r.URL.Scheme != "https" && (r.URL.Scheme != "http" || !here)) {
				t.Fatalf("%q calls %s", endpoint, r.URL)
			}
		}
		if err == nil || parseErr != nil {
			return
		}
		if password, _ := given.User.Password(); len(password) > 8 && !strings.Contains(given.Host, password) && strings.Contains(err.Error(), password) {
			t.Fatalf("%v shows the password", err)
		}
	})
}
