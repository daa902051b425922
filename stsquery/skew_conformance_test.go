package stsquery_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"
)

type skewTest struct {
	Description string
	Operations  []struct {
		InitialClientSkew  int
		MaxAttempts        int
		Attempts           []skewAttempt
		ExpectedClientSkew int
		ExpectedOutcome    string
	}
}

type skewAttempt struct {
	ClientTimeAtSend, ClientTimeAtReceive, ExpectedSigningTime time.Time
	Response                                                   struct {
		StatusCode int
		Headers    map[string]string
		ErrorCode  string
	}
}

// testClockSkew plays the operations of a scenario, one attempt after the other,
// with the client's clock set to that of each.
func testClockSkew(t *testing.T, dir string) {
	var suite struct{ Tests []skewTest }
	data, err := os.ReadFile(filepath.Join(dir, "clock-skew-test-cases.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &suite))
	require.Len(t, suite.Tests, 10)
	for _, test := range suite.Tests {
		t.Run(test.Description, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playSkew(t, test) })
		})
	}
}

func playSkew(t *testing.T, test skewTest) {
	fake := clock.NewMock()
	c, s := scripted()
	c.Clock = fake
	script := c.HTTPClient.Transport
	var left []skewAttempt
	var signed []string
	c.HTTPClient.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		signed = append(signed, r.Header.Get("X-Amz-Date"))
		if len(left) > 0 {
			fake.Set(left[0].ClientTimeAtReceive) // the next one is sent then
			left = left[1:]
		}
		return script.RoundTrip(r)
	})
	for i, op := range test.Operations {
		left, signed, s.steps = op.Attempts, nil, nil
		var want []string
		for _, a := range op.Attempts {
			next := step{status: a.Response.StatusCode, header: http.Header{}, body: assumeRoleResponse}
			for name, value := range a.Response.Headers {
				next.header.Set(name, value)
			}
			if a.Response.ErrorCode != "" {
				next.body = stsError(a.Response.ErrorCode, "m")
			}
			s.steps = append(s.steps, next)
			want = append(want, a.ExpectedSigningTime.Format("20060102T150405Z"))
		}
		if i == 0 {
			c.SetSkew(time.Duration(op.InitialClientSkew) * time.Second)
		}
		require.Equal(t, time.Duration(op.InitialClientSkew)*time.Second, c.Skew())
		fake.Set(op.Attempts[0].ClientTimeAtSend)
		if op.MaxAttempts != 0 {
			require.Len(t, test.Operations, 1, "a client's fields do not change")
			c.Retry.MaxAttempts = op.MaxAttempts
		}
		_, err := c.AssumeRole(t.Context(), roleInput)
		require.Equal(t, op.ExpectedOutcome == "success", err == nil, "%v", err)
		require.Equal(t, want, signed)
		require.Equal(t, time.Duration(op.ExpectedClientSkew)*time.Second, c.Skew())
	}
}
