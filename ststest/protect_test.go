package ststest_test

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/ststest"
)

// do sends a signed request to a handler and returns status, error code and body.
func do(t *testing.T, h http.Handler, req *http.Request) (status int, code, body string) {
	t.Helper()
	res, err := (&http.Client{Transport: ststest.InProcess(h)}).Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	if res.StatusCode != http.StatusOK {
		var e struct {
			XMLName xml.Name `xml:"Error"`
			Code    string
		}
		require.NoError(t, xml.Unmarshal(data, &e), "%s", data)
		code = e.Code
	}
	return res.StatusCode, code, string(data)
}

// request returns a signed request of a service in eu-west-1.
func request(t *testing.T, service, method, url, body, hash string, c stschain.Credentials, at time.Time) *http.Request {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	require.NoError(t, err)
	signer := &sigv4.Signer{Service: service, Region: "eu-west-1"}
	require.NoError(t, signer.Sign(req, hash, c, at))
	return req
}

func TestProtect(t *testing.T) {
	srv, mock := fixed(t)
	creds := assume(t, srv, srv.User().Credentials).Assumed.Credentials.credentials()
	var (
		seen ststest.Caller
		got  []byte
	)
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen, _ = ststest.CallerFrom(r.Context())
		got, _ = io.ReadAll(r.Body)
	})
	h := srv.Protect("execute-api", "eu-west-1", next)
	const url = "https://api.example/stage/a%20b/c(d)?z=1&a=2&a=1&empty=&s=a%20b"
	put := func() *http.Request {
		return request(t, "execute-api", http.MethodPut, url, "hello", sigv4.PayloadHash([]byte("hello")), creds, mock.Now())
	}
	status, _, _ := do(t, h, put())
	require.Equal(t, 200, status)
	require.Equal(t, "hello", string(got))
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/backup/nightly", seen.ARN)
	require.Equal(t, "123456789012", seen.AccountID)
	require.Equal(t, creds.AccessKeyID, seen.AccessKeyID)
	require.Equal(t, "eu-west-1", seen.Region)
	require.False(t, seen.Presigned)
	require.Equal(t, start.Add(time.Hour), seen.Expires)
	require.Equal(t, 1, srv.Count(""), "calls of other services are not recorded")

	for name, refuse := range map[string]struct {
		handler http.Handler
		change  func(*http.Request)
		status  int
		code    string
	}{
		"region":    {srv.Protect("execute-api", "eu-west-2", next), func(*http.Request) {}, 403, "SignatureDoesNotMatch"},
		"service":   {srv.Protect("es", "eu-west-1", next), func(*http.Request) {}, 403, "SignatureDoesNotMatch"},
		"body":      {h, body("jello"), 403, "SignatureDoesNotMatch"},
		"query":     {h, func(r *http.Request) { r.URL.RawQuery += "&b=1" }, 403, "SignatureDoesNotMatch"},
		"signature": {h, func(r *http.Request) { r.Header.Del("Authorization") }, 403, "MissingAuthenticationToken"},
		"escape":    {h, func(r *http.Request) { r.URL.RawQuery = "a=%zz" }, 400, "InvalidURI"},
	} {
		t.Run(name, func(t *testing.T) {
			srv.AllowRefusals()
			seen = ststest.Caller{}
			req := put()
			refuse.change(req)
			status, code, _ := do(t, refuse.handler, req)
			require.Equal(t, refuse.status, status)
			require.Equal(t, refuse.code, code)
			require.Zero(t, seen, "next was not called")
		})
	}
	status, _, _ = do(t, srv.Protect("execute-api", "", next), put())
	require.Equal(t, 200, status, "any region")

	srv.Revoke(creds.AccessKeyID)
	status, code, _ := do(t, h, put())
	require.Equal(t, 403, status)
	require.Equal(t, "ExpiredToken", code)
}

func TestProtectS3(t *testing.T) {
	srv, mock := fixed(t)
	user := srv.User().Credentials
	h := srv.Protect("s3", "eu-west-1", nil)
	hash := sigv4.PayloadHash([]byte("hello"))
	for _, path := range []string{
		"/", "/key", "/a//b", "/a/../b/./c", "/a%20b", "/a+b", "/a%2Bb", "/a%2Fb", "/%E1%88%B4", "/(a)!*'", "/a=b&c@d:e;f,g$", "/%25", "/~a",
	} {
		t.Run(path, func(t *testing.T) {
			status, _, got := do(t, h, request(t, "s3", http.MethodPut, "https://bucket.s3.example"+path, "hello", hash, user, start))
			require.Equal(t, 200, status, got)
			require.Equal(t, "arn:aws:iam::123456789012:user/alice", got)
		})
	}
	const url = "https://bucket.s3.example/key"
	status, _, got := do(t, h, request(t, "s3", http.MethodPut, url, "hello", "UNSIGNED-PAYLOAD", user, start))
	require.Equal(t, 200, status, got)

	srv.AllowRefusals()
	req := request(t, "s3", http.MethodPut, url, "hello", hash, user, start)
	body("jello")(req)
	status, code, _ := do(t, h, req)
	require.Equal(t, 400, status)
	require.Equal(t, "XAmzContentSHA256Mismatch", code)

	req = request(t, "s3", http.MethodGet, url, "", sigv4.PayloadHash(nil), user, start)
	req.Header.Del("X-Amz-Content-Sha256")
	_, code, _ = do(t, h, req)
	require.NotEmpty(t, code)

	for want, c := range map[string]stschain.Credentials{
		"InvalidAccessKeyId": ststest.New().User().Credentials,
		"InvalidToken":       {AccessKeyID: user.AccessKeyID, SecretAccessKey: user.SecretAccessKey, SessionToken: stschain.NewSecret("x")},
	} {
		_, code, _ = do(t, h, request(t, "s3", http.MethodGet, url, "", sigv4.PayloadHash(nil), c, start))
		require.Equal(t, want, code)
	}
	_, code, _ = do(t, h, request(t, "s3", http.MethodGet, url, "", sigv4.PayloadHash(nil), user, start.Add(time.Hour)))
	require.Equal(t, "RequestTimeTooSkewed", code)

	creds := assume(t, srv, user).Assumed.Credentials.credentials()
	mock.Add(time.Hour)
	status, code, _ = do(t, h, request(t, "s3", http.MethodGet, url, "", sigv4.PayloadHash(nil), creds, mock.Now()))
	require.Equal(t, 400, status, "as S3 does")
	require.Equal(t, "ExpiredToken", code)
}

func TestProtectPresigned(t *testing.T) {
	srv, mock := fixed(t)
	srv.AllowRefusals()
	for _, service := range []string{"s3", "execute-api"} {
		mock.Set(start)
		h := srv.Protect(service, "", nil)
		hash := sigv4.PayloadHash(nil)
		if service == "s3" {
			hash = "UNSIGNED-PAYLOAD"
		}
		req, err := http.NewRequest(http.MethodGet, "https://service.example/a%20b?x=1", nil)
		require.NoError(t, err)
		signer := &sigv4.Signer{Service: service, Region: "eu-west-1"}
		url, _, err := signer.Presign(req, hash, srv.User().Credentials, start, time.Hour)
		require.NoError(t, err)
		get := func() (int, string) {
			r, err := http.NewRequest(http.MethodGet, url.Reveal(), nil)
			require.NoError(t, err)
			status, code, _ := do(t, h, r)
			return status, code
		}
		mock.Set(start.Add(time.Hour))
		status, code := get()
		require.Equal(t, 200, status, "X-Amz-Expires counts: %s", code)
		mock.Set(start.Add(time.Hour + time.Second))
		status, _ = get()
		require.Equal(t, 403, status)
		mock.Set(start.Add(-16 * time.Minute))
		status, _ = get()
		require.Equal(t, 403, status)
	}
}

func TestPayloadHashInSTS(t *testing.T) {
	srv, _ := fixed(t)
	srv.AllowRefusals("SignatureDoesNotMatch")
	for hash, want := range map[string]string{
		sigv4.PayloadHash([]byte(whoAmIBody)): "",
		sigv4.PayloadHash(nil):                "SignatureDoesNotMatch",
		"UNSIGNED-PAYLOAD":                    "SignatureDoesNotMatch",
	} {
		req, err := http.NewRequest(http.MethodPost, host, strings.NewReader(whoAmIBody))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("X-Amz-Content-Sha256", hash) // so that it is signed
		signer := &sigv4.Signer{Service: "sts", Region: "eu-west-1"}
		require.NoError(t, signer.Sign(req, hash, srv.User().Credentials, start))
		res, err := srv.Client().Do(req)
		require.Equal(t, want, read(t, res, err).code(), hash)
	}
}

// TestSignedContentLength: net/http does not keep every header among the others.
func TestSignedContentLength(t *testing.T) {
	srv, _ := fixed(t)
	h := srv.Protect("execute-api", "", nil)
	front := listen(t, h)
	for _, transport := range []http.RoundTripper{ststest.InProcess(h), http.DefaultTransport} {
		req, err := http.NewRequest(http.MethodPut, front+"/x", strings.NewReader("hello"))
		require.NoError(t, err)
		// The official suite and aws-sdk-go sign it.
		req.Header.Set("Content-Length", "5")
		require.NoError(t, (&sigv4.Signer{Service: "execute-api", Region: "eu-west-1", SignedHeaders: []string{"content-length"}}).
			Sign(req, sigv4.PayloadHash([]byte("hello")), srv.User().Credentials, start))
		require.Contains(t, req.Header.Get("Authorization"), "content-length;host")
		res, err := transport.RoundTrip(req)
		require.NoError(t, err)
		res.Body.Close()
		require.Equal(t, 200, res.StatusCode)
	}
}

func TestProtectLongBody(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.AllowRefusals("EntityTooLarge")
	rec := httptest.NewRecorder()
	srv.Protect("execute-api", "", nil).ServeHTTP(rec, httptest.NewRequest(http.MethodPut, "/key", zeros{}))
	require.Equal(t, 400, rec.Code)
	require.Contains(t, rec.Body.String(), "<Code>EntityTooLarge</Code>")
}

// TestProtectS3Framing: S3 accepts no chunks, and no PUT without a length
// (aws-sdk-go#138, aws-sigv4-proxy#70, docs/defects.md, B2).
func TestProtectS3Framing(t *testing.T) {
	srv, _ := fixed(t)
	srv.AllowRefusals("NotImplemented", "MissingContentLength")
	user := srv.User().Credentials
	for service, s3 := range map[string]bool{"s3": true, "s3-outposts": true, "execute-api": false} {
		h := srv.Protect(service, "", nil)
		front := httptest.NewUnstartedServer(h)
		front.EnableHTTP2 = true
		front.StartTLS()
		defer front.Close()
		plain := listen(t, h)
		for name, c := range map[string]struct {
			base   http.RoundTripper
			front  string
			length int64
			status int // of S3
			code   string
		}{
			"length over HTTP/1":    {http.DefaultTransport, plain, 5, 200, ""},
			"length over HTTP/2":    {front.Client().Transport, front.URL, 5, 200, ""},
			"no length over HTTP/1": {http.DefaultTransport, plain, -1, 501, "<Code>NotImplemented</Code>"},
			"no length over HTTP/2": {front.Client().Transport, front.URL, -1, 411, "<Code>MissingContentLength</Code>"},
			"no length in process":  {ststest.InProcess(h), plain, -1, 501, "<Code>NotImplemented</Code>"},
		} {
			req := request(t, service, http.MethodPut, c.front+"/key", "hello", sigv4.PayloadHash([]byte("hello")), user, start)
			req.ContentLength = c.length
			req.Body = io.NopCloser(io.MultiReader(strings.NewReader("hello"))) // whose length net/http does not know
			res, err := c.base.RoundTrip(req)
			require.NoError(t, err, name)
			got, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			res.Body.Close()
			if !s3 {
				require.Equal(t, 200, res.StatusCode, name)
				continue
			}
			require.Equal(t, c.status, res.StatusCode, "%s: %s", name, got)
			require.Contains(t, string(got), c.code, name)
		}
	}
	raw := httptest.NewRequest(http.MethodPut, "/key", nil)
	rec := httptest.NewRecorder()
	srv.Protect("s3", "", nil).ServeHTTP(rec, raw)
	require.Equal(t, http.StatusLengthRequired, rec.Code)
}

func TestBodyThatBreaksOff(t *testing.T) {
	srv := ststest.NewTest(t)
	for _, h := range []http.Handler{srv, srv.Protect("s3", "", nil)} {
		rec := httptest.NewRecorder()
		req := httptest.NewRequest(http.MethodPost, "/", iotest.ErrReader(io.ErrUnexpectedEOF))
		req.ContentLength = 5
		h.ServeHTTP(rec, req)
		require.Equal(t, 400, rec.Code)
		require.Contains(t, rec.Body.String(), "is incomplete", "and it is not reported: clients may give up")
	}
}
