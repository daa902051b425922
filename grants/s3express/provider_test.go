package s3express_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/grants"
	"github.com/stschain-go/stschain/grants/s3express"
	"github.com/stschain-go/stschain/ststest"
)

func TestCreateSession(t *testing.T) {
	w := newWorld(t, ststest.DirectoryBuckets{}, nil)
	p := &s3express.Provider{
		Credentials: w.User(), Bucket: bucket, Region: "us-west-2", Mode: s3express.ReadOnly, ServerSideEncryption: "aws:kms", KMSKeyID: "arn:aws:kms:k",
		EncryptionContext: "e30=", BucketKeyEnabled: true, HTTPClient: w.sessions.HTTPClient, Clock: w.clock,
	}
	s, err := p.CreateSession(t.Context())
	require.NoError(t, err)
	require.True(t, s.Credentials.Expires.Equal(start.Add(5*time.Minute)))
	require.Equal(t, "s3express "+bucket, s.Credentials.Origin)
	require.Equal(t, []any{"aws:kms", "arn:aws:kms:k", "e30=", true}, []any{s.ServerSideEncryption, s.KMSKeyID, s.EncryptionContext, s.BucketKeyEnabled})
	require.Equal(t, "ReadOnly", w.Calls()[0].Form.Get("Mode"))
	require.Len(t, p.Providers(), 1)
	require.Empty(t, (&s3express.Provider{}).Providers())
}

func TestProviderRefused(t *testing.T) {
	for want, change := range map[string]func(*s3express.Provider){
		"Credentials is missing":            func(p *s3express.Provider) { p.Credentials = nil },
		"Bucket is not the name of a":       func(p *s3express.Provider) { p.Bucket = "mybucket" },
		"Region is missing":                 func(p *s3express.Provider) { p.Region = "" },
		"Region is missing, or not a valid": func(p *s3express.Provider) { p.Region = "us-west-2.evil.com/" },
		`Mode "W\nrite" is not valid`:       func(p *s3express.Provider) { p.Mode = "W\\nrite" },
		"characters that no header":         func(p *s3express.Provider) { p.KMSKeyID = "a\nb" },
		"Endpoint is plain http":            func(p *s3express.Provider) { p.Endpoint = "http://s3.example/b" },
		"Endpoint has a query":              func(p *s3express.Provider) { p.Endpoint = "https://s3.example/b?x" },
		"set together with FIPS":            func(p *s3express.Provider) { p.Endpoint, p.FIPS = "https://s3.example/b", true },
	} {
		p := &s3express.Provider{
			Credentials: stschain.Static("AKIDEXAMPLE", "secret", ""), Bucket: bucket, Region: "us-west-2",
			HTTPClient: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { panic("sent") })},
		}
		change(p)
		_, err := p.Retrieve(t.Context())
		require.ErrorContains(t, err, strings.ReplaceAll(want, `\n`, `\\n`))
		require.ErrorIs(t, err, stschain.ErrPermanent)
		_, err = p.Identity(t.Context())
		require.Error(t, err)
	}
}

// TestNames: names that are not those of directory buckets.
func TestNames(t *testing.T) {
	for name, ok := range map[string]bool{
		bucket: true, "a--b--x-s3": true, "app--usw2-az1--xa-s3": true, "my--s3--bucket--abcd-ab1--x-s3": true, "logs--usw2-lax1-az1--x-s3": true,
		"": false, "--x-s3": false, "a--x-s3": false, "--a--x-s3": false, "a----x-s3": false, "A--usw2-az1--x-s3": false, "a_b--usw2-az1--x-s3": false,
		"a--usw2-az1--x-s3 ": false, "a--usw2.az1--x-s3": false, "a--usw2-az1--x-s3x": false, "a--usw2-az1--X-S3": false, "a/b--usw2-az1--x-s3": false,
		"a--usw2-az1-": false, "ü--usw2-az1--x-s3": false, "-a--usw2-az1--x-s3": false, strings.Repeat("a", 60) + "--b--x-s3": false,
	} {
		p := &s3express.Provider{Credentials: stschain.Static("AKIDEXAMPLE", "secret", ""), Bucket: name, Region: "us-west-2", MaxAttempts: 1,
			HTTPClient: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, errRecorded })}}
		_, err := p.Retrieve(t.Context())
		require.Equal(t, ok, errors.Is(err, errRecorded), "%q: %v", name, err)
		require.Equal(t, ok, p.String() != "s3express", "%q", name)
	}
}

// TestHosts: the hosts of the endpoint rules of the AWS SDKs.
func TestHosts(t *testing.T) {
	for want, b := range map[string]s3express.Bucket{
		"mybucket--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com":                                        {Name: "mybucket--usw2-az1--x-s3", Region: "us-west-2"},
		"mybucket--abcd-ab1--x-s3.s3express-abcd-ab1.cn-north-1.amazonaws.com.cn":                                    {Name: "mybucket--abcd-ab1--x-s3", Region: "cn-north-1"},
		"my--s3--bucket--abcd-ab1--x-s3.s3express-abcd-ab1.us-east-1.amazonaws.com":                                  {Name: "my--s3--bucket--abcd-ab1--x-s3", Region: "us-east-1"},
		"myaccesspoint--abcd-ab1--xa-s3.s3express-abcd-ab1.us-east-1.amazonaws.com":                                  {Name: "myaccesspoint--abcd-ab1--xa-s3", Region: "us-east-1"},
		"mybucket--test-ab1--x-s3.s3express-fips-test-ab1.us-east-1.amazonaws.com":                                   {Name: "mybucket--test-ab1--x-s3", Region: "us-east-1", FIPS: true},
		"mybucket--usw2-az12--x-s3.s3express-usw2-az12.dualstack.us-west-2.amazonaws.com":                            {Name: "mybucket--usw2-az12--x-s3", Region: "us-west-2", DualStack: true},
		"mybucket--test1-long1-zone-ab1--x-s3.s3express-fips-test1-long1-zone-ab1.dualstack.us-west-2.amazonaws.com": {Name: "mybucket--test1-long1-zone-ab1--x-s3", Region: "us-west-2", FIPS: true, DualStack: true},
		"mybucket--fips-az1--x-s3.s3express-fips-az1.us-west-2.amazonaws.com":                                        {Name: "mybucket--fips-az1--x-s3", Region: "us-west-2"},
		"mybucket--az1--x-s3.s3express-fips-az1.us-west-2.amazonaws.com":                                             {Name: "mybucket--az1--x-s3", Region: "us-west-2", FIPS: true},
	} {
		require.Equal(t, want, b.Host())
		s := &s3express.Sessions{Credentials: stschain.Static("AKIDEXAMPLE", "secret", ""), LookupEnv: none, HTTPClient: responds(404, nil, "<Error><Code>NoSuchBucket</Code></Error>")}
		p, err := s.CredentialsFor(request(t, "GET", "https://"+strings.ToUpper(want)+"/k", ""))
		require.NoError(t, err, want)
		_, err = p.Retrieve(t.Context())
		refusal, ok := errors.AsType[*grants.Error](err)
		require.True(t, ok, err)
		require.Equal(t, want, refusal.Host)
		require.ErrorContains(t, err, "s3express "+b.Name+": CreateSession at "+want+": 404 Not Found: NoSuchBucket; check the name, the zone and the region of the directory bucket")
		for key := range s.Pool().All() {
			require.Equal(t, b, key)
		}
	}
	for _, want := range []string{
		"s3express-control.us-east-1.amazonaws.com", "s3express-control-fips.us-east-1.amazonaws.com", "s3express-control.dualstack.us-east-1.amazonaws.com",
		"s3express-control-fips.dualstack.us-east-1.amazonaws.com", "s3express-control.cn-north-1.amazonaws.com.cn",
	} {
		s := &s3express.Sessions{Credentials: stschain.Static("AKIDEXAMPLE", "secret", ""), LookupEnv: none}
		scope, err := s.Scope(request(t, "PUT", "https://"+want+"/"+bucket, ""))
		require.NoError(t, err)
		require.False(t, scope.S3Session)
		require.Contains(t, want, scope.Region)
	}
}

const response = `<?xml version="1.0" encoding="UTF-8"?>
<CreateSessionResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Credentials><SessionToken>TOKEN</SessionToken><SecretAccessKey>SECRET</SecretAccessKey><AccessKeyId>ASIA1</AccessKeyId><Expiration>2099-06-26T17:33:30Z</Expiration></Credentials></CreateSessionResult>`

// TestResponses: what servers send in place of a session, and sessions in other forms.
func TestResponses(t *testing.T) {
	replace := func(old, new string) string { return strings.Replace(response, old, new, 1) }
	for name, tt := range map[string]struct {
		status int
		body   string
		want   string // "": a session
		target error
	}{
		"session":           {200, response, "", nil},
		"name in the docs":  {200, strings.ReplaceAll(response, "CreateSessionResult", "CreateSessionOutput"), "", nil},
		"no namespace":      {200, replace(` xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`, ""), "", nil},
		"another namespace": {200, replace("http://s3.amazonaws.com/doc/2006-03-01/", "urn:other"), "", nil},
		"prefix":            {200, strings.ReplaceAll(strings.ReplaceAll(replace("xmlns=", "xmlns:ns2="), "<C", "<ns2:C"), "</C", "</ns2:C"), "", nil},
		"comment":           {200, response + "<!-- end -->\n", "", nil},
		"error in 200":      {200, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>", "200 OK: AccessDenied: no", stschain.ErrPermanent},
		"transient in 200":  {200, "<Error><Code>InternalError</Code></Error>", "200 OK: InternalError", nil},
		"session in 403":    {403, response, "unexpected status for a response with credentials", nil},
		"HTML":              {200, "<!DOCTYPE html><html><head><meta></head><body>Sign in", "unexpected response", nil},
		"XHTML":             {200, "<html><body>Sign in</body></html>", "unexpected response, with the root element html", nil},
		"JSON":              {200, `{"Credentials":{}}`, "not an XML document", nil},
		"empty":             {200, "", "not an XML document", nil},
		"truncated":         {200, response[:len(response)-10], "not an XML document", nil},
		"another result":    {200, strings.ReplaceAll(response, "CreateSession", "ListBuckets"), "root element ListBucketsResult", nil},
		"no credentials":    {200, "<CreateSessionResult/>", "0 elements Credentials", nil},
		"two credentials":   {200, replace("</CreateSessionResult>", "<Credentials/></CreateSessionResult>"), "2 elements Credentials", nil},
		"two keys":          {200, replace("<AccessKeyId>", "<AccessKeyId>ASIA2</AccessKeyId><AccessKeyId>"), "exactly one AccessKeyId", nil},
		"no token":          {200, replace("TOKEN", ""), "exactly one SessionToken", nil},
		"no expiry":         {200, replace("<Expiration>2099-06-26T17:33:30Z</Expiration>", ""), "exactly one Expiration", nil},
		"zero expiry":       {200, replace("2099-06-26T17:33:30Z", "0001-01-01T00:00:00Z"), "not a valid time", nil},
		"bad expiry":        {200, replace("2099-06-26T17:33:30Z", "soon"), "not a valid time", nil},
		"line break in key": {200, replace("SECRET", "SEC\nRET"), "characters that no header can carry", nil},
		"two documents":     {200, response + "<Error/>", "more than one XML document", nil},
		"text after it":     {200, response + "ok", "text after the XML document", nil},
		"entities":          {200, `<!DOCTYPE x [<!ENTITY a "b">]>` + replace("SECRET", "&a;"), "not an XML document", nil},
		"huge":              {200, response + strings.Repeat(" ", 64<<10), "response body exceeds 65536 bytes", nil},
		"missing bucket":    {404, "<Error><Code>NoSuchBucket</Code></Error>", "NoSuchBucket (request req-1); check the name", stschain.ErrPermanent},
		"wrong region":      {301, "<Error><Code>PermanentRedirect</Code></Error>", "PermanentRedirect (request req-1); check Region", nil},
		"slow down":         {503, "<Error><Code>SlowDown</Code></Error>", "SlowDown (request req-1); share", stschain.ErrThrottled},
		"429":               {429, "", "429 Too Many Requests", stschain.ErrThrottled},
		"of control":        {403, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>", "AccessDenied (request req-1); the caller needs", stschain.ErrPermanent},
		"502":               {502, "<html><h1>Bad Gateway</h1></html>", "502 Bad Gateway: unexpected response", nil},
	} {
		p := &s3express.Provider{
			Credentials: stschain.Static("AKIDEXAMPLE", "secret", "IAMTOKEN"), Bucket: bucket, Region: "us-west-2", MaxAttempts: 1,
			HTTPClient: responds(tt.status, http.Header{"X-Amz-Request-Id": {"req-1"}}, tt.body),
		}
		creds, err := p.Retrieve(t.Context())
		if tt.want == "" {
			require.NoError(t, err, name)
			require.Equal(t, stschain.Credentials{
				AccessKeyID: "ASIA1", SecretAccessKey: stschain.NewSecret("SECRET"), SessionToken: stschain.NewSecret("TOKEN"),
				Expires: time.Date(2099, 6, 26, 17, 33, 30, 0, time.UTC), Origin: "s3express " + bucket,
			}, creds, name)
			continue
		}
		require.ErrorContains(t, err, tt.want, name)
		require.Zero(t, creds, name)
		refusal, ok := errors.AsType[*grants.Error](err)
		require.True(t, ok, name)
		require.Equal(t, "CreateSession", refusal.Operation, name)
		for _, target := range []error{stschain.ErrPermanent, stschain.ErrThrottled} {
			require.Equal(t, target == tt.target, errors.Is(err, target), "%s: %v: %v", name, target, err)
		}
	}
}

// TestRetries: what may be transient is sent again, and what is final is not.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ststest.NewTest(t)
		p := &s3express.Provider{
			Credentials: srv.User(), Bucket: bucket, Region: "us-west-2", HTTPClient: &http.Client{Transport: ststest.InProcess(srv.DirectoryBuckets(ststest.DirectoryBuckets{}))},
		}
		srv.FailNext(ststest.Refuse(503, "SlowDown", ""), ststest.Disconnect())
		_, err := p.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, 3, srv.Count("CreateSession"))
		srv.FailNext(ststest.Refuse(403, "AccessDenied", ""))
		_, err = p.Retrieve(t.Context())
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.Equal(t, 4, srv.Count("CreateSession"))
		srv.FailNext(ststest.Hang(), ststest.Hang(), ststest.Hang())
		_, err = p.Retrieve(t.Context())
		require.ErrorContains(t, err, "no response: waited 5s")
	})
}

// TestRejectedCredentials: credentials that S3 rejects are replaced once.
func TestRejectedCredentials(t *testing.T) {
	w := newWorld(t, ststest.DirectoryBuckets{}, nil)
	next := 0
	base := &stschain.Cache{Clock: w.clock, Provider: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		next++
		c := stschain.Credentials{AccessKeyID: fmt.Sprintf("ASIAX%d", next), SecretAccessKey: stschain.NewSecret("secret-of-user"), SessionToken: stschain.NewSecret("token-of-user"), Expires: start.Add(time.Hour)}
		w.AddKeys("arn:aws:sts::123456789012:assumed-role/backup/session", c)
		return c, nil
	})}
	_, err := base.Retrieve(t.Context())
	require.NoError(t, err)
	w.Revoke("ASIAX1")
	p := &s3express.Provider{Credentials: base, Bucket: bucket, Region: "us-west-2", HTTPClient: w.sessions.HTTPClient, Clock: w.clock, MaxAttempts: 1}
	w.clock.Add(2 * time.Minute)
	_, err = p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, next)
	require.Equal(t, 2, w.Count("CreateSession"))

	// Those of a user cannot be replaced.
	w.Revoke("ASIAX2")
	p = &s3express.Provider{Credentials: stschain.Static("ASIAX2", "secret-of-user", "token-of-user"), Bucket: bucket, Region: "us-west-2", HTTPClient: w.sessions.HTTPClient, Clock: w.clock, MaxAttempts: 1}
	_, err = p.Retrieve(t.Context())
	require.ErrorContains(t, err, "400 Bad Request: ExpiredToken: ")
	require.ErrorContains(t, err, "the credentials that signed the request are no longer valid")
	require.Equal(t, 3, w.Count("CreateSession"))
}

// TestClockSkew: with a clock that is wrong by hours, the second request has the right date, and Expires is on this process's clock.
func TestClockSkew(t *testing.T) {
	for _, ahead := range []time.Duration{-3 * time.Hour, 3 * time.Hour} {
		w := newWorld(t, ststest.DirectoryBuckets{}, nil)
		w.AllowRefusals("RequestTimeTooSkewed")
		own := fixedClock(start.Add(-ahead))
		p := &s3express.Provider{Credentials: w.User(), Bucket: bucket, Region: "us-west-2", HTTPClient: w.sessions.HTTPClient, Clock: own, MaxAttempts: 1}
		creds, err := p.Retrieve(t.Context())
		require.NoError(t, err)
		require.InDelta(t, 5*time.Minute, creds.Expires.Sub(own.Now()), float64(2*time.Second))
		require.Equal(t, 2, w.Count("CreateSession"))
		_, err = p.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, 3, w.Count("CreateSession"), "it is known")
	}
}
