package sigv4_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/ststest"
)

// A request that is signed again, sent before or not, has one signature, the new
// one, and its complete body (aws-sdk-go#4322).
func TestSignRequestAgain(t *testing.T) {
	for kind, size := range eachBody {
		for _, sent := range []bool{false, true} {
			s := newService(t, plain, nil, "AKID", "OTHER")
			s.known[1].SessionToken = stschain.Secret{}
			current := s.known[0]
			cache := cached(t, func() (stschain.Credentials, error) { return current, nil })
			tr := s.transport()
			tr.Credentials = cache
			req, closed := put(t, kind, s.URL, size)
			require.NoError(t, tr.SignRequest(req))
			before := req.Header
			require.NotEmpty(t, before["X-Amz-Security-Token"])
			if sent {
				requireOK(t, s.Client().Do, req)
			}
			current = s.known[1]
			cache.Invalidate(s.known[0])
			for range 3 {
				require.NoError(t, tr.SignRequest(req), kind)
			}
			require.Contains(t, before["Authorization"][0], "Credential=AKID/", "the earlier header map is unchanged")
			require.NotContains(t, req.Header, "X-Amz-Security-Token")
			requireOK(t, s.Client().Do, req)
			if kind == "GetBody" {
				requireClosed(t, closed, "each body that it returned")
			}
			for _, a := range s.arrivals() {
				require.Equal(t, text(size), a.body, kind)
			}
			require.Equal(t, "OTHER", s.arrivals()[len(s.arrivals())-1].id)
		}
	}
}

// What is sent has the length that was hashed, or the request fails; its content is
// for the service to compare.
func TestSignRequestThatChanges(t *testing.T) {
	s := newService(t, plain, nil, "AKID")
	content := text(large)
	req := newRequest(t, "PUT", s.URL, nil)
	req.GetBody = func() (io.ReadCloser, error) { return newStream(content), nil }
	req.Body, _ = req.GetBody()
	tr := s.transport()
	require.NoError(t, tr.SignRequest(req))
	content += "more"
	do(t, s.Client().Do, req)
	body, err := req.GetBody()
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, body)
	require.ErrorContains(t, err, "sigv4: the body is longer than its length of 300000")

	file := openFile(t, text(large))
	req = newRequest(t, "PUT", s.URL, file)
	require.NoError(t, tr.SignRequest(req))
	require.NoError(t, os.Truncate(file.Name(), large-7))
	_, err = s.Client().Do(req)
	require.ErrorContains(t, err, "sigv4: the body ended 7 bytes before its length of 300000")
	require.ErrorIs(t, tr.SignRequest(req), os.ErrClosed)
}

func openFile(t testing.TB, content string) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "body")
	require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
	file, err := os.Open(name)
	require.NoError(t, err)
	t.Cleanup(func() { file.Close() })
	return file
}

// go-retryablehttp keeps a body apart from the request, sets Body of a shallow copy to
// a new one for each attempt, and calls PrepareRetry between the attempts.
func TestSignRequestOfRetryableHTTP(t *testing.T) {
	for _, size := range []int{small, large} {
		s := newService(t, plain, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "AKID")
		tr := s.transport()
		get := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text(size))), nil }
		req := newRequest(t, "PUT", s.URL, nil)
		req.GetBody, req.ContentLength = get, int64(size)
		require.NoError(t, tr.SignRequest(req))
		for range 4 {
			req.Body, _ = get()
			do(t, s.Client().Do, req)
			again := *req
			req = &again
			require.NoError(t, tr.SignRequest(req))
		}
		for _, a := range s.arrivals() {
			require.NoError(t, a.err)
			require.Equal(t, text(size), a.body)
		}
	}
}

// A body whose reader fails names the failure once, however often the request was signed.
func TestSignRequestOfABodyThatFails(t *testing.T) {
	var fault error
	req := newRequest(t, "PUT", "https://example.com/", nil)
	req.GetBody = func() (io.ReadCloser, error) {
		if fault != nil {
			return &stream{Reader: readerFunc(func([]byte) (int, error) { return 0, fault })}, nil
		}
		return newStream(text(large)), nil
	}
	req.Body, _ = req.GetBody()
	tr := s3(nil)
	for range 2 {
		require.NoError(t, tr.SignRequest(req))
	}
	fault = errors.New("disk gone")
	require.EqualError(t, tr.SignRequest(req), "sigv4: reading the body: disk gone")
}

// A request whose body cannot go back to its start is not signed with the rest. It can be signed once the body can.
func TestSignRequestOfABodyThatCannotGoBack(t *testing.T) {
	body := newSeekable(text(large))
	seek, broken := body.Seeker, false
	body.Seeker = seekerFunc(func(offset int64, whence int) (int64, error) {
		if broken && whence == io.SeekStart {
			broken = false
			return 0, errors.New("disk gone")
		}
		return seek.Seek(offset, whence)
	})
	req := newRequest(t, "PUT", "https://example.com/", body)
	tr := s3(nil)
	require.NoError(t, tr.SignRequest(req))
	_, err := io.ReadFull(req.Body, make([]byte, 7)) // it was sent in part
	require.NoError(t, err)
	broken = true
	require.EqualError(t, tr.SignRequest(req), "sigv4: going back to the start of the body: disk gone")
	require.NoError(t, tr.SignRequest(req))
	require.Equal(t, sigv4.PayloadHash([]byte(text(large))), req.Header.Get("X-Amz-Content-Sha256"))
	sent, err := io.ReadAll(req.Body)
	require.NoError(t, err)
	require.Equal(t, text(large), string(sent))
}

// Without Body, GetBody matters only if ContentLength says that there is one.
func TestGetBodyWithoutBody(t *testing.T) {
	for length, want := range []string{"", "x"} {
		req := newRequest(t, "POST", "https://example.com/", nil)
		req.ContentLength = int64(length)
		req.GetBody = func() (io.ReadCloser, error) { return newStream("x"), nil }
		tr := s3(roundTripper(func(r *http.Request) (*http.Response, error) {
			require.Nil(t, r.GetBody, "Base has nothing to send again that was not signed")
			return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
		}))
		if length == 0 {
			requireOK(t, tr.RoundTrip, req)
		}
		require.NoError(t, tr.SignRequest(req))
		require.Equal(t, sigv4.PayloadHash([]byte(want)), req.Header.Get("X-Amz-Content-Sha256"))
		require.Equal(t, want == "", req.Body == nil)
	}
}

// openSearch is what opensearch-go wants of a signer.
type openSearch struct{ *sigv4.Transport }

func (openSearch) OverrideSigningPort(uint16) {}

var _ interface {
	SignRequest(*http.Request) error
	OverrideSigningPort(uint16)
} = openSearch{}

// opensearch-go signs a retry before it sets its body again (opensearch-go#202).
func TestSignRequestOfOpenSearch(t *testing.T) {
	for _, size := range []int{small, large} {
		s := newService(t, plain, nil, "AKID")
		tr := s.transport()
		req := newRequest(t, "POST", s.URL, strings.NewReader(text(size)))
		for attempt := range 3 {
			require.NoError(t, tr.SignRequest(req))
			if attempt > 0 {
				var err error
				req.Body, err = req.GetBody()
				require.NoError(t, err)
			}
			requireOK(t, s.Client().Transport.RoundTrip, req)
		}
	}
}

func TestSignRequestOfABodyThatCannotBeRead(t *testing.T) {
	tr := s3(nil)
	tr.MaxBody = 3
	body := newStream("hello")
	err := tr.SignRequest(newRequest(t, "PUT", "https://example.com/", body))
	require.ErrorIs(t, err, sigv4.ErrBodyTooLarge)
	require.EqualValues(t, 1, body.closed.Load())
	req := newRequest(t, "PUT", "https://example.com/", strings.NewReader("x"))
	req.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("gone") }
	require.EqualError(t, tr.SignRequest(req), "sigv4: GetBody: gone")
}

func TestInvalidateRejected(t *testing.T) {
	s := newService(t, plain, rejects(403, "", fmt.Sprintf(s3Error, "ExpiredToken"), "AKID"), "AKID", "OTHER")
	tr := s.transport()
	cache := s.rotating()
	tr.Credentials = cache
	req := newRequest(t, "PUT", s.URL, strings.NewReader("hello"))
	for attempt := 0; ; attempt++ {
		require.Less(t, attempt, 2)
		require.NoError(t, tr.SignRequest(req))
		resp, err := s.Client().Do(req)
		require.NoError(t, err)
		rejected := tr.InvalidateRejected(resp)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, attempt == 0, rejected)
		if !rejected {
			break
		}
		require.Contains(t, string(body), "ExpiredToken", "the response can still be read")
	}
	require.Equal(t, "AKID OTHER", s.ids())
	require.Equal(t, "OTHER", cache.Status().AccessKeyID)

	header := http.Header{"X-Amzn-Errortype": {"ExpiredTokenException"}}
	signedBy := func(authorization string) *http.Request {
		req := newRequest(t, "GET", s.URL, nil)
		req.Header.Set("Authorization", authorization)
		return req
	}
	for name, resp := range map[string]*http.Response{
		"nil":           nil,
		"no request":    {StatusCode: 403, Header: header, Body: http.NoBody},
		"no URL":        {StatusCode: 403, Header: header, Body: http.NoBody, Request: &http.Request{Header: req.Header}},
		"not signed":    {StatusCode: 403, Header: header, Body: http.NoBody, Request: newRequest(t, "GET", s.URL, nil)},
		"no body":       {StatusCode: 403, Request: req},
		"not found":     {StatusCode: 404, Header: header, Body: http.NoBody, Request: req},
		"malformed":     {StatusCode: 403, Header: header, Body: http.NoBody, Request: signedBy("AWS4-HMAC-SHA256 Credential=OTHER/s3")},
		"earlier token": {StatusCode: 403, Header: header, Body: http.NoBody, Request: signedBy("AWS4-HMAC-SHA256 Credential=AKID/20261121/eu-west-1/s3/aws4_request, SignedHeaders=host")},
	} {
		require.Equal(t, name == "earlier token", tr.InvalidateRejected(resp), name)
		require.False(t, cache.Status().Rejected, name)
	}
	require.False(t, new(sigv4.Transport).InvalidateRejected(&http.Response{Request: req}))

	// Servers other than AWS have IDs of any form.
	cache = cached(t, func() (stschain.Credentials, error) { return creds("A/B+C"), nil })
	tr = s.transport()
	tr.Credentials = cache
	require.NoError(t, tr.SignRequest(req))
	require.True(t, tr.InvalidateRejected(&http.Response{StatusCode: 403, Header: header, Body: http.NoBody, Request: req}))
	require.True(t, cache.Status().Rejected)
}

// The Transport that is passed the response need not be the one that signed, and may have other credentials for each request.
func TestInvalidateRejectedFirst(t *testing.T) {
	req := newRequest(t, "GET", "https://example.com/", nil)
	signer := &sigv4.Signer{Service: "s3", Region: "r"}
	require.NoError(t, signer.Sign(req, sigv4.PayloadHash(nil), creds("AKID"), now))
	for _, each := range []bool{false, true} {
		cache := cached(t, func() (stschain.Credentials, error) { return creds("AKID"), nil })
		_, err := cache.Retrieve(t.Context())
		require.NoError(t, err)
		tr := &sigv4.Transport{Service: "s3", Region: "r"}
		if each {
			tr.CredentialsFor = func(*http.Request) (stschain.CachedProvider, error) { return cache, nil }
		} else {
			tr.Credentials = cache
		}
		header := http.Header{"X-Amzn-Errortype": {"ExpiredTokenException"}}
		require.True(t, tr.InvalidateRejected(&http.Response{StatusCode: 403, Header: header, Body: http.NoBody, Request: req}))
		require.True(t, cache.Status().Rejected)
	}
}

// The date that was rejected is that of the request, and not that of requests after a correction: of two
// that were signed before it, each is worth another attempt.
func TestInvalidateRejectedAfterACorrection(t *testing.T) {
	base := ststest.InProcess(skewed(now.Add(time.Hour), 403, "RequestTimeTooSkewed"))
	tr := &sigv4.Transport{Service: "s3", Region: "r", Clock: fixedClock(now), Credentials: stschain.Static("AKID", "secret", "")}
	rejected := func(req *http.Request) bool {
		resp, err := base.RoundTrip(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		resp.Request = req
		return tr.InvalidateRejected(resp)
	}
	first, second := newRequest(t, "GET", "https://example.com/1", nil), newRequest(t, "GET", "https://example.com/2", nil)
	require.NoError(t, tr.SignRequest(first))
	require.NoError(t, tr.SignRequest(second))
	require.True(t, rejected(first))
	require.True(t, rejected(second))
	require.NoError(t, tr.SignRequest(second))
	require.Equal(t, "20261121T130000Z", second.Header.Get("X-Amz-Date"))
	require.False(t, rejected(second), "its date was right")
}
