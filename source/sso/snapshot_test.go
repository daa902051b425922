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
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/conformance"
)

// notSent are operations that this package does not call: it sends no signed requests, and the profile names account and role.
var notSent = []string{"CreateTokenWithIAM", "ListAccountRoles", "ListAccounts"}

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
	for _, r := range loginRequests(t, want.Path) {
		if slices.Contains(notSent, operation) {
			require.NotEqual(t, want.RawQuery, r.URL.RawQuery)
			continue
		}
		compareRequest(t, s, want, r.Request, r.body)
	}
	if slices.Contains([]string{"Logout", "RegisterClient", "StartDeviceAuthorization"}, operation) {
		return // a Provider does not send it
	}
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
	compareRequest(t, s, want, sent, string(body))
}

// compareRequest compares a request with the snapshot of its operation.
func compareRequest(t *testing.T, s conformance.Snapshot, want *url.URL, sent *http.Request, body string) {
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
	for name, kind := range conformance.Members(body) { // the other members are optional, or for other grants
		require.Equal(t, all[name], kind, name)
	}
}

// recorded is a request that was sent.
type recorded struct {
	*http.Request
	body string
}

// loginRequests are those that a Login sends to a path, to sign in with a code of each kind and to sign out.
func loginRequests(t *testing.T, path string) (all []recorded) {
	recording := func(t *testing.T) *center {
		c := newCenter(t)
		c.Scopes = []string{"sso:account:access"}
		c.rewrite = func(r *http.Request) *http.Response {
			body, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			if r.URL.Path == path {
				all = append(all, recorded{r, string(body)})
			}
			if r.URL.Path == "/token" {
				return respond(200, `{"accessToken":"a","expiresIn":3600}`)
			}
			return nil
		}
		return c
	}
	synctest.Test(t, func(t *testing.T) {
		c := recording(t)
		p, err := c.Begin(t.Context())
		require.NoError(t, err)
		_, err = p.Wait(t.Context())
		require.NoError(t, err)
		require.NoError(t, c.Logout(t.Context()))
	})
	c := recording(t)
	c.Browser = true
	p, err := c.Begin(t.Context())
	require.NoError(t, err)
	back := c.visit(t, p.URL)
	go http.Get(back.String())
	_, err = p.Wait(t.Context())
	require.NoError(t, err)
	return all
}

// snapshotAccepted are the operations whose responses are used.
var snapshotAccepted = map[string]string{"sso": "GetRoleCredentials", "ssooidc": "CreateToken"}

func snapshotResponse(t *testing.T, service, operation string, s conformance.Snapshot) {
	if slices.Contains([]string{"RegisterClient", "StartDeviceAuthorization", "CreateToken", "Logout"}, operation) {
		loginResponse(t, operation, s)
	}
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

// loginResponse signs in and out with the response to one operation.
func loginResponse(t *testing.T, operation string, s conformance.Snapshot) {
	synctest.Test(t, func(t *testing.T) {
		c := newCenter(t)
		paths := map[string]string{"RegisterClient": "/client/register", "StartDeviceAuthorization": "/device_authorization", "CreateToken": "/token", "Logout": "/logout"}
		body := strings.Replace(s.Body, `"expiresIn":1`, `"expiresIn":3600`, 1)
		body = strings.Replace(body, "__VerificationUriComplete__", "https://x.example/", 1) // another one is refused
		var registered, started map[string]any
		c.rewrite = func(r *http.Request) *http.Response {
			var in map[string]any
			_ = json.NewDecoder(r.Body).Decode(&in)
			switch {
			case r.URL.Path == paths[operation]:
				return respond(s.Status, body)
			case r.URL.Path == "/device_authorization":
				registered = in
				return respond(200, `{"deviceCode":"d","userCode":"U","verificationUriComplete":"https://x.example/","expiresIn":600}`)
			case r.URL.Path == "/token":
				started = in
				return respond(200, `{"accessToken":"a","expiresIn":3600}`)
			}
			return respond(200, `{"clientId":"c","clientSecret":"s","clientSecretExpiresAt":4102444800}`)
		}
		p, err := c.Begin(t.Context())
		require.NoError(t, err)
		_, err = p.Wait(t.Context())
		require.NoError(t, err)
		switch operation {
		case "RegisterClient":
			require.Equal(t, []any{"__ClientId__", "__ClientSecret__"}, []any{registered["clientId"], registered["clientSecret"]})
			require.Equal(t, "1970-01-01T00:00:01Z", c.file(t, fileOfSession)["registrationExpiresAt"], "the unit is seconds")
		case "StartDeviceAuthorization":
			require.Equal(t, "__DeviceCode__", started["deviceCode"])
			require.Equal(t, "__UserCode__", p.UserCode)
		case "CreateToken":
			require.Equal(t, "__AccessToken__", c.file(t, fileOfSession)["accessToken"])
			require.Equal(t, "__RefreshToken__", c.file(t, fileOfSession)["refreshToken"])
		}
		require.NoError(t, c.Logout(t.Context()))
	})
}

func snapshotError(t *testing.T, service string, s conformance.Snapshot) {
	loginError(t, service, s)
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

// loginError polls for a token, or signs out, with the error as the response.
func loginError(t *testing.T, service string, s conformance.Snapshot) {
	synctest.Test(t, func(t *testing.T) {
		c := newCenter(t)
		p, err := c.Begin(t.Context())
		require.NoError(t, err)
		failed := false
		c.rewrite = func(r *http.Request) *http.Response {
			if service == "ssooidc" && r.URL.Path == "/token" && !failed || r.URL.Path == "/logout" && service == "sso" {
				failed = true
				return respond(s.Status, s.Body)
			}
			return nil
		}
		c.portal.Confirm(p.UserCode, true)
		_, err = p.Wait(t.Context())
		retried := s.Status >= 429 || strings.HasPrefix(s.Name, "AuthorizationPending") || strings.HasPrefix(s.Name, "SlowDown")
		switch name, _, _ := strings.Cut(s.Name, "."); {
		case service == "sso" || retried:
			require.NoError(t, err)
		case name == "AccessDeniedException":
			require.ErrorContains(t, err, "the request was denied in the browser")
		case name == "ExpiredTokenException":
			require.ErrorContains(t, err, "was not completed in the browser before it expired")
		default:
			require.ErrorIs(t, err, stschain.ErrPermanent)
		}
		if service == "sso" {
			require.Equal(t, s.Status == http.StatusUnauthorized, c.Logout(t.Context()) == nil)
		}
	})
}
