package sso_test

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/sso"
)

// What only a user can correct is permanent, and the error says what to do.
func TestPermanent(t *testing.T) {
	const logIn = "run aws sso login --sso-session work"
	ended, good := document(noon), document(noon.Add(time.Hour))
	for name, test := range map[string]struct {
		doc    any
		change func(*world)
		want   string
		advice string
		sent   []string
	}{
		"not signed in":         {doc: nil, want: "not signed in: ", advice: logIn},
		"empty":                 {doc: "", want: ".json: empty", advice: logIn},
		"half a file":           {doc: `{"accessToken":"` + access, want: ".json: not a JSON object", advice: logIn},
		"no object":             {doc: `["` + access + `"]`, want: ".json: not a JSON object", advice: logIn},
		"too large":             {doc: fmt.Sprintf(`{"a":"%01048576d"}`, 0), want: ".json: exceeds 1048576 bytes", advice: logIn},
		"another start URL":     {doc: with(good, object{"startUrl": "https://other.awsapps.com/start"}), want: ".json: its token is for a start URL other than " + startURL, advice: logIn},
		"start URL is not text": {doc: with(good, object{"startUrl": 1}), want: "startUrl is not a string", advice: logIn},
		"no access token":       {doc: with(good, object{"accessToken": nil}), want: "it has no accessToken", advice: logIn},
		"odd access token":      {doc: with(good, object{"accessToken": access + "\r\nX-Evil: 1"}), want: "its accessToken has characters that are not allowed in a header", advice: logIn},
		"no expiry":             {doc: with(good, object{"expiresAt": nil}), want: "it has no expiresAt", advice: logIn},
		"odd expiry":            {doc: with(good, object{"expiresAt": access}), want: "expiresAt is not a valid time", advice: logIn},

		"no refresh token": {doc: with(ended, object{"refreshToken": nil}), want: "the access token, valid until 2026-11-21T12:00:00Z, cannot be refreshed: it has no refreshToken", advice: logIn},
		"no client":        {doc: with(ended, object{"clientId": nil}), want: "it has no clientId", advice: logIn},
		"no client secret": {doc: with(ended, object{"clientSecret": nil}), want: "it has no clientSecret", advice: logIn},
		"odd client":       {doc: with(ended, object{"clientId": object{}}), want: "clientId is not a string", advice: logIn},
		"registration":     {doc: with(ended, object{"registrationExpiresAt": noon.Format(time.RFC3339)}), want: "the client registration expired at 2026-11-21T12:00:00Z", advice: logIn},
		"the session has ended": {
			doc: ended, change: func(w *world) { w.service.refresh = "another" }, sent: []string{oidcHost}, advice: logIn,
			want: "cannot be refreshed: oidc.eu-west-1.amazonaws.com returned 400 Bad Request, invalid_grant: Invalid refresh token provided; the session has probably ended",
		},

		"401": {
			doc: with(good, object{"refreshToken": nil}), change: func(w *world) { w.service.valid = "another" }, sent: []string{portalHost}, advice: logIn,
			want: "portal.sso.eu-west-1.amazonaws.com returned 401 Unauthorized, UnauthorizedException: Session token not found or invalid; the session has ended, although its token should be valid until 2026-11-21T13:00:00Z",
		},
		"401, and refreshing does not help": {
			doc: good, sent: []string{portalHost, oidcHost, portalHost}, advice: logIn,
			change: func(w *world) { w.service.portal = status(401, "") },
			want:   "returned 401 Unauthorized; the session has ended",
		},
		"401, and there is no refreshing": {
			doc: good, sent: []string{portalHost, oidcHost}, advice: logIn,
			change: func(w *world) { w.service.valid, w.service.refresh = "another", "another" },
			want:   "returned 401 Unauthorized, UnauthorizedException",
		},
		"401 in another region": {
			doc: with(good, object{"region": "us-east-2", "refreshToken": nil}), change: func(w *world) { w.service.valid = "another" }, sent: []string{portalHost}, advice: logIn,
			want: "or its region is another: it is from us-east-2, and Region (sso_region) is eu-west-1",
		},
		"401 and a clock that is behind": {
			doc: with(good, object{"refreshToken": nil}), sent: []string{portalHost}, advice: logIn,
			change: func(w *world) {
				w.service.valid = "another"
				w.service.now = func() time.Time { return noon.Add(3 * time.Hour) }
			},
			want: "should be valid until 2026-11-21T13:00:00Z by this machine's clock, which is 3h0m1s behind: correct it",
		},

		"no such role": {
			doc: good, change: func(w *world) {
				w.service.portal = status(403, `{"message":"No access","__type":"com.amazonaws.switchboard.portal#ForbiddenException"}`)
			},
			sent: []string{portalHost}, want: "returned 403 Forbidden, ForbiddenException: No access; the signed-in user does not have the role Developer in the account 123456789012", advice: "check sso_role_name and sso_account_id",
		},
		"no such account": {
			doc: good, change: func(w *world) {
				w.service.portal = status(404, `{"message":"no","__type":"ResourceNotFoundException"}`)
			},
			sent: []string{portalHost}, want: "returned 404 Not Found, ResourceNotFoundException: no; the signed-in user does not have the role Developer", advice: "check sso_role_name",
		},
		"a bad request": {
			doc: good, change: func(w *world) {
				w.service.portal = status(400, `{"message":"a\nb","__type":"InvalidRequestException"}`)
			},
			sent: []string{portalHost}, want: "returned 400 Bad Request, InvalidRequestException: a b",
		},
		"secrets come back": {
			doc: good, change: func(w *world) {
				w.service.portal = status(400, `{"message":"I do not know `+access+`","__type":"InvalidRequestException"}`)
			},
			sent: []string{portalHost}, want: "returned 400 Bad Request, a message that is not shown, since it holds a secret",
		},
		"the start of a secret comes back": {
			doc: good, change: func(w *world) {
				w.service.portal = status(400, `{"message":"`+strings.Repeat("x", 470)+access+`","__type":"InvalidRequestException"}`)
			},
			sent: []string{portalHost}, want: "returned 400 Bad Request, a message that is not shown, since it holds a secret",
		},
		"a secret is the code": {
			doc: ended, change: func(w *world) { w.service.oidc = status(400, `{"error":"`+refreshToken+`"}`) },
			sent: []string{oidcHost}, want: "returned 400 Bad Request, a message that is not shown, since it holds a secret", advice: logIn,
		},
		"client secrets come back": {
			doc: ended, change: func(w *world) {
				w.service.oidc = status(400, `{"error":"invalid_client","error_description":"`+clientSecret+`"}`)
			},
			sent: []string{oidcHost}, want: "returned 400 Bad Request, a message that is not shown, since it holds a secret", advice: logIn,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, test.doc)
			if test.change != nil {
				test.change(w)
			}
			creds, err := w.Retrieve(t.Context())
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, test.advice)
			require.ErrorContains(t, err, "sso 123456789012/Developer: ")
			require.ErrorIs(t, err, stschain.ErrPermanent)
			require.False(t, stschain.IsUnavailable(err), "%v", err)
			require.Equal(t, stschain.Credentials{}, creds)
			require.Equal(t, test.sent, w.service.requests())
			leaksNothing(t, err)
		})
	}
}

// What may pass is retried at once, and is not permanent.
func TestTransient(t *testing.T) {
	good := document(noon.Add(time.Hour))
	failing := func(secret string) roundTrip { // as a transport might that shows what it sends
		return func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused to " + secret) }
	}
	for name, test := range map[string]struct {
		doc    any
		change func(*world)
		want   string
		sent   int
	}{
		"503":          {good, func(w *world) { w.service.portal = status(503, "<html>") }, "portal.sso.eu-west-1.amazonaws.com returned 503 Service Unavailable", 3},
		"429":          {good, func(w *world) { w.service.portal = status(429, `{"__type":"TooManyRequestsException"}`) }, "returned 429 Too Many Requests, TooManyRequestsException", 3},
		"two attempts": {good, func(w *world) { w.service.portal, w.MaxAttempts = status(500, ""), 2 }, "returned 500 Internal Server Error", 2},
		"no network":   {good, func(w *world) { w.HTTPClient.Transport = failing(access) }, "portal.sso.eu-west-1.amazonaws.com: no response: the transport failed, and its error is not shown", 0},
		"a proxy":      {good, func(w *world) { w.service.portal = status(403, "<html>") }, "returned 403 Forbidden", 1},
		"a redirect": {good, func(w *world) {
			w.service.portal = http.RedirectHandler("https://evil.example", http.StatusFound).ServeHTTP
		}, "returned 302 Found", 1},
		"no JSON":   {good, func(w *world) { w.service.portal = status(200, "<html>"+secretKey) }, "invalid response of portal.sso.eu-west-1.amazonaws.com: not a JSON object with roleCredentials", 1},
		"no keys":   {good, func(w *world) { w.service.portal = status(200, `{"roleCredentials":{"expiration":1}}`) }, "invalid response of portal.sso.eu-west-1.amazonaws.com: it has no AccessKeyId", 1},
		"no expiry": {good, func(w *world) { w.service.portal = status(200, `{"roleCredentials":{"expiration":"`+secretKey+`"}}`) }, "expiration is not a time", 1},
		"seconds":   {good, func(w *world) { w.service.portal = status(200, `{"roleCredentials":{"expiration":1e30}}`) }, "expiration is not a time", 1},
		"no token": {good, func(w *world) {
			w.service.portal = status(200, `{"roleCredentials":{"expiration":1,"accessKeyId":"A","secretAccessKey":"`+secretKey+`"}}`)
		}, "it has no sessionToken", 1},
		"too long":         {good, func(w *world) { w.service.portal = status(200, fmt.Sprintf("%0100000d", 0)) }, "response body exceeds 65536 bytes", 1},
		"OIDC, 500":        {document(noon), func(w *world) { w.service.oidc = status(500, `{"error":"server_error"}`) }, "cannot be refreshed: oidc.eu-west-1.amazonaws.com returned 500 Internal Server Error, server_error", 3},
		"OIDC, 429":        {document(noon), func(w *world) { w.service.oidc = status(429, `{"error":"slow_down"}`) }, "cannot be refreshed: oidc.eu-west-1.amazonaws.com returned 429 Too Many Requests, slow_down", 3},
		"OIDC, a proxy":    {document(noon), func(w *world) { w.service.oidc = status(403, "<html>") }, "returned 403 Forbidden", 1},
		"OIDC, empty":      {document(noon), func(w *world) { w.service.oidc = status(200, "") }, "invalid response of oidc.eu-west-1.amazonaws.com: not a JSON object with accessToken and expiresIn", 1},
		"OIDC, no token":   {document(noon), func(w *world) { w.service.oidc = status(200, `{"expiresIn":3600}`) }, "invalid response of oidc.eu-west-1.amazonaws.com: it has no accessToken", 1},
		"OIDC, no life":    {document(noon), func(w *world) { w.service.oidc = status(200, `{"accessToken":"`+renewed+`"}`) }, "expiresIn is not between 1 and 31622400 seconds", 1},
		"OIDC, eternal":    {document(noon), func(w *world) { w.service.oidc = status(200, `{"accessToken":"x","expiresIn":9223372036854775807}`) }, "expiresIn is not between", 1},
		"OIDC, odd token":  {document(noon), func(w *world) { w.service.oidc = status(200, `{"accessToken":"a\nb","expiresIn":3600}`) }, "its accessToken has characters", 1},
		"OIDC, no network": {document(noon), func(w *world) { w.HTTPClient.Transport = failing(refreshToken) }, "cannot be refreshed: oidc.eu-west-1.amazonaws.com: no response", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, test.doc)
			test.change(w)
			synctest.Test(t, func(t *testing.T) {
				_, err := w.Retrieve(t.Context())
				require.ErrorContains(t, err, test.want)
				require.NotErrorIs(t, err, stschain.ErrPermanent)
				require.Equal(t, name == "429" || name == "OIDC, 429", errors.Is(err, stschain.ErrThrottled))
				require.False(t, stschain.IsUnavailable(err), "%v", err)
				leaksNothing(t, err)
			})
			require.Len(t, w.service.requests(), test.sent)
		})
	}
}

// The start URLs of one portal are written in more than one way.
func TestStartURL(t *testing.T) {
	for written, ok := range map[string]bool{
		startURL: true, startURL + "/": true, startURL + "/#": true, startURL + "#": true, "": true,
		startURL + "x": false, "http" + startURL[5:]: false,
	} {
		w := newWorld(t, with(document(noon.Add(time.Hour)), object{"startUrl": written}))
		_, err := w.Retrieve(t.Context())
		require.Equal(t, ok, err == nil, "%q: %v", written, err)
	}
}

// Without a name, the advice is what fits every user.
func TestAdvice(t *testing.T) {
	for _, test := range []struct{ session, profile, want string }{
		{"work", "dev", "run aws sso login --sso-session work"},
		{"my work", "", `run aws sso login --sso-session "my work"`},
		{"", "dev", "run aws sso login --profile dev"},
		{"", "", "run aws sso login"},
	} {
		p := &sso.Provider{Session: test.session, Profile: test.profile, StartURL: startURL, Region: "eu-west-1", AccountID: "1", RoleName: "r", CacheDir: filepath.Join(t.TempDir(), "none")}
		_, err := p.Retrieve(t.Context())
		require.Regexp(t, test.want+"$", err.Error())
	}
}
