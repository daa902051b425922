package sso_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/sso"
)

const (
	startURL = "https://example.awsapps.com/start"

	// By sha1sum, of "work" and of startURL.
	fileOfSession  = "e274eeff768c6396088ec6eb091f4bf4d47ab1e0.json"
	fileOfStartURL = "e8be5486177c5b5392bd9aa76563515b29358e6e.json"

	access       = "canary-4711-access/token=="
	renewed      = "canary-4711-renewed/token=="
	refreshToken = "canary-4711-refresh/token=="
	clientSecret = "canary-4711-client/secret=="
	secretKey    = "canary-4711-key"
	sessionToken = "canary-4711-session=="
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

type object = map[string]any

// document is the file of a token that expires then.
func document(expires time.Time) object {
	return object{
		"startUrl": startURL, "region": "eu-west-1", "accessToken": access, "expiresAt": expires.UTC().Format(time.RFC3339),
		"clientId": "client", "clientSecret": clientSecret, "registrationExpiresAt": "2027-01-01T00:00:00Z",
		"refreshToken": refreshToken, "unknownField": object{"kept": []any{1.5, nil}},
	}
}

// with is a document with other members; nil ones are not there.
func with(doc object, changes object) object {
	doc = maps.Clone(doc)
	for name, value := range changes {
		if doc[name] = value; value == nil {
			delete(doc, name)
		}
	}
	return doc
}

// world is a machine on which a user has signed in, and IAM Identity Center.
type world struct {
	*sso.Provider
	clock   *clock.Mock
	service *service
	file    string
}

// newWorld is one where it is noon. doc is what is in the file: an object, text, or nil if
// there is none.
func newWorld(t *testing.T, doc any) *world {
	now := clock.NewMock()
	now.Set(noon)
	center := &service{t: t, now: now.Now, valid: access, refresh: refreshToken, life: time.Hour}
	dir := t.TempDir()
	w := &world{
		&sso.Provider{
			Session: "work", StartURL: startURL, Region: "eu-west-1", AccountID: "123456789012", RoleName: "Developer",
			CacheDir: dir, Clock: now, HTTPClient: &http.Client{Transport: center},
		},
		now, center, filepath.Join(dir, fileOfSession),
	}
	if doc != nil {
		w.write(t, doc)
	}
	return w
}

func (w *world) write(t *testing.T, doc any) {
	content, ok := doc.(string)
	if !ok {
		text, err := json.Marshal(doc)
		require.NoError(t, err)
		content = string(text)
	}
	require.NoError(t, os.WriteFile(w.file, []byte(content), 0o644))
}

func (w *world) read(t *testing.T) object {
	content, err := os.ReadFile(w.file)
	require.NoError(t, err)
	var doc object
	require.NoError(t, json.Unmarshal(content, &doc))
	return doc
}

// service is IAM Identity Center: the portal and the OIDC service.
type service struct {
	t   *testing.T
	now func() time.Time // on its clock

	portal, oidc http.HandlerFunc // in place of what follows

	mu      sync.Mutex
	valid   string        // access token
	refresh string        // refresh token
	life    time.Duration // of a new access token
	rotate  bool          // with each refresh, the refresh token changes
	sent    []string      // host and path
}

// RoundTrip is the service without a network.
func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	reply := w.Result()
	reply.Request = r
	return reply, nil
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	s.sent = append(s.sent, host+r.URL.Path)
	s.mu.Unlock()
	if cookies := r.Cookies(); len(cookies) > 0 {
		s.t.Errorf("%s gets the cookies %v", host, cookies)
	}
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path == "/federation/credentials" && s.portal != nil:
		s.portal(w, r)
	case r.URL.Path == "/federation/credentials":
		s.roleCredentials(w, r)
	case r.URL.Path == "/token" && s.oidc != nil:
		s.oidc(w, r)
	case r.URL.Path == "/token":
		s.createToken(w, r)
	default:
		s.t.Errorf("unexpected request %s %s", r.Method, r.URL)
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *service) roleCredentials(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method != http.MethodGet || r.URL.Query().Get("account_id") != "123456789012" || r.URL.Query().Get("role_name") != "Developer" {
		s.t.Errorf("unexpected request %s %s", r.Method, r.URL)
	}
	if r.Header.Get("X-Amz-Sso_bearer_token") != s.valid {
		reply(w, http.StatusUnauthorized, object{"message": "Session token not found or invalid", "__type": "com.amazonaws.switchboard.portal#UnauthorizedException"})
		return
	}
	reply(w, http.StatusOK, object{"roleCredentials": object{
		"accessKeyId": "ASIAROLE", "secretAccessKey": secretKey, "sessionToken": sessionToken, "expiration": s.now().Add(time.Hour).UnixMilli(),
	}})
}

func (s *service) createToken(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var in map[string]string
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		s.t.Errorf("%s %s with %s: %v", r.Method, r.URL, r.Header.Get("Content-Type"), err)
	}
	want := map[string]string{"grantType": "refresh_token", "clientId": "client", "clientSecret": clientSecret, "refreshToken": in["refreshToken"]}
	if !maps.Equal(in, want) {
		s.t.Errorf("the request for the token has %v", in)
	}
	if in["refreshToken"] != s.refresh {
		reply(w, http.StatusBadRequest, object{"error": "invalid_grant", "error_description": "Invalid refresh token provided"})
		return
	}
	s.valid = renewed
	out := object{"accessToken": renewed, "tokenType": "Bearer", "expiresIn": int(s.life / time.Second)}
	if s.rotate {
		s.refresh += "+"
		out["refreshToken"] = s.refresh
	}
	reply(w, http.StatusOK, out)
}

func reply(w http.ResponseWriter, status int, body object) {
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

// status responds to every request in one way.
func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		io.WriteString(w, body)
	}
}

const (
	portalHost = "portal.sso.eu-west-1.amazonaws.com/federation/credentials"
	oidcHost   = "oidc.eu-west-1.amazonaws.com/token"
)

// requests are those since the last time.
func (s *service) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent := s.sent
	s.sent = nil
	return sent
}

// role are the credentials that the portal gives at that time.
func role(at time.Time) stschain.Credentials {
	return stschain.Credentials{
		AccessKeyID: "ASIAROLE", SecretAccessKey: stschain.NewSecret(secretKey), SessionToken: stschain.NewSecret(sessionToken),
		Expires: at.Add(time.Hour), AccountID: "123456789012", Origin: "sso 123456789012/Developer",
	}
}

// responseOf is a response of 200.
func responseOf(body []byte) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body))}
}
