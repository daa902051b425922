package stsquery_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

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
