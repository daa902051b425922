package imds_test

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/conformance"
	"github.com/stschain-go/stschain/source/profile"
)

// TestConformance runs the cases of smithy-rs on where the service is, with the profiles that some of them have.
func TestConformance(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(conformance.Dir(t), "default-chain", "imds-endpoint-tests.json"))
	require.NoError(t, err)
	var file struct {
		Tests []struct {
			Docs             string
			Env, FS          map[string]string
			EndpointOverride string `json:"endpoint_override"`
			ModeOverride     string `json:"mode_override"`
			Result           struct{ Ok, Err string }
		}
	}
	require.NoError(t, json.Unmarshal(content, &file))
	require.Len(t, file.Tests, 14)
	for _, test := range file.Tests {
		t.Run("imds-endpoints/"+test.Docs, func(t *testing.T) {
			service := &fake{}
			p, err := (&profile.Provider{
				LookupEnv: func(name string) (string, bool) { v, ok := test.Env[name]; return v, ok },
				Open: func(path string) (fs.File, error) {
					disk := fstest.MapFS{}
					for name, text := range test.FS {
						disk[strings.TrimPrefix(name, "/")] = &fstest.MapFile{Data: []byte(text)}
					}
					return disk.Open(strings.TrimPrefix(path, "/"))
				},
				HTTPClient: &http.Client{Transport: service},
			}).Instance(t.Context())
			require.NoError(t, err)
			p.Endpoint, p.EndpointMode = test.EndpointOverride, test.ModeOverride
			_, err = p.Retrieve(t.Context())
			if test.Result.Err != "" {
				require.ErrorIs(t, err, stschain.ErrPermanent)
				require.False(t, stschain.IsUnavailable(err), "%v", err)
				require.Empty(t, service.requests)
				if mode, _, ok := strings.Cut(strings.TrimPrefix(test.Result.Err, "`"), "` is not a valid endpoint mode"); ok {
					require.ErrorContains(t, err, `is "`+mode+`": it can be IPv4 or IPv6`)
				} else {
					require.ErrorContains(t, err, "AWS_EC2_METADATA_SERVICE_ENDPOINT is not a URL")
				}
				return
			}
			require.NoError(t, err)
			want := test.Result.Ok
			_, rest, _ := strings.Cut(want, "://")
			host, path, _ := strings.Cut(rest, "/")
			require.Equal(t, host, service.hosts[0])
			require.Equal(t, "PUT /"+path, service.requests[0])
		})
	}
}
