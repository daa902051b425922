package container_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/conformance"
	"github.com/stschain-go/stschain/source/container"
)

// TestConformance runs the cases of smithy-rs on where the agent is.
func TestConformance(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(conformance.Dir(t), "default-chain", "ecs-tests.json"))
	require.NoError(t, err)
	var file struct {
		Tests []struct {
			Docs   string
			Env    map[string]string
			Result struct{ Ok, ErrorContains string }
		}
	}
	require.NoError(t, json.Unmarshal(content, &file))
	require.Len(t, file.Tests, 11)
	for _, test := range file.Tests {
		t.Run("containers/"+test.Docs, func(t *testing.T) {
			var requests []string
			p := &container.Provider{
				LookupEnv: func(name string) (string, bool) { v, ok := test.Env[name]; return v, ok },
				Resolve:   addresses("127.0.0.1", "::1"),
				HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					requests = append(requests, r.Method+" "+r.URL.String())
					return reply(200, document), nil
				})},
			}
			_, err := p.Retrieve(t.Context())
			switch test.Result.ErrorContains {
			case "":
				require.NoError(t, err)
				require.Equal(t, []string{"GET " + test.Result.Ok}, requests)
			case "No environment variables were set to configure ECS provider":
				require.True(t, stschain.IsUnavailable(err), "%v", err)
			case "URI did not specify a host":
				require.ErrorContains(t, err, "AWS_CONTAINER_CREDENTIALS_FULL_URI has no host")
				require.False(t, stschain.IsUnavailable(err), "%v", err)
			default:
				t.Fatalf("what is %q?", test.Result.ErrorContains)
			}
		})
	}
}
