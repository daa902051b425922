package login_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/test/conformance"
	"github.com/stschain-go/stschain/source/login"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestConformance runs the cases that the AWS SDKs share. Reading the profile is not our
// part.
func TestConformance(t *testing.T) {
	snapshots(t)
	content, err := os.ReadFile(filepath.Join(conformance.Dir(t), "default-chain", "login-provider-test-cases.json"))
	require.NoError(t, err)
	var cases []struct {
		Documentation, ConfigContents string
		CacheContents                 map[string]json.RawMessage
		MockAPICalls                  []struct {
			Request      struct{ TokenInput json.RawMessage }
			Response     struct{ TokenOutput json.RawMessage }
			ResponseCode int
		}
		Outcomes []map[string]json.RawMessage
	}
	require.NoError(t, json.Unmarshal(content, &cases))
	require.Len(t, cases, 8)
	for _, test := range cases {
		t.Run("login/"+test.Documentation, func(t *testing.T) {
			now := clock.NewMock()
			now.Set(time.Date(2025, 11, 19, 0, 0, 0, 0, time.UTC))
			home := t.TempDir()
			dir := filepath.Join(home, ".aws", "login", "cache")
			require.NoError(t, os.MkdirAll(dir, 0o700))
			for name, content := range test.CacheContents {
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
			}
			_, session, ok := strings.Cut(test.ConfigContents, "login_session = ")
			require.True(t, ok)
			calls := test.MockAPICalls
			p := &login.Provider{
				Session: session, Home: home, Region: "us-east-2", Clock: now,
				LookupEnv: func(string) (string, bool) { return "", false },
				HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					defer r.Body.Close()
					if len(calls) == 0 {
						return nil, fmt.Errorf("no call is due")
					}
					call := calls[0]
					calls = calls[1:]
					var got, want any
					if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
						t.Errorf("the body: %v", err)
					}
					if err := json.Unmarshal(call.Request.TokenInput, &want); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("requested %v, want %v", got, want)
					}
					if got := r.URL.String(); got != "https://us-east-2.signin.aws.amazon.com/v1/token" {
						t.Errorf("requested %s", got)
					}
					if proof, err := verify(r.Header.Values("DPoP")); err != nil || !proof.issued.Equal(now.Now()) || proof.url != r.URL.String() {
						t.Errorf("the proof: %+v, %v", proof, err)
					}
					if call.ResponseCode != 0 {
						return reply(call.ResponseCode, "{}"), nil
					}
					return reply(http.StatusOK, string(call.Response.TokenOutput)), nil
				})},
			}
			creds, err := p.Retrieve(t.Context())
			require.Empty(t, calls)
			for _, outcome := range test.Outcomes {
				switch string(outcome["result"]) {
				case `"credentials"`:
					require.NoError(t, err)
					for name, got := range map[string]string{
						"accessKeyId": creds.AccessKeyID, "secretAccessKey": creds.SecretAccessKey.Reveal(),
						"sessionToken": creds.SessionToken.Reveal(), "accountId": creds.AccountID, "expiresAt": creds.Expires.Format(time.RFC3339),
					} {
						require.JSONEq(t, string(outcome[name]), fmt.Sprintf("%q", got), name)
					}
				case `"error"`:
					require.Error(t, err)
				case `"cacheContents"`:
					delete(outcome, "result")
					for name, want := range outcome {
						got, err := os.ReadFile(filepath.Join(dir, name))
						require.NoError(t, err)
						require.JSONEq(t, string(want), string(got))
					}
				default:
					t.Fatalf("what is %s?", outcome["result"])
				}
			}
		})
	}
}
