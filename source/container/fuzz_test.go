package container_test

import (
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stschain-go/stschain/source/container"
)

// FuzzToken: the token of a variable or a file is sent as it is or not at all, in one header, and
// no error shows it.
func FuzzToken(f *testing.F) {
	for _, s := range []string{token, token + "\n", "Basic a b", "", " ", "a\r\nX-Evil: 1", "\x00", "ü", strings.Repeat("x", 16<<10+1)} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, text string, inFile bool) {
		var sent []string
		p := &container.Provider{
			LookupEnv: from(relative+"/x", tokenIs+text), MaxAttempts: 1,
			HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				sent = append(sent, r.Header.Values("Authorization")...)
				return reply(200, document), nil
			})},
		}
		if inFile {
			p.LookupEnv = from(relative+"/x", tokenFile+"/token")
			p.Open = func(string) (fs.File, error) { return fstest.MapFS{"token": {Data: []byte(text)}}.Open("token") }
		}
		_, err := p.Retrieve(t.Context())
		plain := strings.TrimSpace(text) != "" && len(text) <= 16<<10 && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
		switch {
		case err != nil && (plain || len(sent) > 0 || len(text) > 10 && strings.Contains(err.Error(), text)):
			t.Fatalf("%q: %v, sent %q", text, err, sent)
		case err == nil && plain && (len(sent) != 1 || sent[0] != text):
			t.Fatalf("%q was sent as %q", text, sent)
		case err == nil && !plain && (inFile || strings.TrimSpace(text) != "" || len(sent) > 0):
			t.Fatalf("%q was sent as %q", text, sent)
		}
	})
}
