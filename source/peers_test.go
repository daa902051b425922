package source_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// The endpoint of another service does not concern STS: neither of the calls that the chain
// makes, nor of its client.
// Reports: grafana-aws-sdk#108 and #136, vault-provider#2967.
func TestEndpointsOfOtherServices(t *testing.T) {
	for name, test := range map[string]struct {
		env    map[string]string
		config string
		host   string
	}{
		"variables of others": {
			env:  map[string]string{"AWS_ENDPOINT_URL_S3": "https://s3.example", "AWS_ENDPOINT_URL_CLOUDWATCH": "https://cloudwatch.example"},
			host: "sts.eu-west-1.amazonaws.com",
		},
		"others in the profile": {
			config: "[default]\nservices = mine\n[services mine]\ns3 =\n  endpoint_url = https://s3.example\ncloudwatch =\n  endpoint_url = https://cloudwatch.example\n",
			host:   "sts.eu-west-1.amazonaws.com",
		},
		"its own, and others": {
			env:  map[string]string{"AWS_ENDPOINT_URL_S3": "https://s3.example", "AWS_ENDPOINT_URL_STS": "https://sts.example"},
			host: "sts.example",
		},
		"its own in the profile": {
			config: "[default]\nservices = mine\n[services mine]\ns3 =\n  endpoint_url = https://s3.example\nsts =\n  endpoint_url = https://sts-in-house.example\n",
			host:   "sts-in-house.example",
		},
	} {
		t.Run(name, func(t *testing.T) {
			sts := ststest.NewTest(t)
			m := &machine{sts: sts}
			w := world{env: with(webIdentity, test.env), transport: m, files: map[string]string{
				"/token": sts.Issuer().Token(nil).Reveal(), "/home/.aws/config": test.config,
			}}
			d := w.chain(t)
			creds, err := d.Retrieve(t.Context())
			require.NoError(t, err)
			require.Equal(t, "webidentity "+roleARN, creds.Origin)
			require.Equal(t, []string{test.host}, m.hosts())

			client, err := d.Client(t.Context())
			require.NoError(t, err)
			require.Equal(t, test.host, presignedFor(t, client))
		})
	}
}

// FIPS that is set for a whole machine can be taken back for one process, and for one client.
// Reports: aws-sdk-go-v2#2686.
func TestFIPSCanBeTakenBack(t *testing.T) {
	const config = "[default]\nregion = ap-south-2\nuse_fips_endpoint = true\n"
	host := func(env map[string]string, fips bool) string {
		w := world{env: with(keysInEnv, env), files: map[string]string{"/home/.aws/config": config}, transport: &machine{}}
		client, err := w.chain(t).Client(t.Context())
		require.NoError(t, err)
		client.FIPS = client.FIPS && fips
		return presignedFor(t, client)
	}
	require.Equal(t, "sts-fips.ap-south-2.amazonaws.com", host(nil, true))
	require.Equal(t, "sts.ap-south-2.amazonaws.com", host(map[string]string{"AWS_USE_FIPS_ENDPOINT": "false"}, true))
	require.Equal(t, "sts.ap-south-2.amazonaws.com", host(nil, false))
}

// presignedFor returns the host that a client signs requests for.
func presignedFor(t *testing.T, client *stsquery.Client) string {
	signed, err := client.Presign(t.Context(), stsquery.PresignInput{Input: stsquery.GetCallerIdentityInput{}})
	require.NoError(t, err)
	u, err := url.Parse(signed.URL.Reveal())
	require.NoError(t, err)
	return u.Host
}
