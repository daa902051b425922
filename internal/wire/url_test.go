package wire_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/wire"
)

// The hosts are those of the endpoint rules of the AWS SDKs; package stsquery's tests hold
// every region of the table of partitions to them.
func TestOf(t *testing.T) {
	for _, test := range []struct {
		service, region string
		fips, dualStack bool
		want            string
	}{
		{service: "sts", region: "eu-west-1", want: "sts.eu-west-1.amazonaws.com"},
		{service: "portal.sso", region: "us-east-2", want: "portal.sso.us-east-2.amazonaws.com"},
		{service: "portal.sso", region: "us-east-2", fips: true, want: "portal.sso-fips.us-east-2.amazonaws.com"},
		{service: "portal.sso", region: "us-east-2", dualStack: true, want: "portal.sso.us-east-2.api.aws"},
		{service: "portal.sso", region: "us-east-2", fips: true, dualStack: true, want: "portal.sso-fips.us-east-2.api.aws"},
		{service: "oidc", region: "cn-north-1", want: "oidc.cn-north-1.amazonaws.com.cn"},
		{service: "oidc", region: "us-gov-west-1", fips: true, want: "oidc.us-gov-west-1.amazonaws.com"},
		{service: "oidc", region: "us-gov-west-1", fips: true, dualStack: true, want: "oidc-fips.us-gov-west-1.api.aws"},
		{service: "oidc", region: "eusc-de-east-1", want: "oidc.eusc-de-east-1.amazonaws.eu"},
		{service: "oidc", region: "mars-north-1", want: "oidc.mars-north-1.amazonaws.com"},
	} {
		require.Equal(t, test.want, wire.ServiceHost(test.service, test.region, test.fips, test.dualStack))
	}
}

// Source: the partitions of the AWS SDKs, where aws-eusc has the regions eusc-de-*.
func TestSignInDomain(t *testing.T) {
	for region, want := range map[string][2]string{
		"":               {"aws", "signin.aws.amazon.com"},
		"cn-north-1":     {"aws-cn", "signin.amazonaws.cn"},
		"us-gov-west-1":  {"aws-us-gov", "signin.amazonaws-us-gov.com"},
		"eusc-de-east-1": {"aws-eusc", "signin.amazonaws-eusc.eu"},
		"eusc-fr-east-1": {"aws", "signin.aws.amazon.com"},
		"us-iso-east-1":  {"aws-iso", "signin.c2shome.ic.gov"},
	} {
		partition, domain := wire.SignInDomain(region)
		require.Equal(t, want, [2]string{partition, domain}, region)
	}
}

func TestIsLabel(t *testing.T) {
	for s, want := range map[string]bool{
		"eu-west-1": true, "x": true, strings.Repeat("x", 63): true,
		"": false, "-x": false, "x-": false, "a.b": false, "a/b": false, "a@b": false, "a#": false, "a b": false, "ä": false, strings.Repeat("x", 64): false,
	} {
		require.Equal(t, want, wire.IsLabel(s), s)
	}
}

func TestConsistsOf(t *testing.T) {
	for s, want := range map[string]bool{
		"": true, "azAZ09": true, "a_b@c": true,
		"a-b": false, "ä": false, "a\xffb": false, "\ufffd": false, "@": true, "a b": false, "a[": false, "`": false, "{": false, "/": false, ":": false,
	} {
		require.Equal(t, want, wire.ConsistsOf(s, "_@"), "%q", s)
	}
}

func TestIsAWS(t *testing.T) {
	for s, want := range map[string]bool{
		"sts.eu-west-1.amazonaws.com": true, "STS.AMAZONAWS.COM.": true, "sts.eu-west-1.api.aws": true,
		"amazonaws.com.example.com": false, "notamazonaws.com": false, "": false, "localhost": false,
	} {
		require.Equal(t, want, wire.IsAWSHost(s), s)
	}
}

func TestParseURL(t *testing.T) {
	for s, want := range map[string]string{
		"localhost:9000":         "https://localhost:9000/",
		"https://h.example:443":  "https://h.example/",
		"http://127.0.0.1/a?b=c": "http://127.0.0.1/a?b=c",
		"h/?u=http://x":          "https://h/?u=http://x",
	} {
		u, err := wire.ParseURL(s, false)
		require.NoError(t, err)
		require.Equal(t, want, u.String())
	}
	for s, want := range map[string]string{
		"https://user:hunter2@h":  "contains a user name or password",
		"http://h.example":        "is plain http to",
		"user:hunter2@h":          "contains a user name or password",
		"http://127.0.0.1.h":      "is plain http to",
		"http://x.localhost":      "is plain http to",
		"http://0.0.0.0":          "is plain http to",
		"https://h/#":             "has a fragment",
		"https:///x":              "has the host",
		"https://h,x":             "has the host",
		"https://stś.example.com": "has the host",
		"?hunter2":                "has the host",
		"https://h:99999":         "has the port",
		"https://h:hunter2":       "not a URL",
		"https://h/\nhunter2":     "not a URL",
		"ftp://h.example":         "has the scheme",
		"https://h.example#x":     "has a fragment",
		"https://h_.example-:9/x": "has the host",
		"https:7/path":            "has a scheme without // after it",
		"HTTP:80":                 "has a scheme without",
		"https://h.example:0":     "has the port",
		"https://hunter2%zz":      "is not a URL",
	} {
		_, err := wire.ParseURL(s, false)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "hunter2")
	}
	_, err := wire.ParseURL("http://h.example", true)
	require.NoError(t, err)
}

func TestFallback(t *testing.T) {
	all := []string{"eu-west-1", "cn-north-1", "us-gov-west-1", "us-east-1"}
	for region, want := range map[string][]string{
		"eu-central-1": {"eu-west-1", "us-east-1"}, "aws-global": {"eu-west-1", "us-east-1"}, "cn-northwest-1": {"cn-north-1"}, "eusc-de-east-1": nil, "": nil,
	} {
		require.Equal(t, want, wire.Fallback(region, "", all), region)
		require.Nil(t, wire.Fallback(region, "https://sts.example", all), region)
	}
	require.Nil(t, wire.Fallback("eu-west-1", "", nil))
}
