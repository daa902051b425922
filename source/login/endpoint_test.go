package login_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/login"
)

func TestEndpoints(t *testing.T) {
	for _, tt := range []struct {
		region     string
		fips, dual bool
		want       string
	}{
		{"us-east-1", false, false, "us-east-1.signin.aws.amazon.com"},
		{"EU-West-1", false, false, "eu-west-1.signin.aws.amazon.com"},
		{"xx-new-9", false, false, "xx-new-9.signin.aws.amazon.com"},
		{"cn-north-1", false, false, "cn-north-1.signin.amazonaws.cn"},
		{"us-gov-west-1", false, false, "us-gov-west-1.signin.amazonaws-us-gov.com"},
		{"us-iso-east-1", false, false, "us-iso-east-1.signin.c2shome.ic.gov"},
		{"us-isob-east-1", false, false, "us-isob-east-1.signin.sc2shome.sgov.gov"},
		{"us-isof-south-1", false, false, "us-isof-south-1.signin.csphome.hci.ic.gov"},
		{"eu-isoe-west-1", false, false, "eu-isoe-west-1.signin.csphome.adc-e.uk"},
		{"eusc-de-east-1", false, false, "eusc-de-east-1.signin.amazonaws-eusc.eu"},
		{"us-east-1", true, false, "signin-fips.us-east-1.amazonaws.com"},
		{"us-gov-west-1", true, false, "signin-fips.amazonaws-us-gov.com"},
		{"us-gov-east-1", true, false, "us-gov-east-1.signin-fips.amazonaws-us-gov.com"},
		{"cn-north-1", true, false, "signin-fips.cn-north-1.amazonaws.com.cn"},
		{"us-east-1", false, true, "signin.us-east-1.api.aws"},
		{"us-gov-west-1", false, true, "signin.us-gov-west-1.api.aws"},
		{"cn-north-1", false, true, "signin.cn-north-1.api.amazonwebservices.com.cn"},
		{"us-east-1", true, true, "signin-fips.us-east-1.api.aws"},
	} {
		got, err := login.TokenURL(&login.Provider{Region: tt.region, FIPS: tt.fips, DualStack: tt.dual})
		require.NoError(t, err)
		require.Equal(t, "https://"+tt.want+"/v1/token", got)
	}
}

func TestEndpoint(t *testing.T) {
	for _, tt := range []struct {
		p          *login.Provider
		want, fail string
	}{
		{p: &login.Provider{Endpoint: "https://signin.example.com"}, want: "https://signin.example.com/v1/token"},
		{p: &login.Provider{Endpoint: "https://signin.example.com:8443/a/"}, want: "https://signin.example.com:8443/a/v1/token"},
		{p: &login.Provider{Endpoint: "http://127.0.0.1:4566"}, want: "http://127.0.0.1:4566/v1/token"},
		{p: &login.Provider{Endpoint: "http://localstack:4566", AllowHTTP: true}, want: "http://localstack:4566/v1/token"},
		{p: &login.Provider{Endpoint: "http://localstack:4566"}, fail: "plain http to"},
		{p: &login.Provider{Endpoint: "signin.example.com"}, want: "https://signin.example.com/v1/token"},
		{p: &login.Provider{Endpoint: "ftp://localhost"}, fail: "use https or http"},
		{p: &login.Provider{Endpoint: "https://"}, fail: "not a host name"},
		{p: &login.Provider{Endpoint: "https://" + secret + "\x7f"}, fail: "is not a URL"},
		{p: &login.Provider{Endpoint: "https://user:canary-4711@example.com"}, fail: "a user name or password"},
		{p: &login.Provider{Endpoint: "https://example.com?x=canary-4711"}, fail: "has a query"},
		{p: &login.Provider{Endpoint: "https://example.com#canary-4711"}, fail: "has a fragment"},
		{p: &login.Provider{Endpoint: "https://example.com", FIPS: true}, fail: "together with FIPS"},
		{p: &login.Provider{}, fail: "Region is missing"},
		{p: &login.Provider{Region: "attacker.example/"}, fail: "Region is not a valid region"},
		{p: &login.Provider{Region: "eu-west-1.attacker"}, fail: "Region is not a valid region"},
		{p: &login.Provider{Region: "-"}, fail: "Region is not a valid region"},
	} {
		got, err := login.TokenURL(tt.p)
		if tt.fail != "" {
			require.ErrorContains(t, err, tt.fail)
			require.ErrorIs(t, err, stschain.ErrPermanent)
			require.NotContains(t, err.Error(), "canary")
			continue
		}
		require.NoError(t, err)
		require.Equal(t, tt.want, got)
	}
}

// TestNoRegion: none is needed before a refresh, nor while the credentials live.
func TestNoRegion(t *testing.T) {
	w := newWorld(t, document(noon.Add(time.Minute)))
	w.Region = ""
	_, err := w.Retrieve(t.Context())
	require.NoError(t, err)
	w.clock.Add(time.Minute)
	_, err = w.Retrieve(t.Context())
	require.ErrorContains(t, err, "Region is missing")
}
