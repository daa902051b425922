package sso_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
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

// Requests to the port that are not the redirect change nothing, whatever page or program sends them.
func TestLoginCallback(t *testing.T) {
	c := newCenter(t)
	c.Browser = true
	p, err := c.Begin(t.Context())
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() {
		_, err := p.Wait(t.Context())
		ended <- err
	}()
	back := c.visit(t, p.URL)
	for name, test := range map[string]struct {
		change func(*http.Request)
		want   int
	}{
		"another path":       {func(r *http.Request) { r.URL.Path = "/" }, 404},
		"POST":               {func(r *http.Request) { r.Method = "POST" }, 405},
		"a rebound name":     {func(r *http.Request) { r.Host = "evil.example:" + back.Port() }, 403},
		"localhost":          {func(r *http.Request) { r.Host = "localhost:" + back.Port() }, 403},
		"through a proxy":    {func(r *http.Request) { r.Header.Set("X-Forwarded-For", "1.2.3.4") }, 403},
		"another state":      {func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "state=", "state=x", 1) }, 400},
		"no state":           {func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "state=", "x=", 1) }, 400},
		"two states":         {func(r *http.Request) { r.URL.RawQuery += "&state=x" }, 400},
		"no code":            {func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "code=", "x=", 1) }, 400},
		"two codes":          {func(r *http.Request) { r.URL.RawQuery += "&code=x" }, 400},
		"a code and a error": {func(r *http.Request) { r.URL.RawQuery += "&error=access_denied" }, 400},
		"a denial of others": {func(r *http.Request) { r.URL.RawQuery = "error=access_denied&state=x" }, 400},
		"not a query":        {func(r *http.Request) { r.URL.RawQuery += "&%zz" }, 400},
		"a long code": {func(r *http.Request) {
			r.URL.RawQuery = "state=" + back.Query().Get("state") + "&code=" + strings.Repeat("x", 5000)
		}, 400},
	} {
		t.Run(name, func(t *testing.T) {
			r := must(http.NewRequestWithContext(t.Context(), http.MethodGet, back.String(), nil))
			test.change(r)
			resp, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			resp.Body.Close()
			require.Equal(t, test.want, resp.StatusCode)
		})
	}
	select {
	case err := <-ended:
		t.Fatal(err)
	default:
	}
	resp, err := http.Get(back.String())
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)
	require.NoError(t, <-ended)
}

// What the user or the service decides against is permanent, in both flows.
func TestLoginRefused(t *testing.T) {
	denied := func(c *center, p *sso.Pending) { c.portal.Confirm(p.UserCode, false) }
	nothing := func(*center, *sso.Pending) {}
	for name, test := range map[string]struct {
		does  func(*center, *sso.Pending)
		sends string // the service, instead of its own response to CreateToken
		want  string
		after time.Duration
	}{
		"denied":              {denied, "", "the request was denied in the browser: oidc.eu-west-1.amazonaws.com returned 400 Bad Request, access_denied", 5 * time.Second},
		"the browser closed":  {nothing, "", "was not completed in the browser before it expired: sign in again", 10 * time.Minute},
		"expired":             {nothing, `{"error":"expired_token"}`, "was not completed in the browser before it expired: sign in again", 5 * time.Second},
		"unknown":             {nothing, `{"error":"invalid_grant","error_description":"ECHO"}`, "returned 400 Bad Request, a message that is not shown", 5 * time.Second},
		"a token of no use":   {nothing, "200", "invalid response of oidc.eu-west-1.amazonaws.com: it has no accessToken", 5 * time.Second},
		"the service is down": {nothing, "0", "the latest request for the token failed: oidc.eu-west-1.amazonaws.com: ", 10 * time.Minute},
		"errors only":         {nothing, "500", "the latest request for the token failed: oidc.eu-west-1.amazonaws.com returned 500", 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCenter(t)
				p, err := c.Begin(t.Context())
				require.NoError(t, err)
				c.rewrite = func(r *http.Request) *http.Response {
					switch {
					case r.URL.Path != "/token" || test.sends == "":
						return nil
					case test.sends == "0":
						return &http.Response{}
					case test.sends == "200", test.sends == "500":
						return respond(map[string]int{"200": 200, "500": 500}[test.sends], `{"expiresIn":3600}`)
					}
					return respond(400, strings.Replace(test.sends, "ECHO", strings.Join(c.secrets(), " "), 1))
				}
				test.does(c, p)
				began := time.Now()
				_, err = p.Wait(t.Context())
				require.ErrorContains(t, err, test.want)
				require.ErrorContains(t, err, "sso: not signed in: ")
				require.ErrorIs(t, err, stschain.ErrPermanent)
				require.Equal(t, test.after, time.Since(began))
				require.NoFileExists(t, filepath.Join(c.dir, fileOfSession))
				checkSecrets(t, c, err, p)
			})
		})
	}
	t.Run("denied in the browser", func(t *testing.T) {
		c := newCenter(t)
		c.Browser = true
		p, err := c.Begin(t.Context())
		require.NoError(t, err)
		back := c.visit(t, p.URL)
		back.RawQuery = "error=access_denied&error_description=x%0Ay&state=" + back.Query().Get("state")
		go http.Get(back.String())
		_, err = p.Wait(t.Context())
		require.EqualError(t, err, "sso: not signed in: the browser was redirected with the error access_denied: x y")
		require.ErrorIs(t, err, stschain.ErrPermanent)
	})
	t.Run("the page is closed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCenter(t)
			c.Browser = true
			for registrations := range 3 { // the service may have rejected a cached client with a page
				c.Listen(make(silence))
				p, err := c.Begin(t.Context())
				require.NoError(t, err)
				began := time.Now()
				_, err = p.Wait(t.Context())
				require.ErrorContains(t, err, "was not completed in the browser")
				require.ErrorIs(t, err, stschain.ErrPermanent)
				require.Equal(t, 10*time.Minute, time.Since(began))
				require.Equal(t, []int{1, 1, 2}[registrations], c.sts.Count("RegisterClient"))
			}
		})
	})
}

// checkSecrets fails the test if an error, or what is pending, shows a secret of the sign-in.
func checkSecrets(t *testing.T, c *center, err error, pending *sso.Pending) {
	t.Helper()
	secrets := c.secrets()
	require.NotEmpty(t, secrets)
	text := fmt.Sprintf("%v %+v %#v %s", err, err, err, pending)
	if pending != nil {
		text += fmt.Sprintf("%+v %#v", *pending, *pending)
	}
	for ; err != nil; err = errors.Unwrap(err) {
		text += fmt.Sprintf(" %+v", err)
	}
	for _, secret := range secrets {
		canary.CheckText(t, secret, text)
	}
}

// The service says when to request the token next.
func TestAfterPoll(t *testing.T) {
	refused, failed := stschain.Permanent(errors.New("refused")), errors.New("no response")
	for name, test := range map[string]struct {
		kind  string
		err   error
		every time.Duration
		want  string // of a final error
		next  time.Duration
	}{
		"pending":         {"authorization_pending", refused, 5 * time.Second, "", 5 * time.Second},
		"slow down":       {"slow_down", refused, 5 * time.Second, "", 10 * time.Second},
		"slow down again": {"slow_down", refused, time.Minute, "", 65 * time.Second},
		"denied":          {"access_denied", refused, 5 * time.Second, "the request was denied in the browser: refused", 0},
		"expired":         {"expired_token", refused, 5 * time.Second, "the sign-in was not completed in the browser before it expired: sign in again: refused", 0},
		"refused":         {"invalid_client", refused, 5 * time.Second, "refused", 0},
		"no response":     {"", failed, 5 * time.Second, "", 10 * time.Second},
		"still none":      {"", failed, 40 * time.Second, "", time.Minute},
		"slower than it":  {"", failed, 65 * time.Second, "", 65 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			next, final := sso.AfterPoll(test.kind, test.err, test.every)
			require.Equal(t, test.next, next)
			if test.want == "" {
				require.NoError(t, final)
				return
			}
			require.EqualError(t, final, test.want)
		})
	}
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

// Two sign-ins in the browser at once do not take each other's redirects.
func TestLoginTwiceInBrowser(t *testing.T) {
	c := newCenter(t)
	c.Browser = true
	var pages [2]*sso.Pending
	ended := make(chan error, 2)
	for i := range pages {
		p, err := c.Begin(t.Context())
		require.NoError(t, err)
		pages[i] = p
		go func() {
			_, err := p.Wait(t.Context())
			ended <- err
		}()
	}
	require.Equal(t, 1, c.sts.Count("RegisterClient"))
	first, second := c.visit(t, pages[0].URL), c.visit(t, pages[1].URL)
	require.NotEqual(t, first.Port(), second.Port())
	crossed := *second
	crossed.RawQuery = first.RawQuery
	for _, visit := range []struct {
		page string
		want int
	}{{crossed.String(), http.StatusBadRequest}, {second.String(), http.StatusOK}, {first.String(), http.StatusOK}} {
		resp, err := http.Get(visit.page)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, visit.want, resp.StatusCode)
	}
	require.NoError(t, <-ended)
	require.NoError(t, <-ended)
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

// What is invalid is an error before anything is sent or shown.
func TestLoginInvalid(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*center)
		want   string
	}{
		"no start URL": {func(c *center) { c.StartURL = " " }, "StartURL is missing"},
		"no region":    {func(c *center) { c.Region = "" }, "Region is missing"},
		"region":       {func(c *center) { c.Region = "a/b" }, "Region is not a valid region"},
		"endpoint":     {func(c *center) { c.OIDCEndpoint = "http://oidc.example" }, "OIDCEndpoint (AWS_ENDPOINT_URL_SSO_OIDC) is plain http"},
		"directory":    {func(c *center) { c.CacheDir = os.DevNull + "/x" }, "cannot create the directory of the token"},
		"no lock": {func(c *center) {
			_ = os.MkdirAll(filepath.Join(c.dir, "7468b1473c79c2912b52bfeec3dfc19518597c59.json.lock"), 0o700)
		}, "cannot write to the directory of the token"},
		"a page that is not one": {func(c *center) {
			c.rewrite = func(r *http.Request) *http.Response {
				if r.URL.Path != "/device_authorization" {
					return nil
				}
				return respond(200, `{"deviceCode":"canary-code","userCode":"A","verificationUriComplete":"file:///etc/passwd"}`)
			}
		}, "verificationUriComplete is not an https URL"},
		"a code of control characters": {func(c *center) {
			c.rewrite = func(r *http.Request) *http.Response {
				if r.URL.Path != "/device_authorization" {
					return nil
				}
				return respond(200, `{"deviceCode":"canary-code","userCode":"\u001b[2J","verificationUriComplete":"https://x.example/"}`)
			}
		}, "userCode is missing or cannot be shown"},
		"no client": {func(c *center) {
			c.rewrite = func(*http.Request) *http.Response { return respond(200, `{}`) }
		}, "clientId, clientSecret or clientSecretExpiresAt is missing or invalid"},
		"not JSON": {func(c *center) {
			c.rewrite = func(*http.Request) *http.Response { return respond(200, `<html>`) }
		}, "invalid response of oidc.eu-west-1.amazonaws.com: not the expected JSON object"},
		"another start URL": {func(c *center) { c.StartURL = "https://other.awsapps.com/start" }, "invalid_request: Invalid start URL provided"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCenter(t)
				test.change(c)
				_, err := c.Begin(t.Context())
				require.ErrorContains(t, err, test.want)
				require.ErrorContains(t, err, "sso: cannot begin to sign in: ")
				require.ErrorIs(t, err, stschain.ErrPermanent)
			})
		})
	}
}

// The user signs out.
func TestLogout(t *testing.T) {
	signedIn := func(t *testing.T) (c *center, access stschain.Secret) {
		c = newCenter(t)
		p, err := c.Begin(t.Context())
		require.NoError(t, err)
		c.portal.Confirm(p.UserCode, true)
		_, err = p.Wait(t.Context())
		require.NoError(t, err)
		text, _ := c.file(t, fileOfSession)["accessToken"].(string)
		return c, stschain.NewSecret(text)
	}
	for name, test := range map[string]struct {
		before  func(*center)
		want    string
		revoked bool
	}{
		"signed in":         {func(*center) {}, "", true},
		"the session ended": {func(c *center) { c.portal.EndSessions() }, "", true},
		"no response": {func(c *center) {
			c.rewrite = func(*http.Request) *http.Response { return &http.Response{} }
		}, "the token was removed, but the session at the portal was not ended: portal.sso.eu-west-1.amazonaws.com: ", false},
		"refused": {func(c *center) {
			c.rewrite = func(*http.Request) *http.Response { return respond(403, `{"message":"no"}`) }
		}, "was not ended: portal.sso.eu-west-1.amazonaws.com returned 403 Forbidden, no", false},
		"half a file": {func(c *center) {
			_ = os.WriteFile(filepath.Join(c.dir, fileOfSession), []byte(`{"accessToken":"x`), 0o600)
		}, "was not ended: not a JSON object", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, access := signedIn(t)
				test.before(c)
				err := c.Logout(t.Context())
				if test.want == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, "sso: cannot sign out: ")
					require.ErrorContains(t, err, test.want)
					checkSecrets(t, c, err, nil)
				}
				require.Equal(t, !test.revoked, c.portal.Accepts(access))
				_, err = os.Stat(filepath.Join(c.dir, fileOfSession))
				require.ErrorIs(t, err, fs.ErrNotExist)
				require.NoError(t, c.Logout(t.Context()), "there is no token")
				_, err = c.retrieve(t)
				require.ErrorContains(t, err, "not signed in")
			})
		})
	}
	require.NoError(t, (&sso.Login{Session: "work", StartURL: startURL, Region: "eu-west-1", CacheDir: filepath.Join(t.TempDir(), "none")}).Logout(t.Context()))
	require.ErrorContains(t, (&sso.Login{Region: "eu-west-1"}).Logout(t.Context()), "sso: cannot sign out: StartURL is missing")
}
