package login_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stschain-go/stschain"
)

// FuzzRefusal: an invalid response of the service is an error of one line, bounded and without
// the refresh token and the proof, were they echoed; and no chain falls through to another identity.
func FuzzRefusal(f *testing.F) {
	for _, body := range []string{
		`{"error":"TOKEN_EXPIRED","message":"It says so."}`, `{"error":"INVALID_REQUEST","message":"ECHO"}`, `{"error":"ECHO"}`, `{"message":"PROOF"}`,
		`{"error":"x\u001b[2J","message":"a\r\nb"}`, `<html>`, ``, `{"error":1}`, `null`,
	} {
		f.Add(400, body)
		f.Add(401, body)
		f.Add(503, body)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		w := newWorld(t, document(noon.Add(-time.Minute)))
		w.MaxAttempts = 1
		status = 300 + (status-300)&0xff
		var sent []string
		w.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			proof := r.Header.Get("DPoP")
			sent = []string{refresh, proof}
			return reply(status, strings.NewReplacer("ECHO", refresh, "PROOF", proof).Replace(body)), nil
		})}
		creds, err := w.Retrieve(t.Context())
		if err == nil || stschain.IsUnavailable(err) || creds != (stschain.Credentials{}) || len(sent) == 0 {
			t.Fatalf("%+v, %v", creds, err)
		}
		text := err.Error()
		if len(text) > 4000 || strings.ContainsFunc(text, unicode.IsControl) {
			t.Fatalf("%q", text)
		}
		for _, s := range append(sent, secret, token) {
			if strings.Contains(text, s) {
				t.Fatalf("%q shows %s", text, s)
			}
		}
		if status >= 500 && errors.Is(err, stschain.ErrPermanent) {
			t.Fatalf("%v is permanent", err)
		}
	})
}
