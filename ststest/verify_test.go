package ststest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/ststest"
)

const whoAmIBody = "Action=GetCallerIdentity&Version=2011-06-15"

// TestRefusals changes a well-signed call and looks at what STS says to it.
func TestRefusals(t *testing.T) {
	replaceAuth := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
		}
	}
	tests := []struct {
		name    string
		change  func(*http.Request)
		status  int
		code    string
		message string
	}{
		{"no signature", func(r *http.Request) { r.Header.Del("Authorization") }, 403, "MissingAuthenticationToken", ""},
		{"nothing at all", func(r *http.Request) { r.Header.Del("Authorization"); r.Body, r.ContentLength = http.NoBody, 0 }, 403, "MissingAuthenticationToken", ""},
		{"another scheme", func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, 400, "IncompleteSignature", ""},
		{"two signatures", func(r *http.Request) { r.Header.Add("Authorization", "AWS4-HMAC-SHA256 x") }, 400, "IncompleteSignature", ""},
		{"header and query", func(r *http.Request) { r.URL.RawQuery = "X-Amz-Signature=x" }, 400, "IncompleteSignature", ""},
		{"no credential", replaceAuth("Credential=", "X="), 400, "IncompleteSignature", ""},
		{"credential twice", replaceAuth("Credential=", "Credential=a, Credential="), 400, "IncompleteSignature", "twice"},
		{"no signed headers", replaceAuth("SignedHeaders=", "SignedHeaders=,a="), 400, "IncompleteSignature", ""},
		{"short credential", replaceAuth("/eu-west-1", ""), 400, "IncompleteSignature", "5 slash-delimited elements"},
		{"empty region", replaceAuth("/eu-west-1", "/"), 400, "IncompleteSignature", "5 slash-delimited elements"},
		{"terminator", replaceAuth("aws4_request", "aws3_request"), 403, "SignatureDoesNotMatch", "terminator"},
		{"service", replaceAuth("/sts/", "/iam/"), 403, "SignatureDoesNotMatch", "correct service: 'sts'"},
		{"region", replaceAuth("/eu-west-1/", "/eu-west-2/"), 403, "SignatureDoesNotMatch", "valid region"},
		{"day", replaceAuth("/20261121/", "/20261120/"), 403, "SignatureDoesNotMatch", "'20261120' != '20261121', from '20261121T120000Z'"},
		{"signature", func(r *http.Request) {
			a := r.Header.Get("Authorization")
			r.Header.Set("Authorization", a[:len(a)-64]+strings.Repeat("0", 64))
		}, 403, "SignatureDoesNotMatch", "The request signature we calculated"},
		{"short signature", func(r *http.Request) {
			a := r.Header.Get("Authorization")
			r.Header.Set("Authorization", a[:len(a)-1])
		}, 400, "IncompleteSignature", ""},
		{"signed headers not sorted", replaceAuth("content-type;host", "host;content-type"), 400, "IncompleteSignature", "sorted"},
		{"signed header twice", replaceAuth("host;", "host;host;"), 400, "IncompleteSignature", "sorted"},
		{"signed header in upper case", replaceAuth("host;", "Host;"), 400, "IncompleteSignature", "lower case"},
		{"signed header missing", replaceAuth("host;", "host;x-absent;"), 403, "SignatureDoesNotMatch", ""},
		{"host not signed", replaceAuth("host;", ""), 403, "SignatureDoesNotMatch", "'host' must be a 'SignedHeader'"},
		{"x-amz header not signed", func(r *http.Request) { r.Header.Set("X-Amz-Anything", "x") }, 403, "SignatureDoesNotMatch", "'x-amz-anything' must be"},
		{"no date", func(r *http.Request) { r.Header.Del("X-Amz-Date") }, 400, "IncompleteSignature", "'X-Amz-Date' or a 'Date'"},
		{"unreadable date", func(r *http.Request) { r.Header.Set("X-Amz-Date", "2026-11-21T12:00:00Z") }, 400, "IncompleteSignature", "basic format"},
		{"fraction of a second", func(r *http.Request) { r.Header.Set("X-Amz-Date", "20261121T120000.5Z") }, 400, "IncompleteSignature", "basic format"},
		{"two dates", func(r *http.Request) { r.Header.Add("X-Amz-Date", "20261121T120000Z") }, 400, "IncompleteSignature", "more than one"},
		{"another date", func(r *http.Request) { r.Header.Set("X-Amz-Date", "20261121T120001Z") }, 403, "SignatureDoesNotMatch", ""},
		{"unknown key", replaceAuth("AKIA", "AKIB"), 403, "InvalidClientTokenId", "The security token included in the request is invalid."},
		{"token with a long-lived key", func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "x") }, 403, "InvalidClientTokenId", ""},
		{"another host", func(r *http.Request) { r.Host = "sts.eu-west-1.amazonaws.com.example" }, 403, "SignatureDoesNotMatch", ""},
		{"another path", func(r *http.Request) { r.URL.Path = "/x" }, 403, "SignatureDoesNotMatch", ""},
		{"another query", func(r *http.Request) { r.URL.RawQuery = "DurationSeconds=900" }, 403, "SignatureDoesNotMatch", ""},
		{"another content type", func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		}, 403, "SignatureDoesNotMatch", ""},
		{"another body", body(whoAmIBody + "&"), 403, "SignatureDoesNotMatch", ""},
		{"unsigned payload", func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }, 403, "SignatureDoesNotMatch", ""},

		{"unknown action", body("Action=GetCallerIdentify&Version=2011-06-15"), 400, "InvalidAction", "Could not find operation GetCallerIdentify for version 2011-06-15"},
		{"another version", body("Action=GetCallerIdentity&Version=2010-01-01"), 400, "InvalidAction", "for version 2010-01-01"},
		{"no version", body("Action=GetCallerIdentity"), 400, "InvalidAction", "NO_VERSION_SPECIFIED"},
		{"no action", body("Version=2011-06-15"), 400, "MissingAction", ""},
		{"twice", body(whoAmIBody + "&Version=2011-06-15"), 400, "MalformedInput", `"Version" occurs 2 times`},
		{"in query and body", func(r *http.Request) { r.URL.RawQuery = "Version=2011-06-15" }, 400, "MalformedInput", "2 times"},
		{"signature in the form", body(whoAmIBody + "&X-Amz-Signature=x"), 400, "MalformedInput", "X-Amz-Signature"},
		{"form escape", body(whoAmIBody + "&x=%zz"), 400, "MalformedInput", "cannot be decoded"},
		{"query escape", func(r *http.Request) { r.URL.RawQuery = "x=%zz" }, 400, "MalformedQueryString", ""},
		{"no content type", func(r *http.Request) { r.Header.Del("Content-Type") }, 400, "MalformedInput", "content type"},
		{"JSON", func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, 400, "MalformedInput", "application/json"},
		{"charset", func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=latin1")
		}, 400, "MalformedInput", "latin1"},
		{"method", func(r *http.Request) { r.Method = http.MethodPut }, 400, "MalformedInput", "PUT"},
		{"GET with a body", func(r *http.Request) { r.Method = http.MethodGet }, 400, "MalformedInput", "GET"},
		{"too long", body(strings.Repeat("x", 1<<20+1)), 400, "RequestEntityTooLarge", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fake := &fakeT{}
			srv := ststest.NewTest(fake)
			_, srv.Clock = fixed(t)
			req := signed(t.Context(), host, whoAmIBody, srv.User().Credentials, start)
			test.change(req)
			res, err := srv.Client().Do(req)
			got := read(t, res, err)
			require.Equal(t, test.code, got.code(), got.body)
			require.Equal(t, test.status, got.status)
			require.Contains(t, got.Error.Message, test.message)
			require.Contains(t, fake.reports(), test.code, "it is reported to the test")
			calls := srv.Calls()
			require.Len(t, calls, 1)
			require.Equal(t, test.code, calls[0].Code)
			require.Empty(t, calls[0].Caller)
		})
	}
}

// body replaces the body of a request.
func body(s string) func(*http.Request) {
	return func(r *http.Request) {
		other, err := http.NewRequest(r.Method, r.URL.String(), strings.NewReader(s))
		if err != nil {
			panic(err)
		}
		r.Body, r.ContentLength, r.GetBody = other.Body, other.ContentLength, other.GetBody
	}
}

func TestSessionTokens(t *testing.T) {
	srv, _ := fixed(t)
	srv.AllowRefusals("InvalidClientTokenId")
	first := assume(t, srv, srv.User().Credentials).Assumed.Credentials.credentials()
	second := assume(t, srv, srv.User().Credentials).Assumed.Credentials.credentials()

	none := first
	none.SessionToken = stschain.Secret{}
	require.Equal(t, "InvalidClientTokenId", whoAmI(t, srv, none).code())
	other := first
	other.SessionToken = second.SessionToken
	require.Equal(t, "InvalidClientTokenId", whoAmI(t, srv, other).code())
	require.Equal(t, 200, whoAmI(t, srv, first).status)
	require.Equal(t, 200, whoAmI(t, srv, second).status)
}

func TestDateOfSignature(t *testing.T) {
	tests := []struct {
		off     time.Duration // of the signature from the server's clock
		message string
	}{
		{-15 * time.Minute, ""},
		{-15*time.Minute - time.Second, "Signature expired: 20261121T114459Z is now earlier than 20261121T114500Z (20261121T120000Z - 15 min.)"},
		{15 * time.Minute, ""},
		{15*time.Minute + time.Second, "Signature not yet current: 20261121T121501Z is still later than 20261121T121500Z (20261121T120000Z + 15 min.)"},
	}
	for _, test := range tests {
		t.Run(test.off.String(), func(t *testing.T) {
			srv, _ := fixed(t)
			srv.AllowRefusals("SignatureDoesNotMatch")
			res, err := srv.Client().Do(signed(t.Context(), host, whoAmIBody, srv.User().Credentials, start.Add(test.off)))
			got := read(t, res, err)
			require.Equal(t, test.message, got.Error.Message)
			if test.message != "" {
				require.Equal(t, 403, got.status)
				require.Equal(t, "SignatureDoesNotMatch", got.code())
			}
		})
	}
}

func TestPresigned(t *testing.T) {
	srv, mock := fixed(t)
	creds := assume(t, srv, srv.User().Credentials).Assumed.Credentials.credentials()
	req, err := http.NewRequest(http.MethodGet, host+"?Action=GetCallerIdentity&Version=2011-06-15", nil)
	require.NoError(t, err)
	req.Header.Set("X-K8s-Aws-Id", "cluster")
	signer := &sigv4.Signer{Service: "sts", Region: "eu-west-1", SignedHeaders: []string{"x-k8s-aws-id"}}
	url, header, err := signer.Presign(req, sigv4.PayloadHash(nil), creds, start, time.Minute)
	require.NoError(t, err)

	get := func(change func(string) string) reply {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, change(url.Reveal()), nil)
		require.NoError(t, err)
		r.Header = header.Clone()
		res, err := srv.Client().Do(r)
		return read(t, res, err)
	}
	same := func(u string) string { return u }
	got := get(same)
	require.Equal(t, 200, got.status, got.body)
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/backup/nightly", got.Caller.Arn)
	calls := srv.Calls()
	last := calls[len(calls)-1]
	require.True(t, last.Presigned)
	require.Equal(t, "eu-west-1", last.Region)
	require.Equal(t, form("GetCallerIdentity"), last.Form, "without the parameters of the signature")

	mock.Set(start.Add(15 * time.Minute))
	require.Equal(t, 200, get(same).status, "STS looks at the date, and not at X-Amz-Expires")

	srv.AllowRefusals()
	mock.Set(start.Add(15*time.Minute + time.Second))
	require.Equal(t, "SignatureDoesNotMatch", get(same).code())
	mock.Set(start)
	for name, change := range map[string]func(string) string{
		"SignatureDoesNotMatch": func(u string) string { return strings.Replace(u, "X-Amz-Expires=60", "X-Amz-Expires=61", 1) },
		"InvalidClientTokenId":  func(u string) string { return strings.Replace(u, "X-Amz-Security-Token=", "X-Amz-Security-Token=x", 1) },
		"IncompleteSignature":   func(u string) string { return strings.Replace(u, "X-Amz-SignedHeaders", "x-amz-signedheaders", 1) },
		"InvalidAction":         func(u string) string { return strings.Replace(u, "GetCallerIdentity", "GetFederationTokens", 1) },
	} {
		require.Equal(t, name, get(change).code())
	}
	twice := get(func(u string) string { return u + "&X-Amz-Date=20261121T120000Z" })
	require.Equal(t, "IncompleteSignature", twice.code())
	header.Del("X-K8s-Aws-Id")
	require.Equal(t, "SignatureDoesNotMatch", get(same).code(), "a signed header is left out")
	header.Set("X-Amz-Extra", "x")
	require.Equal(t, "SignatureDoesNotMatch", get(same).code())
}

func TestRegions(t *testing.T) {
	tests := []struct {
		host, region, want string
	}{
		{"sts.eu-west-1.amazonaws.com", "", "eu-west-1"},
		{"STS.eu-west-1.amazonaws.com:443", "", "eu-west-1"},
		{"sts-fips.us-gov-west-1.amazonaws.com", "", "us-gov-west-1"},
		{"sts.cn-north-1.amazonaws.com.cn", "", "cn-north-1"},
		{"sts.ap-southeast-2.api.aws", "", "ap-southeast-2"},
		{"sts.us-iso-east-1.c2s.ic.gov", "", "us-iso-east-1"},
		{"vpce-1-2.sts.eu-west-1.vpce.amazonaws.com", "", "eu-west-1"},
		{"sts.amazonaws.com", "", "us-east-1"},
		{"127.0.0.1:9000", "", ""},
		{"sts", "", ""},
		{"sts.example.com", "", ""},
		{"sts.", "", ""},
		{"minio.internal", "", ""},
	}
	for _, test := range tests {
		require.Equal(t, test.want, ststest.HostRegion(test.host), test.host)
	}

	srv, _ := fixed(t)
	srv.AllowRefusals("SignatureDoesNotMatch")
	srv.Region = "eu-central-1"
	require.Equal(t, "Credential should be scoped to a valid region. ", whoAmI(t, srv, srv.User().Credentials).Error.Message)
}

// TestDateHeader verifies the first case of AWS's older test suite, which has a
// Date header in place of X-Amz-Date.
func TestDateHeader(t *testing.T) {
	srv := ststest.New()
	srv.AddKeys("arn:aws:iam::123456789012:user/suite", stschain.Credentials{
		AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
	})
	const authorization = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20110909/us-east-1/host/aws4_request, " +
		"SignedHeaders=date;host, Signature=b27ccfbfa7df52a200ff74193ca6e32d4b48b8856fab7ebf1c595d0670a7e470"
	verify := func(date, authorization, uri string) string {
		r := &http.Request{Method: http.MethodGet, RequestURI: uri, Host: "host.foo.com", Header: http.Header{
			"Date": {date}, "Authorization": {authorization},
		}}
		return srv.Verify(r, nil, ststest.Rules{Service: "host", Region: "us-east-1"}, time.Date(2011, 9, 9, 23, 40, 0, 0, time.UTC))
	}
	const date = "Mon, 09 Sep 2011 23:36:00 GMT" // a Friday, really
	require.Empty(t, verify(date, authorization, "/"))
	require.Empty(t, verify(date, authorization, "http://host.foo.com/"), "a proxy's form of the target")
	require.Empty(t, verify(date, authorization, "http://host.foo.com"))
	require.Equal(t, "SignatureDoesNotMatch", verify("Mon, 09 Sep 2011 23:36:01 GMT", authorization, "/"))
	require.Equal(t, "SignatureDoesNotMatch", verify(date, strings.Replace(authorization, "date;", "", 1), "/"))
	require.Equal(t, "IncompleteSignature", verify("yesterday", authorization, "/"))
}
