package ststest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/ststest"
)

const (
	signIn      = "https://signin.aws.amazon.com/federation"
	destination = "https://console.aws.amazon.com/s3"
)

// session is the Session parameter for credentials.
func session(c stschain.Credentials) string {
	text, err := json.Marshal(map[string]string{
		"sessionId": c.AccessKeyID, "sessionKey": c.SecretAccessKey.Reveal(), "sessionToken": c.SessionToken.Reveal(),
	})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// browser does not follow redirects.
func browser(h http.Handler) *http.Client {
	return &http.Client{Transport: ststest.InProcess(h), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func fetch(t *testing.T, res *http.Response, err error) (status int, body string, header http.Header) {
	t.Helper()
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(text), res.Header
}

// signInToken requests a token and returns it, or the page of the refusal.
func signInToken(t *testing.T, h http.Handler, c stschain.Credentials, pairs ...string) (token, page string) {
	t.Helper()
	v := url.Values{"Action": {"getSigninToken"}, "Session": {session(c)}}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	res, err := browser(h).PostForm(signIn, v)
	status, body, header := fetch(t, res, err)
	if status != 200 {
		require.Equal(t, 400, status)
		require.Contains(t, header.Get("Content-Type"), "text/html")
		return "", body
	}
	var reply struct{ SigninToken string }
	require.NoError(t, json.Unmarshal([]byte(body), &reply))
	return reply.SigninToken, ""
}

func login(t *testing.T, h http.Handler, token string) (status int, location string) {
	t.Helper()
	res, err := browser(h).Get(signIn + "?" + url.Values{
		"Action": {"login"}, "Issuer": {"https://idp.example"}, "Destination": {destination}, "SigninToken": {token},
	}.Encode())
	status, _, header := fetch(t, res, err)
	return status, header.Get("Location")
}

func TestSignIn(t *testing.T) {
	srv, mock := fixed(t)
	role := assume(t, srv, srv.User().Credentials, "DurationSeconds", "7200").credentials()
	for name, h := range map[string]http.Handler{"ServeHTTP": srv, "Federation": srv.Federation()} {
		t.Run(name, func(t *testing.T) {
			mock.Set(start)
			token, page := signInToken(t, h, role)
			require.Empty(t, page)
			mock.Add(15*time.Minute - 1)
			status, location := login(t, h, token)
			require.Equal(t, 302, status)
			require.Equal(t, destination, location)
			status, _ = login(t, h, token)
			require.Equal(t, 400, status, "a token is used once")

			token, _ = signInToken(t, h, role)
			mock.Add(15 * time.Minute)
			status, _ = login(t, h, token)
			require.Equal(t, 400, status, "a token lives 15 minutes")
			status, _ = login(t, h, "a guess")
			require.Equal(t, 400, status)
		})
	}
	res, err := browser(srv).Get(signIn + "?" + url.Values{"Action": {"getSigninToken"}, "Session": {session(role)}}.Encode())
	status, body, _ := fetch(t, res, err)
	require.Equal(t, 200, status, body)

	calls := srv.Calls()
	first := calls[1]
	require.Equal(t, "getSigninToken", first.Operation)
	require.Equal(t, "POST", first.Method)
	require.Equal(t, role.AccessKeyID, first.AccessKeyID)
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/backup/nightly", first.Caller)
	require.Equal(t, "[redacted]", first.Form.Get("Session"))
	require.Equal(t, "GET", calls[len(calls)-1].Method)
	require.Equal(t, 5, srv.Count("getSigninToken"))
	require.Equal(t, 8, srv.Count("login"))
	canary.Check(t, role.SecretAccessKey.Reveal(), calls)
	canary.Check(t, role.SessionToken.Reveal(), calls)
}

func TestSignInRefused(t *testing.T) {
	srv, mock := fixed(t)
	user := srv.User().Credentials
	role := assume(t, srv, user).credentials()
	chained := assume(t, srv, role).credentials()
	federated := call(t, srv, user, form("GetFederationToken", "Name", "bob")).credentials()
	userSession := call(t, srv, user, form("GetSessionToken")).credentials()
	viaSession := assume(t, srv, userSession).credentials()
	web := open(t, srv, webIdentity(srv.Issuer().Token(nil))).credentials()
	wrongSecret, wrongToken, revoked := role, role, assume(t, srv, user).credentials()
	wrongSecret.SecretAccessKey, wrongToken.SessionToken = stschain.NewSecret("x"), stschain.NewSecret("x")
	srv.Revoke(revoked.AccessKeyID)

	tests := []struct {
		name  string
		creds stschain.Credentials
		pairs []string
		want  string // of the page; "": a token
	}{
		{"role", role, nil, ""},
		{"role of a role", chained, nil, ""},
		{"federated user", federated, nil, ""},
		{"duration", role, []string{"SessionDuration", "43200"}, ""},
		{"duration, web identity", web, []string{"SessionDuration", "900"}, ""},
		{"duration, role of a role", chained, []string{"SessionDuration", "900"}, "SessionDuration is only for"},
		{"duration, role of a session", viaSession, []string{"SessionDuration", "900"}, "SessionDuration is only for"},
		{"duration, federated user", federated, []string{"SessionDuration", "900"}, "SessionDuration is only for"},
		{"short duration", role, []string{"SessionDuration", "899"}, "between 900 and 43200"},
		{"long duration", role, []string{"SessionDuration", "43201"}, "between 900 and 43200"},
		{"session", userSession, nil, "GetSessionToken cannot sign in"},
		{"user", user, nil, "is not a JSON object"},
		{"wrong secret", wrongSecret, nil, "known credentials"},
		{"wrong token", wrongToken, nil, "known credentials"},
		{"unknown", ststest.New().User().Credentials, []string{"Session", `{"sessionId":"x","sessionKey":"y","sessionToken":"z"}`}, "known credentials"},
		{"revoked", revoked, nil, "have expired"},
		{"no JSON", role, []string{"Session", "x"}, "is not a JSON object"},
		{"another member", role, []string{"Session", strings.Replace(session(role), "{", `{"x":1,`, 1)}, "is not a JSON object"},
		{"another parameter", role, []string{"DurationSeconds", "900"}, "is not one of getSigninToken"},
		{"another action", role, []string{"Action", "logout"}, "instead of getSigninToken or login"},
	}
	srv.AllowRefusals("BadRequest")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			token, page := signInToken(t, srv, test.creds, test.pairs...)
			if test.want == "" {
				require.NotEmpty(t, token, page)
				return
			}
			require.Contains(t, page, test.want)
			require.NotContains(t, page, role.SecretAccessKey.Reveal())
		})
	}
	mock.Add(time.Hour)
	_, page := signInToken(t, srv, role)
	require.Contains(t, page, "have expired")

	for name, req := range map[string]struct{ method, query string }{
		"login by POST":    {"POST", "Action=login&Destination=https%3A%2F%2Fx&SigninToken=x"},
		"no destination":   {"GET", "Action=login&SigninToken=x"},
		"http destination": {"GET", "Action=login&SigninToken=x&Destination=http%3A%2F%2Fx"},
		"action twice":     {"GET", "Action=login&Action=login"},
		"bad escape":       {"GET", "Action=%zz"},
		"DELETE":           {"DELETE", "Action=getSigninToken"},
	} {
		r, err := http.NewRequest(req.method, signIn+"?"+req.query, nil)
		require.NoError(t, err)
		res, err := browser(srv).Do(r)
		status, _, _ := fetch(t, res, err)
		require.Equal(t, 400, status, name)
	}
}

func TestSignInFaults(t *testing.T) {
	srv := ststest.NewTest(t)
	role := assume(t, srv, srv.User().Credentials).credentials()
	srv.FailNext(ststest.HTML(503).On("getSigninToken"))
	require.Equal(t, 200, whoAmI(t, srv, role).status, "the fault is for another operation")
	res, err := browser(srv).PostForm(signIn, url.Values{"Action": {"getSigninToken"}, "Session": {session(role)}})
	status, _, _ := fetch(t, res, err)
	require.Equal(t, 503, status)
	token, _ := signInToken(t, srv, role)
	require.NotEmpty(t, token)
}
