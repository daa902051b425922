package sso_test

import (
	"io/fs"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/tokenfile"
	"github.com/stschain-go/stschain/source/sso"
)

// From five minutes before it expires the token is refreshed; until it expires it is used
// though that failed.
func TestWindow(t *testing.T) {
	for _, test := range []struct {
		left             time.Duration
		refreshed, works bool // works: although the refresh fails
	}{
		{5*time.Minute + time.Nanosecond, false, true},
		{5 * time.Minute, true, true},
		{time.Nanosecond, true, true},
		{0, true, false},
		{-time.Hour, true, false},
	} {
		t.Run(test.left.String(), func(t *testing.T) {
			expires := noon.Add(time.Hour)
			w := newWorld(t, document(expires))
			w.clock.Set(expires.Add(-test.left))
			_, err := w.Retrieve(t.Context())
			require.NoError(t, err)
			require.Equal(t, test.refreshed, w.service.requests()[0] == oidcHost)

			w = newWorld(t, document(expires))
			w.clock.Set(expires.Add(-test.left))
			w.service.refresh = "another"
			_, err = w.Retrieve(t.Context())
			require.Equal(t, test.works, err == nil, "%v", err)
		})
	}
}

// The file has all that was in it, and is readable by the user only.
// Peers: aws-sdk-go-v2#2241 (users.md 4.40).
func TestRewrite(t *testing.T) {
	before := document(noon.Add(time.Minute))
	w := newWorld(t, before)
	w.service.rotate, w.service.life = true, 8*time.Hour
	creds, err := w.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, role(noon), creds)
	require.Equal(t, with(before, object{
		"accessToken": renewed, "expiresAt": "2026-11-21T20:00:00Z", "refreshToken": refreshToken + "+",
	}), w.read(t))
	if runtime.GOOS != "windows" {
		info, err := os.Stat(w.file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
	}

	// The next refresh redeems what the last one brought.
	w.clock.Set(noon.Add(8 * time.Hour))
	_, err = w.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{oidcHost, portalHost, oidcHost, portalHost}, w.service.requests())
	require.Equal(t, refreshToken+"++", w.read(t)["refreshToken"])
}

// While the token is valid, attempts come at half of what is left, then every 1 to 5 s; see package
// agent for the rules. The jitter does not matter at these times.
func TestAttempts(t *testing.T) {
	w := newWorld(t, document(noon.Add(5*time.Minute)))
	w.service.oidc = status(400, `{"error":"invalid_grant"}`)
	const want = "the access token, valid until 2026-11-21T12:05:00Z, cannot be refreshed: oidc"
	for _, step := range []struct {
		at    time.Duration
		asked []string
		want  string
	}{
		{0, []string{oidcHost, portalHost}, ""},
		{2*time.Minute - 1, []string{portalHost}, ""},
		{2 * time.Minute, []string{oidcHost, portalHost}, ""},
		{4*time.Minute + 50*time.Second, []string{oidcHost, portalHost}, ""},
		{4*time.Minute + 51*time.Second - 1, []string{portalHost}, ""},
		{5 * time.Minute, []string{oidcHost}, want},
		{5*time.Minute + time.Second - 1, nil, want},
		{5*time.Minute + 5*time.Second, []string{oidcHost}, want},
		{4 * time.Minute, []string{oidcHost, portalHost}, ""}, // the clock is set back
	} {
		w.clock.Set(noon.Add(step.at))
		_, err := w.Retrieve(t.Context())
		require.Equal(t, step.asked, w.service.requests(), "%v", step.at)
		if step.want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, step.want)
		require.ErrorIs(t, err, stschain.ErrPermanent)
		leaksNothing(t, err)
	}

	// What the user does about it counts at once.
	w.clock.Set(noon.Add(5 * time.Minute))
	_, err := w.Retrieve(t.Context())
	require.Error(t, err)
	w.write(t, document(noon.Add(time.Hour)))
	_, err = w.Retrieve(t.Context())
	require.NoError(t, err)
}

// A token that the portal rejects is not sent to it again. Where it cannot be refreshed, attempts come
// every 1 to 5 s, however long the token seems to be valid.
func TestRejected(t *testing.T) {
	w := newWorld(t, document(noon.Add(30*time.Minute)))
	w.MaxAttempts = 1
	w.service.valid = "another"
	w.service.oidc = status(http.StatusBadGateway, "")
	for _, step := range []struct {
		at    time.Duration
		oidc  http.HandlerFunc
		asked []string
		want  string
	}{
		{0, w.service.oidc, []string{portalHost, oidcHost}, "returned 401 Unauthorized"},
		{time.Second - 1, w.service.oidc, nil, "returned 502 Bad Gateway"},
		{5 * time.Second, w.service.oidc, []string{oidcHost}, "returned 502 Bad Gateway"},
		{10 * time.Second, nil, []string{oidcHost, portalHost}, ""},
		{11 * time.Second, nil, []string{portalHost}, ""},
	} {
		w.clock.Set(noon.Add(step.at))
		w.service.oidc = step.oidc
		_, err := w.Retrieve(t.Context())
		require.Equal(t, step.asked, w.service.requests(), "%v", step.at)
		if step.want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, step.want)
	}
}

// A service with short-lived tokens is not called by each Retrieve.
func TestShortTokens(t *testing.T) {
	w := newWorld(t, document(noon))
	w.service.life = time.Minute
	for range 3 {
		_, err := w.Retrieve(t.Context())
		require.NoError(t, err)
	}
	require.Equal(t, []string{oidcHost, portalHost, portalHost, portalHost}, w.service.requests())
}

// With a clock that was set back the token looks good and is not. It is refreshed, and the
// credentials are good by this machine's clock.
func TestClockBehind(t *testing.T) {
	w := newWorld(t, document(noon.Add(30*time.Minute)))
	w.service.now = func() time.Time { return w.clock.Now().Add(2 * time.Hour) }
	w.service.valid = "" // nothing is, any more
	creds, err := w.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{portalHost, oidcHost, portalHost}, w.service.requests())
	require.Equal(t, noon.Add(time.Hour-time.Second), creds.Expires)
	require.Equal(t, "2026-11-21T13:00:00Z", w.read(t)["expiresAt"])
}

// The AWS CLI takes no lock. If it redeemed the refresh token first, what it wrote is good.
func TestFasterCLI(t *testing.T) {
	w := newWorld(t, document(noon))
	w.service.oidc = func(rw http.ResponseWriter, _ *http.Request) {
		w.write(t, with(document(noon.Add(time.Hour)), object{"accessToken": renewed}))
		w.service.valid = renewed
		status(400, `{"error":"invalid_grant"}`)(rw, nil)
	}
	_, err := w.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{oidcHost, portalHost}, w.service.requests())
}

// Somebody signs in again, or out, while a refresh is under way: that stays.
func TestSignInDuringRefresh(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *world){
		"in": func(t *testing.T, w *world) {
			w.write(t, with(document(noon.Add(time.Hour)), object{"accessToken": "of the new session"}))
		},
		"out": func(t *testing.T, w *world) { require.NoError(t, os.Remove(w.file)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, document(noon))
			w.service.oidc = func(rw http.ResponseWriter, r *http.Request) {
				change(t, w)
				w.service.createToken(rw, r)
			}
			creds, err := w.Retrieve(t.Context())
			require.NoError(t, err, "what was refreshed is good")
			require.Equal(t, role(noon), creds)
			if name == "in" {
				require.Equal(t, "of the new session", w.read(t)["accessToken"])
				return
			}
			require.NoFileExists(t, w.file)
			_, err = w.Retrieve(t.Context())
			require.ErrorContains(t, err, "not signed in")
		})
	}
}

// A laptop wakes up before its network does: an expired token is refreshed soon after that works.
func TestNetworkComesLate(t *testing.T) {
	w := newWorld(t, document(noon))
	w.MaxAttempts = 1
	w.service.oidc = status(http.StatusBadGateway, "")
	_, err := w.Retrieve(t.Context())
	require.ErrorContains(t, err, "502")
	require.NotErrorIs(t, err, stschain.ErrPermanent)

	w.clock.Add(5 * time.Second)
	w.service.oidc = nil
	_, err = w.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{oidcHost, oidcHost, portalHost}, w.service.requests())
}

// Providers of one program share the file as processes do.
func TestProviders(t *testing.T) {
	w := newWorld(t, document(noon.Add(-time.Hour)))
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			p := &sso.Provider{
				Session: w.Session, StartURL: w.StartURL, Region: w.Region, AccountID: w.AccountID, RoleName: w.RoleName,
				CacheDir: w.CacheDir, Clock: w.Clock, HTTPClient: w.HTTPClient,
			}
			for range 2 {
				if _, err := p.Retrieve(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	asked := map[string]int{}
	for _, what := range w.service.requests() {
		asked[what]++
	}
	require.Equal(t, map[string]int{oidcHost: 1, portalHost: 40}, asked)
}

// One provider, asked by many at once, tries once.
func TestCallers(t *testing.T) {
	w := newWorld(t, document(noon.Add(time.Minute)))
	w.service.oidc = status(400, `{"error":"invalid_grant"}`)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := w.Retrieve(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	asked := map[string]int{}
	for _, what := range w.service.requests() {
		asked[what]++
	}
	require.Equal(t, map[string]int{oidcHost: 1, portalHost: 20}, asked)
}

// A process that holds the lock and hangs is not waited for without end.
func TestLockIsHeld(t *testing.T) {
	for name, left := range map[string]time.Duration{"expired": 0, "good": time.Minute} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, document(noon.Add(left)))
			lock, err := tokenfile.Lock(t.Context(), w.file)
			require.NoError(t, err)
			defer lock.Release()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				_, err := w.Retrieve(t.Context())
				require.Equal(t, 12*time.Second, time.Since(began))
				if left > 0 {
					require.NoError(t, err, "it is not needed yet")
					return
				}
				require.ErrorContains(t, err, "another process has the lock: "+w.file+".lock")
				require.NotErrorIs(t, err, stschain.ErrPermanent)
			})
		})
	}
}

// Where the file cannot be written the token is kept in memory, as in a container that has
// it mounted read-only.
func TestNotWritable(t *testing.T) {
	w := newWorld(t, document(noon.Add(time.Minute)))
	before := w.read(t)
	require.NoError(t, os.Mkdir(w.file+".lock", 0o700)) // which nobody can open for writing
	for range 2 {
		_, err := w.Retrieve(t.Context())
		require.NoError(t, err)
	}
	require.Equal(t, []string{oidcHost, portalHost, portalHost}, w.service.requests())
	require.Equal(t, before, w.read(t))
}

// Nor is there a lock then, and yet callers who come at once redeem the refresh token, which
// may be good once, once.
func TestCallersWithoutLock(t *testing.T) {
	w := newWorld(t, document(noon.Add(-time.Minute)))
	w.service.rotate = true
	w.service.oidc = func(rw http.ResponseWriter, r *http.Request) {
		<-time.After(time.Second) // for the others to come
		w.service.createToken(rw, r)
	}
	w.Open = func(path string) (fs.File, error) { return os.Open(path) }
	synctest.Test(t, func(t *testing.T) {
		for range 20 {
			go func() {
				if _, err := w.Retrieve(t.Context()); err != nil {
					t.Error(err)
				}
			}()
		}
		<-time.After(time.Minute)
	})
	asked := map[string]int{}
	for _, what := range w.service.requests() {
		asked[what]++
	}
	require.Equal(t, map[string]int{oidcHost: 1, portalHost: 20}, asked)
}

// What redeems the refresh token goes to one host.
func TestRedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer elsewhere.Close()
	w := newWorld(t, document(noon))
	w.service.oidc = http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect).ServeHTTP
	_, err := w.Retrieve(t.Context())
	require.ErrorContains(t, err, "returned 307 Temporary Redirect")
}

// The services may set cookies, which identify nobody to us.
func TestNoCookies(t *testing.T) {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	w := newWorld(t, document(noon))
	w.HTTPClient.Jar = jar
	for _, host := range []string{"oidc.eu-west-1.amazonaws.com", "portal.sso.eu-west-1.amazonaws.com"} {
		jar.SetCookies(&url.URL{Scheme: "https", Host: host, Path: "/"}, []*http.Cookie{{Name: "a", Value: "b"}})
	}
	_, err = w.Retrieve(t.Context()) // the service fails the test if it sees one
	require.NoError(t, err)
	require.Equal(t, []string{oidcHost, portalHost}, w.service.requests())
}
