package sso_test

import (
	"net/http"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
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
// Reports: aws-sdk-go-v2#2241.
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
		at   time.Duration
		sent []string
		want string
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
		require.Equal(t, step.sent, w.service.requests(), "%v", step.at)
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
		at   time.Duration
		oidc http.HandlerFunc
		sent []string
		want string
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
		require.Equal(t, step.sent, w.service.requests(), "%v", step.at)
		if step.want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, step.want)
	}
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
