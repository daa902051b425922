package proof_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/conformance"
	"github.com/stschain-go/stschain/proof"
	"github.com/stschain-go/stschain/ststest"
)

// transport is an http.RoundTripper.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// signInMakers get a token of AWS Sign-In over a transport, with the parameters of the recorded requests.
var signInMakers = map[string]func(http.RoundTripper, stschain.Clock) maker{
	"createbearertoken": func(rt http.RoundTripper, c stschain.Clock) maker {
		return (&proof.Bearer{Credentials: stschain.Static("AKIDEXAMPLE", secretKey, "STSTOKEN"), Region: "us-west-2", Resource: "ecr.amazonaws.com",
			Duration: 15 * minute, MaxAttempts: 1, HTTPClient: &http.Client{Transport: rt}, Clock: c}).Token
	},
	"createoauth2tokenwithiam": func(rt http.RoundTripper, c stschain.Clock) maker {
		return (&proof.Bearer{Credentials: stschain.Static("AKIDEXAMPLE", secretKey, "STSTOKEN"), Region: "us-west-2", Resource: "aws-mcp.amazonaws.com",
			OAuth: true, MaxAttempts: 1, HTTPClient: &http.Client{Transport: rt}, Clock: c}).Token
	},
	"tokenexchange": func(rt http.RoundTripper, c stschain.Clock) maker {
		return (&proof.TokenExchange{SubjectToken: subject("JWT"), Region: "us-west-2", Resource: "glue.amazonaws.com",
			MaxAttempts: 1, HTTPClient: &http.Client{Transport: rt}, Clock: c}).Token
	},
}

// TestConformance sends the requests that the AWS SDK for Go v2 sends. The fake accepts the recorded ones: its
// signatures are those of the SDK.
func TestConformance(t *testing.T) {
	snapshots(t)
	dir := filepath.Join(conformance.Dir(t), "sdk-recorded")
	for name, make := range signInMakers {
		t.Run("signin/"+name, func(t *testing.T) {
			content, err := os.ReadFile(filepath.Join(dir, "signin-"+name+".1.request.txt"))
			require.NoError(t, err)
			endpoint, raw, _ := bytes.Cut(content, []byte("\r\n"))
			want, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
			require.NoError(t, err)
			wantBody, err := io.ReadAll(want.Body)
			require.NoError(t, err)

			c := fakeClock()
			var got *http.Request
			var gotBody []byte
			_, err = make(transport(func(r *http.Request) (*http.Response, error) {
				got = r
				gotBody, _ = io.ReadAll(r.Body)
				return nil, errors.New("recorded")
			}), c)(t.Context())
			require.ErrorContains(t, err, "recorded")
			require.Equal(t, string(wantBody), string(gotBody))
			require.Equal(t, string(endpoint)+want.RequestURI, got.URL.String())
			require.Equal(t, want.Method, got.Method)
			require.Equal(t, want.Header.Get("Content-Type"), got.Header.Get("Content-Type"))
			require.Equal(t, want.Header.Get("X-Amz-Security-Token"), got.Header.Get("X-Amz-Security-Token"))
			scope := func(r *http.Request) string {
				_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=AKIDEXAMPLE/")
				_, scope, _ = strings.Cut(scope, "/")
				scope, _, _ = strings.Cut(scope, ",")
				return scope // region, service
			}
			require.Equal(t, scope(want), scope(got))

			srv := ststest.NewTest(t)
			c.Set(time.Date(2026, 11, 29, 21, 9, 36, 0, time.UTC))
			srv.Clock = c
			srv.AddKeys("arn:aws:sts::123456789012:assumed-role/web/session", stschain.Credentials{
				AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret(secretKey), SessionToken: stschain.NewSecret("STSTOKEN"),
			})
			again, err := http.NewRequestWithContext(t.Context(), want.Method, string(endpoint)+want.RequestURI, bytes.NewReader(wantBody))
			require.NoError(t, err)
			again.Header = want.Header
			resp, err := srv.Client().Do(again)
			require.NoError(t, err)
			text, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			if name == "tokenexchange" { // its subject token is the text JWT
				require.Contains(t, string(text), "The subject token is not a valid JWT")
			} else {
				require.Equal(t, 200, resp.StatusCode, "%s", text)
			}
		})
	}
}
