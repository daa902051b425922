package s3express_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/grants/s3express"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/ststest"
)

var start = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// world is a fake of S3 Express, and a client of it.
type world struct {
	*ststest.Server
	clock    *clock.Mock
	sessions *s3express.Sessions
	client   *http.Client
}

func newWorld(t *testing.T, buckets ststest.DirectoryBuckets, change func(*s3express.Sessions)) *world {
	w := &world{Server: ststest.NewTest(t), clock: clock.NewMock()}
	w.clock.Set(start)
	w.Server.Clock = w.clock
	fake := ststest.InProcess(w.DirectoryBuckets(buckets))
	w.sessions = &s3express.Sessions{Credentials: w.User(), HTTPClient: &http.Client{Transport: fake}, MaxAttempts: 1, Clock: w.clock, LookupEnv: none}
	if change != nil {
		change(w.sessions)
	}
	w.client = &http.Client{Transport: &sigv4.Transport{
		CredentialsFor: w.sessions.CredentialsFor, Scope: w.sessions.Scope, Base: fake, Clock: w.clock,
	}}
	return w
}

func request(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	require.NoError(t, err)
	return r
}

// do sends a request and returns the status and the body.
func (w *world) do(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	resp, err := w.client.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

// responds returns a client whose every request gets this response.
func responds(status int, header http.Header, body string) *http.Client {
	return &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		rec := httptest.NewRecorder()
		for name, values := range header {
			rec.Header()[name] = values
		}
		rec.WriteHeader(status)
		rec.WriteString(body)
		resp := rec.Result()
		resp.Request = r
		return resp, nil
	})}
}
