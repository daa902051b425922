package sso_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/source/sso"
)

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
		visited := make(chan struct{})
		go func() {
			defer close(visited)
			if resp, err := http.Get(back.String()); err == nil {
				resp.Body.Close()
			}
		}()
		_, err = p.Wait(t.Context())
		<-visited
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
