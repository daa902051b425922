package s3express_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/grants/s3express"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/ststest"
)

const object = "https://" + host + "/a%20b/%C3%BC+1"

// TestRequests: which requests a session signs. The fake refuses a session where S3 does.
func TestRequests(t *testing.T) {
	const control = "https://s3express-control.us-west-2.amazonaws.com/"
	w := newWorld(t, ststest.DirectoryBuckets{}, nil)
	seen := ""
	w.client.Transport.(*sigv4.Transport).Base = roundTrip(func(r *http.Request) (*http.Response, error) {
		switch session, token := r.Header.Get("X-Amz-S3session-Token"), r.Header.Get("X-Amz-Security-Token"); {
		case session != "" && token == "":
			seen = "session"
		case session == "" && token == "":
			seen = "user"
		default:
			seen = "both"
		}
		return w.sessions.HTTPClient.Transport.RoundTrip(r)
	})
	for _, tt := range []struct{ method, url, body, header, want string }{
		{"PUT", object, "hello", "", "session"},
		{"GET", object, "", "", "session"},
		{"GET", object + "?versionId=1&session-id=2", "", "", "session"},
		{"HEAD", object, "", "", "session"},
		{"GET", "https://" + host + "/?list-type=2&prefix=session", "", "", "session"},
		{"GET", "https://" + host + ":443/a%20b/%C3%BC+1", "", "", "session"},
		{"PUT", "https://" + host + "/copy", "", "/" + bucket + "/a%20b", "user"},
		{"PUT", "https://" + host + "/copy?partNumber=1&uploadId=x", "", "/" + bucket + "/a%20b", "user"},
		{"HEAD", "https://" + host, "", "", "user"},
		{"HEAD", "https://" + host + "/", "", "", "user"},
		{"GET", "https://" + host + "/?session", "", "", "user"},
		{"GET", control, "", "", "user"},
		{"HEAD", control + bucket, "", "", "user"},
		{"DELETE", object, "", "", "session"},
	} {
		r := request(t, tt.method, tt.url, tt.body)
		if tt.header != "" {
			r.Header.Set("X-Amz-Copy-Source", tt.header)
		}
		status, body := w.do(t, r)
		require.Less(t, status, 300, "%s %s: %s", tt.method, tt.url, body)
		require.Equal(t, tt.want, seen, "%s %s", tt.method, tt.url)
	}
	r := request(t, "PUT", object, "x")
	r.Header["x-amz-copy-source"] = []string{"/" + bucket + "/a"}
	scope, err := w.sessions.Scope(r)
	require.NoError(t, err)
	require.Equal(t, sigv4.Scope{Service: "s3express", Region: "us-west-2"}, scope, "whatever the case of the header")
	require.Equal(t, 2, w.Count("CreateSession"), "one for all, and the one in the table")
}

// TestOtherHosts: hosts that are not those of directory buckets, and those that look like them, get no signature.
func TestOtherHosts(t *testing.T) {
	w := newWorld(t, ststest.DirectoryBuckets{}, func(s *s3express.Sessions) { s.Region = "us-west-2" })
	w.client.Transport.(*sigv4.Transport).Base = roundTrip(func(r *http.Request) (*http.Response, error) { panic("sent to " + r.URL.Host) })
	for url, want := range map[string]string{
		"https://mybucket.s3.us-west-2.amazonaws.com/k":                                  "use another Transport for other buckets",
		"https://mybucket--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com/k":            "is not the host of a directory bucket",
		"https://--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com/k":          "is not the host",
		"https://mybucket--usw2-az1--x-s3.s3express-usw2-az2.us-west-2.amazonaws.com/k":  "is not the host",
		"https://mybucket--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.evil.com/k":       "is not the host",
		"https://mybucket--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com.cn": "is not the host",
		"https://mybucket--usw2-az1--x-s3.s3express-usw2-az1.amazonaws.com/k":            "is not the host",
		"https://mybucket--usw2-az1--x-s3.evil.com/k":                                    "is not the host",
		"https://mybucket--usw2-az1--x-s4.s3express-usw2-az1.us-west-2.amazonaws.com/k":  "is not the host",
		"https://a.b--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com/k":       "is not the host",
		"https://s3express-control.us-west-2.amazonaws.com.evil.com/k":                   "is not the host",
		"https://169.254.169.254/k":                                                      "is not the host",
		"https://" + host + ":8443/k":                                                    "port 8443 is not that of a host of AWS",
		"https://mybucket--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com/k":  "the host is in us-east-1, and Region is us-west-2",
	} {
		_, err := w.client.Do(request(t, "GET", url, ""))
		require.ErrorContains(t, err, want, url)
		_, err = w.sessions.CredentialsFor(request(t, "GET", url, ""))
		require.ErrorContains(t, err, want, url)
	}
	r := request(t, "GET", object, "")
	r.Host = "other--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com"
	_, err := w.client.Do(r)
	require.ErrorContains(t, err, "the Host of the request is not the host of its URL")
	require.Zero(t, w.Count("CreateSession"))
}

// TestRejectedSession: a session that S3 rejects before it expires is replaced once.
func TestRejectedSession(t *testing.T) {
	w := newWorld(t, ststest.DirectoryBuckets{}, nil)
	status, _ := w.do(t, request(t, "PUT", object, "hello"))
	require.Equal(t, 200, status)
	p, err := w.sessions.CredentialsFor(request(t, "GET", object, ""))
	require.NoError(t, err)
	first, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "s3express "+bucket, first.Origin)
	require.True(t, first.Expires.Equal(start.Add(5*time.Minute)))

	w.clock.Add(time.Minute)
	require.True(t, w.Revoke(first.AccessKeyID))
	status, body := w.do(t, request(t, "GET", object, ""))
	require.Equal(t, 200, status)
	require.Equal(t, "hello", body)
	require.Equal(t, 2, w.Count("CreateSession"))
	second, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, first, second)

	// If all are rejected, the response is that of S3 after one more session.
	w.client.Transport.(*sigv4.Transport).Base = responds(400, nil, "<Error><Code>ExpiredToken</Code></Error>").Transport
	w.clock.Add(time.Minute)
	status, _ = w.do(t, request(t, "GET", object, ""))
	require.Equal(t, 400, status)
	require.Equal(t, 3, w.Count("CreateSession"))
}

// TestModes: a caller that may only read gets a session for reading, unless it requests more.
func TestModes(t *testing.T) {
	for _, tt := range []struct {
		mode      s3express.Mode
		readOnly  bool
		get, put  int
		want, err string
	}{
		{"", false, 200, 200, "", ""},
		{"", true, 200, 403, "", ""},
		{s3express.ReadOnly, false, 200, 403, "ReadOnly", ""},
		{s3express.ReadWrite, false, 200, 200, "ReadWrite", ""},
		{s3express.ReadWrite, true, 0, 0, "ReadWrite", "the caller needs s3express:CreateSession on the bucket"},
	} {
		buckets := ststest.DirectoryBuckets{}
		if tt.readOnly {
			buckets.ReadOnly = []string{"arn:aws:iam::123456789012:user/alice"}
		}
		w := newWorld(t, buckets, func(s *s3express.Sessions) { s.Configure = func(p *s3express.Provider) { p.Mode = tt.mode } })
		if tt.err != "" {
			_, err := w.client.Do(request(t, "PUT", object, "hello"))
			require.ErrorContains(t, err, tt.err)
			require.ErrorIs(t, err, stschain.ErrPermanent)
			continue
		}
		status, _ := w.do(t, request(t, "PUT", object, "hello"))
		require.Equal(t, tt.put, status)
		status, _ = w.do(t, request(t, "GET", "https://"+host+"/?list-type=2", ""))
		require.Equal(t, tt.get, status)
		require.Equal(t, tt.want, w.Calls()[0].Form.Get("Mode"))
	}
}

func TestPresign(t *testing.T) {
	w := newWorld(t, ststest.DirectoryBuckets{}, nil)
	w.AllowRefusals()
	status, _ := w.do(t, request(t, "PUT", object, "hello"))
	require.Equal(t, 200, status)
	link, err := w.client.Transport.(*sigv4.Transport).Presign(request(t, "GET", object, ""), time.Hour)
	require.NoError(t, err)
	require.True(t, link.Expires.Equal(start.Add(5*time.Minute)), "with the session")
	require.Contains(t, link.URL.Reveal(), "&X-Amz-S3session-Token=")
	require.NotContains(t, link.URL.Reveal(), "X-Amz-Security-Token")
	visit := func(url string) int {
		resp, err := w.sessions.HTTPClient.Get(url)
		require.NoError(t, err)
		resp.Body.Close()
		return resp.StatusCode
	}
	require.Equal(t, 200, visit(link.URL.Reveal()))
	require.NotEqual(t, 200, visit(strings.Replace(link.URL.Reveal(), "S3session-Token=", "S3session-Token=x", 1)))
	require.NotEqual(t, 200, visit(strings.Replace(link.URL.Reveal(), "mybucket--usw2-az1--x-s3.", "other--usw2-az1--x-s3.", 1)))
	w.clock.Add(5 * time.Minute)
	require.NotEqual(t, 200, visit(link.URL.Reveal()))
	_, err = w.client.Transport.(*sigv4.Transport).Presign(request(t, "GET", link.URL.Reveal(), ""), time.Hour)
	require.ErrorContains(t, err, "the request is already signed")
}

func TestDisabled(t *testing.T) {
	for name, tt := range map[string]struct {
		set   bool
		value string
		want  int // sessions
		err   string
	}{
		"not set": {false, "", 1, ""}, "field": {true, "", 0, ""}, "true": {false, "True", 0, ""}, "false": {false, " false ", 1, ""},
		"false and field": {true, "false", 0, ""}, "blank": {false, "  ", 1, ""}, "other": {false, "yes", 0, "AWS_S3_DISABLE_EXPRESS_SESSION_AUTH is neither true nor false"},
	} {
		w := newWorld(t, ststest.DirectoryBuckets{}, func(s *s3express.Sessions) {
			s.DisableSessionAuth = tt.set
			s.LookupEnv = func(name string) (string, bool) { return tt.value, name == "AWS_S3_DISABLE_EXPRESS_SESSION_AUTH" }
		})
		_, err := w.client.Do(request(t, "PUT", object, "hello"))
		if tt.err != "" {
			require.ErrorContains(t, err, tt.err, name)
			require.ErrorIs(t, err, stschain.ErrPermanent)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, tt.want, w.Count("CreateSession"), name)
	}
}

// TestEndpoint: other servers have the bucket in the host, or with an IP address in the path.
func TestEndpoint(t *testing.T) {
	srv := ststest.NewTest(t)
	var urls []string
	base := ststest.InProcess(srv.DirectoryBuckets(ststest.DirectoryBuckets{}))
	noted := roundTrip(func(r *http.Request) (*http.Response, error) {
		urls = append(urls, r.Method+" "+r.URL.String())
		return base.RoundTrip(r)
	})
	for _, tt := range []struct{ endpoint, object, want string }{
		{"http://127.0.0.1:9000", "http://127.0.0.1:9000/" + bucket + "/k", "GET http://127.0.0.1:9000/" + bucket + "?session="},
		{"http://localhost:9000", "http://localhost:9000/" + bucket + "/k", "GET http://localhost:9000/" + bucket + "?session="},
		{"https://[::1]", "https://[::1]/" + bucket + "/k", "GET https://[::1]/" + bucket + "?session="},
		{"https://s3.example:8443", "https://" + bucket + ".s3.example:8443/k", "GET https://" + bucket + ".s3.example:8443/?session="},
	} {
		urls = nil
		s := &s3express.Sessions{Credentials: srv.User(), Region: "us-west-2", Endpoint: tt.endpoint, HTTPClient: &http.Client{Transport: noted}, LookupEnv: none}
		tr := &sigv4.Transport{CredentialsFor: s.CredentialsFor, Scope: s.Scope, Base: noted}
		resp, err := tr.RoundTrip(request(t, "PUT", tt.object, "hello"))
		require.NoError(t, err, tt.endpoint)
		require.Equal(t, 200, resp.StatusCode, tt.endpoint)
		require.Equal(t, []string{tt.want, "PUT " + tt.object}, urls)
		for _, other := range []string{"https://" + host + "/k", "https://x.evil.com/k", "https://127.0.0.1:1/" + bucket + "/k", strings.Replace(tt.object, "--x-s3", "--y", 1)} {
			_, err := tr.RoundTrip(request(t, "GET", other, ""))
			require.Error(t, err, other)
		}
	}
}

func TestSessionsRefused(t *testing.T) {
	keys := stschain.Static("AKIDEXAMPLE", "secret", "")
	for want, s := range map[string]*s3express.Sessions{
		"Credentials is missing":            {},
		"Region is not a valid region name": {Credentials: keys, Region: "a/b"},
		"Region is required with Endpoint":  {Credentials: keys, Endpoint: "http://127.0.0.1:9000"},
		"Endpoint is plain http":            {Credentials: keys, Endpoint: "http://s3.example", Region: "us-west-2"},
		"Endpoint has a path":               {Credentials: keys, Endpoint: "https://s3.example/x", Region: "us-west-2"},
		"Configure changed Bucket":          {Credentials: keys, Configure: func(p *s3express.Provider) { p.Bucket = "other--usw2-az1--x-s3" }},
		"Mode \"Everything\" is not valid":  {Credentials: keys, Configure: func(p *s3express.Provider) { p.Mode = "Everything" }},
		"no credentials to sign with: unknown": {Credentials: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			return stschain.Credentials{}, errors.New("unknown")
		})},
		"is not configured": {Credentials: stschain.Static("", "", "")},
	} {
		s.LookupEnv = none
		tr := &sigv4.Transport{CredentialsFor: s.CredentialsFor, Scope: s.Scope, Base: roundTrip(func(*http.Request) (*http.Response, error) { panic("sent") })}
		_, err := tr.RoundTrip(request(t, "GET", object, ""))
		require.Error(t, err, want)
		if want != "is not configured" {
			require.ErrorContains(t, err, want)
		}
		require.False(t, stschain.IsUnavailable(err))
	}
}
