package source_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/ststest"
)

// FallbackRegions reach every STS client that the chain makes, without those of other partitions.
func TestFallbackRegions(t *testing.T) {
	down := ststest.Refuse(http.StatusServiceUnavailable, "ServiceUnavailable", "")
	const ireland, frankfurt = "sts.eu-west-1.amazonaws.com", "sts.eu-central-1.amazonaws.com"
	for name, test := range map[string]struct {
		env   map[string]string
		files map[string]string
		want  []string // hosts
	}{
		"web identity": {env: webIdentity, want: []string{ireland, frankfurt}},
		"role of a profile": {
			env: keysInEnv, files: map[string]string{"/home/.aws/config": "[default]\nregion = eu-west-1\nrole_arn = " + roleARN + "\ncredential_source = Environment\n"},
			want: []string{ireland, frankfurt},
		},
		"no fallback in its partition": {
			env:  with(webIdentity, map[string]string{"AWS_REGION": "cn-north-1"}),
			want: []string{"sts.cn-north-1.amazonaws.com.cn"}, // all attempts
		},
		"endpoint": {
			env:  with(webIdentity, map[string]string{"AWS_ENDPOINT_URL_STS": "https://sts.example"}),
			want: []string{"sts.example"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			sts := ststest.NewTest(t)
			sts.AddKeys("arn:aws:iam::123456789012:user/ada", stschain.Credentials{AccessKeyID: keysInEnv["AWS_ACCESS_KEY_ID"], SecretAccessKey: stschain.NewSecret(keysInEnv["AWS_SECRET_ACCESS_KEY"]), SessionToken: stschain.NewSecret(keysInEnv["AWS_SESSION_TOKEN"])})
			m := &machine{sts: sts}
			files := map[string]string{"/token": sts.Issuer().Token(nil).Reveal()}
			for path, content := range test.files {
				files[path] = content
			}
			d := world{env: with(test.env), files: files, transport: m}.chain(t)
			d.FallbackRegions = []string{"us-gov-west-1", "eu-central-1"}
			if test.files != nil {
				d.Profile = "default"
			}
			sts.FailNext(down)
			_, err := d.Retrieve(t.Context())
			require.NoError(t, err)
			require.Equal(t, test.want, m.hosts())
		})
	}
	for region, want := range map[string][]string{"": {"eu-central-1"}, "us-gov-east-1": {"us-gov-west-1"}, "cn-north-1": nil} {
		d := world{env: with(map[string]string{"AWS_REGION": region}), transport: &machine{}}.chain(t)
		d.FallbackRegions = []string{"us-gov-west-1", "eu-central-1"}
		client, err := d.Client(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, client.FallbackRegions, client.Region)
		_, err = client.Server()
		require.NoError(t, err)
	}
}
