package profile_test

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/profile"
	"github.com/stschain-go/stschain/ststest"
)

// Reports: grafana-aws-sdk#108.
func TestSettings(t *testing.T) {
	const everything = `[profile p]
region = eu-west-1
endpoint_url = https://all.example
services = mine
use_fips_endpoint = true
use_dualstack_endpoint = TRUE
sts_regional_endpoints = legacy
retry_mode = adaptive
max_attempts = 7
ca_bundle = /etc/ca.pem
disable_clock_skew_correction = true
auth_scheme_preference = httpBearerAuth, sigv4a, sigv4
sigv4a_signing_region_set = us-east-1, eu-*
ec2_metadata_service_endpoint = http://imds.example
ec2_metadata_service_endpoint_mode = IPv6
ec2_metadata_v1_disabled = true
[services mine]
s3 =
  endpoint_url = https://s3.example
sts =
  # one of our own
  ENDPOINT_URL = https://sts.example # here
`
	of := func(config string, e env) string {
		s, err := at(nil, config, env{"AWS_REGION": ""}, e).Settings(t.Context())
		require.NoError(t, err)
		return s
	}
	require.Equal(t, "{region:eu-west-1 endpoint:https://sts.example fips:true dualStack:true global:true retry:{Mode:1 MaxAttempts:7} caBundle:/etc/ca.pem "+
		"disableClockSkewCorrection:true regionSet:{names:us-east-1,eu-* err:<nil>} imdsEndpoint:http://imds.example imdsMode:IPv6 imdsNoV1:true}", of(everything, nil))
	require.Equal(t, "{region:eu-west-2 endpoint:https://env.example fips:false dualStack:false global:false retry:{Mode:2 MaxAttempts:2} caBundle:/env.pem "+
		"disableClockSkewCorrection:false regionSet:{names:* err:<nil>} imdsEndpoint:http://imds.example imdsMode:IPv6 imdsNoV1:true}", of(everything, env{
		"AWS_DEFAULT_REGION": "eu-west-3", "AWS_REGION": "eu-west-2", "AWS_ENDPOINT_URL_STS": "https://env.example", "AWS_USE_FIPS_ENDPOINT": "false",
		"AWS_USE_DUALSTACK_ENDPOINT": "False", "AWS_STS_REGIONAL_ENDPOINTS": "regional", "AWS_RETRY_MODE": "Legacy", "AWS_MAX_ATTEMPTS": "2",
		"AWS_CA_BUNDLE": "/env.pem", "AWS_DISABLE_CLOCK_SKEW_CORRECTION": "false",
		"AWS_SIGV4A_SIGNING_REGION_SET": "*",
	}))
	require.Contains(t, of(everything, env{"AWS_DEFAULT_REGION": "eu-west-3", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}), "{region:eu-west-3 endpoint: ")

	p := at(nil, everything)
	p.Region, p.Endpoint = "us-gov-west-1", "https://code.example"
	got, err := p.Settings(t.Context())
	require.NoError(t, err)
	require.Contains(t, got, "{region:us-gov-west-1 endpoint:https://code.example ")

	// Without a profile, and without files, there are the settings of the environment.
	p = &profile.Provider{LookupEnv: env{"AWS_REGION": "eu-west-2"}.lookup, Open: files{}.open}
	got, err = p.Settings(t.Context())
	require.NoError(t, err)
	require.Equal(t, of("[profile p]\n", env{"AWS_REGION": "eu-west-2"}), got)
}

// What is wrong is an error at once, with its file and line.
func TestWrongSettings(t *testing.T) {
	p := at(nil, "[profile p]\nuse_fips_endpoint = yes\nretry_mode = fast\nmax_attempts = 0\nservices = none\n", env{"AWS_USE_DUALSTACK_ENDPOINT": "1"})
	_, err := p.Settings(t.Context())
	require.ErrorIs(t, err, stschain.ErrPermanent)
	for _, want := range []string{
		"/home/.aws/config:2: [profile p] use_fips_endpoint: the value must be one of true, false",
		"/home/.aws/config:3: [profile p] retry_mode: the value must be one of standard, adaptive, legacy",
		"/home/.aws/config:4: [profile p] max_attempts: the value must be a number of attempts",
		"/home/.aws/config:5: [profile p] services: there is no [services none]",
		"AWS_USE_DUALSTACK_ENDPOINT: the value must be one of true, false",
	} {
		require.ErrorContains(t, err, want)
	}
	_, err = at(nil, "[default]\n").Settings(t.Context())
	require.ErrorContains(t, err, `AWS_PROFILE names the profile "p", which is not in`)

	// Keys need no settings.
	_, err = at(nil, "[profile p]\nmax_attempts = 0\n"+keysAB[10:]).Retrieve(t.Context())
	require.NoError(t, err)
}

func TestClient(t *testing.T) {
	srv := ststest.NewTest(t)
	p := at(srv, "[profile p]\nmax_attempts = 1\n", env{"AWS_REGION": "eu-central-1"})
	client, err := p.Client(t.Context(), srv.User())
	require.NoError(t, err)
	who, err := client.GetCallerIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, srv.User().ARN, who.ARN)
	require.Equal(t, "eu-central-1", srv.Calls()[0].Region)

	srv.FailAll(ststest.Throttle())
	_, err = client.GetCallerIdentity(t.Context())
	require.Error(t, err)
	require.Equal(t, 2, srv.Count(""), "max_attempts is 1")
}

// Plain http beyond loopback needs a word of the program's.
func TestPlainHTTP(t *testing.T) {
	srv := ststest.NewTest(t)
	p := at(srv, "[profile p]\nendpoint_url = http://sts.example\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = p\n"+keysOf(srv.User()))
	_, err := p.Retrieve(t.Context())
	require.ErrorContains(t, err, "plain http")

	p = at(srv, "[profile p]\nendpoint_url = http://sts.example\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = p\n"+keysOf(srv.User()))
	p.AllowHTTP = true
	_, err = p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "sts.example", srv.Calls()[0].Host)
}

// A bundle of certificates and an http.Client of the program's own go together; in other
// libraries that is an error (terraform#23182, okta-aws-cli#69).
func TestCABundle(t *testing.T) {
	srv := ststest.NewTest(t)
	secure := httptest.NewUnstartedServer(srv)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are to fail
	secure.StartTLS()
	defer secure.Close()
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	put(t, bundle, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})))
	config := "[profile p]\nmax_attempts = 1\nendpoint_url = " + secure.URL + "\nca_bundle = " + bundle + "\n"
	disk := files{"/home/.aws/config": config}
	check := func(client *http.Client, e env) error {
		e["HOME"], e["AWS_PROFILE"], e["AWS_REGION"] = "/home", "p", "eu-west-1"
		if pem, err := os.ReadFile(bundle); err == nil {
			disk[bundle] = string(pem)
		}
		p := &profile.Provider{LookupEnv: e.lookup, Open: disk.open, HTTPClient: client}
		sts, err := p.Client(t.Context(), srv.User())
		if err != nil {
			return err
		}
		_, err = sts.GetCallerIdentity(t.Context())
		return err
	}
	own := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13}, DisableKeepAlives: true}
	for name, client := range map[string]*http.Client{
		"no client":                    nil,
		"a client without a transport": {Timeout: time.Minute},
		"a client with a transport":    {Transport: own},
	} {
		t.Run(name, func(t *testing.T) { require.NoError(t, check(client, env{})) })
	}
	require.Nil(t, own.TLSClientConfig.RootCAs, "the program's transport stays as it is")

	called := errors.New("the program's own way")
	err := check(&http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, called })}, env{})
	require.ErrorIs(t, err, called, "whom another kind of transport trusts is its own affair")

	disk["/none.pem"] = "no certificate"
	require.ErrorContains(t, check(nil, env{"AWS_CA_BUNDLE": "/none.pem"}), "profile: ca_bundle /none.pem: no certificate in PEM found")
	disk["/huge.pem"] = disk[bundle] + strings.Repeat("#", 8<<20)
	require.ErrorContains(t, check(nil, env{"AWS_CA_BUNDLE": "/huge.pem"}), "profile: ca_bundle /huge.pem: exceeds 8388608 bytes")
	require.ErrorContains(t, check(nil, env{"AWS_CA_BUNDLE": "/missing.pem"}), "profile: ca_bundle /missing.pem: file does not exist")

	disk["/home/.aws/config"] = "[profile p]\nmax_attempts = 1\nendpoint_url = " + secure.URL
	require.ErrorContains(t, check(nil, env{}), "certificate", "without the bundle, the server is not trusted")
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
