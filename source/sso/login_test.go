package sso_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/sso"
)

// By sha1sum, of the JSON that json.dumps of Python 3.11 writes.
const (
	fileOfClient       = "cc86c7902b7812d34191c72ae945e2d2146f470c.json"
	fileOfLegacyClient = "9d9dd9a416ed033eec7556781302088a89d3d330.json"
)

// A user signs in by device code. The files are those of `aws sso login`, and a Provider uses the token.
func TestLoginDevice(t *testing.T) {
	for name, test := range map[string]struct {
		session       string
		scopes        []string
		token, client string
		refreshed     bool // with scopes there is a refresh token
	}{
		"session": {"work", []string{"sso:account:access"}, fileOfSession, fileOfClient, true},
		"legacy":  {"", nil, fileOfStartURL, fileOfLegacyClient, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCenter(t)
				c.Session, c.Scopes = test.session, test.scopes
				began := time.Now()
				p, err := c.Begin(t.Context())
				require.NoError(t, err)
				require.Regexp(t, `^[A-Z]{4}-[A-Z]{4}$`, p.UserCode)
				require.Equal(t, "https://device.sso.eu-west-1.amazonaws.com/?user_code="+p.UserCode, p.URL)
				require.Equal(t, began.Add(10*time.Minute), p.Expires.Local())
				time.AfterFunc(12*time.Second, func() { c.portal.Confirm(p.UserCode, true) })
				expires, err := p.Wait(t.Context())
				require.NoError(t, err)
				require.Equal(t, 15*time.Second, time.Since(began))
				require.WithinDuration(t, time.Now().Add(time.Hour), expires, time.Second)
				require.Equal(t, []string{"/client/register 0s", "/device_authorization 0s", "/token 5s", "/token 10s", "/token 15s"}, c.requests())

				client := c.file(t, test.client)
				want := object{"clientId": client["clientId"], "clientSecret": client["clientSecret"], "expiresAt": began.Add(90 * 24 * time.Hour).UTC().Format(time.RFC3339)}
				if test.scopes != nil {
					want["scopes"] = []any{"sso:account:access"}
				}
				require.Equal(t, want, client)
				token := c.file(t, test.token)
				want = object{
					"startUrl": startURL, "region": "eu-west-1", "accessToken": token["accessToken"], "expiresAt": expires.UTC().Format(time.RFC3339),
					"clientId": client["clientId"], "clientSecret": client["clientSecret"], "registrationExpiresAt": client["expiresAt"],
				}
				if test.refreshed {
					want["refreshToken"] = token["refreshToken"]
					require.NotEmpty(t, token["refreshToken"])
				}
				require.Equal(t, want, token)

				// A Provider uses the token, and refreshes it.
				creds, err := c.retrieve(t)
				require.NoError(t, err)
				require.Equal(t, "sso 123456789012/Developer", creds.Origin)
				time.Sleep(2 * time.Hour)
				_, err = c.retrieve(t)
				require.Equal(t, test.refreshed, err == nil, "%v", err)

				// The next sign-in uses the same client.
				c.requests()
				_, err = c.Begin(t.Context())
				require.NoError(t, err)
				require.Len(t, c.requests(), 1)
			})
		})
	}
}

// A user signs in with a browser on this machine.
func TestLoginBrowser(t *testing.T) {
	c := newCenter(t)
	c.Browser = true
	for range 2 {
		p, err := c.Begin(t.Context())
		require.NoError(t, err)
		require.Empty(t, p.UserCode)
		require.Contains(t, p.URL, "https://oidc.eu-west-1.amazonaws.com/authorize?")
		page := make(chan *http.Response, 1)
		go func() { page <- c.open(t, p.URL) }()
		_, err = p.Wait(t.Context())
		require.NoError(t, err)
		shown := <-page
		require.Equal(t, http.StatusOK, shown.StatusCode)
		require.Equal(t, "no-store", shown.Header.Get("Cache-Control"))
		require.Equal(t, "no-referrer", shown.Header.Get("Referrer-Policy"))
	}
	require.Equal(t, 1, c.sts.Count("RegisterClient"))
	client := c.file(t, "7468b1473c79c2912b52bfeec3dfc19518597c59.json") // scopes are null in its name
	require.Equal(t, []any{"sso:account:access"}, client["scopes"])
	require.Equal(t, []any{"authorization_code", "refresh_token"}, client["grantTypes"])
	require.NotEmpty(t, c.file(t, fileOfSession)["refreshToken"])
	_, err := c.retrieve(t)
	require.NoError(t, err)

	// A client for browsers is not used for device codes.
	c.Browser = false
	_, err = c.Begin(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, c.sts.Count("RegisterClient"))
}

// The service slows the requests down for good, and failures only for a while.
func TestLoginSlowDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCenter(t)
		p, err := c.Begin(t.Context())
		require.NoError(t, err)
		n := 0
		c.rewrite = func(*http.Request) *http.Response {
			n++
			switch n {
			case 1:
				return respond(400, `{"error":"slow_down"}`)
			case 3:
				return respond(400, `{"__type":"com.amazonaws.sso.oidc#SlowDownException"}`)
			case 5:
				c.portal.Confirm(p.UserCode, true)
			}
			return nil
		}
		c.requests()
		_, err = p.Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"/token 5s", "/token 15s", "/token 25s", "/token 40s", "/token 55s"}, c.requests())
	})
}

// ahead is a clock that is wrong.
type ahead time.Duration

func (a ahead) Now() time.Time { return time.Now().Add(time.Duration(a)) }

// The clock of this machine is wrong: what the service counts in seconds still works, and a client that it no longer
// knows is replaced.
func TestLoginWrongClock(t *testing.T) {
	for _, off := range []time.Duration{-200 * 24 * time.Hour, -time.Hour, time.Hour, 200 * 24 * time.Hour} {
		t.Run(off.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCenter(t)
				c.Clock = ahead(off)
				signIn := func() {
					p, err := c.Begin(t.Context())
					require.NoError(t, err)
					require.WithinDuration(t, time.Now().Add(10*time.Minute+off), p.Expires, time.Second)
					require.True(t, c.portal.Confirm(p.UserCode, true))
					expires, err := p.Wait(t.Context())
					require.NoError(t, err)
					require.WithinDuration(t, time.Now().Add(time.Hour+off), expires, time.Second, "by the wrong clock, which reads it")
					_, err = c.retrieve(t)
					require.NoError(t, err)
				}
				signIn()
				time.Sleep(100 * 24 * time.Hour) // the client has expired
				signIn()
				c.portal.EndSessions()
				signIn()
			})
		})
	}
}

// Two processes sign in at once: they share a client, each has its own code, and the file has one of the tokens.
func TestLoginTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCenter(t)
		var all sync.WaitGroup
		var codes, errs [2]string
		for i := range codes {
			all.Go(func() {
				other := &sso.Login{Session: "work", StartURL: startURL, Region: "eu-west-1", CacheDir: c.dir, HTTPClient: c.HTTPClient}
				p, err := other.Begin(t.Context())
				if err == nil {
					codes[i] = p.UserCode
					time.AfterFunc(time.Duration(i)*7*time.Second, func() { c.portal.Confirm(p.UserCode, true) })
					_, err = p.Wait(t.Context())
				}
				errs[i] = fmt.Sprint(err)
			})
		}
		all.Wait()
		require.Equal(t, [2]string{"<nil>", "<nil>"}, errs)
		require.NotEqual(t, codes[0], codes[1])
		require.Equal(t, 1, c.sts.Count("RegisterClient"))
		access, _ := c.file(t, fileOfSession)["accessToken"].(string)
		require.True(t, c.portal.Accepts(stschain.NewSecret(access)))
	})
}

// A caller that gives up gets its own error, and Wait may be called again.
func TestLoginCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCenter(t)
		p, err := c.Begin(t.Context())
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		_, err = p.Wait(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, stschain.ErrPermanent)
		c.portal.Confirm(p.UserCode, true)
		_, err = p.Wait(t.Context())
		require.NoError(t, err)

		c.Browser = true
		c.Listen(make(silence))
		p, err = c.Begin(t.Context())
		require.NoError(t, err)
		ctx, cancel = context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		_, err = p.Wait(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		c.Listen(make(silence))
		p, err = c.Begin(t.Context())
		require.NoError(t, err)
		p.Close()
		_, err = p.Wait(t.Context())
		require.ErrorContains(t, err, "the port of the redirect was closed")
	})
}
