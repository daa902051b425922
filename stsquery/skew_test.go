package stsquery_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func httpDate(at time.Time) string { return at.UTC().Format(http.TimeFormat) }

// At the tolerance of four minutes, by one second, for each code; and not for
// others.
// Report: for-mac#17.
func TestSkewRetries(t *testing.T) {
	for code, retried := range map[string]bool{
		"InvalidSignatureException": true, "SignatureDoesNotMatch": true, "AuthFailure": true, "RequestTimeTooSkewed": true,
		"RequestExpired": true, "RequestInTheFuture": true, "AccessDeniedException": true,
		"AccessDenied": false, "InvalidClientTokenId": false, "Strange": false,
	} {
		for _, test := range []struct {
			skew     time.Duration
			disabled bool
			attempts int
		}{
			{skew: 4 * time.Minute, attempts: 1},
			{skew: 4*time.Minute + time.Second, attempts: 2},
			{skew: -4 * time.Minute, attempts: 1},
			{skew: -4*time.Minute - time.Second, attempts: 2},
			{skew: time.Hour, attempts: 2},
			{skew: time.Hour, disabled: true, attempts: 1},
		} {
			if !retried {
				test.attempts = 1
			}
			t.Run(fmt.Sprint(code, " ", test.skew, " ", test.disabled), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					fake := clock.NewMock()
					fake.Set(noon)
					refused := fault(403, code)
					refused.header = http.Header{"Date": {httpDate(noon.Add(test.skew))}}
					c, s := scripted(refused, refused, refused)
					c.Clock, c.DisableClockSkewCorrection = fake, test.disabled
					_, err := c.AssumeRole(t.Context(), roleInput)
					require.ErrorContains(t, err, code)
					// A date that was right is not corrected again.
					require.Len(t, s.times, test.attempts)
				})
			})
		}
	}
}

// A request with an MFA code is sent again if its signature was refused: the code
// was not looked at. It is not if access was denied, perhaps for the code.
func TestSkewAndMFA(t *testing.T) {
	for code, attempts := range map[string]int{"SignatureDoesNotMatch": 2, "AccessDeniedException": 1} {
		synctest.Test(t, func(t *testing.T) {
			refused := fault(403, code)
			refused.header = http.Header{"Date": {httpDate(time.Now().Add(time.Hour))}}
			c, s := scripted(refused, ok)
			in := roleInput
			in.SerialNumber, in.TokenCode = "arn:aws:iam::123456789012:mfa/alice", stschain.NewSecret(mfaCode)
			_, err := c.AssumeRole(t.Context(), in)
			require.Equal(t, attempts == 1, err != nil)
			require.Len(t, s.times, attempts, code)
		})
	}
}

// Presigned requests are dated by the server's clock; Expires is on the client's.
func TestSkewAndPresign(t *testing.T) {
	fake := clock.NewMock()
	fake.Set(noon)
	c, _ := scripted(step{status: 200, body: assumeRoleResponse, header: http.Header{"Date": {httpDate(noon.Add(10 * time.Minute))}}})
	c.Clock = fake
	presigned := func() (string, time.Time) {
		signed, err := c.Presign(t.Context(), stsquery.PresignInput{Input: stsquery.GetCallerIdentityInput{}})
		require.NoError(t, err)
		u, err := url.Parse(signed.URL.Reveal())
		require.NoError(t, err)
		return u.Query().Get("X-Amz-Date"), signed.Expires
	}
	at, expires := presigned()
	require.Equal(t, "20261121T120000Z", at)
	require.Equal(t, noon.Add(15*time.Minute), expires)

	_, err := c.AssumeRole(t.Context(), roleInput)
	require.NoError(t, err)
	at, expires = presigned()
	require.Equal(t, "20261121T121000Z", at)
	require.Equal(t, noon.Add(15*time.Minute), expires)
}

// Against a server whose clock is off: one correction if it refuses the signature,
// none afterwards, and expiry dates on the client's clock, unless that is turned off.
// Reports: aws-sdk-go-v2#1952, aws-sdk-js-v3#353, for-mac#17.
func TestSkewedServer(t *testing.T) {
	const tolerated = 15 * time.Minute
	for name, test := range map[string]struct {
		skew     time.Duration
		disabled bool
		off      time.Duration // of the expiry, from that on the client's clock
	}{
		"agree":           {},
		"a minute ahead":  {skew: time.Minute, off: time.Minute},
		"ten min ahead":   {skew: 10 * time.Minute, off: -time.Second}, // a Date is not finer than a second
		"ten min behind":  {skew: -10 * time.Minute, off: -time.Second},
		"20 min ahead":    {skew: 20 * time.Minute, off: -time.Second},
		"an hour behind":  {skew: -time.Hour, off: -time.Second},
		"ahead, disabled": {skew: 10 * time.Minute, disabled: true, off: 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			fake := clock.NewMock()
			fake.Set(noon)
			srv := ststest.NewTest(t)
			srv.AllowRefusals()
			srv.Clock = fake
			srv.FailAll(ststest.Skew(test.skew))
			c := &stsquery.Client{Credentials: srv.User(), Region: "us-east-1", HTTPClient: srv.Client(), Clock: fake, DisableClockSkewCorrection: test.disabled}
			in := roleInput
			in.Duration = time.Hour
			out, err := c.AssumeRole(t.Context(), in)
			require.NoError(t, err)
			require.Equal(t, noon.Add(time.Hour+test.off), out.Credentials.Expires.UTC())
			calls := 1
			if test.skew.Abs() > tolerated {
				calls = 2
			}
			require.Len(t, srv.Calls(), calls)

			session, err := c.GetSessionToken(t.Context(), stsquery.GetSessionTokenInput{Duration: time.Hour})
			require.NoError(t, err)
			require.Equal(t, noon.Add(time.Hour+test.off), session.Credentials.Expires.UTC())
			require.Len(t, srv.Calls(), calls+1, "once corrected, the next call is right at once")
		})
	}
}

// The latest dated response counts: one without a date changes nothing, and one from a clock that is right
// again ends the correction.
// Reports: aws-sdk-go-v2#3409, aws-sdk-go-v2#3187.
func TestSkewOfLaterResponses(t *testing.T) {
	dated := func(off time.Duration) step {
		response := ok
		response.header = http.Header{"Date": {httpDate(noon.Add(off))}}
		return response
	}
	fake := clock.NewMock()
	fake.Set(noon)
	c, s := scripted(dated(time.Hour), ok, dated(0), dated(0))
	c.Clock = fake
	for _, skew := range []time.Duration{time.Hour, time.Hour, 0, 0} {
		out, err := c.AssumeRole(t.Context(), roleInput)
		require.NoError(t, err)
		require.Equal(t, skew, c.Skew())
		require.WithinDuration(t, farExpiry.Add(-skew), out.Credentials.Expires, time.Second)
	}
	require.Equal(t, s.auth[1], s.auth[2], "signed an hour later")
	require.NotEqual(t, s.auth[0], s.auth[1])
	require.Equal(t, s.auth[0], s.auth[3])
}

// farExpiry is the Expiration of assumeRoleResponse.
var farExpiry = time.Date(2099, 11, 21, 17, 56, 58, 981264000, time.UTC)

// The session ends with SessionNotOnOrAfter, which is on the server's clock.
func TestSessionNotOnOrAfter(t *testing.T) {
	for end, want := range map[time.Time]time.Time{
		noon.Add(time.Hour):           noon.Add(50 * time.Minute),
		farExpiry.Add(24 * time.Hour): time.Date(2099, 11, 21, 17, 46, 57, 0, time.UTC),
		{}:                            time.Date(2099, 11, 21, 17, 46, 57, 0, time.UTC),
	} {
		fake := clock.NewMock()
		fake.Set(noon)
		response := result("AssumeRoleWithSAML", whole["AssumeRoleWithSAML"].response)
		response.header = http.Header{"Date": {httpDate(noon.Add(10 * time.Minute))}}
		c, _ := scripted(response)
		c.Clock = fake
		in := samlInput
		in.SessionNotOnOrAfter = end
		out, err := c.AssumeRoleWithSAML(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, want, out.Credentials.Expires)
	}
}
