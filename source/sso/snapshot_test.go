package sso_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/conformance"
)

// notSent are operations that this package does not call: it does not sign in, and the profile names account and role.
var notSent = []string{
	"CreateTokenWithIAM", "ListAccountRoles", "ListAccounts", "Logout", "RegisterClient", "StartDeviceAuthorization",
}

// snapshots compares requests, responses and errors of the portal (sso) and of the OIDC service (ssooidc) with the
// snapshots of the AWS SDK for Go v2. Their values are placeholders.
func snapshots(t *testing.T) {
	for _, service := range []string{"sso", "ssooidc"} {
		for _, s := range conformance.Snapshots(t, service) {
			operation, kind, _ := strings.Cut(s.Name, ".")
			t.Run("sso-login/"+service+"/"+s.Name, func(t *testing.T) {
				switch kind {
				case "request":
					snapshotRequest(t, service, operation, s)
				case "response":
					snapshotResponse(t, service, operation, s)
				default:
					snapshotError(t, service, s)
				}
			})
		}
	}
}

// snapshotWorld has a token that has to be refreshed, so that both services are called. The service gets the handler.
func snapshotWorld(t *testing.T, service string, h http.HandlerFunc) *world {
	if service == "sso" {
		w := newWorld(t, document(noon.Add(time.Hour)))
		w.service.portal, w.MaxAttempts = h, 1
		return w
	}
	w := newWorld(t, document(noon.Add(-time.Hour)))
	w.service.oidc, w.MaxAttempts = h, 1
	return w
}

func snapshotRequest(t *testing.T, service, operation string, s conformance.Snapshot) {
	want, err := url.Parse(s.Target)
	require.NoError(t, err)
	var sent *http.Request
	var body []byte
	w := snapshotWorld(t, service, func(w http.ResponseWriter, r *http.Request) {
		sent = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(400)
	})
	_, err = w.Retrieve(t.Context())
	require.Error(t, err)
	if slices.Contains(notSent, operation) {
		require.NotEqual(t, s.Target, sent.URL.RequestURI())
		require.False(t, want.Path == sent.URL.Path && want.RawQuery == sent.URL.RawQuery)
		return
	}
	require.Equal(t, s.Method, sent.Method)
	require.Equal(t, want.Path, sent.URL.Path)
	require.Equal(t, s.Header["Content-Type"], sent.Header.Get("Content-Type"))
	for name := range want.Query() {
		require.True(t, sent.URL.Query().Has(name), name)
	}
	require.Len(t, sent.URL.Query(), len(want.Query()))
	for name := range s.Header {
		require.NotEmpty(t, sent.Header.Get(name), name)
	}
	all := conformance.Members(s.Body)
	for name, kind := range conformance.Members(string(body)) { // the other members are for other grants
		require.Equal(t, all[name], kind, name)
	}
}

// snapshotAccepted are the operations whose responses are used.
var snapshotAccepted = map[string]string{"sso": "GetRoleCredentials", "ssooidc": "CreateToken"}

func snapshotResponse(t *testing.T, service, operation string, s conformance.Snapshot) {
	w := snapshotWorld(t, service, status(s.Status, strings.Replace(s.Body, `"expiresIn":1`, `"expiresIn":3600`, 1)))
	w.service.valid = "__AccessToken__"
	if service == "sso" {
		w.service.valid = access
	}
	creds, err := w.Retrieve(t.Context())
	switch {
	case operation == snapshotAccepted[service] && service == "sso":
		require.NoError(t, err)
		require.Equal(t, "__AccessKeyId__", creds.AccessKeyID)
		require.Equal(t, int64(1), creds.Expires.UnixMilli(), "the unit is milliseconds")
	case strings.HasPrefix(operation, "CreateToken"): // that of CreateTokenWithIAM has more members
		require.NoError(t, err)
		doc := w.read(t)
		require.Equal(t, "__AccessToken__", doc["accessToken"])
		require.Equal(t, "__RefreshToken__", doc["refreshToken"])
		require.Equal(t, noon.Add(time.Hour).Format(time.RFC3339), doc["expiresAt"])
	default:
		require.ErrorContains(t, err, "invalid response of ")
	}
}

func snapshotError(t *testing.T, service string, s conformance.Snapshot) {
	var doc struct {
		Type        string `json:"__type"`
		Error       string
		Description string `json:"error_description"`
		Message     string
	}
	require.NoError(t, json.Unmarshal([]byte(s.Body), &doc))
	w := snapshotWorld(t, service, status(s.Status, s.Body))
	if service == "sso" && s.Status == http.StatusUnauthorized {
		w.service.oidc = status(400, `{"error":"invalid_grant"}`) // the token is refreshed first
	}
	_, err := w.Retrieve(t.Context())
	code, message := doc.Error, doc.Description
	if code == "" {
		code, message = doc.Type, doc.Message
	}
	require.ErrorContains(t, err, code+": "+message)
	require.Equal(t, s.Status < 429, errors.Is(err, stschain.ErrPermanent), "%v", err)
	require.Equal(t, s.Status == 429, errors.Is(err, stschain.ErrThrottled), "%v", err)
}
