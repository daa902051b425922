package fakeclock_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/examples/fakeclock"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// world is all that the program touches, on one clock, in this process.
type world struct {
	t        *testing.T
	clock    *clock.Mock // stands still, but for Add
	sts      *ststest.Server
	cache    *stschain.Cache
	events   chan stschain.Event
	uploader *fakeclock.Uploader
	uploads  []string // the access key IDs that signed them
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, clock: clock.NewMock(), sts: ststest.NewTest(t), events: make(chan stschain.Event, 100)}
	w.clock.Set(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	w.sts.Clock = w.clock
	w.cache = &stschain.Cache{
		Clock: w.clock,
		Provider: &assumerole.Provider{
			Client: &stsquery.Client{
				Credentials: w.sts.User(),
				Region:      "eu-west-1",
				HTTPClient:  w.sts.Client(),
				Clock:       w.clock,
				Retry:       stsquery.Retry{MaxAttempts: 1}, // backoff uses real time
			},
			RoleARN:  "arn:aws:iam::123456789012:role/backup",
			Duration: time.Hour,
		},
		OnEvent: func(e stschain.Event) { w.events <- e },
	}
	bucket := w.sts.Protect("s3", "eu-west-1", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		caller, _ := ststest.CallerFrom(r.Context())
		w.uploads = append(w.uploads, caller.AccessKeyID)
	}))
	w.uploader = fakeclock.NewUploader(w.cache, ststest.InProcess(bucket), w.clock)
	return w
}

func (w *world) upload() error {
	return w.uploader.Upload(w.t.Context(), "file", strings.NewReader("content"))
}

// lastKey signed the last upload.
func (w *world) lastKey() string { return w.uploads[len(w.uploads)-1] }

// await waits for what happens in the background. No test needs to sleep.
func (w *world) await(kind stschain.EventKind) stschain.Event {
	w.t.Helper()
	for {
		select {
		case e := <-w.events:
			if e.Kind == kind {
				return e
			}
		case <-time.After(10 * time.Second):
			require.FailNow(w.t, "nothing happened", "waited for: %v", kind)
		}
	}
}

// Credentials are refreshed before they expire, and callers do not wait.
func TestRefresh(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.upload())
	w.await(stschain.Refreshed)
	first := w.lastKey()

	w.clock.Add(50 * time.Minute) // of their lifetime of an hour
	require.Equal(t, stschain.Advisory, w.cache.Status().Phase)
	require.NoError(t, w.upload())
	require.Equal(t, first, w.lastKey(), "the old ones are good, and served at once")

	w.await(stschain.Refreshed)
	require.Equal(t, stschain.Fresh, w.cache.Status().Phase)
	require.NoError(t, w.upload())
	require.NotEqual(t, first, w.lastKey())
	require.Equal(t, 2, w.sts.Count("AssumeRole"))
}

// While STS is down the program works as long as its credentials live, and says why
// when they do not; it recovers by itself.
func TestOutage(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.upload())

	w.sts.FailAll(ststest.Refuse(http.StatusServiceUnavailable, "ServiceUnavailable", "out for lunch"))
	w.clock.Add(50 * time.Minute)
	require.NoError(t, w.upload())
	require.ErrorContains(t, w.await(stschain.RefreshFailed).Err, "out for lunch")
	w.clock.Add(9 * time.Minute)
	require.NoError(t, w.upload())

	w.clock.Add(2 * time.Minute)
	require.Equal(t, stschain.Expired, w.cache.Status().Phase)
	err := w.upload()
	require.ErrorContains(t, err, "out for lunch")
	require.NotErrorIs(t, err, stschain.ErrPermanent)

	w.sts.Heal()
	w.clock.Add(5 * time.Second) // a failure is remembered so long at most
	require.NoError(t, w.upload())
	require.Equal(t, stschain.Fresh, w.cache.Status().Phase)
}

// A token that the service rejects is replaced within the upload.
func TestRejectedToken(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.upload())
	first := w.lastKey()

	w.clock.Add(time.Minute)
	require.True(t, w.sts.Revoke(first))
	require.NoError(t, w.upload())
	require.NotEqual(t, first, w.lastKey())
	require.Len(t, w.uploads, 2, "what was rejected did not arrive")
}
