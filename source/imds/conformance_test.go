package imds_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/conformance"
)

// TestConformance runs the cases of smithy-rs on where the service is. Reading a profile
// is not our part: its settings come in as fields.
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
			p := service.provider()
			p.LookupEnv = func(name string) (string, bool) { v, ok := test.Env[name]; return v, ok }
			p.Endpoint, p.EndpointMode = test.EndpointOverride, test.ModeOverride
			for line := range strings.Lines(test.FS[test.Env["AWS_CONFIG_FILE"]]) {
				switch key, value, _ := strings.Cut(line, " = "); key {
				case "ec2_metadata_service_endpoint":
					p.ProfileEndpoint = value
				case "ec2_metadata_service_endpoint_mode":
					p.ProfileEndpointMode = value
				}
			}
			_, err := p.Retrieve(t.Context())
			if test.Result.Err != "" {
				require.ErrorIs(t, err, stschain.ErrPermanent)
				require.False(t, stschain.IsUnavailable(err), "%v", err)
				require.Empty(t, service.asked)
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
			require.Equal(t, "PUT /"+path, service.asked[0])
		})
	}
}
