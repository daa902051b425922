package stsquery_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

func TestTarget(t *testing.T) {
	keys := stschain.Static("AKIDEXAMPLE", secretKey, "")
	for name, test := range map[string]struct {
		client               *stsquery.Client
		url, region, service string
	}{
		"regional": {&stsquery.Client{Region: "eu-west-1"}, "https://sts.eu-west-1.amazonaws.com/", "eu-west-1", "sts"},
		"global":   {&stsquery.Client{Region: "aws-global"}, "https://sts.amazonaws.com/", "us-east-1", "sts"},
		"FIPS":     {&stsquery.Client{Region: "us-gov-west-1", FIPS: true}, "https://sts.us-gov-west-1.amazonaws.com/", "us-gov-west-1", "sts"},
		"another": {&stsquery.Client{Endpoint: "sts.example.com:8443/a?b=c", SigningRegion: "home", SigningName: "iam"},
			"https://sts.example.com:8443/a?b=c", "home", "iam"},
	} {
		t.Run(name, func(t *testing.T) {
			test.client.Credentials = keys
			to, err := test.client.Target()
			require.NoError(t, err)
			require.Equal(t, []string{test.url, test.region, test.service}, []string{to.URL.String(), to.Region, to.Service})
			to.URL.Host = "changed"
			again, err := test.client.Target()
			require.NoError(t, err)
			require.Equal(t, test.url, again.URL.String(), "it is the caller's own")
		})
	}
	for want, c := range map[string]*stsquery.Client{
		"the Client is nil":             nil,
		"Client.Credentials is missing": {Region: "eu-west-1"},
		"Client.Region is missing":      {Credentials: keys},
	} {
		_, err := c.Target()
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, stschain.ErrPermanent)
	}
}
