//go:build unix

package processfault_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/ststest"
)

// overslept is what is longer than life.
func overslept(life time.Duration) <-chan time.Time { return time.After(life + 200*time.Millisecond) }

// source gives the credentials ASIA1, ASIA2, ..., which live for a second.
type source struct {
	requests atomic.Int32
	delayed  int32                                    // the request that hold delays
	hold     func(http.ResponseWriter, *http.Request) // nil: none
}

func (s *source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := s.requests.Add(1)
	expires := time.Now().Add(shortLife)
	if n == s.delayed {
		s.hold(w, r)
	}
	reply(w, http.StatusOK, object{"Key": fmt.Sprintf("ASIA%d", n), "Expires": expires})
}

// A process that was stopped for longer than its credentials live does not use them again: its
// next call waits for others, and one request gets them for all.
func TestStop(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(&source{})
	t.Cleanup(srv.Close)
	c := mustStart(t, order{Program: "cache", Endpoint: srv.URL}, t.TempDir())
	require.Equal(t, "using ASIA1", c.hear())
	require.Equal(t, "using ASIA2", c.hear())
	c.stop() // just after a refresh: none is under way
	<-overslept(shortLife)
	c.goOn()
	require.Equal(t, "using ASIA3", c.hear())
}

// A call that was under way when its process was stopped ends when that goes on, whatever has
// become of its connection. Credentials that came meanwhile and have expired are not returned.
// The next attempt gets others: within 1 s, or 5 s if there were cached credentials.
func TestStopDuringRequest(t *testing.T) {
	t.Parallel()
	meanwhile := func(http.ResponseWriter, *http.Request) {}
	never := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	tests := []struct {
		name     string
		request  int32 // that is in flight: 1, nothing is cached; 2, a refresh
		patience time.Duration
		hold     func(w http.ResponseWriter, r *http.Request)
		want     string // the error
	}{
		{"a response meanwhile", 1, patience, meanwhile, "returned credentials that expired at "},
		{"no response", 1, shortLife, never, "deadline exceeded"},
		{"reset meanwhile", 1, patience, reset, "connection reset by peer"},
		{"a refresh, a response meanwhile", 2, patience, meanwhile, "returned credentials that expired at "},
		{"a refresh, no response", 2, shortLife, never, "deadline exceeded"},
	}
	var children []*child
	for _, test := range tests {
		arrived, stopped := make(chan struct{}), make(chan struct{})
		srv := httptest.NewServer(&source{delayed: test.request, hold: func(w http.ResponseWriter, r *http.Request) {
			close(arrived)
			select {
			case <-stopped:
				test.hold(w, r)
			case <-r.Context().Done(): // the test has failed
			}
		}})
		t.Cleanup(srv.Close)
		c := mustStart(t, order{Program: "cache", Endpoint: srv.URL, Patience: test.patience}, t.TempDir())
		for n := int32(1); n < test.request; n++ {
			require.Equal(t, fmt.Sprintf("using ASIA%d", n), c.hear())
		}
		<-arrived
		c.stop()
		close(stopped)
		children = append(children, c)
	}
	<-overslept(shortLife)
	for _, c := range children {
		c.goOn()
	}
	began := time.Now()
	for i, test := range tests {
		line := children[i].hear()
		require.Contains(t, line, "error: ", test.name)
		require.Contains(t, line, test.want, test.name)
	}
	require.Less(t, time.Since(began), patience/4)
	for i, test := range tests {
		line := "error: "
		for strings.HasPrefix(line, "error: ") {
			line = children[i].hear()
		}
		require.Equal(t, fmt.Sprintf("using ASIA%d", test.request+1), line, test.name)
	}
}

// reset breaks the connection.
func reset(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
	panic(http.ErrAbortHandler)
}

// A request that was under way for longer than its credentials live is refused by the
// service, and is sent again with others: its caller does not see that.
func TestStopSigned(t *testing.T) {
	t.Parallel()
	sts := ststest.NewTest(t)
	sts.Lifetime = longerLife
	sts.AllowRefusals("ExpiredToken")
	sts.AddKeys(userARN, stschain.Credentials{AccessKeyID: accessKey, SecretAccessKey: stschain.NewSecret(secret)})
	guarded := sts.Protect(serviceName, region, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := ststest.CallerFrom(r.Context())
		io.WriteString(w, caller.AccessKeyID)
	}))
	var hold atomic.Bool
	var expired atomic.Int32
	arrived, release := make(chan struct{}, 1), make(chan struct{}, 1)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hold.CompareAndSwap(true, false) {
			arrived <- struct{}{}
			select {
			case <-release:
			case <-r.Context().Done(): // the test has failed
			}
		}
		response := httptest.NewRecorder()
		guarded.ServeHTTP(response, r)
		if strings.Contains(response.Body.String(), "<Code>ExpiredToken</Code>") {
			expired.Add(1)
		}
		for name, values := range response.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(response.Code)
		w.Write(response.Body.Bytes())
	}))
	t.Cleanup(api.Close)

	c := mustStart(t, order{Program: "transport", Endpoint: sts.URL(), API: api.URL}, t.TempDir())
	require.Contains(t, c.hear(), "using ASIA")
	hold.Store(true)
	<-arrived
	c.stop()
	<-overslept(longerLife)
	release <- struct{}{}
	c.goOn()
	for range 2 { // others, and those after them
		require.Contains(t, c.hear(), "using ASIA")
	}
	require.Positive(t, expired.Load(), "what was under way was refused")
}
