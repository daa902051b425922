package login_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/test/conformance"
)

// snapshots compares the request and the response of CreateOAuth2Token with the snapshots of the AWS SDK for Go v2.
// Package proof tests the other ones of AWS Sign-In.
func snapshots(t *testing.T) {
	for _, s := range conformance.Snapshots(t, "signin") {
		operation, kind, _ := strings.Cut(s.Name, ".")
		if operation != "CreateOAuth2Token" {
			continue
		}
		t.Run("sso-login/signin/"+s.Name, func(t *testing.T) {
			w := newWorld(t, document(noon.Add(-time.Hour)))
			var sent *http.Request
			var body []byte
			w.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				sent = r
				body, _ = io.ReadAll(r.Body)
				return reply(200, strings.Replace(s.Body, `"expiresIn":1`, `"expiresIn":900`, 1)), nil
			})}
			w.MaxAttempts = 1
			creds, err := w.Retrieve(t.Context())
			if kind == "response" {
				require.NoError(t, err)
				require.Equal(t, "__AccessKeyId__", creds.AccessKeyID)
				require.Equal(t, "__SessionToken__", creds.SessionToken.Reveal())
				require.Equal(t, noon.Add(15*time.Minute), creds.Expires)
				require.Equal(t, "__RefreshToken__", w.read(t)["refreshToken"])
				return
			}
			require.Equal(t, s.Method, sent.Method)
			require.Equal(t, s.Target, sent.URL.RequestURI())
			require.Equal(t, s.Header["Content-Type"], sent.Header.Get("Content-Type"))
			all := conformance.Members(s.Body)
			for name, kind := range conformance.Members(string(body)) { // the other members are for the other grant
				require.Equal(t, all[name], kind, name)
			}
		})
	}
}
