package accessgrants_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/grants/accessgrants"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/ststest"
)

// byYear returns the prefix of a year.
func byYear(bucket, key string) (string, error) {
	year, _, ok := strings.Cut(key, "/")
	if !ok {
		return "", errors.New("the key has no year")
	}
	return "s3://" + bucket + "/" + year + "/*", nil
}

// client is one that reads and writes with grants, and a fake of both services, which enforces the scope of a grant.
type client struct {
	*ststest.Server
	grants *accessgrants.Grants
	clock  *clock.Mock
	tr     *sigv4.Transport
}

func newClient(t *testing.T, instance ststest.AccessGrants) *client {
	c := &client{Server: ststest.NewTest(t), clock: clock.NewMock()}
	c.clock.Set(start)
	c.Server.Clock = c.clock
	c.grants = &accessgrants.Grants{
		Credentials: c.User(), Account: "123456789012", Region: "eu-west-1", Target: byYear, MaxAttempts: 1, Clock: c.clock,
		HTTPClient: &http.Client{Transport: ststest.InProcess(c.AccessGrants(instance))},
	}
	s3 := ststest.InProcess(c.Protect("s3", "eu-west-1", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := ststest.CallerFrom(r.Context())
		permission, scope, _ := strings.Cut(caller.Grant, " ")
		bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if label, _, virtual := strings.Cut(r.Host, ".s3."); virtual {
			bucket, key = label, strings.TrimPrefix(r.URL.Path, "/")
		}
		if key == "" {
			key = r.URL.Query().Get("prefix")
		}
		w.Header().Set("Grant", caller.Grant)
		need := "WRITE"
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			need = "READ"
		}
		if !strings.Contains(permission, need) || !strings.HasPrefix("s3://"+bucket+"/"+key, strings.TrimSuffix(scope, "*")) {
			w.WriteHeader(http.StatusForbidden)
		}
	})))
	c.tr = &sigv4.Transport{CredentialsFor: c.grants.CredentialsFor, Scope: c.grants.Scope, Base: s3, Clock: c.clock}
	return c
}

func (c *client) do(t *testing.T, method, url string) (*http.Response, error) {
	r, err := http.NewRequest(method, url, strings.NewReader(""))
	require.NoError(t, err)
	resp, err := c.tr.RoundTrip(r)
	if err == nil {
		resp.Body.Close()
	}
	return resp, err
}

// TestGrants: the credentials of each prefix and permission are requested once.
func TestGrants(t *testing.T) {
	c := newClient(t, ststest.AccessGrants{Grants: []ststest.Grant{{Target: "s3://reports/2025/*", Permission: "READ"}, {Target: "s3://reports/*", Permission: "READWRITE"}}})
	const virtual, path = "https://reports.s3.eu-west-1.amazonaws.com", "https://s3.eu-west-1.amazonaws.com/reports"
	for range 3 {
		for _, tt := range []struct{ method, url string }{
			{"GET", virtual + "/2026/a"}, {"HEAD", virtual + "/2026/a%20b"}, {"GET", path + "/2026/b"}, {"GET", path + "?list-type=2&prefix=2026%2F"},
			{"GET", virtual + "/?list-type=2&prefix=2026/nov"}, {"PUT", virtual + "/2026/a"}, {"DELETE", path + "/2026/b"}, {"GET", virtual + "/2025/a"},
			{"GET", strings.Replace(virtual, "s3.", "s3.dualstack.", 1) + "/2026/a"}, {"GET", strings.Replace(virtual, "s3.", "s3-fips.", 1) + ":443/2026/a"},
		} {
			resp, err := c.do(t, tt.method, tt.url)
			require.NoError(t, err, tt.url)
			if !strings.Contains(tt.url, "s3-fips") && !strings.Contains(tt.url, "dualstack") { // the fake does not know these hosts
				require.Equal(t, 200, resp.StatusCode, "%s %s: %s", tt.method, tt.url, resp.Header.Get("Grant"))
			}
		}
	}
	require.Equal(t, 3, c.Count("GetDataAccess"), "2026 to read and to write, and 2025 to read")
	require.Equal(t, 3, c.grants.Pool().Status().Entries)

	_, err := c.do(t, "PUT", virtual+"/2025/a") // the grant that matches is the broader one
	require.NoError(t, err)
	require.Equal(t, 4, c.Count("GetDataAccess"))
	c.grants.Pool().Forget(accessgrants.Access{Target: "s3://reports/2026/*", Permission: accessgrants.Read})
	_, err = c.do(t, "GET", virtual+"/2026/a")
	require.NoError(t, err)
	require.Equal(t, 5, c.Count("GetDataAccess"))
}

// TestGrantRejected: credentials that S3 rejects before they expire are replaced once.
func TestGrantRejected(t *testing.T) {
	c := newClient(t, ststest.AccessGrants{Grants: []ststest.Grant{{Target: "s3://reports/*", Permission: "READ"}}})
	const url = "https://reports.s3.eu-west-1.amazonaws.com/2026/a"
	_, err := c.do(t, "GET", url)
	require.NoError(t, err)
	p := c.grants.Pool().Provider(accessgrants.Access{Target: "s3://reports/2026/*", Permission: accessgrants.Read})
	creds, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, c.Count("GetDataAccess"))
	c.clock.Add(time.Minute)
	require.True(t, c.Revoke(creds.AccessKeyID))
	resp, err := c.do(t, "GET", url)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, 2, c.Count("GetDataAccess"))
}

// TestShortLife: credentials that are shorter than every window are not requested each time.
func TestShortLife(t *testing.T) {
	c := newClient(t, ststest.AccessGrants{Grants: []ststest.Grant{{Target: "s3://reports/*", Permission: "READ"}}})
	c.Lifetime = 20 * time.Second
	for range 4 {
		_, err := c.do(t, "GET", "https://reports.s3.eu-west-1.amazonaws.com/2026/a")
		require.NoError(t, err)
		c.clock.Add(time.Second)
	}
	require.Equal(t, 1, c.Count("GetDataAccess"))
	c.clock.Add(20 * time.Second)
	_, err := c.do(t, "GET", "https://reports.s3.eu-west-1.amazonaws.com/2026/a")
	require.NoError(t, err)
	require.Equal(t, 2, c.Count("GetDataAccess"))
}

// TestTargets: what a request is for, and the targets that do not cover it.
func TestTargets(t *testing.T) {
	var bucket, key string
	target := ""
	c := newClient(t, ststest.AccessGrants{Grants: []ststest.Grant{{Target: "s3://reports/*", Permission: "READWRITE"}}})
	c.grants.Target = func(b, k string) (string, error) { bucket, key = b, k; return target, nil }
	c.grants.Permission = accessgrants.ReadWrite
	c.grants.Configure = func(p *accessgrants.Provider) { p.Privilege = accessgrants.Minimal }
	for _, tt := range []struct{ url, key, target, want string }{
		{"/2026/a", "2026/a", "s3://reports/2026/a", "READWRITE s3://reports/2026/a"}, // one object
		{"/2026/a", "2026/a", "s3://reports/2026/*", "READWRITE s3://reports/2026/*"},
		{"/2026/%C3%BC%2F+", "2026/ü/+", "s3://reports/2026/*", "READWRITE s3://reports/2026/*"},
		{"/", "", "s3://reports/*", "READWRITE s3://reports/*"},
		{"/?delete", "", "s3://reports/*", "READWRITE s3://reports/*"},
		{"/?prefix=a%2Fb", "a/b", "s3://reports/a/*", "READWRITE s3://reports/a/*"},
		{"/2026/a", "2026/a", "s3://reports/2025/*", ""},
		{"/2026/a", "2026/a", "s3://other/*", ""},
		{"/2026/a", "2026/a", "s3://reports/2026/b", ""},
		{"/2026/a", "2026/a", "s3://reports/2026/a/*", ""},
		{"/2026/a", "2026/a", "", ""},
		{"/", "", "s3://reports/2026/*", ""},
	} {
		target = tt.target
		resp, err := c.do(t, "GET", "https://reports.s3.eu-west-1.amazonaws.com"+tt.url)
		require.Equal(t, "reports", bucket)
		require.Equal(t, tt.key, key)
		if tt.want == "" {
			require.ErrorContains(t, err, fmt.Sprintf("Target returned %q, which does not cover ", tt.target))
			continue
		}
		require.NoError(t, err)
		require.Equal(t, tt.want, resp.Header.Get("Grant"))
	}
}

// TestOtherURLs: what is not a bucket of S3 in the region gets no signature.
func TestOtherURLs(t *testing.T) {
	c := newClient(t, ststest.AccessGrants{})
	c.tr.Base = roundTrip(func(r *http.Request) (*http.Response, error) { panic("sent to " + r.URL.Host) })
	for _, url := range []string{
		"https://reports.s3.eu-west-2.amazonaws.com/2026/a", "https://reports.s3.eu-west-1.amazonaws.com.evil.com/2026/a", "https://s3.eu-west-1.amazonaws.com/",
		"https://reports.s3.eu-west-1.amazonaws.com:8443/2026/a", "https://123456789012.s3-control.eu-west-1.amazonaws.com/2026/a", "https://evil.com/2026/a",
		"https://.s3.eu-west-1.amazonaws.com/2026/a", "https://reportss3.eu-west-1.amazonaws.com/2026/a",
	} {
		_, err := c.do(t, "GET", url)
		require.ErrorContains(t, err, "is not the URL of a bucket of S3 in eu-west-1; use another Transport for it", url)
	}
	_, err := c.do(t, "GET", "https://reports.s3.eu-west-1.amazonaws.com/november")
	require.ErrorContains(t, err, `no target for bucket "reports": the key has no year`)
	r, err := http.NewRequest("GET", "https://reports.s3.eu-west-1.amazonaws.com/2026/a", nil)
	require.NoError(t, err)
	r.Host = "other.s3.eu-west-1.amazonaws.com"
	_, err = c.tr.RoundTrip(r)
	require.ErrorContains(t, err, "the Host of the request is not the host of its URL")
	require.Zero(t, c.Count("GetDataAccess"))
}

func TestGrantsRefused(t *testing.T) {
	keys := stschain.Static("AKIDEXAMPLE", "secret", "")
	for want, g := range map[string]*accessgrants.Grants{
		"Credentials is missing":   {Account: "123456789012", Region: "eu-west-1", Target: byYear},
		"Target is missing":        {Credentials: keys, Account: "123456789012", Region: "eu-west-1"},
		"Account is missing":       {Credentials: keys, Region: "eu-west-1", Target: byYear},
		"Region is missing":        {Credentials: keys, Account: "123456789012", Region: "x/", Target: byYear},
		"Configure changed Target": {Credentials: keys, Account: "123456789012", Region: "eu-west-1", Target: byYear, Configure: func(p *accessgrants.Provider) { p.Target = "s3://x/*" }},
		"Duration is 1m0s":         {Credentials: keys, Account: "123456789012", Region: "eu-west-1", Target: byYear, Configure: func(p *accessgrants.Provider) { p.Duration = time.Minute }},
	} {
		tr := &sigv4.Transport{CredentialsFor: g.CredentialsFor, Scope: g.Scope, Base: roundTrip(func(*http.Request) (*http.Response, error) { panic("sent") })}
		r, err := http.NewRequest("GET", "https://reports.s3.eu-west-1.amazonaws.com/2026/a", nil)
		require.NoError(t, err)
		_, err = tr.RoundTrip(r)
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.False(t, stschain.IsUnavailable(err))
	}
}

// FuzzTarget maps any URL to a target. What is signed is for an object that the target covers.
func FuzzTarget(f *testing.F) {
	f.Add("reports.s3.eu-west-1.amazonaws.com", "/2026/a", "")
	f.Add("s3.eu-west-1.amazonaws.com", "/reports/2026/../x", "prefix=2026%2F")
	f.Add("a.b.s3.dualstack.eu-west-1.amazonaws.com", "//", "prefix=*")
	var bucket, key string
	g := &accessgrants.Grants{
		Credentials: stschain.Static("AKIDEXAMPLE", "secret", ""), Account: "123456789012", Region: "eu-west-1",
		Target: func(b, k string) (string, error) { bucket, key = b, k; return "s3://reports/2026/*", nil },
	}
	f.Fuzz(func(t *testing.T, host, path, query string) {
		r, err := http.NewRequest("GET", "https://reports.s3.eu-west-1.amazonaws.com/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Host, r.URL.Path, r.URL.RawQuery, r.Host = host, path, query, ""
		if _, err := g.CredentialsFor(r); err != nil {
			return
		}
		if bucket != "reports" || !strings.HasPrefix(key, "2026/") || !strings.Contains(strings.ToLower(host), "eu-west-1.amazonaws.com") {
			t.Fatalf("%q %q %q is for bucket %q and key %q", host, path, query, bucket, key)
		}
	})
}
