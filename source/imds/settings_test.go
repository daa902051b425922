package imds_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
)

func TestSettings(t *testing.T) {
	for vars, want := range map[string]string{
		"AWS_EC2_METADATA_DISABLED=jein":                                       "AWS_EC2_METADATA_DISABLED is neither true nor false",
		"AWS_METADATA_SERVICE_TIMEOUT=0":                                       "AWS_METADATA_SERVICE_TIMEOUT is not a number",
		"AWS_METADATA_SERVICE_TIMEOUT=NaN":                                     "AWS_METADATA_SERVICE_TIMEOUT is not a number",
		"AWS_METADATA_SERVICE_TIMEOUT=1s":                                      "AWS_METADATA_SERVICE_TIMEOUT is not a number",
		"AWS_METADATA_SERVICE_TIMEOUT=1e9":                                     "AWS_METADATA_SERVICE_TIMEOUT is not a number",
		"AWS_METADATA_SERVICE_NUM_ATTEMPTS=0":                                  "AWS_METADATA_SERVICE_NUM_ATTEMPTS is not a number",
		"AWS_METADATA_SERVICE_NUM_ATTEMPTS=101":                                "AWS_METADATA_SERVICE_NUM_ATTEMPTS is not a number",
		"AWS_EC2_METADATA_SERVICE_ENDPOINT=169.254.169.254":                    "AWS_EC2_METADATA_SERVICE_ENDPOINT is not a URL",
		"AWS_EC2_METADATA_SERVICE_ENDPOINT=ftp://x":                            "AWS_EC2_METADATA_SERVICE_ENDPOINT is not a URL",
		"AWS_EC2_METADATA_SERVICE_ENDPOINT=http://user:" + sessionToken + "@x": "such as a user",
		"AWS_EC2_METADATA_SERVICE_ENDPOINT=http://x?token=" + sessionToken:     "or a query",
		"AWS_EC2_METADATA_SERVICE_ENDPOINT=http://x\x7f/?t=" + sessionToken:    "is not a URL",
		"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv4,IPv6 and a long tail":     `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is "IPv4,IPv6`,
	} {
		service := &fake{}
		_, err := service.provider(vars).Retrieve(t.Context())
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.False(t, stschain.IsUnavailable(err), "%v", err)
		require.Empty(t, service.requests)
		canary.Check(t, sessionToken, err)
	}
	for _, vars := range []string{"AWS_EC2_METADATA_DISABLED=true", "AWS_EC2_METADATA_DISABLED= True\n", "AWS_EC2_METADATA_DISABLED=1"} {
		service := &fake{}
		p := service.provider(vars)
		p.Endpoint = "http://imds.test"
		_, err := p.Retrieve(t.Context())
		require.True(t, stschain.IsUnavailable(err), "%v", err)
		require.ErrorContains(t, err, "imds: AWS_EC2_METADATA_DISABLED is true")
		_, err = p.Region(t.Context())
		require.True(t, stschain.IsUnavailable(err), "%v", err)
		require.Empty(t, service.requests)
	}
}

// Fields go before variables.
func TestPrecedence(t *testing.T) {
	const v4, v6 = "169.254.169.254", "[fd00:ec2::254]"
	for _, test := range []struct{ field, variable, want string }{
		{"", "", v4},
		{"", "IPv4", v4},
		{"", "ipv6", v6},
		{"IPv6", "IPv4", v6},
		{"IPv4", "IPv6", v4},
	} {
		service := &fake{}
		p := service.provider("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=" + test.variable)
		p.EndpointMode = test.field
		_, err := p.Region(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{test.want, test.want}, service.hosts, test)
	}

	synctest.Test(t, func(t *testing.T) {
		service := &fake{responses: map[string][]string{"PUT " + tokenPath: {"hang"}}}
		p := service.provider("AWS_METADATA_SERVICE_TIMEOUT=10", "AWS_METADATA_SERVICE_NUM_ATTEMPTS=5")
		p.AttemptTimeout, p.MaxAttempts = time.Second, 2
		began := time.Now()
		_, err := p.Region(t.Context())
		require.True(t, stschain.IsUnavailable(err), "%v", err)
		require.Equal(t, 2, service.count("PUT "+tokenPath))
		require.Less(t, time.Since(began), 3*time.Second)
	})
}
