package imds_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/source/imds"
)

func TestRetrieve(t *testing.T) {
	service := &fake{}
	p := service.provider()
	now := clock.NewMock()
	p.Clock = now
	for range 2 {
		got, err := p.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, stschain.Credentials{
			AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: stschain.NewSecret(secret), SessionToken: stschain.NewSecret(secret),
			Expires: time.Date(2026, 11, 21, 18, 0, 0, 0, time.UTC), Origin: "imds web",
		}, got)
	}
	get := []string{"GET " + rolePath + " " + sessionToken, "GET " + rolePath + "web " + sessionToken}
	require.Equal(t, []string{"PUT " + tokenPath, get[0], get[1], get[0], get[1]}, service.requests, "the session token is kept")

	region, err := p.Region(t.Context())
	require.NoError(t, err)
	require.Equal(t, "eu-west-1", region)
	require.Equal(t, "imds", fmt.Sprint(p))
	service.requests = nil // it holds the token in the clear
	canary.Check(t, sessionToken, p)

	// Two minutes before it ends it is requested anew.
	now.Add(6*time.Hour - 2*time.Minute - 1)
	_, err = p.Region(t.Context())
	require.NoError(t, err)
	require.Equal(t, 0, service.count("PUT "+tokenPath))
	now.Add(1)
	_, err = p.Region(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, service.count("PUT "+tokenPath))
}

// A compatible service may send complete keys without a Code. Report: aws-c-auth (docs/defects.md, A16).
func TestDocumentWithoutCode(t *testing.T) {
	for _, code := range []string{"", `"Code":"",`, `"Code":null,`, `"code":"success",`} {
		service := &fake{responses: map[string][]string{"GET " + rolePath + "web": {"200 {" + code + `"AccessKeyId":"ASIAOTHER","SecretAccessKey":"` + secret + `"}`}}}
		got, err := service.provider().Retrieve(t.Context())
		require.NoError(t, err, code)
		require.Equal(t, "ASIAOTHER", got.AccessKeyID)
	}
}

// A token that the service forgot is renewed, once.
func TestRenewsTheToken(t *testing.T) {
	service := &fake{responses: map[string][]string{
		"PUT " + tokenPath: {"200 first", "200 second"},
		"GET " + rolePath:  {"401 ", "200 web"},
	}}
	_, err := service.provider().Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"PUT " + tokenPath, "GET " + rolePath + " first", "PUT " + tokenPath, "GET " + rolePath + " second", "GET " + rolePath + "web second"}, service.requests)

	service = &fake{responses: map[string][]string{"GET " + rolePath: {"401 "}}}
	_, err = service.provider().Retrieve(t.Context())
	require.ErrorContains(t, err, rolePath+" returned 401 Unauthorized")
	require.False(t, stschain.IsUnavailable(err), "%v", err)
	require.Equal(t, 2, service.count("GET "+rolePath))
}

// A token is of no use longer than the service says, which may be less than was requested.
func TestTokenLife(t *testing.T) {
	const longest = 6*time.Hour - 2*time.Minute
	for life, want := range map[string]time.Duration{
		"21600": longest, "600": 8 * time.Minute, "60": 15 * time.Second, "0": time.Second,
		"": longest, "soon": longest, "-1": longest, "21601": longest,
	} {
		service := &fake{life: life}
		p := service.provider()
		now := clock.NewMock()
		p.Clock = now
		for n, passed := range []time.Duration{0, want - 1, 1} {
			now.Add(passed)
			_, err := p.Region(t.Context())
			require.NoError(t, err)
			require.Equal(t, []int{1, 1, 2}[n], service.count("PUT "+tokenPath), "%q", life)
		}
	}
}

// A token is used until it expires if no other can be got. Attempts come at half of what is left; see
// package agent for the rules.
func TestTokenCannotBeRefreshed(t *testing.T) {
	service := &fake{responses: map[string][]string{"PUT " + tokenPath: {"200 first", "403 "}}}
	p := service.provider()
	now := clock.NewMock()
	p.Clock = now
	began := now.Now()
	for _, step := range []struct {
		at   time.Duration
		puts int
		want string
	}{
		{0, 1, ""},
		{6*time.Hour - 2*time.Minute, 2, ""},
		{6*time.Hour - 75*time.Second - 1, 2, ""},
		{6*time.Hour - 75*time.Second, 3, ""},
		{6*time.Hour - 1, 4, ""},
		{6 * time.Hour, 4, "returned 403"}, // it was refused just now
		{6*time.Hour + 5*time.Second, 5, "returned 403"},
	} {
		now.Set(began.Add(step.at))
		_, err := p.Region(t.Context())
		require.Equal(t, step.puts, service.count("PUT "+tokenPath), "%v", step.at)
		if step.want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, step.want)
	}
}

// Callers share a session token, and what was found out with it.
func TestCallersShare(t *testing.T) {
	for response, want := range map[string]struct {
		puts, gets  int
		unavailable bool
	}{
		"200 " + sessionToken: {1, 8, false},
		"404 ":                {1, 8, false}, // version 1
		"silent":              {1, 8, false}, // version 1
		"hang":                {1, 0, true},
	} {
		t.Run(strings.TrimSuffix(response, sessionToken), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service := &fake{responses: map[string][]string{"PUT " + tokenPath: {response}}}
				p := service.provider()
				transport := p.HTTPClient.Transport
				p.HTTPClient.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
					<-time.After(10 * time.Millisecond) // for the others to come
					return transport.RoundTrip(r)
				})
				var all sync.WaitGroup
				for range 8 {
					all.Go(func() {
						if _, err := p.Region(t.Context()); stschain.IsUnavailable(err) != want.unavailable || (err != nil) != want.unavailable {
							t.Error(err)
						}
					})
				}
				all.Wait()
				require.Equal(t, want.puts, service.count("PUT "+tokenPath))
				require.Equal(t, want.gets, service.count("GET /latest/meta-data/placement/region"))
			})
		})
	}
}

// What was found out at one endpoint says nothing of another.
func TestFailureOfAnotherEndpoint(t *testing.T) {
	service := &fake{responses: map[string][]string{"PUT " + tokenPath: {"403 ", "200 " + sessionToken}}}
	p := service.provider()
	_, err := p.Region(t.Context())
	require.ErrorContains(t, err, "returned 403")
	p.LookupEnv = from("AWS_EC2_METADATA_SERVICE_ENDPOINT=http://two.test")
	_, err = p.Region(t.Context())
	require.NoError(t, err)
}

// A token is not shown to another service.
func TestTokenOfAnotherEndpoint(t *testing.T) {
	service := &fake{responses: map[string][]string{"PUT " + tokenPath: {"200 first", "200 second"}}}
	p := service.provider()
	for _, test := range []struct{ endpoint, token string }{{"http://one.test", "first"}, {"http://two.test", "second"}} {
		p.LookupEnv = from("AWS_EC2_METADATA_SERVICE_ENDPOINT=" + test.endpoint)
		service.requests = nil
		_, err := p.Region(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"PUT " + tokenPath, "GET /latest/meta-data/placement/region " + test.token}, service.requests)
	}
}

// The role may be exchanged between the two questions.
func TestResolvesTheRoleAgain(t *testing.T) {
	service := &fake{responses: map[string][]string{
		"GET " + rolePath:         {"200 web", "200 new\nother"},
		"GET " + rolePath + "web": {"404 "},
	}}
	got, err := service.provider().Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "imds new", got.Origin)

	service.responses["GET "+rolePath+"new"] = []string{"404 "}
	_, err = service.provider().Retrieve(t.Context())
	require.ErrorContains(t, err, rolePath+"new returned 404")
	require.False(t, stschain.IsUnavailable(err), "the instance has a role")
}

const html = "<html><body>Sign in to the wireless network</body></html>"

// A service with a wrong response is not absent, and no chain goes on.
// Reports: aws-sdk-go#5138.
func TestWrongAnswers(t *testing.T) {
	long := strings.Repeat("x", 100<<10)
	for name, test := range map[string]struct {
		question, response string
		want               string
		attempts           int
		permanent          bool
	}{
		"token 400":           {"PUT " + tokenPath, "400 ", "returned 400 Bad Request", 1, true},
		"token 403":           {"PUT " + tokenPath, "403 " + html, "returned 403 Forbidden: the service is disabled", 1, true},
		"token 401":           {"PUT " + tokenPath, "401 ", "returned 401", 1, false},
		"token 500":           {"PUT " + tokenPath, "500 " + html, "returned 500", 3, false},
		"token 429":           {"PUT " + tokenPath, "429 ", "returned 429", 3, false},
		"token HTML":          {"PUT " + tokenPath, "200 " + html, "did not return a valid session token", 1, false},
		"token empty":         {"PUT " + tokenPath, "200 ", "did not return a valid session token", 1, false},
		"token with CR":       {"PUT " + tokenPath, "200 a\rb", "did not return a valid session token", 1, false},
		"token endless":       {"PUT " + tokenPath, "200 " + long, "exceeds 65536 bytes", 1, false},
		"token redirect":      {"PUT " + tokenPath, "302 ", "returned 302", 1, false},
		"token reset":         {"PUT " + tokenPath, "reset", "no response: unexpected EOF", 3, false},
		"role 403":            {"GET " + rolePath, "403 ", "returned 403 Forbidden", 1, true},
		"role 500":            {"GET " + rolePath, "500 ", "returned 500", 3, false},
		"role HTML":           {"GET " + rolePath, "200 " + html, "did not return the name of a role", 1, false},
		"role path":           {"GET " + rolePath, "200 ../../x", "did not return the name of a role", 1, false},
		"role hangs":          {"GET " + rolePath, "hang", "no response: waited 1s", 3, false},
		"role redirect":       {"GET " + rolePath, "302 ", "returned 302", 1, false},
		"document 403":        {"GET " + rolePath + "web", "403 ", "returned 403", 1, true},
		"document 503":        {"GET " + rolePath + "web", "503 ", "returned 503", 3, false},
		"document HTML":       {"GET " + rolePath + "web", "200 " + html, "it is not a JSON object", 1, false},
		"document cut":        {"GET " + rolePath + "web", "cut " + document[:100], "no response: unexpected EOF", 3, false},
		"document half":       {"GET " + rolePath + "web", "200 " + document[:100], "it is not a JSON object", 1, false},
		"document empty":      {"GET " + rolePath + "web", "200 ", "it is empty", 1, false},
		"document endless":    {"GET " + rolePath + "web", "200 " + long, "exceeds 65536 bytes", 1, false},
		"document two":        {"GET " + rolePath + "web", "200 " + document + document, "it is not a JSON object", 1, false},
		"document no Code":    {"GET " + rolePath + "web", "200 {}", "it has no AccessKeyId", 1, false},
		"document no secret":  {"GET " + rolePath + "web", `200 {"Code":"Success","AccessKeyId":"A"}`, "it has no SecretAccessKey", 1, false},
		"document failed":     {"GET " + rolePath + "web", `200 {"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume the role web."}`, "returned AssumeRoleUnauthorizedAccess: EC2 cannot assume the role web.", 1, false},
		"document says more":  {"GET " + rolePath + "web", `200 {"Code":"Failed","Message":"not ` + secret + `","SecretAccessKey":"` + secret + `"}`, "not shown", 1, false},
		"document has token":  {"GET " + rolePath + "web", `200 {"Code":"Failed","Message":"not ` + sessionToken + `"}`, "not shown", 1, false},
		"document expiration": {"GET " + rolePath + "web", `200 {"Code":"Success","AccessKeyId":"A","SecretAccessKey":"b","Expiration":"tomorrow"}`, "Expiration is not a valid time", 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service := &fake{responses: map[string][]string{test.question: {test.response}}}
				_, err := stschain.NewChain(service.provider(), stschain.Static("AKIDOTHER", "other", "")).Retrieve(t.Context())
				require.ErrorContains(t, err, test.want)
				require.ErrorContains(t, err, "imds: http://169.254.169.254/latest/")
				require.False(t, stschain.IsUnavailable(err), "%v", err)
				require.Equal(t, test.permanent, errors.Is(err, stschain.ErrPermanent))
				require.Equal(t, test.response == "429 ", errors.Is(err, stschain.ErrThrottled))
				require.Equal(t, test.attempts, service.count(test.question))
				canary.Check(t, secret, err)
				canary.Check(t, sessionToken, err)
			})
		})
	}
}

// Trouble that passes is waited for.
// Reports: aws-sdk-js#445.
func TestTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := &fake{responses: map[string][]string{
			"PUT " + tokenPath:        {"503 ", "reset", "200 " + sessionToken},
			"GET " + rolePath:         {"503 ", "hang", "200 web"},
			"GET " + rolePath + "web": {"429 ", "cut {", "200 " + document},
		}}
		_, err := service.provider().Retrieve(t.Context())
		require.NoError(t, err)
		require.Len(t, service.requests, 9)
	})
}

// An instance without a role has no credentials, unless the configuration says so.
func TestNoRole(t *testing.T) {
	for _, response := range []string{"404 " + html, "200 \n"} {
		service := &fake{responses: map[string][]string{"GET " + rolePath: {response}}}
		_, err := service.provider().Retrieve(t.Context())
		require.True(t, stschain.IsUnavailable(err), "%v", err)
		require.ErrorContains(t, err, "the instance has no role")

		_, err = service.provider("AWS_EC2_METADATA_SERVICE_ENDPOINT=http://imds.test").Retrieve(t.Context())
		require.False(t, stschain.IsUnavailable(err), "%v", err)
		require.ErrorContains(t, err, "imds: the instance has no role: http://imds.test/latest/")
	}
}

func TestVersion1(t *testing.T) {
	for name, test := range map[string]struct {
		token     string
		vars      string
		set       func(*imds.Provider)
		v1        bool
		available bool
	}{
		"404":                      {token: "404 ", v1: true},
		"405":                      {token: "405 ", v1: true},
		"no response":              {token: "silent", v1: true},
		"400":                      {token: "400 "},
		"403":                      {token: "403 "},
		"500":                      {token: "500 "},
		"HTML":                     {token: "200 " + html},
		"404, off by the variable": {token: "404 ", vars: "AWS_EC2_METADATA_V1_DISABLED=True"},
		"405, off by the field":    {token: "405 ", set: func(p *imds.Provider) { p.DisableV1 = true }},
		"silent, off by the field": {token: "silent", set: func(p *imds.Provider) { p.DisableV1 = true }, available: true},
		"404, not off":             {token: "404 ", vars: "AWS_EC2_METADATA_V1_DISABLED=false", v1: true},
		"off by an invalid flag":   {token: "404 ", vars: "AWS_EC2_METADATA_V1_DISABLED=jein"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service := &fake{responses: map[string][]string{"PUT " + tokenPath: {test.token}}}
				p := service.provider(test.vars)
				if test.set != nil {
					test.set(p)
				}
				got, err := p.Retrieve(t.Context())
				if !test.v1 {
					require.Error(t, err)
					require.Zero(t, service.count("GET "+rolePath))
					require.Equal(t, test.available, stschain.IsUnavailable(err))
					return
				}
				require.NoError(t, err)
				require.Equal(t, "ASIAEXAMPLE", got.AccessKeyID)
				require.Equal(t, []string{"PUT " + tokenPath, "GET " + rolePath, "GET " + rolePath + "web"}, service.requests)
			})
		})
	}
	// Version 1 can be disabled at any time.
	service := &fake{responses: map[string][]string{"PUT " + tokenPath: {"404 "}}}
	p := service.provider()
	_, err := p.Region(t.Context())
	require.NoError(t, err)
	p.LookupEnv = from("AWS_EC2_METADATA_V1_DISABLED=true")
	_, err = p.Region(t.Context())
	require.ErrorContains(t, err, tokenPath+" returned 404")

	// That version 2 is not known says nothing of what version 1 returns.
	for _, response := range []string{"401 ", "403 ", "500 ", "302 "} {
		service := &fake{responses: map[string][]string{"PUT " + tokenPath: {"404 "}, "GET " + rolePath: {response}}}
		_, err := service.provider().Retrieve(t.Context())
		require.False(t, stschain.IsUnavailable(err), "%v", err)
		require.ErrorContains(t, err, tokenPath+" returned 404 Not Found; and as version 1: http://169.254.169.254"+rolePath+" returned "+strings.TrimSpace(response))
	}
}

// A machine that is not an instance has an error within about a second.
func TestNotThere(t *testing.T) {
	for name, test := range map[string]struct {
		responses map[string][]string
		vars      []string
		took      time.Duration
	}{
		"no host":             {map[string][]string{"PUT " + tokenPath: {"hang"}}, nil, time.Second},
		"IPv6":                {map[string][]string{"PUT " + tokenPath: {"hang"}}, []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6"}, time.Second},
		"a silent host":       {map[string][]string{"PUT " + tokenPath: {"silent"}, "GET " + rolePath: {"silent"}}, nil, 2 * time.Second},
		"with another time":   {map[string][]string{"PUT " + tokenPath: {"hang"}}, []string{"AWS_METADATA_SERVICE_TIMEOUT=0.2"}, 200 * time.Millisecond},
		"with another number": {map[string][]string{"PUT " + tokenPath: {"hang"}}, []string{"AWS_METADATA_SERVICE_NUM_ATTEMPTS=3"}, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service := &fake{responses: test.responses}
				began := time.Now()
				_, err := service.provider(test.vars...).Retrieve(t.Context())
				require.True(t, stschain.IsUnavailable(err), "%v", err)
				require.NotErrorIs(t, err, stschain.ErrPermanent)
				require.GreaterOrEqual(t, time.Since(began), test.took)
				require.Less(t, time.Since(began), test.took+500*time.Millisecond)

				// Where the configuration says it is, that is a failure.
				p := service.provider(test.vars...)
				p.Endpoint = "http://imds.test:8080/at/"
				_, err = p.Retrieve(t.Context())
				require.False(t, stschain.IsUnavailable(err), "%v", err)
				require.ErrorContains(t, err, "imds: http://imds.test:8080/at"+tokenPath+": no response: waited")
			})
		})
	}
}

// dialer is an HTTP client whose connections all end so.
func dialer(dial func(ctx context.Context) (net.Conn, error)) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }}}
}

func TestCannotConnect(t *testing.T) {
	closed := closedPort(t)
	refused := dialer(func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", closed)
	})
	_, err := (&imds.Provider{LookupEnv: from(), HTTPClient: refused}).Retrieve(t.Context())
	require.True(t, stschain.IsUnavailable(err), "%v", err)
	require.ErrorContains(t, err, "http://169.254.169.254"+tokenPath+": no response")

	_, err = (&imds.Provider{LookupEnv: from(), HTTPClient: refused, Endpoint: "http://" + closed}).Retrieve(t.Context())
	require.False(t, stschain.IsUnavailable(err), "%v", err)

	for errno, unavailable := range map[error]bool{
		syscall.ECONNREFUSED: true, syscall.EHOSTUNREACH: true, syscall.ENETUNREACH: true, syscall.EPERM: true,
		syscall.EMFILE: false, syscall.ENFILE: false, // we could not find out
	} {
		client := dialer(func(context.Context) (net.Conn, error) { return nil, &net.OpError{Op: "dial", Err: errno} })
		_, err := (&imds.Provider{LookupEnv: from(), HTTPClient: client}).Retrieve(t.Context())
		require.Equal(t, unavailable, stschain.IsUnavailable(err), errno)
		require.ErrorIs(t, err, errno)
	}
}

// A caller may give up, and gets only that error.
func TestCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, question := range []string{"PUT " + tokenPath, "GET " + rolePath, "GET " + rolePath + "web"} {
			for _, response := range []string{"hang", "silent", "503 "} {
				service := &fake{responses: map[string][]string{question: {response}}}
				left := errors.New("the user closed the tab")
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(20*time.Millisecond, func() { cancel(left) })
				_, err := service.provider().Retrieve(ctx)
				require.ErrorIs(t, err, context.Canceled, "%s %s", question, response)
				require.ErrorIs(t, err, left)
				require.False(t, stschain.IsUnavailable(err), "%v", err)
			}
		}
	})
}

func TestRegion(t *testing.T) {
	for response, want := range map[string]string{
		"404 ":                  "returned 404",
		"200 " + html:           "did not return a region",
		"200 eu-west-1/../evil": "did not return a region",
		"200 ":                  "did not return a region",
	} {
		service := &fake{responses: map[string][]string{"GET /latest/meta-data/placement/region": {response}}}
		_, err := service.provider().Region(t.Context())
		require.ErrorContains(t, err, want)
		require.False(t, stschain.IsUnavailable(err), "%v", err)
	}
}

// The service is on the machine: no proxy of the environment or of a given client stands between.
func TestNoProxy(t *testing.T) {
	closed := closedPort(t)
	given := &http.Transport{
		Proxy: func(r *http.Request) (u *url.URL, err error) {
			t.Errorf("a proxy is looked up for %s", r.URL)
			return nil, nil
		},
	}
	_, err := (&imds.Provider{LookupEnv: from(), Endpoint: "http://" + closed, HTTPClient: &http.Client{Transport: given}}).Retrieve(t.Context())
	require.ErrorContains(t, err, closed)
	require.NotNil(t, given.Proxy, "the caller's client is not changed")
}

func TestConcurrent(t *testing.T) {
	service := &fake{responses: map[string][]string{"GET " + rolePath: {"401 ", "200 web", "401 ", "200 web"}}}
	p := service.provider()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := p.Retrieve(t.Context()); err != nil && !strings.Contains(err.Error(), "401") {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// Whatever the service returns, it can be used, or is an error that shows none of it.
func FuzzAnswers(f *testing.F) {
	f.Add(sessionToken, "web", document)
	f.Add("", "", "")
	f.Add(html, html, html)
	f.Add("t", "web\nother", `{"code":"success","ACCESSKEYID":"A","secretaccesskey":"b","token":null,"expiration":"9999-12-31T23:59:59.999999999+23:59"}`)
	f.Fuzz(func(t *testing.T, token, role, doc string) {
		service := &fake{responses: map[string][]string{
			"PUT " + tokenPath: {"200 " + token}, "GET " + rolePath: {"200 " + role},
			"GET " + rolePath + strings.TrimSpace(strings.Split(strings.TrimSpace(role), "\n")[0]): {"200 " + doc},
		}}
		creds, err := service.provider().Retrieve(t.Context())
		if err != nil {
			if len(token) > 20 && strings.Contains(err.Error(), token) {
				t.Fatalf("%q shows the token", err)
			}
			return
		}
		if creds.AccessKeyID == "" || creds.SecretAccessKey.IsZero() {
			t.Fatalf("incomplete: %v", creds)
		}
		for _, s := range []string{creds.AccessKeyID, creds.SessionToken.Reveal(), creds.Origin[len("imds "):]} {
			if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
				t.Fatalf("%q cannot be sent", s)
			}
		}
	})
}

func ExampleProvider() {
	p := &imds.Provider{
		LookupEnv:  from(),                             // leave it out to read the real environment,
		HTTPClient: &http.Client{Transport: new(fake)}, // and this to call the real service
	}
	creds, err := p.Retrieve(context.Background())
	fmt.Println(creds.AccessKeyID, creds.SecretAccessKey, creds.Origin, err)
	region, err := p.Region(context.Background())
	fmt.Println(region, err)
	// Output:
	// ASIAEXAMPLE [redacted] imds web <nil>
	// eu-west-1 <nil>
}
