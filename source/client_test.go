package source_test

import (
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

func TestClient(t *testing.T) {
	config := map[string]string{"/home/.aws/config": "[default]\nregion = eu-west-3\nretry_mode = adaptive\nmax_attempts = 7\nendpoint_url = https://file.example\nuse_fips_endpoint = true\n"}
	type settings struct {
		Region, Endpoint        string
		FIPS, DualStack, NoSkew bool
		Retry                   stsquery.Retry
	}
	for name, test := range map[string]struct {
		env    map[string]string
		files  map[string]string
		region string // Default.Region
		want   settings
	}{
		"nothing but an instance": {want: settings{Region: "eu-north-1"}},
		"profile": {files: config, want: settings{
			Region: "eu-west-3", Endpoint: "https://file.example", FIPS: true, Retry: stsquery.Retry{Mode: stsquery.Adaptive, MaxAttempts: 7},
		}},
		"environment wins": {files: config, env: map[string]string{
			"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "us-west-1", "AWS_ENDPOINT_URL": "https://all.example", "AWS_ENDPOINT_URL_STS": "https://sts.example",
			"AWS_USE_FIPS_ENDPOINT": "false", "AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_RETRY_MODE": "legacy", "AWS_MAX_ATTEMPTS": "2",
			"AWS_DISABLE_CLOCK_SKEW_CORRECTION": "true",
		}, want: settings{Region: "us-west-2", Endpoint: "https://sts.example", DualStack: true, NoSkew: true, Retry: stsquery.Retry{Mode: stsquery.Legacy, MaxAttempts: 2}}},
		"endpoints are ignored": {files: config, env: map[string]string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true", "AWS_USE_FIPS_ENDPOINT": "false", "AWS_MAX_ATTEMPTS": "3", "AWS_RETRY_MODE": "standard"},
			want: settings{Region: "eu-west-3", Retry: stsquery.Retry{MaxAttempts: 3}}},
		"the field wins":     {env: map[string]string{"AWS_REGION": "us-west-2"}, region: "ap-south-1", want: settings{Region: "ap-south-1"}},
		"the older variable": {env: map[string]string{"AWS_DEFAULT_REGION": "us-west-1"}, want: settings{Region: "us-west-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := world{env: with(test.env), files: test.files, transport: &machine{}}.chain(t)
			d.Region = test.region
			c, err := d.Client(t.Context())
			require.NoError(t, err)
			require.Equal(t, test.want, settings{c.Region, c.Endpoint, c.FIPS, c.DualStack, c.DisableClockSkewCorrection, c.Retry})
			require.Same(t, d, c.Credentials)
		})
	}
}

func TestClientErrors(t *testing.T) {
	for name, test := range map[string]struct {
		env      map[string]string
		metadata http.HandlerFunc
		want     []string
	}{
		"no region": {metadata: unreachable, want: []string{"no region is set: set AWS_REGION", imdsHost}},
		"bundle":    {env: map[string]string{"AWS_REGION": "eu-west-1", "AWS_CA_BUNDLE": "/missing"}, want: []string{"/missing"}},
		"profile":   {env: map[string]string{"AWS_REGION": "eu-west-1", "AWS_PROFILE": "prod"}, want: []string{"AWS_PROFILE", "prod"}},
		"attempts":  {env: map[string]string{"AWS_REGION": "eu-west-1", "AWS_MAX_ATTEMPTS": "many"}, want: []string{"AWS_MAX_ATTEMPTS"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := world{env: with(test.env), transport: &machine{metadata: test.metadata}}.chain(t)
			if name == "bundle" {
				d.HTTPClient = nil // a transport of another kind is left alone
			}
			_, err := d.Client(t.Context())
			require.ErrorContains(t, err, "source: no client of STS: ")
			for _, want := range test.want {
				require.ErrorContains(t, err, want)
			}
			require.False(t, stschain.IsUnavailable(err), "%v", err)
		})
	}
}

// The settings reach the calls that the chain makes itself.
// Reports: aws-sdk-go-base#342, aws-sdk-go-v2#515, smithy-rs#4740.
func TestWebIdentityBySettings(t *testing.T) {
	sts := ststest.NewTest(t)
	m := &machine{sts: sts}
	env := with(webIdentity, map[string]string{"AWS_REGION": "", "AWS_MAX_ATTEMPTS": "1"})
	w := world{env: env, transport: m, files: map[string]string{
		"/token": sts.Issuer().Token(nil).Reveal(), "/home/.aws/config": "[default]\nregion = eu-central-1\n",
	}}
	_, err := w.chain(t).Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"sts.eu-central-1.amazonaws.com"}, m.hosts())

	sts.FailNext(ststest.Refuse(http.StatusServiceUnavailable, "ServiceUnavailable", ""))
	_, err = w.chain(t).Retrieve(t.Context())
	require.ErrorContains(t, err, "ServiceUnavailable")
	require.Equal(t, 2, sts.Count(""))

	d := w.chain(t)
	d.Region = "eu-south-1"
	_, err = d.Retrieve(t.Context())
	require.NoError(t, err)
	require.Contains(t, m.hosts(), "sts.eu-south-1.amazonaws.com")
}

// A web identity and the client that signs with its credentials use one connection.
func TestOneConnection(t *testing.T) {
	sts := ststest.NewTest(t)
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(sts)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	d := world{
		env:   with(webIdentity, map[string]string{"AWS_ENDPOINT_URL_STS": server.URL}),
		files: map[string]string{"/token": sts.Issuer().Token(nil).Reveal()},
	}.chain(t)
	d.HTTPClient = nil
	client, err := d.Client(t.Context())
	require.NoError(t, err)
	_, err = client.GetCallerIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, sts.Count(""))
	require.EqualValues(t, 1, connections.Load())
}

// So do those of the metadata service, to the instance's place in the chain and to a role's source.
func TestInstanceBySettings(t *testing.T) {
	const usual = imdsHost
	for setting, want := range map[string][]string{
		"":                                {"PUT " + usual, "GET " + usual},
		"ec2_metadata_v1_disabled = true": {"PUT " + usual},
		"ec2_metadata_service_endpoint = http://imds.example": {"PUT imds.example", "GET imds.example"},
		"ec2_metadata_service_endpoint_mode = IPv6":           {"PUT [fd00:ec2::254]", "GET [fd00:ec2::254]"},
	} {
		for _, role := range []string{"", "role_arn = " + roleARN + "\ncredential_source = Ec2InstanceMetadata\nregion = eu-west-1\n"} {
			var requests []string
			w := world{env: with(), files: map[string]string{"/home/.aws/config": "[default]\n" + role + setting}}
			w.transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				requests = append(requests, r.Method+" "+r.URL.Host)
				code := map[string]int{"PUT": http.StatusNotFound, "GET": http.StatusForbidden}[r.Method]
				return &http.Response{StatusCode: code, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
			})
			_, err := w.chain(t).Retrieve(t.Context())
			require.Error(t, err)
			require.Equal(t, want, requests, "%s%s", role, setting)
		}
	}
}

// The certificates of AWS_CA_BUNDLE are trusted by the agent's client too.
// Reports: terraform#23182.
func TestCABundle(t *testing.T) {
	agent := httptest.NewUnstartedServer(http.HandlerFunc(task))
	agent.Config.ErrorLog = log.New(io.Discard, "", 0)
	agent.StartTLS()
	defer agent.Close()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: agent.Certificate().Raw})
	w := world{
		env:   with(map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": agent.URL, "AWS_CA_BUNDLE": "/bundle"}),
		files: map[string]string{"/bundle": string(certificate)},
	}
	retrieve := func() error {
		d := w.chain(t)
		d.HTTPClient = nil
		_, err := d.Retrieve(t.Context())
		return err
	}
	require.NoError(t, retrieve())
	w.files["/bundle"] = "no certificate"
	require.ErrorContains(t, retrieve(), "/bundle")
	delete(w.env, "AWS_CA_BUNDLE")
	require.ErrorContains(t, retrieve(), "certificate")
}
