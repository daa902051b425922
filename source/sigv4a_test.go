package source_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The region set of the client is the configured one, or its own region, even if that is the instance's.
func TestClientWithSigV4a(t *testing.T) {
	for set, region := range map[string]string{"": "", "us-east-1, eu-*": "eu-west-1"} {
		vars := map[string]string{"AWS_AUTH_SCHEME_PREFERENCE": "sigv4a", "AWS_SIGV4A_SIGNING_REGION_SET": set}
		if region != "" {
			vars["AWS_REGION"] = region
		}
		c, err := world{env: with(vars), transport: &machine{}}.chain(t).Client(t.Context())
		require.NoError(t, err)
		require.NotNil(t, c.SigningRegionSet)
		if set == "" {
			require.Empty(t, c.SigningRegionSet.String(), "the region of the client")
			require.Equal(t, "eu-north-1", c.Region)
			continue
		}
		require.Equal(t, "us-east-1,eu-*", c.SigningRegionSet.String())
	}
}
