package rolesanywhere_test

import (
	"context"
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/pki"
)

// When the certificate expires is in the status of a cache, in events, in traces and in Explain.
func TestExpiry(t *testing.T) {
	w := newWorld(t)
	events := make(chan stschain.Event, 2)
	c := &stschain.Cache{Provider: w.Provider, Clock: w.clock, OnEvent: func(e stschain.Event) { events <- e }}
	steps := make(chan stschain.Step, 2)
	_, err := c.Retrieve(stschain.WithTrace(t.Context(), &stschain.Trace{End: func(_ context.Context, s stschain.Step) { steps <- s }}))
	require.NoError(t, err)
	const origin = "rolesanywhere " + roleARN + " (certificate expires at 2026-12-31T12:00:00Z)"
	const note = "certificate CN=worker expires at 2026-12-31T12:00:00Z"
	require.Equal(t, origin, c.Status().Origin)
	started, refreshed, step := <-events, <-events, <-steps
	require.Equal(t, "rolesanywhere "+roleARN, started.Origin)
	require.Equal(t, []string{origin, note}, []string{refreshed.Origin, refreshed.Note})
	require.Equal(t, []string{"rolesanywhere " + roleARN, origin, note}, []string{step.Name, step.Origin, step.Note})
	require.Contains(t, stschain.Explain(t.Context(), c).String(), " of account 123456789012 from "+origin+", expires at ")
}

// A certificate that expires before the session is a remark on it, then the error of the refresh. A renewed one ends that.
func TestExpiresFirst(t *testing.T) {
	w := newWorld(t)
	w.install(t, pki.EC(), w.root.Issue(pki.EC(), func(c *x509.Certificate) { c.NotAfter = pki.Noon.Add(20 * time.Minute) }))
	events := make(chan stschain.Event, 9)
	c := &stschain.Cache{Provider: w.Provider, Clock: w.clock, OnEvent: func(e stschain.Event) {
		if e.Kind != stschain.RefreshStarted {
			events <- e
		}
	}}
	cached, err := c.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, pki.Noon.Add(time.Hour), cached.Expires)
	require.Equal(t, "certificate CN=worker expires at 2026-12-01T12:20:00Z, before these credentials: renew it", (<-events).Note)

	w.clock.Add(50 * time.Minute)
	creds, err := c.Retrieve(t.Context()) // and refreshes in the background
	require.NoError(t, err)
	require.Equal(t, cached, creds)
	failed := <-events
	require.Equal(t, stschain.RefreshFailed, failed.Kind)
	require.ErrorContains(t, failed.Err, "certificate CN=worker (serial number 4711, from "+w.certificate+") expired at 2026-12-01T12:20:00Z, 30m0s ago; renew it")
	require.Equal(t, failed.Err, c.Status().Err)
	require.Equal(t, 1, w.server.Count("CreateSession"))

	w.install(t, pki.EC(), w.root.Issue(pki.EC(), nil))
	w.clock.Add(9 * time.Minute) // after the backoff
	_, err = c.RetrieveFor(t.Context(), 30*time.Minute)
	require.NoError(t, err)
	require.Equal(t, "certificate CN=worker expires at 2026-12-31T12:00:00Z", (<-events).Note)
	require.NoError(t, c.Status().Err)
}
