package stsquery_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/stsquery"
)

// A URL is written to logs on the way and is part of every *url.Error. So no operation puts
// anything into it: tokens, assertions and codes go in the body.
// Peers: VictoriaMetrics' lib/awsapi, minio-go's CustomToken (users.md 3.7).
func TestNothingGoesIntoTheURL(t *testing.T) {
	inputs := map[string]stsquery.Input{}
	for operation, test := range whole {
		inputs[operation] = test.in
	}
	withCode := roleInput
	withCode.SerialNumber, withCode.TokenCode = "arn:aws:iam::123456789012:mfa/alice", stschain.NewSecret(mfaCode)
	inputs["AssumeRole with a code"] = withCode
	for operation, in := range inputs {
		t.Run(operation, func(t *testing.T) {
			var sent []*http.Request
			var body string
			c, _ := scripted()
			c.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				read, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				sent, body = append(sent, r), string(read)
				return nil, &url.Error{Op: "Post", URL: r.URL.String() + "?" + body, Err: io.ErrClosedPipe}
			})}
			c.Retry.MaxAttempts = 1
			_, err := call(t.Context(), c, in)
			require.Error(t, err)
			require.Len(t, sent, 1)
			require.Equal(t, http.MethodPost, sent[0].Method)
			require.Equal(t, "https://sts.us-east-1.amazonaws.com/", sent[0].URL.String())
			require.Contains(t, body, "Action="+strings.Fields(operation)[0]+"&")
			for _, secret := range []string{assertion, secretKey, sessionToken, mfaCode} {
				canary.Check(t, secret, err, sent[0].URL)
			}
		})
	}
}

// FIPS is a matter of each client: where a region has no such endpoint, one that is told so
// does without, beside others that do not.
// Peers: aws-sdk-go-v2#2686 (users.md 4.58).
func TestFIPSIsOfOneClient(t *testing.T) {
	hosts := map[bool]string{}
	transport := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		hosts[strings.Contains(r.URL.Host, "fips")] = r.URL.Host
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(assumeRoleAnswer)), Request: r}, nil
	})}
	for _, fips := range []bool{true, false} {
		c := &stsquery.Client{Credentials: stschain.Static("AKIDEXAMPLE", secretKey, ""), Region: "ap-south-2", FIPS: fips, HTTPClient: transport}
		_, err := c.AssumeRole(t.Context(), roleInput)
		require.NoError(t, err)
	}
	require.Equal(t, map[bool]string{true: "sts-fips.ap-south-2.amazonaws.com", false: "sts.ap-south-2.amazonaws.com"}, hosts)
}

// What was learned of a clock that was off is forgotten when it is right again: a wrong date, once,
// does not stay.
// Peers: aws-sdk-go-v2#3187 (users.md 4.46).
func TestSkewHeals(t *testing.T) {
	fake := clock.NewMock()
	fake.Set(noon)
	dated := func(off time.Duration) step {
		answer := ok
		answer.header = http.Header{"Date": {httpDate(noon.Add(off))}}
		return answer
	}
	c, s := scripted(dated(time.Hour), dated(0), dated(0))
	c.Clock = fake
	for range 3 {
		_, err := c.AssumeRole(t.Context(), roleInput)
		require.NoError(t, err)
	}
	require.Zero(t, c.Skew())
	require.NotEqual(t, s.auth[0], s.auth[1], "signed an hour later")
	require.Equal(t, s.auth[0], s.auth[2])
}
