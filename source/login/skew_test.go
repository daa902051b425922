package login_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/login"
)

// TestClock: the service refuses proofs of another time as if the session had ended.
func TestClock(t *testing.T) {
	for _, off := range []time.Duration{-3 * time.Hour, -35 * time.Second, 35 * time.Second, 24 * time.Hour} {
		w := newWorld(t, document(noon))
		w.service.now = func() time.Time { return w.clock.Now().Add(off) }
		creds, err := w.Retrieve(t.Context())
		require.NoError(t, err, off)
		require.Len(t, w.service.requests, 2, off)
		require.Equal(t, noon.Add(15*time.Minute), creds.Expires, "the file and Expires are on this machine's clock")

		w.clock.Add(14 * time.Minute)
		_, err = w.Retrieve(t.Context())
		require.NoError(t, err, off)
		require.Len(t, w.service.requests, 3, "%v: it was learned", off)

		w.clock.Add(14 * time.Minute)
		w.service.now = w.clock.Now // a user sets the clock right
		_, err = w.Retrieve(t.Context())
		require.NoError(t, err, off)
		require.Len(t, w.service.requests, 5, off)
	}
}

// TestClockOfAnEndedSession: another time does not help, and the error says that it was tried.
func TestClockOfAnEndedSession(t *testing.T) {
	w := newWorld(t, document(noon))
	w.service.now = func() time.Time { return w.clock.Now().Add(-35 * time.Second) }
	a := refusal(401, "TOKEN_EXPIRED")
	w.service.next(a.status, a.body, 9)
	_, err := w.Retrieve(t.Context())
	require.ErrorIs(t, err, stschain.ErrPermanent)
	require.ErrorContains(t, err, "; this machine's clock is 35s ahead of the service's; the session has ended; run aws login --profile dev")
	require.Len(t, w.service.requests, 2)
}

func TestDisableClockSkewCorrection(t *testing.T) {
	w := newWorld(t, document(noon))
	w.DisableClockSkewCorrection = true
	w.service.now = func() time.Time { return w.clock.Now().Add(time.Hour) }
	_, err := w.Retrieve(t.Context())
	require.ErrorContains(t, err, "TOKEN_EXPIRED")
	require.Len(t, w.service.requests, 1)
}

// TestNoDate: without one nothing is known of clocks.
func TestNoDate(t *testing.T) {
	w := newWorld(t, document(noon))
	w.service.undated = true
	w.service.now = func() time.Time { return w.clock.Now().Add(time.Hour) }
	_, err := w.Retrieve(t.Context())
	require.ErrorContains(t, err, "TOKEN_EXPIRED")
	require.Len(t, w.service.requests, 1)
}

func TestAhead(t *testing.T) {
	const s, tick = time.Second, time.Nanosecond
	at := func(date string) http.Header { return http.Header{"Date": {date}} }
	const date = "Sat, 21 Nov 2026 12:00:00 GMT"
	for _, tt := range []struct {
		name           string
		sent, received time.Duration // after noon
		response       http.Header
		want           time.Duration
		ok             bool
	}{
		{"together", 0, 0, at(date), 0, true},
		{"within the second", 900 * time.Millisecond, 990 * time.Millisecond, at(date), 0, true},
		{"2 s ahead", -3 * s, -2 * s, at(date), 0, true},
		{"more", -3 * s, -2*s - tick, at(date), 2*s + tick, true},
		{"2 s behind", 3 * s, 4 * s, at(date), 0, true},
		{"less", 3*s + tick, 4 * s, at(date), -4 * s, true},
		{"slow response says nothing", -time.Minute, time.Minute, at(date), 0, true},
		{"an hour ahead", -time.Hour, -time.Hour + s, at(date), time.Hour - s, true},
		{"no date", 0, 0, http.Header{}, 0, false},
		{"nonsense", 0, 0, at("today"), 0, false},
		{"from a cache", time.Hour, time.Hour, http.Header{"Date": {date}, "Age": {"3600"}}, 0, false},
	} {
		got, ok := login.Ahead(tt.response, noon.Add(tt.sent), noon.Add(tt.received))
		require.Equal(t, tt.ok, ok, tt.name)
		require.Equal(t, tt.want, got, tt.name)
	}
}
