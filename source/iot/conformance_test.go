package iot_test

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/conformance"
	"github.com/stschain-go/stschain/internal/test/pki"
)

// TestConformance reads responses of the credentials provider.
func TestConformance(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(conformance.Dir(t), "iot", "responses.json"))
	require.NoError(t, err)
	var cases []struct {
		Status    int
		ErrorType string
		Body      json.RawMessage
	}
	require.NoError(t, json.Unmarshal(content, &cases))
	require.NotEmpty(t, cases)
	for _, tt := range cases {
		var body struct {
			Message     string
			Credentials struct{ AccessKeyID, SecretAccessKey, SessionToken, Expiration string }
		}
		require.NoError(t, json.Unmarshal(tt.Body, &body))
		name := http.StatusText(tt.Status) + " " + body.Message
		t.Run("iot/"+strings.TrimSpace(name), func(t *testing.T) {
			w := newWorld(t)
			w.clock.Set(time.Date(2023, 2, 6, 5, 0, 0, 0, time.UTC))
			w.install(t, pki.EC(), w.issue(pki.EC(), func(c *x509.Certificate) { c.NotBefore = w.clock.Now() })...)
			header := http.Header{"Content-Type": {"application/json"}, "X-Amzn-Requestid": {"1"}}
			if tt.ErrorType != "" {
				header.Set("X-Amzn-Errortype", tt.ErrorType)
			}
			w.respond(t, tt.Status, header, string(tt.Body))
			creds, err := w.Retrieve(t.Context())
			if tt.Status == http.StatusOK {
				require.NoError(t, err)
				want := body.Credentials
				require.Equal(t, []string{want.AccessKeyID, want.SecretAccessKey, want.SessionToken, want.Expiration},
					[]string{creds.AccessKeyID, creds.SecretAccessKey.Reveal(), creds.SessionToken.Reveal(), creds.Expires.Format(time.RFC3339)})
				return
			}
			require.Zero(t, creds)
			require.ErrorContains(t, err, body.Message)
			require.ErrorContains(t, err, tt.ErrorType)
			require.True(t, errors.Is(err, stschain.ErrPermanent))
			_, hint, _ := strings.Cut(err.Error(), body.Message)
			require.Regexp(t, `^[^;]*; .*(certificate|role|RoleAlias|ThingName)`, hint, "what to check")
		})
	}
}
