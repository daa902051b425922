package sso_test

import (
	"context"
	"errors"
	"io/fs"
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

func TestRetrieve(t *testing.T) {
	w := newWorld(t, document(noon.Add(time.Hour)))
	creds, err := w.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, role(noon), creds)
	require.Equal(t, []string{portalHost}, w.service.requests())
	require.Equal(t, "sso 123456789012/Developer", w.String())
}

// A profile without a session has its token under the start URL.
// Reports: aws-sdk-go-v2#2241.
func TestLegacy(t *testing.T) {
	w := newWorld(t, nil)
	w.Session = ""
	w.file = filepath.Join(w.CacheDir, fileOfStartURL)
	w.write(t, object{"startUrl": startURL, "region": "eu-west-1", "accessToken": access, "expiresAt": "2026-11-21T20:00:00UTC"})
	creds, err := w.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "ASIAROLE", creds.AccessKeyID)

	w.Profile = "dev"
	w.clock.Set(noon.Add(8 * time.Hour))
	_, err = w.Retrieve(t.Context())
	require.ErrorIs(t, err, stschain.ErrPermanent)
	require.ErrorContains(t, err, "the access token, valid until 2026-11-21T20:00:00Z, cannot be refreshed: it has no refreshToken; run aws sso login --profile dev")
}

func TestHome(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	dir := filepath.Join(home, ".aws", "sso", "cache")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	w := newWorld(t, nil)
	w.CacheDir, w.file = "", filepath.Join(dir, fileOfSession)
	w.write(t, document(noon.Add(time.Hour)))
	_, err := w.Retrieve(t.Context())
	require.NoError(t, err)

	t.Setenv("HOME", "")
	t.Setenv("USERPROFILE", "")
	_, err = w.Retrieve(t.Context())
	require.ErrorContains(t, err, "there is no home directory to find .aws/sso/cache in: set HOME, or CacheDir")
}

func TestMissing(t *testing.T) {
	for name, change := range map[string]func(*sso.Provider){
		"Region is missing":    func(p *sso.Provider) { p.Region = "" },
		"AccountID is missing": func(p *sso.Provider) { p.AccountID = " " },
		"RoleName is missing":  func(p *sso.Provider) { p.RoleName = "" },
		"StartURL is missing":  func(p *sso.Provider) { p.Session, p.StartURL = "", "" },
		"PortalEndpoint (AWS_ENDPOINT_URL_SSO) is plain http":             func(p *sso.Provider) { p.PortalEndpoint = "http://portal.example" },
		"OIDCEndpoint (AWS_ENDPOINT_URL_SSO_OIDC) contains a user name":   func(p *sso.Provider) { p.OIDCEndpoint = "https://ada:" + secretKey + "@oidc.example" },
		"PortalEndpoint (AWS_ENDPOINT_URL_SSO) is set together with FIPS": func(p *sso.Provider) { p.PortalEndpoint, p.FIPS = "https://portal.example", true },
	} {
		w := newWorld(t, document(noon.Add(time.Hour)))
		change(w.Provider)
		_, err := w.Retrieve(t.Context())
		require.ErrorContains(t, err, name)
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.Empty(t, w.service.requests())
		leaksNothing(t, err)
	}
}

// The token must not go to another owner's host.
func TestRegionIsOneLabel(t *testing.T) {
	for _, region := range []string{"eu-west-1.evil.example/", "evil.example#", "a@evil.example", "eu west", "-x", "x.y", "..", "ä"} {
		w := newWorld(t, document(noon.Add(time.Minute)))
		w.Region = region
		_, err := w.Retrieve(t.Context())
		require.ErrorContains(t, err, "Region is not a valid region", region)
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.Empty(t, w.service.requests())
	}
}

func TestHosts(t *testing.T) {
	for _, test := range []struct {
		name         string
		set          func(*sso.Provider)
		portal, oidc string
	}{
		{"aws", func(*sso.Provider) {}, "portal.sso.eu-west-1.amazonaws.com", "oidc.eu-west-1.amazonaws.com"},
		{"FIPS", func(p *sso.Provider) { p.FIPS = true }, "portal.sso-fips.eu-west-1.amazonaws.com", "oidc-fips.eu-west-1.amazonaws.com"},
		{"dual stack", func(p *sso.Provider) { p.DualStack = true }, "portal.sso.eu-west-1.api.aws", "oidc.eu-west-1.api.aws"},
		{"FIPS in GovCloud", func(p *sso.Provider) { p.FIPS, p.Region = true, "us-gov-west-1" }, "portal.sso.us-gov-west-1.amazonaws.com", "oidc.us-gov-west-1.amazonaws.com"},
		{"China", func(p *sso.Provider) { p.Region = "cn-north-1" }, "portal.sso.cn-north-1.amazonaws.com.cn", "oidc.cn-north-1.amazonaws.com.cn"},
		{"one's own", func(p *sso.Provider) {
			p.PortalEndpoint, p.OIDCEndpoint = "https://portal.example:8443", "http://localhost:1"
		}, "portal.example:8443", "localhost:1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, document(noon.Add(time.Minute)))
			test.set(w.Provider)
			_, err := w.Retrieve(t.Context())
			require.NoError(t, err)
			require.Equal(t, []string{test.oidc + "/token", test.portal + "/federation/credentials"}, w.service.requests())
		})
	}
}

// Of the clocks, that of the portal is the one in its response.
func TestSkew(t *testing.T) {
	for name, test := range map[string]struct {
		ahead    time.Duration
		disabled bool
		want     time.Time
	}{
		"agree":               {0, false, noon.Add(time.Hour)},
		"a minute is nothing": {time.Minute, false, noon.Add(time.Hour + time.Minute)},
		"we are behind":       {3 * time.Hour, false, noon.Add(time.Hour - time.Second)}, // the date is in whole seconds
		"we are ahead":        {-3 * time.Hour, false, noon.Add(time.Hour - time.Second)},
		"as the portal says":  {3 * time.Hour, true, noon.Add(4 * time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, document(noon.Add(time.Hour)))
			w.DisableClockSkewCorrection = test.disabled
			w.service.now = func() time.Time { return w.clock.Now().Add(test.ahead) }
			creds, err := w.Retrieve(t.Context())
			require.NoError(t, err)
			require.Equal(t, test.want, creds.Expires)
		})
	}
}

// A service that hangs is given up, and called again the next time.
func TestHanging(t *testing.T) {
	hang := func(path string) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, path) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return nil, errors.New("unreachable")
		})
	}
	for name, test := range map[string]struct {
		left time.Duration // of the token's life
		path string
		took time.Duration
		want string
	}{
		"the portal": {time.Hour, "/federation/credentials", 15 * time.Second, "timed out after 15s"},
		"OIDC":       {0, "/token", 12 * time.Second, "the refresh timed out after 12s"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, document(noon.Add(test.left)))
			w.HTTPClient.Transport = hang(test.path)
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				_, err := w.Retrieve(t.Context())
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorContains(t, err, test.want)
				require.NotErrorIs(t, err, stschain.ErrPermanent)
				require.Equal(t, test.took, time.Since(began))
				leaksNothing(t, err)
			})
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A caller that gives up gets that error, and no other caller does.
func TestCallerLeaves(t *testing.T) {
	for name, left := range map[string]time.Duration{"portal": time.Hour, "OIDC": 0} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, document(noon.Add(left)))
			gone := errors.New("the user closed the tab")
			ctx, cancel := context.WithCancelCause(t.Context())
			service := w.HTTPClient.Transport
			w.HTTPClient.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
				cancel(gone)
				return nil, context.Canceled
			})
			_, err := w.Retrieve(ctx)
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, gone)
			require.NotErrorIs(t, err, stschain.ErrPermanent)

			w.HTTPClient.Transport = service
			_, err = w.Retrieve(t.Context())
			require.NoError(t, err)
		})
	}
}

func TestOpen(t *testing.T) {
	w := newWorld(t, document(noon.Add(time.Minute)))
	before := w.read(t)
	opened := 0
	w.Open = func(path string) (fs.File, error) {
		opened++
		require.Equal(t, w.file, path)
		return os.Open(path)
	}
	for range 2 {
		_, err := w.Retrieve(t.Context())
		require.NoError(t, err)
	}
	require.Equal(t, []string{oidcHost, portalHost, portalHost}, w.service.requests(), "the token is kept in memory")
	require.Equal(t, before, w.read(t), "nothing is written")
	require.NotZero(t, opened)
	_, err := os.Stat(w.file + ".lock")
	require.ErrorIs(t, err, fs.ErrNotExist)

	// The user signs in again: that counts.
	w.service.valid = "another"
	w.write(t, with(document(noon.Add(time.Hour)), object{"accessToken": "another"}))
	_, err = w.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{portalHost}, w.service.requests())

	// Or out.
	require.NoError(t, os.Remove(w.file))
	_, err = w.Retrieve(t.Context())
	require.ErrorContains(t, err, "not signed in")
}

// leaksNothing fails where an error shows a secret, or the beginning of one.
func leaksNothing(t *testing.T, err error) {
	t.Helper()
	canary.Check(t, "canary-4711", err)
}

func TestSecrets(t *testing.T) {
	w := newWorld(t, document(noon.Add(time.Minute)))
	w.Open = func(path string) (fs.File, error) { return os.Open(path) } // so that the token is kept in memory
	creds, err := w.Retrieve(t.Context())
	require.NoError(t, err)
	w.HTTPClient, w.Open, w.Clock = nil, nil, nil
	for _, secret := range []string{access, renewed, refreshToken, clientSecret, secretKey, sessionToken} {
		canary.Check(t, secret, creds, w.Provider)
	}
}
