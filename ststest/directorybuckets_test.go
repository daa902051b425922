package ststest_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/grants/accessgrants"
	"github.com/stschain-go/stschain/grants/s3express"
	"github.com/stschain-go/stschain/internal/test/conformance"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/ststest"
)

const directoryHost = "logs--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com"

// serveWith sends the bytes of a request to a handler. ok is false if no server can read it.
func serveWith(h http.Handler, raw []byte) (rec *httptest.ResponseRecorder, ok bool) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return nil, false
	}
	rec = httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec, true
}

// capture returns a transport that keeps the bytes of the last request.
func capture(h http.Handler, raw *[]byte) http.RoundTripper {
	return transport(func(r *http.Request) (*http.Response, error) {
		var b bytes.Buffer
		if err := r.Clone(r.Context()).Write(&b); err != nil {
			return nil, err
		}
		*raw = b.Bytes()
		rec, _ := serveWith(h, *raw)
		resp := rec.Result()
		resp.Request = r
		return resp, nil
	})
}

// TestGrantBytes changes each byte of the requests of grants: what is signed cannot be changed.
func TestGrantBytes(t *testing.T) {
	srv, mock := fixed(t)
	buckets := srv.DirectoryBuckets(ststest.DirectoryBuckets{})
	instance := srv.AccessGrants(ststest.AccessGrants{Grants: []ststest.Grant{{Target: "s3://*", Permission: "READWRITE"}}})
	var created, put, data []byte
	sessions := &s3express.Sessions{
		Credentials: srv.User(), Configure: func(p *s3express.Provider) { p.Mode, p.ServerSideEncryption = s3express.ReadWrite, "AES256" }, Clock: mock,
		HTTPClient: &http.Client{Transport: capture(buckets, &created)}, LookupEnv: func(string) (string, bool) { return "", false },
	}
	tr := &sigv4.Transport{CredentialsFor: sessions.CredentialsFor, Scope: sessions.Scope, Clock: mock, Base: capture(buckets, &put)}
	r, err := http.NewRequest("PUT", "https://"+directoryHost+"/a%20b?x=1", strings.NewReader("hello"))
	require.NoError(t, err)
	resp, err := tr.RoundTrip(r)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	p := &accessgrants.Provider{
		Credentials: srv.User(), Account: "123456789012", Region: "us-west-2", Target: "s3://b/*", Permission: accessgrants.Read, Duration: time.Hour, Clock: mock,
		HTTPClient: &http.Client{Transport: capture(instance, &data)},
	}
	_, err = p.Retrieve(t.Context())
	require.NoError(t, err)

	srv.AllowRefusals()
	for name, tt := range map[string]struct {
		handler http.Handler
		raw     []byte
	}{"CreateSession": {buckets, created}, "PUT": {buckets, put}, "GetDataAccess": {instance, data}} {
		agent := bytes.Index(tt.raw, []byte("User-Agent"))
		end := agent + bytes.IndexByte(tt.raw[agent:], '\n')
		rec, ok := serveWith(tt.handler, tt.raw)
		require.True(t, ok && rec.Code == 200, name)
		refused := 0
		for i := range tt.raw {
			changed := bytes.Clone(tt.raw)
			changed[i]++
			rec, ok := serveWith(tt.handler, changed)
			switch {
			case !ok, rec.Code/100 != 2:
				refused++
				continue
			case agent <= i && i <= end: // it is not signed
				continue
			}
			require.Equal(t, grantForm(t, tt.raw), grantForm(t, changed), "%s: the change of byte %d, %q, is accepted", name, i, tt.raw[max(i-20, 0):i+1])
		}
		require.Greater(t, refused, len(tt.raw)*8/10, name)
	}
}

// grantForm is what a server reads, without what is not signed: the same request in another form, such as another case of a header's name.
func grantForm(t *testing.T, raw []byte) string {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	require.NoError(t, err)
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	query, err := url.ParseQuery(r.URL.RawQuery)
	require.NoError(t, err)
	form := []string{r.Method, r.URL.Path, r.Host, query.Encode(), string(body), strings.TrimSpace(r.Header.Get("Authorization"))}
	for _, name := range []string{"Account-Id", "Content-Sha256", "Create-Session-Mode", "Date", "S3session-Token", "Security-Token", "Server-Side-Encryption"} {
		form = append(form, strings.TrimSpace(r.Header.Get("X-Amz-"+name)))
	}
	return strings.Join(form, "\n")
}

// TestRecordedGrants: the requests that aws-sdk-go-v2 sent are accepted as they are, and not with another byte in their signature.
func TestRecordedGrants(t *testing.T) {
	dir := filepath.Join(conformance.Dir(t), "sdk-recorded")
	for _, name := range []string{"s3express-createsession-readonly.1", "s3express-getobject.1", "accessgrants-getdataaccess.1"} {
		srv, mock := fixed(t)
		mock.Set(time.Date(2026, 11, 29, 21, 9, 36, 0, time.UTC))
		srv.AllowRefusals()
		srv.AddKeys("arn:aws:sts::123456789012:assumed-role/backup/session", stschain.Credentials{
			AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), SessionToken: stschain.NewSecret("STSTOKEN"),
		})
		h := srv.DirectoryBuckets(ststest.DirectoryBuckets{})
		if strings.HasPrefix(name, "accessgrants") {
			h = srv.AccessGrants(ststest.AccessGrants{Grants: []ststest.Grant{{Target: "s3://bucket/*", Permission: "READ"}}})
		}
		content, err := os.ReadFile(filepath.Join(dir, name+".request.txt"))
		require.NoError(t, err)
		_, raw, _ := strings.Cut(string(content), "\n")
		raw = strings.TrimRight(raw, "\r\n") + "\r\n\r\n"
		rec, ok := serveWith(h, []byte(raw))
		require.True(t, ok)
		require.Equal(t, 200, rec.Code, "%s: %s", name, rec.Body)
		rec, _ = serveWith(h, []byte(strings.Replace(raw, "Signature=", "Signature=0", 1)))
		require.NotEqual(t, 200, rec.Code)
		for _, region := range []string{"us-east-1"} { // another one than that of the host
			rec, _ = serveWith(h, []byte(strings.Replace(raw, "/us-west-2/", "/"+region+"/", 1)))
			require.Equal(t, 400, rec.Code)
		}
	}
}

// TestDirectoryBucketRefusals changes what is sent before it is signed, or the keys that sign it.
func TestDirectoryBucketRefusals(t *testing.T) {
	srv, mock := fixed(t)
	srv.AllowRefusals()
	buckets := srv.DirectoryBuckets(ststest.DirectoryBuckets{Names: []string{"logs--usw2-az1--x-s3", "other--usw2-az1--x-s3"}, ReadOnly: []string{"arn:aws:iam::123456789012:user/bob"}})
	session := func(user stschain.Provider, mode s3express.Mode) stschain.Credentials {
		p := &s3express.Provider{Credentials: user, Bucket: "logs--usw2-az1--x-s3", Region: "us-west-2", Mode: mode, Clock: mock, HTTPClient: &http.Client{Transport: ststest.InProcess(buckets)}}
		creds, err := p.Retrieve(t.Context())
		require.NoError(t, err)
		return creds
	}
	writer, reader, bob := session(srv.User(), ""), session(srv.User(), s3express.ReadOnly), session(srv.AddUser("bob"), "")
	expired := session(srv.User(), "")
	srv.Revoke(expired.AccessKeyID)
	for name, tt := range map[string]struct {
		keys    stschain.Credentials
		express bool
		method  string
		url     string
		header  [2]string
		status  int
		code    string
	}{
		"read":                {writer, true, "GET", "/", [2]string{}, 200, ""},
		"write":               {writer, true, "PUT", "/k", [2]string{}, 200, ""},
		"session as a role":   {writer, false, "GET", "/", [2]string{}, 403, "InvalidAccessKeyId"},
		"user as a session":   {stschain.Credentials{AccessKeyID: srv.User().Credentials.AccessKeyID, SecretAccessKey: srv.User().Credentials.SecretAccessKey, SessionToken: stschain.NewSecret("x")}, true, "GET", "/", [2]string{}, 403, "InvalidAccessKeyId"},
		"another token":       {stschain.Credentials{AccessKeyID: writer.AccessKeyID, SecretAccessKey: writer.SecretAccessKey, SessionToken: reader.SessionToken}, true, "GET", "/", [2]string{}, 400, "InvalidToken"},
		"another key":         {stschain.Credentials{AccessKeyID: writer.AccessKeyID, SecretAccessKey: reader.SecretAccessKey, SessionToken: writer.SessionToken}, true, "GET", "/", [2]string{}, 403, "SignatureDoesNotMatch"},
		"two tokens":          {writer, true, "GET", "/", [2]string{"X-Amz-Security-Token", "x"}, 200, ""}, // the signer removes it
		"revoked":             {expired, true, "GET", "/", [2]string{}, 400, "ExpiredToken"},
		"write to read":       {reader, true, "PUT", "/k", [2]string{}, 403, "AccessDenied"},
		"bob writes":          {bob, true, "DELETE", "/k", [2]string{}, 403, "AccessDenied"},
		"bob reads":           {bob, true, "GET", "/", [2]string{}, 200, ""},
		"copy":                {writer, true, "PUT", "/k2", [2]string{"X-Amz-Copy-Source", "/logs--usw2-az1--x-s3/k"}, 403, "AccessDenied"},
		"HeadBucket":          {writer, true, "HEAD", "/", [2]string{}, 403, ""},
		"DeleteBucket":        {writer, true, "DELETE", "/", [2]string{}, 403, "AccessDenied"},
		"another bucket":      {writer, true, "GET", "https://other--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com/", [2]string{}, 403, "AccessDenied"},
		"unknown bucket":      {srv.User().Credentials, false, "GET", "https://none--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com/k", [2]string{}, 404, "NoSuchBucket"},
		"session of unknown":  {srv.User().Credentials, false, "GET", "https://none--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com/?session", [2]string{}, 404, "NoSuchBucket"},
		"session of another":  {srv.User().Credentials, false, "GET", "https://logs.s3express-usw2-az1.us-west-2.amazonaws.com/?session", [2]string{}, 400, "InvalidBucketName"},
		"CreateSession again": {writer, true, "GET", "/?session", [2]string{}, 403, "InvalidAccessKeyId"},
		"POST of a session":   {srv.User().Credentials, false, "POST", "/?session", [2]string{}, 400, "MethodNotAllowed"},
		"mode":                {srv.User().Credentials, false, "GET", "/?session", [2]string{"X-Amz-Create-Session-Mode", "Write"}, 400, "InvalidRequest"},
		"parameter":           {srv.User().Credentials, false, "GET", "/?session&x=1", [2]string{}, 400, "InvalidArgument"},
		"unknown object":      {writer, true, "GET", "/none", [2]string{}, 404, "NoSuchKey"},
		"POST of an object":   {writer, true, "POST", "/k", [2]string{}, 405, "MethodNotAllowed"},
		"bad escape":          {writer, true, "GET", "/?a=%zz", [2]string{}, 400, "InvalidURI"},
	} {
		keys := tt.keys
		tr := &sigv4.Transport{
			Scope: func(*http.Request) (sigv4.Scope, error) {
				return sigv4.Scope{Service: "s3express", Region: "us-west-2", S3Session: tt.express}, nil
			},
			CredentialsFor: func(*http.Request) (stschain.CachedProvider, error) {
				return stschain.Cached(stschain.Static(keys.AccessKeyID, keys.SecretAccessKey.Reveal(), keys.SessionToken.Reveal())), nil
			},
			Base: ststest.InProcess(buckets), Clock: mock,
		}
		if strings.HasPrefix(tt.url, "/") {
			tt.url = "https://" + directoryHost + tt.url
		}
		r, err := http.NewRequest(tt.method, tt.url, nil)
		require.NoError(t, err)
		if tt.header[0] != "" {
			r.Header.Set(tt.header[0], tt.header[1])
		}
		if name == "bad escape" {
			r.URL.RawQuery = "a=%zz"
			rec := httptest.NewRecorder()
			r.RequestURI = "/?a=%zz"
			buckets.ServeHTTP(rec, r)
			require.Equal(t, 400, rec.Code)
			continue
		}
		resp, err := tr.RoundTrip(r)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, tt.status, resp.StatusCode, "%s: %s", name, body)
		require.Contains(t, string(body), tt.code, name)
	}
}

// TestDataAccessRefusals changes a request before it is signed.
func TestDataAccessRefusals(t *testing.T) {
	srv, mock := fixed(t)
	srv.AllowRefusals()
	instance := srv.AccessGrants(ststest.AccessGrants{Region: "eu-west-1", Grants: []ststest.Grant{{Target: "s3://b/*", Permission: "READ", Grantee: "arn:aws:iam::123456789012:user/bob"}, {Target: "s3://c/*", Permission: "READ"}}})
	const path = "/v20180820/accessgrantsinstance/dataaccess?"
	for name, tt := range map[string]struct {
		method, url, account string
		status               int
		code                 string
	}{
		"valid":              {"GET", path + "target=s3://c/*&permission=READ", "123456789012", 200, "ASIA"},
		"object":             {"GET", path + "target=s3://c/k&permission=READ&targetType=Object", "123456789012", 200, "ASIA"},
		"POST":               {"POST", path + "target=s3://c/*&permission=READ", "123456789012", 400, "InvalidRequest"},
		"path":               {"GET", "/v20180820/accessgrantsinstance/grants?", "123456789012", 400, "InvalidURI"},
		"no account":         {"GET", path + "target=s3://c/*&permission=READ", "", 400, "InvalidRequest"},
		"another account":    {"GET", path + "target=s3://c/*&permission=READ", "210987654321", 400, "not the account of the host"},
		"no permission":      {"GET", path + "target=s3://c/*", "123456789012", 400, "InvalidRequest"},
		"permission":         {"GET", path + "target=s3://c/*&permission=ALL", "123456789012", 400, "permission"},
		"privilege":          {"GET", path + "target=s3://c/*&permission=READ&privilege=x", "123456789012", 400, "privilege"},
		"twice":              {"GET", path + "target=s3://c/*&permission=READ&permission=READ", "123456789012", 400, "twice"},
		"unknown":            {"GET", path + "target=s3://c/*&permission=READ&x=1", "123456789012", 400, "unknown"},
		"target":             {"GET", path + "target=c/*&permission=READ", "123456789012", 400, "target"},
		"object as prefix":   {"GET", path + "target=s3://c/k&permission=READ", "123456789012", 400, "targetType"},
		"prefix as object":   {"GET", path + "target=s3://c/*&permission=READ&targetType=Object", "123456789012", 400, "targetType"},
		"short":              {"GET", path + "target=s3://c/*&permission=READ&durationSeconds=899", "123456789012", 400, "durationSeconds"},
		"not a number":       {"GET", path + "target=s3://c/*&permission=READ&durationSeconds=x", "123456789012", 400, "durationSeconds"},
		"grant of bob":       {"GET", path + "target=s3://b/*&permission=READ", "123456789012", 403, "AccessDenied"},
		"another permission": {"GET", path + "target=s3://c/*&permission=WRITE", "123456789012", 403, "AccessDenied"},
	} {
		tr := &sigv4.Transport{Service: "s3", Region: "eu-west-1", Credentials: srv.User(), Base: ststest.InProcess(instance), Clock: mock}
		r, err := http.NewRequest(tt.method, "https://123456789012.s3-control.eu-west-1.amazonaws.com"+tt.url, nil)
		require.NoError(t, err)
		if tt.account != "" {
			r.Header.Set("X-Amz-Account-Id", tt.account)
		}
		resp, err := tr.RoundTrip(r)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, tt.status, resp.StatusCode, "%s: %s", name, body)
		require.Contains(t, string(body), tt.code, name)
	}
}
