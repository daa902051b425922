package federation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/federation"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/sessiontoken"
	"github.com/stschain-go/stschain/ststest"
)

const (
	secretKey    = "hunter4711/canary"
	sessionToken = "canary+session/4711=="
	signInToken  = "canary-sign-in/4711"
)

// temporary returns credentials that are valid for an hour from now.
func temporary(now time.Time) stschain.Provider {
	return stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: stschain.NewSecret(secretKey),
			SessionToken: stschain.NewSecret(sessionToken), Expires: now.Add(time.Hour)}, nil
	})
}

// exchange is a sign-in endpoint that records the requests.
type exchange struct {
	status   int // 0: 200
	body     string
	location string
	err      error
	requests []*http.Request
	forms    []url.Values
}

func (x *exchange) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	x.requests, x.forms = append(x.requests, r), append(x.forms, form)
	if x.err != nil {
		return nil, x.err
	}
	if x.status == 0 {
		x.status = http.StatusOK
	}
	return &http.Response{StatusCode: x.status, Header: http.Header{"Location": {x.location}}, Body: io.NopCloser(strings.NewReader(x.body)), Request: r}, nil
}

const response = `{"SigninToken":"` + signInToken + `"}`

func TestSignInURL(t *testing.T) {
	fake := clock.NewMock()
	fake.Set(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	x := &exchange{body: response}
	s := &federation.SignIn{
		Credentials: temporary(fake.Now()),
		Region:      "eu-west-1",
		Issuer:      "https://broker.example/sign-in?a=b",
		Destination: "/s3/buckets?region=eu-west-1#x",
		Duration:    12 * time.Hour,
		HTTPClient:  &http.Client{Transport: x},
		Clock:       fake,
	}
	link, err := s.SignInURL(t.Context())
	require.NoError(t, err)
	require.Equal(t, fake.Now().Add(15*time.Minute), link.Expires)

	// The secrets are in the body of a POST, and nowhere else.
	require.Len(t, x.requests, 1)
	r := x.requests[0]
	require.Equal(t, http.MethodPost, r.Method)
	require.Equal(t, "https://signin.aws.amazon.com/federation", r.URL.String())
	require.Equal(t, "application/x-www-form-urlencoded", r.Header.Get("Content-Type"))
	canary.CheckText(t, secretKey, fmt.Sprint(r.URL, r.Header))
	form := x.forms[0]
	require.Equal(t, "getSigninToken", form.Get("Action"))
	require.Equal(t, "43200", form.Get("SessionDuration"))
	var session map[string]string
	require.NoError(t, json.Unmarshal([]byte(form.Get("Session")), &session))
	require.Equal(t, map[string]string{"sessionId": "ASIAEXAMPLE", "sessionKey": secretKey, "sessionToken": sessionToken}, session)

	u, err := url.Parse(link.URL.Reveal())
	require.NoError(t, err)
	require.Equal(t, "https://signin.aws.amazon.com/federation", "https://"+u.Host+u.Path)
	require.Equal(t, url.Values{
		"Action":      {"login"},
		"Issuer":      {"https://broker.example/sign-in?a=b"},
		"Destination": {"https://eu-west-1.console.aws.amazon.com/s3/buckets?region=eu-west-1#x"},
		"SigninToken": {signInToken},
	}, u.Query())
	canary.Check(t, signInToken, link)

	// Without settings, only what is required is sent.
	x = &exchange{body: response}
	s = &federation.SignIn{Credentials: temporary(fake.Now()), HTTPClient: &http.Client{Transport: x}, Clock: fake}
	fake.Add(50 * time.Minute)
	link, err = s.SignInURL(t.Context())
	require.NoError(t, err)
	require.Equal(t, fake.Now().Add(10*time.Minute), link.Expires, "the credentials expire before the token")
	require.NotContains(t, x.forms[0], "SessionDuration")
	require.NotContains(t, link.URL.Reveal(), "Issuer")
}

// The hosts of the console and of the sign-in, by region.
func TestSignInHosts(t *testing.T) {
	for _, test := range []struct {
		region      string
		regional    bool
		destination string
		signIn      string
		page        string
	}{
		{"", false, "", "signin.aws.amazon.com", "https://console.aws.amazon.com/console/home"},
		{"", false, "ec2/home", "signin.aws.amazon.com", "https://console.aws.amazon.com/ec2/home"},
		{"eu-west-1", false, "", "signin.aws.amazon.com", "https://eu-west-1.console.aws.amazon.com/console/home?region=eu-west-1"},
		{"eu-west-1", true, "", "eu-west-1.signin.aws.amazon.com", "https://eu-west-1.console.aws.amazon.com/console/home?region=eu-west-1"},
		{"cn-north-1", false, "", "signin.amazonaws.cn", "https://cn-north-1.console.amazonaws.cn/console/home?region=cn-north-1"},
		{"cn-northwest-1", true, "/s3", "cn-northwest-1.signin.amazonaws.cn", "https://cn-northwest-1.console.amazonaws.cn/s3"},
		{"us-gov-west-1", false, "", "signin.amazonaws-us-gov.com", "https://us-gov-west-1.console.amazonaws-us-gov.com/console/home?region=us-gov-west-1"},
		{"us-gov-east-1", true, "", "us-gov-east-1.signin.amazonaws-us-gov.com", "https://us-gov-east-1.console.amazonaws-us-gov.com/console/home?region=us-gov-east-1"},
		{"eusc-de-east-1", false, "", "eusc-de-east-1.signin.amazonaws-eusc.eu", "https://eusc-de-east-1.console.amazonaws-eusc.eu/console/home?region=eusc-de-east-1"},
		{"us-iso-east-1", false, "https://console.example/", "signin.c2shome.ic.gov", "https://console.example/"},
		{"us-isob-east-1", true, "https://console.example/", "us-isob-east-1.signin.sc2shome.sgov.gov", "https://console.example/"},
		{"eu-isoe-west-1", false, "https://console.example/", "signin.csphome.adc-e.uk", "https://console.example/"},
		{"us-isof-south-1", false, "https://console.example/", "signin.csphome.hci.ic.gov", "https://console.example/"},
		{"mx-central-1", false, "https://health.aws.amazon.com/", "signin.aws.amazon.com", "https://health.aws.amazon.com/"},
	} {
		x := &exchange{body: response}
		s := &federation.SignIn{Credentials: temporary(time.Now()), Region: test.region, Regional: test.regional,
			Destination: test.destination, HTTPClient: &http.Client{Transport: x}}
		link, err := s.SignInURL(t.Context())
		require.NoError(t, err, test.region)
		require.Equal(t, "https://"+test.signIn+"/federation", x.requests[0].URL.String())
		u, err := url.Parse(link.URL.Reveal())
		require.NoError(t, err)
		require.Equal(t, test.signIn, u.Host)
		require.Equal(t, test.page, u.Query().Get("Destination"))
	}
}

func TestSignInSettings(t *testing.T) {
	with := func(set func(*federation.SignIn)) *federation.SignIn {
		s := &federation.SignIn{Credentials: temporary(time.Now()), HTTPClient: &http.Client{Transport: &exchange{err: errors.New("nothing is sent")}}}
		set(s)
		return s
	}
	for name, test := range map[string]struct {
		signIn *federation.SignIn
		want   string
	}{
		"zero":                  {&federation.SignIn{}, "Credentials is missing"},
		"long-lived":            {with(func(s *federation.SignIn) { s.Credentials = stschain.Static("AKIDEXAMPLE", "secret", "") }), "Credentials are long-lived (AKIDEXAMPLE, from static)"},
		"region":                {with(func(s *federation.SignIn) { s.Region = "evil.example/" }), "not a region"},
		"region of hyphens":     {with(func(s *federation.SignIn) { s.Region = "-" }), "not a region"},
		"regional":              {with(func(s *federation.SignIn) { s.Regional = true }), "Region is missing"},
		"short":                 {with(func(s *federation.SignIn) { s.Duration = 899 * time.Second }), "Duration is 14m59s, and whole seconds from 15m0s to 12h0m0s are allowed"},
		"long":                  {with(func(s *federation.SignIn) { s.Duration = 12*time.Hour + time.Second }), "Duration is 12h0m1s"},
		"negative":              {with(func(s *federation.SignIn) { s.Duration = -time.Hour }), "Duration is -1h0m0s"},
		"half a second":         {with(func(s *federation.SignIn) { s.Duration = time.Hour + time.Second/2 }), "Duration is 1h0m0.5s"},
		"timeout":               {with(func(s *federation.SignIn) { s.AttemptTimeout = -1 }), "AttemptTimeout is -1ns"},
		"scheme":                {with(func(s *federation.SignIn) { s.Destination = "javascript:alert(1)" }), `Destination has the scheme "javascript"`},
		"plain http":            {with(func(s *federation.SignIn) { s.Destination = "http://console.aws.amazon.com/" }), `Destination has the scheme "http"`},
		"another host":          {with(func(s *federation.SignIn) { s.Destination = "//evil.example/" }), "Destination is neither"},
		"invalid URL":           {with(func(s *federation.SignIn) { s.Destination = "https://%zz" }), "Destination is neither"},
		"unknown console":       {with(func(s *federation.SignIn) { s.Region = "us-iso-east-1" }), "the console of the partition aws-iso"},
		"unknown console, path": {with(func(s *federation.SignIn) { s.Region = "us-iso-east-1"; s.Destination = "/s3" }), "the console of the partition aws-iso"},
		"endpoint":              {with(func(s *federation.SignIn) { s.Endpoint = "signin.example" }), "Endpoint is not the URL"},
		"plain endpoint":        {with(func(s *federation.SignIn) { s.Endpoint = "http://signin.example/federation" }), "plain http is for loopback only"},
		"password":              {with(func(s *federation.SignIn) { s.Endpoint = "https://user:hunter4711@signin.example" }), "Endpoint is not the URL"},
		"query":                 {with(func(s *federation.SignIn) { s.Endpoint = "https://signin.example?a=b" }), "Endpoint has a query"},
		"empty query":           {with(func(s *federation.SignIn) { s.Endpoint = "https://signin.example?" }), "Endpoint has a query"},
		"host":                  {with(func(s *federation.SignIn) { s.Endpoint = "https://signin%c2%85.example" }), "Endpoint is not the URL"},
	} {
		t.Run(name, func(t *testing.T) {
			link, err := test.signIn.SignInURL(t.Context())
			require.ErrorContains(t, err, test.want)
			require.True(t, strings.HasPrefix(err.Error(), "federation: no sign-in URL: "), err.Error())
			require.ErrorIs(t, err, stschain.ErrPermanent)
			require.Zero(t, link)
			require.NotContains(t, err.Error(), "hunter4711")
		})
	}
}

// Errors of the endpoint and of the transport say what happened and contain no secret. Only a valid
// response makes a URL.
func TestSignInFailures(t *testing.T) {
	everything := secretKey + " " + sessionToken + " " + signInToken
	for name, test := range map[string]struct {
		exchange  *exchange
		duration  time.Duration
		want      string
		permanent bool
	}{
		"refused":          {&exchange{status: 400, body: everything}, 0, "400 Bad Request: the credentials must be valid", true},
		"duration refused": {&exchange{status: 400, body: everything}, time.Hour, "400 Bad Request: Duration is not accepted for a role that was assumed by a role, nor for a federated user", true},
		"forbidden":        {&exchange{status: 403}, 0, "403 Forbidden", true},
		"not found":        {&exchange{status: 404}, 0, "404 Not Found: is it the sign-in endpoint?", true},
		"redirect":         {&exchange{status: 302, location: "https://evil.example/"}, 0, "redirects are not followed", true},
		"throttled":        {&exchange{status: 429, body: everything}, 0, "signin.aws.amazon.com: unexpected response: 429", false},
		"down":             {&exchange{status: 503, body: everything}, 0, "signin.aws.amazon.com: unexpected response: 503", false},
		"odd status":       {&exchange{status: 599}, 0, "unexpected response: 599", false},
		"html":             {&exchange{body: "<html>" + everything}, 0, "bytes without a sign-in token", false},
		"empty":            {&exchange{}, 0, "0 bytes without a sign-in token", false},
		"no token":         {&exchange{body: `{"Token":"` + signInToken + `"}`}, 0, "bytes without a sign-in token", false},
		"empty token":      {&exchange{body: `{"SigninToken":""}`}, 0, "bytes without a sign-in token", false},
		"two documents":    {&exchange{body: response + response}, 0, "bytes without a sign-in token", false},
		"huge":             {&exchange{body: response + strings.Repeat(" ", 64<<10)}, 0, "exceeds 65536 bytes", false},
		"broken":           {&exchange{err: errors.New("connection reset")}, 0, "signin.aws.amazon.com: no response: connection reset", false},
		"indiscreet":       {&exchange{err: errors.New("cannot send " + everything)}, 0, "its error is not shown", false},
		"indiscreet form":  {&exchange{err: errors.New("cannot send " + url.QueryEscape(sessionToken))}, 0, "its error is not shown", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := &federation.SignIn{Credentials: temporary(time.Now()), Duration: test.duration, HTTPClient: &http.Client{Transport: test.exchange}}
			link, err := s.SignInURL(t.Context())
			require.ErrorContains(t, err, test.want)
			require.Equal(t, test.permanent, errors.Is(err, stschain.ErrPermanent))
			require.Equal(t, test.exchange.status == 429, errors.Is(err, stschain.ErrThrottled))
			require.Zero(t, link)
			require.Len(t, test.exchange.requests, 1, "one attempt, and nothing is sent elsewhere")
			for _, secret := range []string{secretKey, sessionToken, signInToken} {
				canary.Check(t, secret, err)
			}
		})
	}
}

// The request ends with AttemptTimeout and with the caller's context.
func TestSignInHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ststest.NewTest(t)
		hang := ststest.InProcess(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		s := &federation.SignIn{Credentials: &assumerole.Provider{Client: clientOf(srv, srv.User()), RoleARN: "arn:aws:iam::123456789012:role/r"},
			HTTPClient: &http.Client{Transport: hang}}
		began := time.Now()
		_, err := s.SignInURL(t.Context())
		require.ErrorContains(t, err, "signin.aws.amazon.com: no response: waited 10s")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 10*time.Second, time.Since(began))

		closed := errors.New("the user closed the tab")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(closed) })
		_, err = s.SignInURL(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, closed)
		require.Equal(t, 1, srv.Count("AssumeRole"), "the credentials were cached")
	})
}

func TestSignInNoCredentials(t *testing.T) {
	s := &federation.SignIn{Credentials: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{}, stschain.Unavailable("the base is down")
	})}
	_, err := s.SignInURL(t.Context())
	require.False(t, stschain.IsUnavailable(err), "of the base alone")
	require.ErrorContains(t, err, "federation: no sign-in URL: no credentials to sign in with: ")
	require.ErrorContains(t, err, "the base is down")
}

// The credentials that the console accepts and refuses, with an endpoint that checks them.
func TestSignInCredentials(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.AllowRefusals()
	role := &assumerole.Provider{Client: clientOf(srv, srv.User()), RoleARN: "arn:aws:iam::123456789012:role/support"}
	chained := &assumerole.Provider{Client: clientOf(srv, role), RoleARN: "arn:aws:iam::210987654321:role/support"}
	bob := &federation.Provider{Client: clientOf(srv, srv.User()), Name: "bob", PolicyARNs: []string{readOnly}}
	revoked := stschain.Cached(&assumerole.Provider{Client: clientOf(srv, srv.User()), RoleARN: "arn:aws:iam::123456789012:role/revoked"})
	creds, err := revoked.Retrieve(t.Context())
	require.NoError(t, err)
	require.True(t, srv.Revoke(creds.AccessKeyID))

	for name, test := range map[string]struct {
		credentials stschain.Provider
		duration    time.Duration
		refused     string
	}{
		"role":                        {role, 0, ""},
		"role, with a duration":       {role, 12 * time.Hour, ""},
		"role chain":                  {chained, 0, ""},
		"role chain, with a duration": {chained, time.Hour, "Duration is not accepted for a role that was assumed by a role"},
		"federated":                   {bob, 0, ""},
		"federated, with a duration":  {bob, time.Hour, "nor for a federated user"},
		"session":                     {&sessiontoken.Provider{Client: clientOf(srv, srv.User())}, 0, "of a role or a federated user"},
		"revoked":                     {revoked, 0, "the credentials must be valid"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &federation.SignIn{Credentials: test.credentials, Duration: test.duration, HTTPClient: srv.Client()}
			link, err := s.SignInURL(t.Context())
			if test.refused != "" {
				require.ErrorContains(t, err, test.refused)
				require.ErrorIs(t, err, stschain.ErrPermanent)
				return
			}
			require.NoError(t, err)
			browser := srv.Client()
			browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			for _, want := range []int{http.StatusFound, http.StatusBadRequest} { // it works once
				resp, err := browser.Get(link.URL.Reveal())
				require.NoError(t, err)
				resp.Body.Close()
				require.Equal(t, want, resp.StatusCode)
			}
		})
	}
}

// FuzzDestination: whatever the destination is, the URL leads to the sign-in host, and from there to an
// https page, which is one of the console if the destination is only a path.
func FuzzDestination(f *testing.F) {
	for _, seed := range []string{"", "/s3/buckets", "ec2/home?region=a#b", "//evil.example", "https://console.aws.amazon.com/", "http://x", "javascript:x", "https:/x", "\\evil", "/%2e%2e//x", "?a=b", "https://u:p@x"} {
		f.Add("eu-west-1", seed)
		f.Add("us-iso-east-1", seed)
	}
	f.Fuzz(func(t *testing.T, region, destination string) {
		s := &federation.SignIn{Credentials: temporary(time.Now()), Region: region, Destination: destination,
			HTTPClient: &http.Client{Transport: &exchange{body: response}}}
		link, err := s.SignInURL(t.Context())
		if err != nil {
			return
		}
		u, err := url.Parse(link.URL.Reveal())
		require.NoError(t, err)
		require.Equal(t, "https", u.Scheme)
		require.Contains(t, u.Host, "signin.")
		require.Equal(t, []string{signInToken}, u.Query()["SigninToken"])
		page, err := url.Parse(u.Query().Get("Destination"))
		require.NoError(t, err)
		require.Equal(t, "https", page.Scheme)
		require.NotEmpty(t, page.Host)
		if given, err := url.Parse(destination); err == nil && given.Scheme == "" {
			require.Regexp(t, `console\.(aws\.amazon\.com|amazonaws\.cn|amazonaws-us-gov\.com|amazonaws-eusc\.eu)$`, page.Host)
		}
	})
}
