package stsquery_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/stsquery"
)

// One region of each partition at least, and names at the edges of their patterns.
// Report: pulumi-aws#2194.
func TestRegionalEndpoints(t *testing.T) {
	for region, want := range map[string]string{
		"eu-west-1":        "sts.eu-west-1.amazonaws.com",
		"us-east-3":        "sts.us-east-3.amazonaws.com", // not there yet
		"mx-central-1":     "sts.mx-central-1.amazonaws.com",
		"aws-global":       "sts.amazonaws.com",
		"cn-north-1":       "sts.cn-north-1.amazonaws.com.cn",
		"aws-cn-global":    "sts.aws-cn-global.amazonaws.com.cn",
		"eusc-de-east-1":   "sts.eusc-de-east-1.amazonaws.eu",
		"eusc-fr-east-1":   "sts.eusc-fr-east-1.amazonaws.com",
		"us-iso-east-1":    "sts.us-iso-east-1.c2s.ic.gov",
		"us-isob-east-1":   "sts.us-isob-east-1.sc2s.sgov.gov",
		"eu-isoe-west-1":   "sts.eu-isoe-west-1.cloud.adc-e.uk",
		"us-isof-south-1":  "sts.us-isof-south-1.csp.hci.ic.gov",
		"us-gov-west-1":    "sts.us-gov-west-1.amazonaws.com",
		"cn-north":         "sts.cn-north.amazonaws.com",
		"cn-north-1-x":     "sts.cn-north-1-x.amazonaws.com",
		"us-iso-east-west": "sts.us-iso-east-west.amazonaws.com",
		"local":            "sts.local.amazonaws.com",
	} {
		got, err := (&stsquery.Client{Region: region}).Resolve("")
		require.NoError(t, err, region)
		signing := region
		if region == "aws-global" {
			signing = "us-east-1"
		}
		require.Equal(t, stsquery.Resolved{URL: "https://" + want + "/", SigningRegion: signing, SigningName: "sts", AWS: true}, got)
	}
}

// Report: vault-provider#2967.
func TestEndpointOverride(t *testing.T) {
	for _, test := range []struct {
		name   string
		client *stsquery.Client
		region string
		want   stsquery.Resolved
		err    string
	}{
		{name: "path and query are kept", client: &stsquery.Client{Region: "r1", Endpoint: "https://h.example:8443/a%2Fb/?x=1&y=%2F"},
			want: stsquery.Resolved{URL: "https://h.example:8443/a%2Fb/?x=1&y=%2F", SigningRegion: "r1", SigningName: "sts"}},
		{name: "no scheme", client: &stsquery.Client{Region: "r1", Endpoint: "minio.local:9000"},
			want: stsquery.Resolved{URL: "https://minio.local:9000/", SigningRegion: "r1", SigningName: "sts"}},
		{name: "under AWS", client: &stsquery.Client{Region: "us-east-1", Endpoint: "https://vpce-1.sts.us-east-1.vpce.AMAZONAWS.com"},
			want: stsquery.Resolved{URL: "https://vpce-1.sts.us-east-1.vpce.AMAZONAWS.com/", SigningRegion: "us-east-1", SigningName: "sts", AWS: true}},
		{name: "dual stack of China", client: &stsquery.Client{Region: "cn-north-1", Endpoint: "sts.cn-north-1.api.amazonwebservices.com.cn"},
			want: stsquery.Resolved{URL: "https://sts.cn-north-1.api.amazonwebservices.com.cn/", SigningRegion: "cn-north-1", SigningName: "sts", AWS: true}},
		{name: "only looks like AWS", client: &stsquery.Client{Region: "r1", Endpoint: "https://notamazonaws.com"},
			want: stsquery.Resolved{URL: "https://notamazonaws.com/", SigningRegion: "r1", SigningName: "sts"}},
		{name: "other scope", client: &stsquery.Client{Region: "r1", SigningRegion: "default", SigningName: "iam", Endpoint: "https://h"},
			want: stsquery.Resolved{URL: "https://h/", SigningRegion: "default", SigningName: "iam"}},
		{name: "no region but that of the scope", client: &stsquery.Client{SigningRegion: "default", Endpoint: "https://h"},
			want: stsquery.Resolved{URL: "https://h/", SigningRegion: "default", SigningName: "sts"}},
		{name: "a region for one request", client: &stsquery.Client{Region: "eu-west-1", SigningRegion: "us-east-1"}, region: "eu-north-1",
			want: stsquery.Resolved{URL: "https://sts.eu-north-1.amazonaws.com/", SigningRegion: "eu-north-1", SigningName: "sts", AWS: true}},
		{name: "loopback", client: &stsquery.Client{Region: "r1", Endpoint: "http://[::1]:9000"},
			want: stsquery.Resolved{URL: "http://[::1]:9000/", SigningRegion: "r1", SigningName: "sts"}},
		{name: "http allowed", client: &stsquery.Client{Region: "r1", Endpoint: "http://minio:80", AllowHTTP: true},
			want: stsquery.Resolved{URL: "http://minio/", SigningRegion: "r1", SigningName: "sts"}},
		{name: "FIPS of the government's regions", client: &stsquery.Client{Region: "us-gov-west-1", FIPS: true},
			want: stsquery.Resolved{URL: "https://sts.us-gov-west-1.amazonaws.com/", SigningRegion: "us-gov-west-1", SigningName: "sts", AWS: true}},
		{name: "FIPS of Europe's sovereign cloud", client: &stsquery.Client{Region: "eusc-de-east-1", FIPS: true},
			want: stsquery.Resolved{URL: "https://sts-fips.eusc-de-east-1.amazonaws.eu/", SigningRegion: "eusc-de-east-1", SigningName: "sts", AWS: true}},
		{name: "global, and FIPS goes before it", client: &stsquery.Client{Region: "us-east-1", Global: true, FIPS: true},
			want: stsquery.Resolved{URL: "https://sts-fips.us-east-1.amazonaws.com/", SigningRegion: "us-east-1", SigningName: "sts", AWS: true}},
		{name: "global, and dual stack goes before it", client: &stsquery.Client{Region: "us-east-1", Global: true, DualStack: true},
			want: stsquery.Resolved{URL: "https://sts.us-east-1.api.aws/", SigningRegion: "us-east-1", SigningName: "sts", AWS: true}},
		{name: "global, in a partition without", client: &stsquery.Client{Region: "cn-north-1", Global: true},
			want: stsquery.Resolved{URL: "https://sts.cn-north-1.amazonaws.com.cn/", SigningRegion: "cn-north-1", SigningName: "sts", AWS: true}},
		{name: "global, signed for another region", client: &stsquery.Client{Region: "eu-west-1", Global: true, SigningRegion: "eu-west-1"},
			want: stsquery.Resolved{URL: "https://sts.amazonaws.com/", SigningRegion: "eu-west-1", SigningName: "sts", AWS: true}},
		{name: "global, a region for one request", client: &stsquery.Client{Region: "eu-west-1", Global: true}, region: "me-south-1",
			want: stsquery.Resolved{URL: "https://sts.me-south-1.amazonaws.com/", SigningRegion: "me-south-1", SigningName: "sts", AWS: true}},
		{name: "FIPS and an endpoint", client: &stsquery.Client{Region: "r1", FIPS: true, Endpoint: "https://h"}, err: "Client.FIPS and Client.Endpoint are both set"},
		{name: "dual stack and an endpoint", client: &stsquery.Client{Region: "r1", DualStack: true, Endpoint: "https://h"}, err: "Client.DualStack and Client.Endpoint are both set"},
		{name: "global without a region", client: &stsquery.Client{Global: true}, err: "Client.Region is missing"},
		{name: "no region", client: &stsquery.Client{}, err: "Client.Region is missing"},
		{name: "region is a host", client: &stsquery.Client{Region: "x.evil.com/"}, err: `Region is "x.evil.com/"`},
		{name: "region is a host, with an endpoint", client: &stsquery.Client{Region: "x.evil.com/", Endpoint: "https://h"}, err: "Region is"},
		{name: "region is a user", client: &stsquery.Client{Region: "x@evil"}, err: "Region is"},
		{name: "region ends in a hyphen", client: &stsquery.Client{Region: "us-east-"}, err: "Region is"},
		{name: "region is long", client: &stsquery.Client{Region: strings.Repeat("x", 64)}, err: "Region is"},
		{name: "region of one request", client: &stsquery.Client{Region: "us-east-1"}, region: "a/b", err: "Region is"},
		{name: "signing region", client: &stsquery.Client{Region: "r1", SigningRegion: "a/b"}, err: "Client.SigningRegion is"},
		{name: "signing name", client: &stsquery.Client{Region: "r1", SigningName: "sts/aws4_request"}, err: "Client.SigningName is"},
		{name: "userinfo", client: &stsquery.Client{Region: "r1", Endpoint: "https://user:hunter4711@h"}, err: "user name or password"},
		{name: "plain http", client: &stsquery.Client{Region: "r1", Endpoint: "http://sts.example.com/?hunter4711"}, err: `plain http to "sts.example.com"`},
		{name: "another scheme", client: &stsquery.Client{Region: "r1", Endpoint: "ftp://h/hunter4711"}, err: `scheme "ftp"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.client.Resolve(test.region)
			if test.err == "" {
				require.NoError(t, err)
				require.Equal(t, test.want, got)
				return
			}
			require.ErrorContains(t, err, test.err)
			require.ErrorIs(t, err, stschain.ErrPermanent)
			canary.Check(t, "hunter4711", err)

			// And a call returns it, and sends nothing.
			test.client.Credentials = stschain.Static("AKIDEXAMPLE", "secret", "")
			_, err = test.client.Presign(t.Context(), stsquery.PresignInput{Input: stsquery.GetCallerIdentityInput{}, Region: test.region})
			require.ErrorContains(t, err, test.err)
			if test.region == "" {
				_, err = test.client.GetCallerIdentity(t.Context())
				var e *stsquery.Error
				require.True(t, errors.As(err, &e))
				require.Zero(t, e.Attempts)
				require.ErrorContains(t, err, test.err)
			}
		})
	}
}
