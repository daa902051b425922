package federation_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stschain-go/stschain/federation"
)

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
