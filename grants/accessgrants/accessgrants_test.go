package accessgrants_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/grants"
	"github.com/stschain-go/stschain/grants/accessgrants"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/internal/test/conformance"
	"github.com/stschain-go/stschain/ststest"
)

var start = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type fixedClock time.Time

func (c fixedClock) Now() time.Time { return time.Time(c) }

var errRecorded = errors.New("recorded")

// TestConformance sends the request that aws-sdk-go-v2 sent, with its keys. The SDK also signs headers of its own.
func TestConformance(t *testing.T) {
	t.Run("access-grants/getdataaccess", func(t *testing.T) {
		content, err := os.ReadFile(filepath.Join(conformance.Dir(t), "sdk-recorded", "accessgrants-getdataaccess.1.request.txt"))
		require.NoError(t, err)
		origin, raw, _ := strings.Cut(string(content), "\n")
		want, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.TrimRight(raw, "\r\n") + "\r\n\r\n")))
		require.NoError(t, err)
		at, err := time.Parse("20060102T150405Z", want.Header.Get("X-Amz-Date"))
		require.NoError(t, err)
		var sent *http.Request
		p := &accessgrants.Provider{
			Credentials: stschain.Static("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "STSTOKEN"), Account: "123456789012", Region: "us-west-2",
			Target: "s3://bucket/prefix/*", Permission: accessgrants.Read, Privilege: accessgrants.Minimal, Duration: 15 * time.Minute, MaxAttempts: 1, Clock: fixedClock(at),
			HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) { sent = r; return nil, errRecorded })},
		}
		_, err = p.Retrieve(t.Context())
		require.ErrorIs(t, err, errRecorded)
		require.Equal(t, strings.TrimSpace(origin), sent.URL.Scheme+"://"+sent.URL.Host)
		require.Equal(t, want.URL.RequestURI(), sent.URL.RequestURI())
		for name, values := range want.Header {
			if strings.HasPrefix(name, "X-Amz-") {
				require.Equal(t, values, sent.Header.Values(name), name)
			}
		}
		credential, _, _ := strings.Cut(want.Header.Get("Authorization"), ", ")
		require.True(t, strings.HasPrefix(sent.Header.Get("Authorization"), credential+", SignedHeaders=host;x-amz-account-id;x-amz-content-sha256;x-amz-date;x-amz-security-token, "))
	})
}

// world is an instance with a grant, and a provider.
type world struct {
	*ststest.Server
	*accessgrants.Provider
	clock *clock.Mock
}

func newWorld(t *testing.T, instance ststest.AccessGrants) *world {
	w := &world{Server: ststest.NewTest(t), clock: clock.NewMock()}
	w.clock.Set(start)
	w.Server.Clock = w.clock
	if instance.Grants == nil {
		instance.Grants = []ststest.Grant{{Target: "s3://reports/2026/*", Permission: "READWRITE", Grantee: w.User().ARN}}
	}
	w.Provider = &accessgrants.Provider{
		Credentials: w.User(), Account: "123456789012", Region: "eu-west-1", Target: "s3://reports/2026/*", Permission: accessgrants.Read,
		MaxAttempts: 1, Clock: w.clock, HTTPClient: &http.Client{Transport: ststest.InProcess(w.AccessGrants(instance))},
	}
	return w
}

func TestGetDataAccess(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*accessgrants.Provider)
		grant  string
		life   time.Duration
	}{
		"defaults": {func(*accessgrants.Provider) {}, "READ s3://reports/2026/*", time.Hour},
		"minimal": {func(p *accessgrants.Provider) {
			p.Target, p.Privilege = "s3://reports/2026/a b+c/ü*", accessgrants.Minimal
		}, "READ s3://reports/2026/a b+c/ü*", time.Hour},
		"default": {func(p *accessgrants.Provider) { p.Target, p.Privilege = "s3://reports/2026/a/*", accessgrants.Default }, "READ s3://reports/2026/*", time.Hour},
		"an object": {func(p *accessgrants.Provider) {
			p.Target, p.Privilege = "s3://reports/2026/november", accessgrants.Minimal
		}, "READ s3://reports/2026/november", time.Hour},
		"to write":   {func(p *accessgrants.Provider) { p.Permission = accessgrants.Write }, "WRITE s3://reports/2026/*", time.Hour},
		"both":       {func(p *accessgrants.Provider) { p.Permission = accessgrants.ReadWrite }, "READWRITE s3://reports/2026/*", time.Hour},
		"short":      {func(p *accessgrants.Provider) { p.Duration, p.AuditContext = 15*time.Minute, "ticket 4711" }, "READ s3://reports/2026/*", 15 * time.Minute},
		"FIPS":       {func(p *accessgrants.Provider) { p.FIPS = true }, "READ s3://reports/2026/*", time.Hour},
		"dual stack": {func(p *accessgrants.Provider) { p.FIPS, p.DualStack = true, true }, "READ s3://reports/2026/*", time.Hour},
	} {
		w := newWorld(t, ststest.AccessGrants{})
		tt.change(w.Provider)
		d, err := w.GetDataAccess(t.Context())
		require.NoError(t, err, name)
		require.Equal(t, "s3://reports/2026/*", d.MatchedGrantTarget)
		require.Equal(t, accessgrants.Grantee{Type: "IAM", Identifier: w.User().ARN}, d.Grantee)
		require.True(t, d.Credentials.Expires.Equal(start.Add(tt.life)), name)
		require.Equal(t, "123456789012", d.Credentials.AccountID)
		require.Equal(t, "accessgrants "+string(w.Permission)+" "+w.Target, d.Credentials.Origin)
		caller, ok := w.Caller(d.Credentials.AccessKeyID)
		require.True(t, ok)
		require.Equal(t, tt.grant, caller.Grant, name)
	}
}

func TestHosts(t *testing.T) {
	for want, p := range map[string]*accessgrants.Provider{
		"123456789012.s3-control.eu-west-1.amazonaws.com":                {Region: "eu-west-1"},
		"123456789012.s3-control.cn-north-1.amazonaws.com.cn":            {Region: "cn-north-1"},
		"123456789012.s3-control-fips.us-gov-west-1.amazonaws.com":       {Region: "us-gov-west-1", FIPS: true},
		"123456789012.s3-control.dualstack.eu-west-1.amazonaws.com":      {Region: "eu-west-1", DualStack: true},
		"123456789012.s3-control-fips.dualstack.us-east-1.amazonaws.com": {Region: "us-east-1", FIPS: true, DualStack: true},
		"control.example:8443": {Region: "eu-west-1", Endpoint: "https://control.example:8443/"},
	} {
		p := &accessgrants.Provider{
			Credentials: stschain.Static("AKIDEXAMPLE", "secret", ""), Account: "123456789012", Region: p.Region, FIPS: p.FIPS, DualStack: p.DualStack, Endpoint: p.Endpoint,
			Target: "s3://b/*", Permission: accessgrants.Read, MaxAttempts: 1,
			HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				require.Equal(t, want, r.URL.Host)
				require.Equal(t, "/v20180820/accessgrantsinstance/dataaccess", r.URL.Path)
				return nil, errRecorded
			})},
		}
		_, err := p.Retrieve(t.Context())
		require.ErrorIs(t, err, errRecorded)
		require.ErrorContains(t, err, "accessgrants READ s3://b/*: GetDataAccess at "+want+": no response: recorded")
	}
}

func TestRefused(t *testing.T) {
	for want, change := range map[string]func(*accessgrants.Provider){
		"Credentials is missing":             func(p *accessgrants.Provider) { p.Credentials = nil },
		"Account is missing, or not":         func(p *accessgrants.Provider) { p.Account = "" },
		"Account is missing, or not 12":      func(p *accessgrants.Provider) { p.Account = "evil.com/#89012" },
		"Region is missing":                  func(p *accessgrants.Provider) { p.Region = "a/b" },
		`Permission "" is not valid`:         func(p *accessgrants.Provider) { p.Permission = "" },
		`Permission "ALL" is not valid`:      func(p *accessgrants.Provider) { p.Permission = "ALL" },
		`Privilege "x" is not valid`:         func(p *accessgrants.Provider) { p.Privilege = "x" },
		"Duration is 14m59s":                 func(p *accessgrants.Provider) { p.Duration = 899 * time.Second },
		"Duration is 12h0m1s":                func(p *accessgrants.Provider) { p.Duration = 12*time.Hour + time.Second },
		"AuditContext has 1025":              func(p *accessgrants.Provider) { p.AuditContext = strings.Repeat("a", 1025) },
		"Target is not like":                 func(p *accessgrants.Provider) { p.Target = "reports/*" },
		"Target is not like s3://bucket":     func(p *accessgrants.Provider) { p.Target = "s3://reports*" },
		"Target ends in a slash":             func(p *accessgrants.Provider) { p.Target = "s3://reports/2026/" },
		"is neither a prefix nor":            func(p *accessgrants.Provider) { p.Target = "s3://reports/" },
		"Target has 2011 characters":         func(p *accessgrants.Provider) { p.Target = "s3://reports/" + strings.Repeat("a", 1997) + "*" },
		"Endpoint is plain http":             func(p *accessgrants.Provider) { p.Endpoint = "http://control.example" },
		"Endpoint has a query":               func(p *accessgrants.Provider) { p.Endpoint = "https://control.example/?x" },
		"Endpoint is set together with FIPS": func(p *accessgrants.Provider) { p.Endpoint, p.FIPS = "https://control.example", true },
	} {
		w := newWorld(t, ststest.AccessGrants{})
		change(w.Provider)
		_, err := w.Retrieve(t.Context())
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.Zero(t, w.Count(""), want)
	}
}

// TestErrors: what S3 refuses, with what to do about it.
func TestErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*accessgrants.Provider)
		want   string
	}{
		"no grant":      {func(p *accessgrants.Provider) { p.Target = "s3://reports/2025/*" }, "403 Forbidden: AccessDenied: You do not have READ permissions to the requested S3 Prefix: s3://reports/2025/*"},
		"broader":       {func(p *accessgrants.Provider) { p.Target = "s3://reports/*" }, "the caller needs s3:GetDataAccess, and a grant to it that covers the target"},
		"other account": {func(p *accessgrants.Provider) { p.Account = "210987654321" }, "AccessGrantsInstanceNotExistsError: Access Grants Instance does not exist; the account has no S3 Access Grants instance in this region"},
		"long duration": {func(p *accessgrants.Provider) { p.Duration = 3 * time.Hour }, "400 Bad Request: InvalidRequest: The requested DurationSeconds exceeds"},
	} {
		w := newWorld(t, ststest.AccessGrants{MaxDuration: time.Hour})
		tt.change(w.Provider)
		_, err := w.Retrieve(t.Context())
		require.ErrorContains(t, err, tt.want, name)
		require.ErrorIs(t, err, stschain.ErrPermanent, name)
		refusal, ok := errors.AsType[*grants.Error](err)
		require.True(t, ok)
		require.Equal(t, "GetDataAccess", refusal.Operation)
	}
}

func responds(status int, body string) *http.Client {
	return &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		rec := httptest.NewRecorder()
		rec.WriteHeader(status)
		rec.WriteString(body)
		resp := rec.Result()
		resp.Request = r
		return resp, nil
	})}
}

const response = `<?xml version="1.0" encoding="UTF-8"?><GetDataAccessResult xmlns="http://awss3control.amazonaws.com/doc/2018-08-20/"><Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>SECRET</SecretAccessKey><SessionToken>TOKEN</SessionToken><Expiration>2099-06-26T17:33:30Z</Expiration></Credentials><MatchedGrantTarget>s3://reports/2026/*</MatchedGrantTarget><Grantee><GranteeType>DIRECTORY_GROUP</GranteeType><GranteeIdentifier>0a1b</GranteeIdentifier></Grantee></GetDataAccessResult>`

// TestScope: a grant that is narrower than Target is an error, with its scope in the error and in the response.
func TestScope(t *testing.T) {
	for _, tt := range []struct {
		target string
		grant  string
		covers bool
	}{
		{"s3://reports/2026/*", "s3://reports/2026/*", true},
		{"s3://reports/2026/*", "s3://reports/*", true},
		{"s3://reports/2026/*", "s3://*", true},
		{"s3://reports/2026/*", "s3://reports/2026*", true},
		{"s3://reports/2026*", "s3://reports/2026/*", false},
		{"s3://reports/*", "s3://reports/2026/*", false},
		{"s3://reports/2026/*", "s3://reports/2026/november", false},
		{"s3://reports/2026/*", "s3://other/*", false},
		{"s3://reports/2026/*", "", true},
		{"s3://reports/2026/november", "s3://reports/2026/*", true},
		{"s3://reports/2026/november", "s3://reports/2026/november", true},
		{"s3://reports/2026/november", "s3://reports/2026/november2", false},
		{"s3://reports/2026/november", "s3://reports/2026/nov", false},
	} {
		w := newWorld(t, ststest.AccessGrants{})
		w.Target, w.HTTPClient = tt.target, responds(200, strings.Replace(response, "s3://reports/2026/*", tt.grant, 1))
		d, err := w.GetDataAccess(t.Context())
		require.NoError(t, err)
		require.Equal(t, tt.grant, d.MatchedGrantTarget)
		require.Equal(t, accessgrants.Grantee{Type: "DIRECTORY_GROUP", Identifier: "0a1b"}, d.Grantee)
		require.Equal(t, tt.covers, d.Covers(tt.target), "%s for %s", tt.grant, tt.target)
		creds, err := w.Retrieve(t.Context())
		require.Equal(t, tt.covers, err == nil)
		if err != nil {
			require.ErrorContains(t, err, "the grant covers less than Target: "+tt.grant+"; set Target to that, or to a part of it")
			require.ErrorIs(t, err, stschain.ErrPermanent)
			require.Zero(t, creds)
		}
	}
}

// TestResponses: what servers send in place of credentials. The parser is that of grants/s3express, whose test has more.
func TestResponses(t *testing.T) {
	for name, tt := range map[string]struct {
		status     int
		body, want string
	}{
		"another namespace": {200, strings.Replace(response, "http://awss3control", "urn:", 1), ""},
		"error in 200":      {200, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>", "200 OK: AccessDenied; the caller needs s3:GetDataAccess"},
		"HTML":              {200, "<html></html>", "root element html"},
		"no expiry":         {200, strings.Replace(response, "<Expiration>2099-06-26T17:33:30Z</Expiration>", "", 1), "exactly one Expiration"},
		"empty":             {200, "", "not an XML document"},
	} {
		w := newWorld(t, ststest.AccessGrants{})
		w.HTTPClient = responds(tt.status, tt.body)
		_, err := w.Retrieve(t.Context())
		if tt.want == "" {
			require.NoError(t, err, name)
		} else {
			require.ErrorContains(t, err, tt.want, name)
		}
	}
}

// TestNote: the scope of the grant is in the event and in the trace.
func TestNote(t *testing.T) {
	w := newWorld(t, ststest.AccessGrants{})
	events, steps := make(chan stschain.Event, 9), make(chan stschain.Step, 9)
	c := &stschain.Cache{Provider: w.Provider, Clock: w.clock, OnEvent: func(e stschain.Event) { events <- e }}
	creds, err := c.Retrieve(stschain.WithTrace(t.Context(), &stschain.Trace{End: func(_ context.Context, s stschain.Step) { steps <- s }}))
	require.NoError(t, err)
	var notes []string
	for range 2 {
		notes = append(notes, (<-events).Note)
	}
	want := "the grant covers s3://reports/2026/* for IAM " + w.User().ARN
	require.Contains(t, notes, want)
	var traced []stschain.Step
	for range len(steps) {
		traced = append(traced, <-steps)
	}
	id, err := w.Identity(t.Context())
	require.NoError(t, err)
	w.HTTPClient, w.Provider.Clock = nil, nil // a dump would go through all of testing.T
	for _, s := range []string{creds.SecretAccessKey.Reveal(), creds.SessionToken.Reveal(), w.User().Credentials.SecretAccessKey.Reveal()} {
		canary.Check(t, s, creds, traced, notes, id, w.Calls(), w.Provider)
	}
}

// TestSecrets: neither keys nor tokens are in an error.
func TestSecrets(t *testing.T) {
	const key, token = "canary/secret+key=4711", "canary/session+token=4712"
	for _, status := range []int{200, 400, 403, 500} {
		w := newWorld(t, ststest.AccessGrants{})
		w.Credentials, w.Target = stschain.Static("AKIDEXAMPLE", key, token), "s3://reports/*"
		var signature string
		w.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			_, signature, _ = strings.Cut(r.Header.Get("Authorization"), "Signature=")
			body := "<ErrorResponse><Error><Code>AccessDenied</Code><Message>" + signature + key + token + "</Message></Error></ErrorResponse>"
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		})}
		_, err := w.Retrieve(t.Context())
		require.Error(t, err)
		for _, s := range []string{key, token, signature} {
			canary.Check(t, s, err)
		}
	}
	_, err := (&accessgrants.Provider{Credentials: stschain.Static("A", "s", ""), Account: "123456789012", Region: "eu-west-1", Permission: "READ", Target: key}).Retrieve(t.Context())
	require.Error(t, err)
	canary.Check(t, key, err)
}
