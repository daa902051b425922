package sigv4_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// One replay and no more, whatever the service says to it.
func TestReplayIsOne(t *testing.T) {
	s := newService(t, plain, rejects(403, "ExpiredToken", "no", "A", "B", "C", "D"), "A", "B", "C", "D")
	tr := s.transport()
	tr.Credentials = s.rotating()
	resp := do(t, tr.RoundTrip, newRequest(t, "GET", s.URL, nil))
	require.Equal(t, 403, resp.StatusCode)
	require.Equal(t, "A B", s.ids())
}

func TestReplayClosesTheFirstResponse(t *testing.T) {
	s := newService(t, plain, nil, "FIRST", "SECOND")
	tr := s.transport()
	tr.Credentials = s.rotating()
	first := newStream(fmt.Sprintf(s3Error, "ExpiredToken"))
	responses := []*http.Response{
		{StatusCode: 400, Header: http.Header{}, Body: first},
		{StatusCode: 200, Body: http.NoBody},
	}
	tr.Base = roundTripper(func(*http.Request) (*http.Response, error) {
		r := responses[0]
		responses = responses[1:]
		return r, nil
	})
	resp, err := tr.RoundTrip(newRequest(t, "GET", s.URL, nil))
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	require.EqualValues(t, 1, first.closed.Load())
}

// A replay has the complete body again, even if Base closes it twice (aws-sdk-go-v2#528).
func TestReplayOfBodies(t *testing.T) {
	for kind, size := range eachBody {
		for _, unsigned := range []bool{false, true} {
			s := newService(t, withTLS, rejects(400, "", fmt.Sprintf(s3Error, "ExpiredToken"), "FIRST"), "FIRST", "SECOND")
			tr := s.transport()
			tr.UnsignedPayload = unsigned
			tr.Credentials = s.rotating()
			tr.Base = roundTripper(func(r *http.Request) (*http.Response, error) {
				resp, err := s.Client().Transport.RoundTrip(r)
				r.Body.Close()
				r.Body.Close()
				return resp, err
			})
			req, closed := put(t, kind, s.URL, size)
			req.Header.Set("X-Amz-Content-Sha256", "to be replaced")
			resp, content := read(t, tr.RoundTrip, req)
			if unsigned && strings.HasPrefix(kind, "stream") {
				require.Equal(t, fmt.Sprintf(s3Error, "ExpiredToken"), content, "the body can be sent once")
				require.Equal(t, "FIRST", s.ids())
			} else {
				require.Equal(t, 200, resp.StatusCode, kind)
				require.Equal(t, "FIRST SECOND", s.ids(), kind)
				require.Equal(t, text(size), s.arrivals()[1].body, kind)
			}
			s.Client().CloseIdleConnections()
			requireClosed(t, closed, kind)
		}
	}
}

// A service may respond before it has read the body: the first attempt may still
// read the file when the second one begins.
func TestReplayWhileTheFirstIsSent(t *testing.T) {
	s := newService(t, plain, nil, "FIRST", "SECOND")
	inner := s.Config.Handler
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Authorization"), "FIRST/") {
			w.Header().Set("X-Amzn-ErrorType", "ExpiredToken")
			w.WriteHeader(403)
			return
		}
		inner.ServeHTTP(w, r)
	})
	for range 5 {
		tr := s.transport()
		tr.Credentials = s.rotating()
		b := newSeekable(text(4_000_000))
		requireOK(t, tr.RoundTrip, newRequest(t, "PUT", s.URL, b))
		requireClosed(t, b.closed.Load, "")
	}
	for _, a := range s.arrivals() {
		require.NoError(t, a.err)
		require.Len(t, a.body, 4_000_000)
	}
}

func TestNothingElseToSend(t *testing.T) {
	body := fmt.Sprintf(s3Error, "ExpiredToken")
	for name, source := range map[string]func(call int) (stschain.Credentials, error){
		"the same": func(int) (stschain.Credentials, error) { return creds("FIRST"), nil },
		"none": func(call int) (stschain.Credentials, error) {
			if call > 1 {
				return stschain.Credentials{}, errors.New("out of credentials")
			}
			return creds("FIRST"), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, plain, rejects(400, "", body, "FIRST"), "FIRST")
			tr := s.transport()
			calls := 0
			tr.Credentials = cached(t, func() (stschain.Credentials, error) { calls++; return source(calls) })
			resp, got := read(t, tr.RoundTrip, newRequest(t, "GET", s.URL, nil))
			require.Equal(t, 400, resp.StatusCode)
			require.Equal(t, body, string(got))
			require.Equal(t, 2, calls)
			require.Equal(t, "FIRST", s.ids())
		})
	}
}

// Many requests see the same rejection: it is replaced once.
func TestManyRejections(t *testing.T) {
	s := newService(t, plain, rejects(403, "ExpiredToken", "", "FIRST"), "FIRST", "SECOND", "THIRD")
	tr := s.transport()
	tr.Credentials = s.rotating()
	tr.Base = &http.Transport{MaxConnsPerHost: 16}
	defer tr.CloseIdleConnections()
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			resp, err := tr.RoundTrip(newRequest(t, "GET", s.URL, nil))
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			if resp.StatusCode != 200 {
				t.Error(resp.Status)
			}
		})
	}
	wg.Wait()
	require.NotContains(t, s.ids(), "THIRD")
}
