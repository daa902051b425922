package stsquery_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

func TestDelay(t *testing.T) {
	const ms, s = time.Millisecond, time.Second
	for _, test := range []struct {
		n          int
		throttling bool
		legacy     bool
		random     float64
		requested  time.Duration
		want       time.Duration
	}{
		{n: 0, random: 0, want: 0},
		{n: 0, random: 0.5, want: 25 * ms},
		{n: 1, random: 0.5, want: 50 * ms},
		{n: 8, random: 1, want: 12800 * ms},
		{n: 9, random: 1, want: 20 * s}, // 25.6 s, limited before the draw
		{n: 9, random: 0.5, want: 10 * s},
		{n: 1 << 40, random: 1, want: 20 * s},
		{n: 0, throttling: true, random: 0.5, want: 500 * ms},
		{n: 4, throttling: true, random: 1, want: 16 * s},
		{n: 5, throttling: true, random: 1, want: 20 * s},
		{n: 0, random: 0.999999999, want: 49999999},
		// x-amz-retry-after counts between the own delay and 5 s more.
		{n: 0, random: 0.5, requested: ms, want: 25 * ms},
		{n: 0, random: 0.5, requested: 25*ms + 1, want: 25*ms + 1},
		{n: 0, random: 0.5, requested: 5*s + 25*ms, want: 5*s + 25*ms},
		{n: 0, random: 0.5, requested: time.Hour, want: 5*s + 25*ms},
		{n: 9, random: 1, requested: time.Hour, want: 25 * s},
		// The legacy mode has no random part, and does not care about throttling.
		{n: 0, legacy: true, random: 0.1, want: 400 * ms},
		{n: 1, legacy: true, random: 0.1, throttling: true, want: 1600 * ms},
		{n: 3, legacy: true, random: 0.1, want: 25600 * ms},
		{n: 4, legacy: true, random: 0.1, throttling: true, want: 30 * s},
		{n: 1 << 40, legacy: true, want: 30 * s},
		{n: 0, legacy: true, requested: s, want: s},
		{n: 0, legacy: true, requested: time.Minute, want: 5400 * ms},
	} {
		r := stsquery.Retry{}
		if test.legacy {
			r.Mode = stsquery.Legacy
		}
		require.Equal(t, test.want, r.Delay(test.n, test.throttling, test.random, test.requested), "%+v", test)
	}
}

// Five attempts, and a quota of 5 tokens for each retry, throttled or not.
func TestLegacy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := scripted(down, slowDown, lost, down, down, ok)
		c.Retry.Mode = stsquery.Legacy
		start := time.Now()
		_, err := c.AssumeRole(t.Context(), roleInput)
		require.ErrorContains(t, err, "(5 attempts)")
		require.Len(t, s.times, 5)
		require.Equal(t, 34*time.Second, time.Since(start))
		require.Equal(t, 480, c.Tokens())

		_, err = c.AssumeRole(t.Context(), roleInput)
		require.NoError(t, err)
		require.Equal(t, 481, c.Tokens())
		c, s = scripted(down, ok)
		c.Retry = stsquery.Retry{Mode: stsquery.Legacy, MaxAttempts: 1}
		_, err = c.AssumeRole(t.Context(), roleInput)
		require.Error(t, err)
		require.Len(t, s.times, 1)
	})
}

func TestRetryMode(t *testing.T) {
	for mode, name := range map[stsquery.RetryMode]string{
		stsquery.Standard: "standard", stsquery.Adaptive: "adaptive", stsquery.Legacy: "legacy", 7: "RetryMode(7)", -1: "RetryMode(-1)",
	} {
		require.Equal(t, name, mode.String())
	}
	for _, mode := range []stsquery.RetryMode{-1, 3} {
		c, s := scripted(ok)
		c.Retry.Mode = mode
		_, err := c.AssumeRole(t.Context(), roleInput)
		require.ErrorContains(t, err, "Client.Retry.Mode is "+mode.String())
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.Empty(t, s.times)
	}
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 0, "1500": 1500 * time.Millisecond, "0": 0, "-1": 0, "1.5": 0, "soon": 0, "99999999999999999999": 0, "9223372036854775807": 0, "9223372036855": 0,
		// A long wait is valid: the delay has a limit, the request for it does not.
		"7200000": 2 * time.Hour, "9223372036854": 9223372036854 * time.Millisecond,
	} {
		require.Equal(t, want, stsquery.RetryAfter(http.Header{"X-Amz-Retry-After": {header}}), header)
	}
}

// script returns one response after the other, without a socket.
type script struct {
	steps  []step
	bodies []string
	auth   []string
	times  []time.Time
}

type step struct {
	status int
	header http.Header
	body   string
	err    error
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	r.Body.Close()
	s.bodies = append(s.bodies, string(body))
	s.auth = append(s.auth, r.Header.Get("Authorization"))
	s.times = append(s.times, time.Now())
	if len(s.steps) == 0 {
		return nil, errors.New("the script is over")
	}
	next := s.steps[0]
	s.steps = s.steps[1:]
	if next.err != nil {
		return nil, next.err
	}
	return &http.Response{
		StatusCode: next.status, Header: next.header, Body: io.NopCloser(strings.NewReader(next.body)), ContentLength: -1, Request: r,
	}, nil
}

func scripted(steps ...step) (*stsquery.Client, *script) {
	s := &script{steps: steps}
	return &stsquery.Client{
		Credentials: stschain.Static("AKIDEXAMPLE", secretKey, sessionToken),
		Region:      "us-east-1",
		HTTPClient:  &http.Client{Transport: s},
	}, s
}

var (
	ok        = step{status: 200, body: assumeRoleResponse}
	down      = step{status: 503, body: "down"}
	slowDown  = step{status: 400, body: stsError("Throttling", "Rate exceeded")}
	denied    = step{status: 403, body: stsError("AccessDenied", "no")}
	lost      = step{err: io.ErrUnexpectedEOF}
	noDial    = step{err: &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}}
	noProxy   = step{err: &net.OpError{Op: "proxyconnect", Net: "tcp", Err: errors.New("connection refused")}}
	noName    = step{err: &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}}
	nameLater = step{err: &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "server misbehaving", IsTemporary: true}}}
	noRead    = step{err: &net.OpError{Op: "read", Net: "tcp", Err: errors.New("connection reset by peer")}}
	tlsAlert  = step{err: &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}}
	ownAlert  = step{err: &net.OpError{Op: "local error", Err: errors.New("tls: bad record MAC")}}
)

func fault(status int, code string) step { return step{status: status, body: stsError(code, "m")} }

// Reports: aws-sdk-go-v2#2481, litellm#27125.
func TestRetries(t *testing.T) {
	withMFA := roleInput
	withMFA.SerialNumber, withMFA.TokenCode = "arn:aws:iam::123456789012:mfa/alice", stschain.NewSecret(mfaCode)

	for name, test := range map[string]struct {
		steps    []step
		in       stsquery.AssumeRoleInput
		retry    stsquery.Retry
		attempts int
		fails    bool
	}{
		"success":                   {steps: []step{ok}, attempts: 1},
		"503 then success":          {steps: []step{down, ok}, attempts: 2},
		"503 twice then success":    {steps: []step{down, down, ok}, attempts: 3},
		"503 three times":           {steps: []step{down, down, down, ok}, attempts: 3, fails: true},
		"five attempts":             {steps: []step{down, down, down, down, ok}, retry: stsquery.Retry{MaxAttempts: 5}, attempts: 5},
		"one attempt":               {steps: []step{down, ok}, retry: stsquery.Retry{MaxAttempts: 1}, attempts: 1, fails: true},
		"throttling as 400":         {steps: []step{slowDown, ok}, attempts: 2},
		"429 without XML":           {steps: []step{{status: 429}, ok}, attempts: 2},
		"500, 502, 504":             {steps: []step{{status: 500}, {status: 502}, {status: 504}, ok}, retry: stsquery.Retry{MaxAttempts: 4}, attempts: 4},
		"501":                       {steps: []step{{status: 501}, ok}, attempts: 1, fails: true},
		"IDPCommunicationError":     {steps: []step{fault(400, "IDPCommunicationError"), fault(400, "IDPCommunicationErrorException"), ok}, attempts: 3},
		"RequestTimeout":            {steps: []step{fault(400, "RequestTimeout"), fault(400, "RequestTimeoutException"), ok}, attempts: 3},
		"PriorRequestNotComplete":   {steps: []step{fault(400, "PriorRequestNotComplete"), ok}, attempts: 2},
		"SlowDown":                  {steps: []step{fault(503, "SlowDown"), ok}, attempts: 2},
		"AccessDenied":              {steps: []step{denied, ok}, attempts: 1, fails: true},
		"unknown code":              {steps: []step{fault(400, "Strange"), ok}, attempts: 1, fails: true},
		"InvalidIdentityToken":      {steps: []step{fault(400, "InvalidIdentityToken"), ok}, attempts: 1, fails: true},
		"static keys, ExpiredToken": {steps: []step{fault(400, "ExpiredToken"), ok}, attempts: 1, fails: true},
		"lost connection":           {steps: []step{lost, ok}, attempts: 2},
		"refused connection":        {steps: []step{noDial, ok}, attempts: 2},
		"no such host":              {steps: []step{noName, ok}, attempts: 1, fails: true},
		"name server in trouble":    {steps: []step{nameLater, ok}, attempts: 2},
		"TLS alert":                 {steps: []step{tlsAlert, ok}, attempts: 1, fails: true},
		"TLS alert of our own":      {steps: []step{ownAlert, ok}, attempts: 1, fails: true},
		"wrong root is final":       {steps: []step{{status: 200, body: "<a/>"}, ok}, attempts: 1, fails: true},
		"MFA, never sent":           {in: withMFA, steps: []step{noDial, noProxy, ok}, attempts: 3},
		"MFA, throttled":            {in: withMFA, steps: []step{slowDown, ok}, attempts: 2},
		"MFA, perhaps used":         {in: withMFA, steps: []step{lost, ok}, attempts: 1, fails: true},
		"MFA, reset":                {in: withMFA, steps: []step{noRead, ok}, attempts: 1, fails: true},
		"MFA, server error":         {in: withMFA, steps: []step{down, ok}, attempts: 1, fails: true},
		"MFA, name not found":       {in: withMFA, steps: []step{noName, ok}, attempts: 1, fails: true},
		"MFA, code was wrong":       {in: withMFA, steps: []step{denied, ok}, attempts: 1, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, s := scripted(test.steps...)
				c.Retry = test.retry
				if test.in.RoleARN == "" {
					test.in = roleInput
				}
				_, err := c.AssumeRole(t.Context(), test.in)
				require.Equal(t, test.fails, err != nil, "%v", err)
				require.Len(t, s.times, test.attempts)
				if e := (*stsquery.Error)(nil); errors.As(err, &e) {
					require.Equal(t, test.attempts, e.Attempts)
					noSecret(t, err, mfaCode)
				}
				for _, body := range s.bodies {
					require.Equal(t, s.bodies[0], body, "an attempt sends the whole request")
				}
			})
		})
	}
}

// Every throttling code of the AWS SDKs is cheap to retry, and ErrThrottled if the retries fail.
// Source: retry.md, the codes of the standard mode.
func TestThrottling(t *testing.T) {
	for _, code := range []string{
		"Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException", "RequestThrottled", "TooManyRequestsException",
		"ProvisionedThroughputExceededException", "TransactionInProgressException", "RequestLimitExceeded", "BandwidthLimitExceeded",
		"LimitExceededException", "SlowDown", "PriorRequestNotComplete", "EC2ThrottledException",
	} {
		synctest.Test(t, func(t *testing.T) {
			c, s := scripted(fault(400, code), fault(400, code))
			c.Retry.MaxAttempts = 2
			_, err := c.AssumeRole(t.Context(), roleInput)
			require.ErrorContains(t, err, code)
			require.ErrorIs(t, fmt.Errorf("role: %w", err), stschain.ErrThrottled)
			require.NotErrorIs(t, err, stschain.ErrPermanent)
			require.Len(t, s.times, 2, code)
			require.Equal(t, 495, c.Tokens(), code)
		})
	}
	require.ErrorIs(t, &stsquery.Error{Err: &stsquery.Error{StatusCode: 429}}, stschain.ErrThrottled, "of the call that the credentials come from")
	for _, err := range []*stsquery.Error{{}, {Code: "AccessDenied"}, {StatusCode: 503}, {Code: "RequestTimeout"}, {Code: "IDPCommunicationError"}} {
		require.NotErrorIs(t, err, stschain.ErrThrottled)
	}
}

// Each attempt has its own date, and the waits are those of the table.
// Report: aws-cli#7194.
func TestRetryWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		later := slowDown
		later.header = http.Header{"X-Amz-Retry-After": {"4000"}}
		c, s := scripted(slowDown, later, ok)
		_, err := c.AssumeRole(t.Context(), roleInput)
		require.NoError(t, err)
		first, second := s.times[1].Sub(s.times[0]), s.times[2].Sub(s.times[1])
		require.Less(t, first, time.Second)
		require.GreaterOrEqual(t, second, 4*time.Second)
		require.Less(t, second, 7*time.Second)
		require.NotEqual(t, s.auth[0], s.auth[2], "signed again")
	})
}

// A caller that gives up during a backoff returns at once, with the last failure and the cause.
func TestGivingUpDuringBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		later := slowDown
		later.header = http.Header{"X-Amz-Retry-After": {"4000"}}
		c, s := scripted(later, ok)
		cause := errors.New("shutting down")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Second, cause)
		defer cancel()
		start := time.Now()
		_, err := c.AssumeRole(ctx, roleInput)
		require.Equal(t, 2*time.Second, time.Since(start))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, cause)
		require.ErrorContains(t, err, "Throttling")
		var e *stsquery.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, 4*time.Second, e.RetryAfter)
		require.Len(t, s.times, 1)
		require.Equal(t, 500, c.Tokens(), "a retry that is not made costs nothing")
	})
}

// A caller that gives up during an attempt: no retry, and the error of its context.
func TestGivingUpDuringAttempt(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("shutting down")
	var count atomic.Int32
	c := &stsquery.Client{
		Credentials: stschain.Static("AKIDEXAMPLE", secretKey, ""), Region: "us-east-1",
		HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			count.Add(1)
			cancel(cause)
			return nil, io.ErrUnexpectedEOF
		})},
	}
	_, err := c.AssumeRole(ctx, roleInput)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, cause)
	require.EqualValues(t, 1, count.Load())
	require.Equal(t, 500, c.Tokens(), "no retry was paid for")
	require.NotContains(t, err.Error(), "gave up")

	// After a retryable response, the error has both.
	ctx, cancel = context.WithCancelCause(t.Context())
	c.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		count.Add(1)
		cancel(cause)
		return &http.Response{StatusCode: 503, Body: io.NopCloser(strings.NewReader("down")), Request: r}, nil
	})}
	c = &stsquery.Client{Credentials: c.Credentials, Region: c.Region, HTTPClient: c.HTTPClient}
	_, err = c.AssumeRole(ctx, roleInput)
	require.ErrorIs(t, err, cause)
	require.ErrorContains(t, err, "503 Service Unavailable")
	require.EqualValues(t, 2, count.Load())
	require.Equal(t, 500, c.Tokens())
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The quota: 500 tokens; a retry costs 14, or 5 where the server throttles; the
// success that follows returns the price of the last retry, and one without
// retries 1.
func TestQuota(t *testing.T) {
	for name, test := range map[string]struct {
		before   int
		steps    []step
		attempts int
		after    int
	}{
		"full stays full":               {500, []step{ok}, 1, 500},
		"success earns 1":               {100, []step{ok}, 1, 101},
		"retry is paid back":            {100, []step{down, ok}, 2, 100},
		"only the last one":             {100, []step{down, down, ok}, 3, 86},
		"throttling is cheaper":         {100, []step{slowDown, slowDown, ok}, 3, 95},
		"the last may be cheaper":       {100, []step{down, slowDown, ok}, 3, 86},
		"failures are not paid back":    {100, []step{down, down, down}, 3, 72},
		"a final failure costs nothing": {100, []step{denied}, 1, 100},
		"13 are too few":                {13, []step{down, ok}, 1, 13},
		"14 are enough":                 {14, []step{down, ok}, 2, 14},
		"14 are enough for one":         {14, []step{down, down, ok}, 2, 0},
		"4 are too few":                 {4, []step{slowDown, ok}, 1, 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, s := scripted(test.steps...)
				c.Drain(test.before)
				c.AssumeRole(t.Context(), roleInput)
				require.Len(t, s.times, test.attempts)
				require.Equal(t, test.after, c.Tokens())
			})
		})
	}
}

// The transport returns only that the context ended. An attempt that timed out is retried, a caller's
// deadline is not.
func TestAttemptBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var count atomic.Int32
		c := &stsquery.Client{Credentials: stschain.Static("AKIDEXAMPLE", secretKey, ""), Region: "us-east-1",
			HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				count.Add(1)
				<-r.Context().Done()
				return nil, r.Context().Err()
			})}}
		start := time.Now()
		_, err := c.AssumeRole(t.Context(), roleInput)
		require.ErrorContains(t, err, "no response within 10s: context deadline exceeded (3 attempts)")
		require.EqualValues(t, 3, count.Load())
		require.WithinDuration(t, start.Add(30*time.Second), time.Now(), time.Second)
	})
}
