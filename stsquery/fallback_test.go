package stsquery_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

const (
	ireland   = "sts.eu-west-1.amazonaws.com"
	frankfurt = "sts.eu-central-1.amazonaws.com"
	stockholm = "sts.eu-north-1.amazonaws.com"
)

// regions returns responses by host, one after the other. The last one of a host is repeated.
type regions struct {
	steps map[string][]step
	mu    sync.Mutex
	hosts []string
	auth  []string
	times []time.Time
}

func (r *regions) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	r.hosts, r.auth, r.times = append(r.hosts, req.URL.Host), append(r.auth, req.Header.Get("Authorization")), append(r.times, time.Now())
	steps := r.steps[req.URL.Host]
	if len(steps) > 1 {
		r.steps[req.URL.Host] = steps[1:]
	}
	r.mu.Unlock()
	switch next := steps[0]; {
	case next.err == errHole:
		<-req.Context().Done()
		return nil, req.Context().Err()
	case next.err != nil:
		return nil, next.err
	default:
		return &http.Response{StatusCode: next.status, Header: next.header, Body: io.NopCloser(strings.NewReader(next.body)), ContentLength: -1, Request: req}, nil
	}
}

func (r *regions) names() (names []string) {
	for _, host := range r.hosts {
		names = append(names, strings.Split(host, ".")[1])
	}
	return names
}

var (
	errHole  = errors.New("black hole")
	hole     = step{err: errHole}
	badCert  = step{err: &tls.CertificateVerificationError{Err: errors.New("certificate signed by unknown authority")}}
	internal = step{status: 500, body: stsError("InternalFailure", "oops")}
)

// inRegions returns a client of Ireland that falls back to Frankfurt.
func inRegions(steps map[string][]step) (*stsquery.Client, *regions) {
	r := &regions{steps: steps}
	return &stsquery.Client{
		Credentials: stschain.Static("AKIDEXAMPLE", secretKey, sessionToken),
		Region:      "eu-west-1", FallbackRegions: []string{"eu-central-1"},
		HTTPClient: &http.Client{Transport: r},
	}, r
}

// An outage of Region moves the call to the next region, in time; a response of STS does not.
func TestFallback(t *testing.T) {
	withMFA := roleInput
	withMFA.SerialNumber, withMFA.TokenCode = "arn:aws:iam::123456789012:mfa/ada", stschain.NewSecret(mfaCode)
	const home, away, north = "eu-west-1", "eu-central-1", "eu-north-1"
	for name, test := range map[string]struct {
		at       []step // in Ireland
		away     []step // in Frankfurt
		regions  []string
		attempts int // MaxAttempts
		in       stsquery.Input
		called   []string
		err      string // "": succeeds
		atMost   time.Duration
	}{
		// Outages.
		"refused":            {at: []step{noDial}, called: []string{home, away}},
		"reset":              {at: []step{noRead}, called: []string{home, away}},
		"cut":                {at: []step{lost}, called: []string{home, away}},
		"503":                {at: []step{down}, called: []string{home, away}},
		"500 of STS":         {at: []step{internal}, called: []string{home, away}},
		"501":                {at: []step{{status: 501, body: "no"}}, called: []string{home, away}},
		"511, and not again": {at: []step{{status: 511}}, away: []step{down}, called: []string{home, away, away, away}, err: "511"},
		"not implemented":    {at: []step{fault(501, "NotImplemented")}, called: []string{home}, err: "NotImplemented"},
		"504":                {at: []step{{status: 504}}, called: []string{home, away}},
		"black hole":         {at: []step{hole}, called: []string{home, away}, atMost: 15 * time.Second},
		"no address":         {at: []step{noName}, called: []string{home, away}},
		"no name server":     {at: []step{nameLater}, called: []string{home, away}},
		"no retries":         {at: []step{down}, attempts: 1, called: []string{home, away}},
		"second fallback":    {at: []step{down}, away: []step{hole}, regions: []string{away, north}, called: []string{home, away, north}},
		"Region is skipped":  {at: []step{down}, regions: []string{home, away, home}, called: []string{home, away}},
		"not down":           {at: []step{ok}, called: []string{home}},
		"throttled, then up": {at: []step{slowDown, ok}, called: []string{home, home}},
		"later":              {at: []step{slowDown, down}, called: []string{home, home, away}},

		// Responses of STS, and certificates that are not trusted.
		"AccessDenied":        {at: []step{denied}, called: []string{home}, err: "AccessDenied"},
		"any refusal":         {at: []step{fault(400, "ValidationError")}, called: []string{home}, err: "ValidationError"},
		"RegionDisabled":      {at: []step{fault(403, "RegionDisabledException")}, called: []string{home}, err: "RegionDisabled"},
		"refused by a 5xx":    {at: []step{fault(503, "AccessDenied")}, called: []string{home, home, home}, err: "AccessDenied"},
		"throttled":           {at: []step{slowDown}, called: []string{home, home, home}, err: "Throttling"},
		"throttled by a 503":  {at: []step{fault(503, "SlowDown")}, called: []string{home, home, home}, err: "SlowDown"},
		"429":                 {at: []step{{status: 429}}, called: []string{home, home, home}, err: "429"},
		"IdP is down":         {at: []step{fault(400, "IDPCommunicationError")}, called: []string{home, home, home}, err: "IDPCommunicationError"},
		"expired":             {at: []step{fault(403, "ExpiredToken")}, called: []string{home}, err: "ExpiredToken"},
		"bad certificate":     {at: []step{badCert}, called: []string{home}, err: "unknown authority"},
		"TLS alert":           {at: []step{tlsAlert}, called: []string{home}, err: "bad certificate"},
		"not a response":      {at: []step{{status: 200, body: "<html>"}}, called: []string{home}, err: "truncated XML"},
		"redirect":            {at: []step{{status: 302, header: http.Header{"Location": {"https://login.example/"}}}}, called: []string{home}, err: "redirects"},
		"then refused":        {at: []step{down, denied}, away: []step{down}, called: []string{home, away, home}, err: ireland + ": 403 Forbidden: AccessDenied"},
		"fallback is damaged": {at: []step{down, ok}, away: []step{{status: 200, body: "<html>"}}, called: []string{home, away, home}},

		// All regions are down: the retries go to all in turn.
		"both down":           {at: []step{down}, away: []step{internal}, called: []string{home, away, home, away}, err: ireland + ": 503 Service Unavailable"},
		"both in a hole":      {at: []step{hole}, away: []step{hole}, called: []string{home, away, home, away}, err: "no response within 10s", atMost: 41 * time.Second},
		"back up":             {at: []step{down, ok}, away: []step{down}, called: []string{home, away, home}},
		"fallback back up":    {at: []step{hole}, away: []step{noRead, ok}, called: []string{home, away, home, away}, atMost: 21 * time.Second},
		"three down":          {at: []step{down}, away: []step{down}, regions: []string{away, "us-east-1"}, called: []string{home, away, "us-east-1", home, away}, err: "503"},
		"down, no retries":    {at: []step{down}, away: []step{down}, attempts: 1, called: []string{home, away}, err: "503"},
		"fallback throttles":  {at: []step{hole}, away: []step{slowDown, ok}, called: []string{home, away, away}},
		"neither has an STS":  {at: []step{noName}, away: []step{noName}, called: []string{home, away}, err: "no such host"},
		"fallback has no STS": {at: []step{down, down, ok}, away: []step{noName}, called: []string{home, away, home, home}},
		"Region has no STS":   {at: []step{noName}, away: []step{down, down, ok}, called: []string{home, away, away, away}},

		// A fallback region that refuses does not decide, and no other one is called.
		"not allowed there":      {at: []step{down, ok}, away: []step{denied}, called: []string{home, away, home}},
		"not activated there":    {at: []step{down}, away: []step{fault(403, "RegionDisabledException")}, regions: []string{away, north}, called: []string{home, away, home, home}, err: ireland + ": 503"},
		"expired there":          {at: []step{down, ok}, away: []step{fault(403, "ExpiredToken")}, called: []string{home, away, home}},
		"no retry, not allowed":  {at: []step{down}, away: []step{denied}, attempts: 1, called: []string{home, away}, err: ireland + ": 503"},
		"no name, not allowed":   {at: []step{noName}, away: []step{denied}, called: []string{home, away}, err: ireland + ": "},
		"untrusted there":        {at: []step{down, ok}, away: []step{badCert}, called: []string{home, away, home}},
		"refused there, not MFA": {at: []step{noDial}, away: []step{denied}, in: withMFA, called: []string{home, away}, err: frankfurt + ": 403 Forbidden: AccessDenied"},

		// A code works once, so it may not have been received.
		"MFA, refused":    {at: []step{noDial}, in: withMFA, called: []string{home, away}},
		"MFA, no address": {at: []step{noName}, in: withMFA, called: []string{home}, err: "no such host"},
		"MFA, 503":        {at: []step{down}, in: withMFA, called: []string{home}, err: "503"},
		"MFA, 501":        {at: []step{{status: 501}}, in: withMFA, called: []string{home}, err: "501"},
		"MFA, reset":      {at: []step{noRead}, in: withMFA, called: []string{home}, err: "reset"},
		"MFA, black hole": {at: []step{hole}, in: withMFA, called: []string{home}, err: "no response"},

		// Operations.
		"GetWebIdentityToken":     {at: []step{down}, in: stsquery.GetWebIdentityTokenInput{Audience: []string{"a"}, SigningAlgorithm: "RS256"}, called: []string{home, home, home}, err: "503"},
		"GetDelegatedAccessToken": {at: []step{down}, in: stsquery.GetDelegatedAccessTokenInput{TradeInToken: stschain.NewSecret(assertion)}, called: []string{home, home, home}, err: "503"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, r := inRegions(map[string][]step{ireland: test.at, frankfurt: test.away, stockholm: {ok}, "sts.us-east-1.amazonaws.com": {down}})
				if test.away == nil {
					r.steps[frankfurt] = []step{ok}
				}
				if test.regions != nil {
					c.FallbackRegions = test.regions
				}
				c.Retry.MaxAttempts = test.attempts
				start := time.Now()
				err := callWith(t.Context(), c, test.in)
				took := time.Since(start)
				require.Equal(t, test.called, r.names())
				if test.err == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, test.err)
					var e *stsquery.Error
					require.ErrorAs(t, err, &e)
					require.Equal(t, len(test.called), e.Attempts)
					require.NotEmpty(t, e.Operation)
					noSecret(t, err, mfaCode)
				}
				if test.atMost > 0 {
					require.LessOrEqual(t, took, test.atMost)
				}
				for i, host := range r.hosts {
					require.Contains(t, r.auth[i], "/"+strings.Split(host, ".")[1]+"/sts/aws4_request", "the scope is that of the region")
				}
			})
		})
	}
}

func callWith(ctx context.Context, c *stsquery.Client, in stsquery.Input) (err error) {
	switch in := in.(type) {
	case nil:
		_, err = c.AssumeRole(ctx, roleInput)
	case stsquery.AssumeRoleInput:
		_, err = c.AssumeRole(ctx, in)
	case stsquery.GetWebIdentityTokenInput:
		_, err = c.GetWebIdentityToken(ctx, in)
	case stsquery.GetDelegatedAccessTokenInput:
		_, err = c.GetDelegatedAccessToken(ctx, in)
	}
	return err
}

// Attempts at regions that were not called before do not wait and cost nothing; those that follow are retries.
func TestFallbackWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		later := down
		later.header = http.Header{"X-Amz-Retry-After": {"4000"}}
		c, r := inRegions(map[string][]step{ireland: {later}, frankfurt: {down}})
		_, err := c.AssumeRole(t.Context(), roleInput)
		require.Error(t, err)
		require.Len(t, r.times, 4)
		require.Zero(t, r.times[1].Sub(r.times[0]))
		require.GreaterOrEqual(t, r.times[2].Sub(r.times[1]), 4*time.Second, "the wait that Region requested")
		require.Less(t, r.times[3].Sub(r.times[2]), 100*time.Millisecond)
		require.Equal(t, 500-2*14, c.Tokens())

		c, _ = inRegions(map[string][]step{ireland: {down}, frankfurt: {ok}})
		c.Drain(0)
		_, err = c.AssumeRole(t.Context(), roleInput)
		require.NoError(t, err)
		require.Equal(t, 1, c.Tokens())
	})
}

// The error is that of Region, and includes what the other regions returned. It is not permanent because of those.
func TestFallbackErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := inRegions(map[string][]step{ireland: {internal}, frankfurt: {denied}})
		_, err := c.AssumeRole(t.Context(), roleInput)
		require.EqualError(t, err, "stsquery: AssumeRole at "+ireland+": 500 Internal Server Error: InternalFailure: oops: fallback "+frankfurt+": 403 Forbidden: AccessDenied: no (request req-1) (4 attempts)")
		require.NotErrorIs(t, err, stschain.ErrPermanent)
		var e *stsquery.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, "InternalFailure", e.Code)

		c, _ = inRegions(map[string][]step{ireland: {hole}, frankfurt: {noDial}})
		_, err = c.AssumeRole(t.Context(), roleInput)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualError(t, err, "stsquery: AssumeRole at "+ireland+": no response within 10s: context deadline exceeded; fallback "+frankfurt+": dial tcp: connection refused (4 attempts)")

		c, _ = inRegions(map[string][]step{ireland: {down, denied}, frankfurt: {down}})
		_, err = c.AssumeRole(t.Context(), roleInput)
		require.ErrorIs(t, err, stschain.ErrPermanent)
	})
}

// A caller that gives up gets the error of its context, whichever region is called.
func TestFallbackGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("shutting down")
		for after, called := range map[time.Duration]int{5 * time.Second: 1, 15 * time.Second: 2, 25 * time.Second: 3} {
			c, r := inRegions(map[string][]step{ireland: {hole}, frankfurt: {hole}})
			ctx, cancel := context.WithTimeoutCause(t.Context(), after, cause)
			start := time.Now()
			_, err := c.AssumeRole(ctx, roleInput)
			cancel()
			require.Equal(t, after, time.Since(start))
			require.ErrorIs(t, err, cause)
			require.Len(t, r.hosts, called)
		}
		later := down
		later.header = http.Header{"X-Amz-Retry-After": {"4000"}}
		c, _ := inRegions(map[string][]step{ireland: {later}, frankfurt: {denied}})
		ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Second, cause)
		defer cancel()
		_, err := c.AssumeRole(ctx, roleInput)
		require.ErrorIs(t, err, cause)
		require.ErrorContains(t, err, frankfurt+": 403 Forbidden: AccessDenied: no; gave up before the next attempt")
	})
}

// Settings that cannot be right are an error before anything is sent.
func TestFallbackSettings(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*stsquery.Client)
		err    string
	}{
		"of China":          {func(c *stsquery.Client) { c.FallbackRegions = []string{"eu-central-1", "cn-north-1"} }, `Client.FallbackRegions has "cn-north-1": use regions of the partition of Client.Region`},
		"from China":        {func(c *stsquery.Client) { c.Region = "cn-north-1" }, `Client.FallbackRegions has "eu-central-1": use regions of the partition of Client.Region`},
		"of GovCloud":       {func(c *stsquery.Client) { c.FallbackRegions = []string{"us-gov-west-1"} }, `Client.FallbackRegions has "us-gov-west-1": use regions of the partition of Client.Region`},
		"from global":       {func(c *stsquery.Client) { c.Region, c.FallbackRegions = "aws-global", []string{"cn-north-1"} }, `Client.FallbackRegions has "cn-north-1": use regions of the partition of Client.Region`},
		"global":            {func(c *stsquery.Client) { c.FallbackRegions = []string{"aws-global"} }, `Client.FallbackRegions has "aws-global": use regions of the partition of Client.Region`},
		"empty":             {func(c *stsquery.Client) { c.FallbackRegions = []string{""} }, `Client.FallbackRegions has "": use regions of the partition of Client.Region`},
		"a host":            {func(c *stsquery.Client) { c.FallbackRegions = []string{"evil.example/"} }, `Region is "evil.example/", not a valid region`},
		"endpoint":          {func(c *stsquery.Client) { c.Endpoint = "https://sts.example.com" }, `use regions of the partition of Client.Region`},
		"endpoint, no keys": {func(c *stsquery.Client) { c.Region, c.Endpoint = "", "https://sts.example.com" }, "and no Client.Endpoint"},
		"no region":         {func(c *stsquery.Client) { c.Region = "" }, "Client.Region is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			c, r := inRegions(map[string][]step{ireland: {ok}})
			test.change(c)
			_, err := c.AssumeRole(t.Context(), roleInput)
			require.ErrorContains(t, err, test.err)
			require.ErrorIs(t, err, stschain.ErrPermanent)
			_, err = c.Server()
			require.ErrorContains(t, err, test.err)
			require.Empty(t, r.hosts)
		})
	}
}

// The endpoints of fallback regions are those that Region would have, and never the global one.
func TestFallbackEndpoints(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*stsquery.Client)
		hosts  []string
		scopes []string
	}{
		"FIPS": {func(c *stsquery.Client) {
			c.FIPS, c.Region, c.FallbackRegions = true, "us-east-1", []string{"us-west-2"}
		}, []string{"sts-fips.us-east-1.amazonaws.com", "sts-fips.us-west-2.amazonaws.com"}, []string{"us-east-1", "us-west-2"}},
		"dual-stack":  {func(c *stsquery.Client) { c.DualStack = true }, []string{"sts.eu-west-1.api.aws", "sts.eu-central-1.api.aws"}, []string{"eu-west-1", "eu-central-1"}},
		"China":       {func(c *stsquery.Client) { c.Region, c.FallbackRegions = "cn-north-1", []string{"cn-northwest-1"} }, []string{"sts.cn-north-1.amazonaws.com.cn", "sts.cn-northwest-1.amazonaws.com.cn"}, []string{"cn-north-1", "cn-northwest-1"}},
		"global":      {func(c *stsquery.Client) { c.Global = true }, []string{"sts.amazonaws.com", frankfurt}, []string{"us-east-1", "eu-central-1"}},
		"aws-global":  {func(c *stsquery.Client) { c.Region, c.FallbackRegions = "aws-global", []string{"us-east-1"} }, []string{"sts.amazonaws.com", "sts.us-east-1.amazonaws.com"}, []string{"us-east-1", "us-east-1"}},
		"SigningName": {func(c *stsquery.Client) { c.SigningRegion = "eu-west-3" }, []string{ireland, frankfurt}, []string{"eu-west-3", "eu-central-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, r := inRegions(map[string][]step{test.hosts[0]: {down}, test.hosts[1]: {ok}})
			test.change(c)
			_, err := c.AssumeRole(t.Context(), roleInput)
			require.NoError(t, err)
			require.Equal(t, test.hosts, r.hosts)
			for i, scope := range test.scopes {
				require.Contains(t, r.auth[i], "/"+scope+"/sts/aws4_request")
			}
		})
	}
}

// Over sockets: each outage of the first region is bridged, and the fake verifies the signature for the second.
func TestFallbackSockets(t *testing.T) {
	for name, dial := range map[string]func(t *testing.T) string{
		"refused": func(t *testing.T) string { return "127.0.0.1:1" },
		"reset": func(t *testing.T) string {
			return accept(t, func(c *net.TCPConn) { c.SetLinger(0) })
		},
		"closed":     func(t *testing.T) string { return accept(t, func(*net.TCPConn) {}) },
		"black hole": func(t *testing.T) string { return accept(t, func(c *net.TCPConn) { io.Copy(io.Discard, c) }) },
		"503": func(t *testing.T) string {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }))
			t.Cleanup(srv.Close)
			return strings.TrimPrefix(srv.URL, "http://")
		},
	} {
		t.Run(name, func(t *testing.T) {
			address := dial(t)
			broken := &http.Transport{DialTLSContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, address)
			}}
			t.Cleanup(broken.CloseIdleConnections)
			srv := ststest.NewTest(t)
			fine := srv.Client().Transport
			c := &stsquery.Client{
				Credentials: srv.User(), Region: "eu-west-1", FallbackRegions: []string{"eu-central-1"}, AttemptTimeout: 2 * time.Second,
				HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					if r.URL.Host == ireland {
						return broken.RoundTrip(r)
					}
					return fine.RoundTrip(r)
				})},
			}
			if name != "black hole" {
				c.AttemptTimeout = 0
			}
			out, err := c.AssumeRole(t.Context(), stsquery.AssumeRoleInput{RoleARN: roleInput.RoleARN, RoleSessionName: "session"})
			require.NoError(t, err)
			require.NotEmpty(t, out.Credentials.AccessKeyID)
			calls := srv.Calls()
			require.Equal(t, "eu-central-1", calls[len(calls)-1].Region)
		})
	}
}

// accept starts a server that does this with each connection, and then closes it.
func accept(t *testing.T, handle func(*net.TCPConn)) (address string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				handle(conn.(*net.TCPConn))
				conn.Close()
			})
		}
	})
	t.Cleanup(func() { listener.Close(); all.Wait() })
	return listener.Addr().String()
}

// The steps of a trace name the regions, and the event of a cache says which one was used.
func TestFallbackTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := inRegions(map[string][]step{ireland: {hole}, frankfurt: {ok}})
		var note string
		role := &stschain.Cache{Provider: &assumerole.Provider{Client: c, RoleARN: roleInput.RoleARN}, OnEvent: func(e stschain.Event) {
			if e.Kind == stschain.Refreshed {
				note = e.Note
			}
		}}
		var steps []string
		ctx := stschain.WithTrace(t.Context(), &stschain.Trace{End: func(_ context.Context, s stschain.Step) {
			if s.Kind == stschain.StepRequest {
				steps = append(steps, s.Name)
				require.Equal(t, len(steps) == 1, s.Err != nil)
			}
		}})
		_, err := role.Retrieve(ctx)
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, []string{"AssumeRole " + ireland, "AssumeRole " + frankfurt}, steps)
		require.Equal(t, "STS at "+ireland+" failed: no response within 10s: context deadline exceeded; used "+frankfurt, note)
	})
}

// A web identity token is read for each region.
func TestFallbackRenews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r := inRegions(map[string][]step{ireland: {down}, frankfurt: {down}})
		in := stsquery.AssumeRoleWithWebIdentityInput{RoleARN: roleInput.RoleARN, RoleSessionName: "session"}
		reads := 0
		in.Token = func(context.Context) (stschain.Secret, error) {
			if reads++; reads > 3 {
				return stschain.Secret{}, errors.New("the file is gone")
			}
			return stschain.NewSecret("token"), nil
		}
		_, err := c.AssumeRoleWithWebIdentity(t.Context(), in)
		require.ErrorContains(t, err, ireland+": 503")
		require.ErrorContains(t, err, "the file is gone")
		require.Len(t, r.hosts, 3)
	})
}

// Explain shows the failed region and the one that was used.
func TestFallbackExplain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, wrap := range map[string]func(stschain.Provider) stschain.Provider{
			"bare":   func(p stschain.Provider) stschain.Provider { return p },
			"cached": func(p stschain.Provider) stschain.Provider { return stschain.Cached(p) },
		} {
			c, _ := inRegions(map[string][]step{ireland: {down}, frankfurt: {ok}})
			x := stschain.Explain(t.Context(), wrap(&assumerole.Provider{Client: c, RoleARN: roleInput.RoleARN}))
			require.Contains(t, x.String(), "AssumeRole "+ireland+" failed: stsquery: AssumeRole at "+ireland+": 503 Service Unavailable", name)
			require.Contains(t, x.String(), "AssumeRole "+frankfurt+" succeeded", name)
			text, err := json.Marshal(x)
			require.NoError(t, err)
			require.Contains(t, string(text), `"requests":[{"name":"AssumeRole `+ireland+`","error":"stsquery: AssumeRole at `+ireland+`: 503 Service Unavailable: unexpected`)
			require.Contains(t, string(text), `{"name":"AssumeRole `+frankfurt+`","tookMs":0}]`)
		}
		c, _ := inRegions(map[string][]step{ireland: {ok}})
		x := stschain.Explain(t.Context(), &assumerole.Provider{Client: c, RoleARN: roleInput.RoleARN})
		require.Empty(t, x.Requests)
	})
}
