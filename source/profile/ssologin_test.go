package profile_test

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/profile"
)

// The profile, or the one that it gets its credentials from, names the IAM Identity Center to sign in to.
func TestSSOLogin(t *testing.T) {
	const role = "sso_account_id = 123456789012\nsso_role_name = Developer\n"
	scoped := "[sso-session work]\nsso_region = eu-north-1\nsso_start_url = https://example.awsapps.com/start\nsso_registration_scopes = sso:account:access , x:y,\n"
	for name, test := range map[string]struct {
		config, session string
		env             env
		scopes          []string
		want, wantOIDC  string // session, endpoint
		err             string
	}{
		"a session":            {config: "[profile p]\nsso_session = work\n" + role + session, want: "work"},
		"without a role":       {config: "[profile p]\nsso_session = work\n" + scoped, want: "work", scopes: []string{"sso:account:access", "x:y"}},
		"no session":           {config: "[profile p]\nsso_region = eu-north-1\nsso_registration_scopes = x:y\nsso_start_url = https://example.awsapps.com/start\n" + role},
		"the source of a role": {config: "[profile p]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = q\n[profile q]\nsso_session = work\n" + role + session, want: "work"},
		"by its name":          {config: "[profile p]\nregion = eu-west-1\n" + scoped, session: "work", want: "work", scopes: []string{"sso:account:access", "x:y"}},
		"an endpoint":          {config: "[profile p]\nsso_session = work\n" + role + session, env: env{"AWS_ENDPOINT_URL_SSO_OIDC": "http://127.0.0.1:1/x"}, want: "work", wantOIDC: "http://127.0.0.1:1/x"},

		"another kind":      {config: "[profile p]\naws_access_key_id = a\naws_secret_access_key = s\n", err: "profile: [profile p] does not use IAM Identity Center: set sso_session in it, or name another profile or an sso-session"},
		"no such profile":   {config: "[profile q]\n", err: `the profile "p", which is not in`},
		"no such session":   {config: "[profile p]\n", session: "play", err: "there is no [sso-session play] in /config"},
		"half a session":    {config: "[profile p]\n[sso-session work]\nsso_region = x\n", session: "work", err: "sso_start_url is missing, which IAM Identity Center needs"},
		"no home directory": {config: "[profile p]\nsso_session = work\n" + role + session, env: env{"HOME": ""}, err: "there is no home directory for the token of IAM Identity Center"},
	} {
		t.Run(name, func(t *testing.T) {
			all := env{"HOME": "/home", "AWS_CONFIG_FILE": "/config"}
			for name, value := range test.env {
				all[name] = value
			}
			p := &profile.Provider{Profile: "p", LookupEnv: all.lookup, Open: files{"/config": test.config}.open, HTTPClient: &http.Client{}}
			got, err := p.Login(t.Context(), test.session)
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				require.ErrorIs(t, err, stschain.ErrPermanent)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, got.Session)
			require.Equal(t, []string{"https://example.awsapps.com/start", "eu-north-1", filepath.FromSlash("/home/.aws/sso/cache")}, []string{got.StartURL, got.Region, got.CacheDir})
			require.Equal(t, test.scopes, got.Scopes)
			require.Equal(t, test.wantOIDC, got.OIDCEndpoint)
			require.Same(t, p.HTTPClient, got.HTTPClient)
		})
	}
}
