package ststest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/ststest"
)

const portalURL = "https://example.awsapps.com/start"

// oidcRequest is a request of the OIDC service.
func oidcRequest(path string, members map[string]any) []byte {
	body, _ := json.Marshal(members)
	r := httptest.NewRequest(http.MethodPost, "https://oidc.eu-west-1.amazonaws.com"+path, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	var raw bytes.Buffer
	_ = r.Write(&raw)
	return raw.Bytes()
}

// call sends a request, and returns the members of the response.
func centerCall(t *testing.T, srv *ststest.Server, raw []byte) (int, map[string]any) {
	rec, ok := serve(srv, raw)
	require.True(t, ok)
	doc := map[string]any{}
	if rec.Body.Len() > 0 {
		require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &doc))
	}
	return rec.Code, doc
}

func registerClient(t *testing.T, srv *ststest.Server, browser bool) (id, secret string) {
	in := map[string]any{"clientName": "botocore-client-work", "clientType": "public", "scopes": []string{"sso:account:access"}}
	if browser {
		in["grantTypes"], in["redirectUris"], in["issuerUrl"] = []string{"authorization_code", "refresh_token"}, []string{"http://127.0.0.1/oauth/callback"}, portalURL
	}
	code, out := centerCall(t, srv, oidcRequest("/client/register", in))
	require.Equal(t, 200, code, "%v", out)
	return out["clientId"].(string), out["clientSecret"].(string)
}

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// The user confirms a code, and the program must not request the token too often.
func TestIdentityCenterDevice(t *testing.T) {
	srv, mock := fixed(t)
	portal := srv.AddIdentityCenter(ststest.IdentityCenter{StartURL: portalURL, Roles: []string{"arn:aws:iam::123456789012:role/backup"}})
	id, secret := registerClient(t, srv, false)
	start := func() (device, user string) {
		code, out := centerCall(t, srv, oidcRequest("/device_authorization", map[string]any{"clientId": id, "clientSecret": secret, "startUrl": portalURL}))
		require.Equal(t, 200, code)
		require.EqualValues(t, 600, out["expiresIn"])
		require.EqualValues(t, 5, out["interval"])
		return out["deviceCode"].(string), out["userCode"].(string)
	}
	token := func(device string) (int, map[string]any) {
		return centerCall(t, srv, oidcRequest("/token", map[string]any{"clientId": id, "clientSecret": secret, "grantType": deviceGrant, "deviceCode": device}))
	}
	device, user := start()
	expect := func(device, want string) {
		t.Helper()
		code, out := token(device)
		require.Equal(t, 400, code)
		require.Equal(t, want, out["error"])
	}
	expect(device, "authorization_pending")
	expect(device, "slow_down")
	mock.Add(5 * time.Second)
	expect(device, "slow_down")
	mock.Add(15 * time.Second)
	expect(device, "authorization_pending")
	require.False(t, portal.Confirm("XXXX", true))
	require.True(t, portal.Confirm(user, true))
	require.False(t, portal.Confirm(user, false))
	mock.Add(15 * time.Second)
	code, out := token(device)
	require.Equal(t, 200, code)
	require.EqualValues(t, 3600, out["expiresIn"])
	mock.Add(15 * time.Second)
	expect(device, "invalid_grant") // it works once

	denied, user := start()
	require.True(t, portal.Confirm(user, false))
	expect(denied, "access_denied")
	late, user := start()
	mock.Add(10 * time.Minute)
	require.False(t, portal.Confirm(user, true))
	expect(late, "expired_token")

	// The portal has the user's roles, and the token works until the user signs out.
	get := func(path string) (int, map[string]any) {
		r := httptest.NewRequest(http.MethodGet, "https://portal.sso.eu-west-1.amazonaws.com"+path, nil)
		r.Header.Set("X-Amz-Sso_bearer_token", out["accessToken"].(string))
		if path == "/logout" {
			r.Method = http.MethodPost
		}
		var raw bytes.Buffer
		require.NoError(t, r.Write(&raw))
		return centerCall(t, srv, raw.Bytes())
	}
	code, role := get("/federation/credentials?account_id=123456789012&role_name=backup")
	require.Equal(t, 200, code, "%v", role)
	keys := role["roleCredentials"].(map[string]any)
	require.EqualValues(t, mock.Now().Add(time.Hour).UnixMilli(), keys["expiration"])
	caller, known := srv.Caller(keys["accessKeyId"].(string))
	require.True(t, known)
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/backup/user", caller.ARN)
	code, _ = get("/federation/credentials?account_id=123456789012&role_name=other")
	require.Equal(t, 403, code)
	code, _ = get("/logout")
	require.Equal(t, 200, code)
	code, _ = get("/logout")
	require.Equal(t, 401, code)

	for _, call := range srv.Calls() {
		for _, s := range []string{secret, device, out["accessToken"].(string), out["refreshToken"].(string)} {
			canary.CheckText(t, s, fmt.Sprintf("%+v", call))
		}
	}
	canary.CheckText(t, secret, fmt.Sprintf("%+v %v", portal, srv))
}

// What is not exactly the request of a correct client is refused.
func TestIdentityCenterBytes(t *testing.T) {
	srv, _ := fixed(t)
	srv.AddIdentityCenter(ststest.IdentityCenter{StartURL: portalURL})
	srv.AllowRefusals()
	id, secret := registerClient(t, srv, true)
	verifier := strings.Repeat("v", 43)
	authorize := func(change func(url.Values)) *httptest.ResponseRecorder {
		q := url.Values{
			"response_type": {"code"}, "client_id": {id}, "redirect_uri": {"http://127.0.0.1:4711/oauth/callback"}, "state": {"0123456789abcdef"},
			"code_challenge_method": {"S256"}, "code_challenge": {"7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"}, "scopes": {"sso:account:access"},
		}
		if change != nil {
			change(q)
		}
		rec := httptest.NewRecorder()
		srv.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "https://oidc.eu-west-1.amazonaws.com/authorize?"+q.Encode(), nil))
		return rec
	}
	redeem := func() []byte {
		rec := authorize(nil)
		require.Equal(t, http.StatusFound, rec.Code, rec.Body)
		back, err := url.Parse(rec.Header().Get("Location"))
		require.NoError(t, err)
		require.Equal(t, "127.0.0.1:4711", back.Host)
		require.Equal(t, "0123456789abcdef", back.Query().Get("state"))
		return oidcRequest("/token", map[string]any{
			"clientId": id, "clientSecret": secret, "grantType": "authorization_code", "code": back.Query().Get("code"), "codeVerifier": verifier, "redirectUri": "http://127.0.0.1:4711/oauth/callback",
		})
	}
	code, out := centerCall(t, srv, redeem())
	require.Equal(t, 200, code, "%v", out)

	for name, values := range map[string][]string{
		"response_type": {"token", ""}, "client_id": {"x"}, "state": {"short"}, "code_challenge_method": {"plain"}, "code_challenge": {"x"}, "scopes": {"x"},
		"redirect_uri": {"http://127.0.0.1/oauth/callback", "http://127.0.0.1:4711/", "http://localhost:4711/oauth/callback", "https://127.0.0.1:4711/oauth/callback", "http://evil.example:4711/oauth/callback"},
	} {
		for _, value := range values {
			require.GreaterOrEqual(t, authorize(func(q url.Values) { q.Set(name, value) }).Code, 400, "%s=%s", name, value)
		}
	}
	require.Equal(t, 400, authorize(func(q url.Values) { q.Set("x", "y") }).Code)

	// Each byte of the body is verified.
	body := bytes.Index(redeem(), []byte("\r\n\r\n")) + 4
	for i := range len(redeem()) - body {
		raw := redeem()
		raw[body+i]++
		rec, ok := serve(srv, raw)
		require.False(t, ok && rec.Code == 200, "the change of byte %d, %q, is accepted", i, raw[body:body+i+1])
	}

	for name, in := range map[string]map[string]any{
		"another type":    {"clientName": "botocore-client-x", "clientType": "confidential"},
		"another name":    {"clientName": "x", "clientType": "public"},
		"another scope":   {"clientName": "botocore-client-x", "clientType": "public", "scopes": []string{"x"}},
		"no list":         {"clientName": "botocore-client-x", "clientType": "public", "scopes": "sso:account:access"},
		"a redirect only": {"clientName": "botocore-client-x", "clientType": "public", "redirectUris": []string{"http://127.0.0.1/oauth/callback"}},
		"a port":          {"clientName": "botocore-client-x", "clientType": "public", "grantTypes": []string{"authorization_code", "refresh_token"}, "issuerUrl": portalURL, "redirectUris": []string{"http://127.0.0.1:1/oauth/callback"}},
		"another issuer":  {"clientName": "botocore-client-x", "clientType": "public", "grantTypes": []string{"authorization_code", "refresh_token"}, "issuerUrl": "x", "redirectUris": []string{"http://127.0.0.1/oauth/callback"}},
		"unknown":         {"clientName": "botocore-client-x", "clientType": "public", "x": "y"},
		"missing":         {"clientType": "public"},
	} {
		code, _ := centerCall(t, srv, oidcRequest("/client/register", in))
		require.Equal(t, 400, code, name)
	}

	srv.AddIdentityCenter(ststest.IdentityCenter{StartURL: portalURL, Deny: true})
	require.Contains(t, authorize(nil).Header().Get("Location"), "?error=access_denied&state=0123456789abcdef")
}
