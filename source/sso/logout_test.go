package sso_test

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/sso"
)

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
