package source_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/ststest"
)

// Where two places are configured, Explain shows the one that is not used and what configures it, and so
// does the error of the one that is.
// See docs/defects.md, A8.
func TestTwoPlaces(t *testing.T) {
	const role = "[default]\nregion = eu-west-1\nrole_arn = " + roleARN + "\nsource_profile = base\n[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = " + canarySecret + "\n"
	for name, test := range map[string]struct {
		env          map[string]string
		files        map[string]string
		profileFirst bool
		want         []string // of Explain
		others       []string // in the error
	}{
		"web identity and a profile": {
			env: webIdentity, files: map[string]string{"/home/.aws/config": role},
			want:   []string{"succeeded webidentity from the environment", "not called profile default has credentials too (role_arn, /home/.aws/config:3)"},
			others: []string{"profile default has credentials too (role_arn, /home/.aws/config:3), and is not used instead"},
		},
		"a profile and web identity": {
			env: with(webIdentity, map[string]string{"AWS_PROFILE": "base"}), files: map[string]string{"/home/.aws/credentials": strings.ReplaceAll(role, "[profile ", "[")}, profileFirst: true,
			want: []string{"succeeded profile base", "not called webidentity from the environment has credentials too (AWS_WEB_IDENTITY_TOKEN_FILE)"},
		},
		"web identity and a container": {
			env:    with(webIdentity, ecs),
			want:   []string{"succeeded webidentity from the environment", "not called profile default", "not called container has credentials too (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI)"},
			others: []string{"container has credentials too (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI), and is not used instead"},
		},
		"all of them": {
			env: with(keysInEnv, webIdentity, ecs), files: map[string]string{"/home/.aws/credentials": keysInProfile},
			want: []string{
				"succeeded env", "not called webidentity from the environment has credentials too (AWS_WEB_IDENTITY_TOKEN_FILE)",
				"not called profile default has credentials too (aws_access_key_id, /home/.aws/credentials:2)",
				"not called container has credentials too (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI)",
			},
		},
		"a profile that is broken": {
			env: webIdentity, files: map[string]string{"/home/.aws/credentials": "[default]\naws_access_key_id = AKIAHALF\n"},
			want:   []string{"not called profile default has credentials too (/home/.aws/credentials:2: [profile default] aws_access_key_id: aws_secret_access_key is missing)"},
			others: []string{"aws_secret_access_key is missing"},
		},
		"one of them": {
			env: webIdentity, files: map[string]string{"/home/.aws/config": "[default]\nregion = eu-west-1\n"},
			want: []string{"succeeded webidentity from the environment", "not called profile default"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			sts := ststest.NewTest(t)
			w := world{env: with(test.env), files: map[string]string{"/token": sts.Issuer().Token(nil).Reveal()}, transport: &machine{sts: sts}}
			for path, text := range test.files {
				w.files[path] = text
			}
			chain := func() *source.Default {
				d := w.chain(t)
				d.ProfileFirst = test.profileFirst
				return d
			}
			d := chain()
			for _, p := range []stschain.Provider{d, stschain.Cached(d)} {
				x := stschain.Explain(t.Context(), p)
				require.Subset(t, lines(x), test.want, "%v", x)
				canary.Check(t, canarySecret, x)
			}
			require.Len(t, d.Providers(), 5)
			if test.others == nil {
				return
			}
			sts.FailAll(ststest.Refuse(http.StatusForbidden, "AccessDenied", "not you"))
			_, err := chain().Retrieve(t.Context())
			require.ErrorContains(t, err, "AccessDenied")
			require.ErrorIs(t, err, stschain.ErrPermanent)
			_, isChain := errors.AsType[*stschain.ChainError](err)
			require.True(t, isChain)
			for _, other := range test.others {
				require.ErrorContains(t, err, other)
			}
			canary.Check(t, canarySecret, err)
		})
	}
}

// What is not configured costs no look at files, and what is wrong with a setting stops no place that does not
// need it.
func TestPlacesThatAreNotConfigured(t *testing.T) {
	w := world{env: with(map[string]string{"AWS_RETRY_MODE": "often"}), files: map[string]string{"/home/.aws/credentials": keysInProfile}}
	creds, err := w.chain(t).Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "AKIAPROFILE", creds.AccessKeyID)
}

// Keys and a region in the environment are all that a client needs, whatever the files are like.
// See docs/defects.md, A1.
func TestClientWithoutFiles(t *testing.T) {
	w := world{env: with(keysInEnv, map[string]string{"AWS_REGION": "af-south-1"}), refused: map[string]error{"/home/.aws/config": syscall.EACCES, "/home/.aws/credentials": fs.ErrPermission}}
	client, err := w.chain(t).Client(t.Context())
	require.NoError(t, err)
	require.Equal(t, "af-south-1", client.Region)

	w.refused["/home/.aws/config"] = syscall.ENFILE
	_, err = w.chain(t).Client(t.Context())
	require.ErrorContains(t, err, "too many open files in system")
}

func TestTransport(t *testing.T) {
	sts := ststest.NewTest(t)
	user := sts.User().Credentials
	keys := map[string]string{"AWS_ACCESS_KEY_ID": user.AccessKeyID, "AWS_SECRET_ACCESS_KEY": user.SecretAccessKey.Reveal()}
	w := world{env: with(keys), files: map[string]string{"/home/.aws/config": "[default]\nregion = ap-east-1\n"}, transport: &machine{sts: sts}}
	send := func(d *source.Default, region string) {
		transport, err := d.Transport(t.Context(), "sts")
		require.NoError(t, err)
		require.Equal(t, region, transport.Region)
		resp, err := (&http.Client{Transport: transport}).Post("https://sts."+region+".amazonaws.com/", "application/x-www-form-urlencoded", strings.NewReader("Action=GetCallerIdentity&Version=2011-06-15"))
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, http.StatusOK, resp.StatusCode)
	}
	send(w.chain(t), "ap-east-1")
	w.env["AWS_REGION"] = "il-central-1"
	send(w.chain(t), "il-central-1")
	d := w.chain(t)
	d.Region = "mx-central-1"
	send(d, "mx-central-1")

	// Without a region, that of the instance counts.
	w.env["AWS_REGION"], w.files = "", nil
	send(w.chain(t), "eu-north-1")
	w.transport = &machine{metadata: unreachable}
	_, err := w.chain(t).Transport(t.Context(), "dynamodb")
	require.ErrorContains(t, err, "source: no transport for dynamodb: no region is set: set AWS_REGION")

	w.env["AWS_REGION"], w.env["AWS_CA_BUNDLE"] = "eu-west-1", "/missing.pem"
	d = w.chain(t)
	d.HTTPClient = nil
	_, err = d.Transport(t.Context(), "s3")
	require.ErrorContains(t, err, "source: no transport for s3: profile: ca_bundle /missing.pem")
	w.env["AWS_CA_BUNDLE"] = ""
	d = w.chain(t)
	d.HTTPClient = nil
	transport, err := d.Transport(t.Context(), "s3")
	require.NoError(t, err)
	require.Nil(t, transport.Base, "http.DefaultTransport")

	w.env["AWS_MAX_ATTEMPTS"] = "many"
	_, err = w.chain(t).Transport(t.Context(), "s3")
	require.ErrorContains(t, err, "AWS_MAX_ATTEMPTS")
}

func TestEndpoint(t *testing.T) {
	const config = "[default]\nservices = lab\nendpoint_url = https://everything.lab\n[services lab]\ns3 =\n  endpoint_url = https://objects.lab:9000\nelastic_beanstalk =\n  endpoint_url = https://beans.lab/api\n"
	for _, test := range []struct {
		env       map[string]string
		config    string
		service   string
		allowHTTP bool
		want, err string
	}{
		{service: "s3"},
		{config: config, service: "s3", want: "https://objects.lab:9000"},
		{config: config, service: "S3", want: "https://objects.lab:9000"},
		{config: config, service: "Elastic Beanstalk", want: "https://beans.lab/api"},
		{config: config, service: "elastic-beanstalk", want: "https://beans.lab/api"},
		{config: config, service: "sts", want: "https://everything.lab"},
		{config: config, env: map[string]string{"AWS_ENDPOINT_URL": "https://env.lab"}, service: "s3", want: "https://env.lab"},
		{config: config, env: map[string]string{"AWS_ENDPOINT_URL": "https://env.lab", "AWS_ENDPOINT_URL_ELASTIC_BEANSTALK": "https://beans.env"}, service: "Elastic Beanstalk", want: "https://beans.env"},
		{config: config, env: map[string]string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true", "AWS_ENDPOINT_URL_S3": "https://env.lab"}, service: "s3"},
		{config: config + "[default]\nignore_configured_endpoint_urls = true\n", service: "s3"},
		{env: map[string]string{"AWS_ENDPOINT_URL_S3": "objects.lab"}, service: "s3", want: "https://objects.lab"},
		{env: map[string]string{"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9000"}, service: "s3", want: "http://127.0.0.1:9000"},
		{env: map[string]string{"AWS_ENDPOINT_URL_S3": "http://objects.lab"}, service: "s3", err: `source: no endpoint for s3: profile: AWS_ENDPOINT_URL_S3: the value is plain http to "objects.lab"`},
		{env: map[string]string{"AWS_ENDPOINT_URL_S3": "http://objects.lab"}, allowHTTP: true, service: "s3", want: "http://objects.lab"},
		{env: map[string]string{"AWS_ENDPOINT_URL_S3": "ftp://objects.lab"}, service: "s3", err: `the value has the scheme "ftp"`},
		{config: "[default]\nservices = none\n", service: "s3", err: "there is no [services none] in /home/.aws/config"},
		{env: map[string]string{"AWS_PROFILE": "gone"}, service: "s3", err: `AWS_PROFILE names the profile "gone"`},
	} {
		w := world{env: with(test.env), files: map[string]string{"/home/.aws/config": test.config}}
		d := w.chain(t)
		d.AllowHTTP = test.allowHTTP
		got, err := d.Endpoint(t.Context(), test.service)
		require.Equal(t, test.want, got)
		if test.err == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, test.err)
		}
	}
}

// Plain http needs AllowHTTP, and the error says where the endpoint is configured.
// Report: ClickHouse#110699.
func TestPlainHTTPSaysWhere(t *testing.T) {
	const lab = "http://sts.lab:7480"
	for name, test := range map[string]struct {
		env    map[string]string
		config string
		want   string
	}{
		"web identity":  {env: with(webIdentity, map[string]string{"AWS_ENDPOINT_URL_STS": lab}), want: "AWS_ENDPOINT_URL_STS: the value is plain http"},
		"all services":  {env: with(webIdentity, map[string]string{"AWS_ENDPOINT_URL": lab}), want: "AWS_ENDPOINT_URL: the value is plain http"},
		"a role":        {config: "[default]\nregion = eu-west-1\nrole_arn = " + roleARN + "\nsource_profile = b\nendpoint_url = " + lab + "\n[profile b]\naws_access_key_id = A\naws_secret_access_key = b\n", want: "/home/.aws/config:5: [profile default] endpoint_url: the value is plain http"},
		"its services":  {config: "[default]\nregion = eu-west-1\nrole_arn = " + roleARN + "\ncredential_source = Environment\nservices = s\n[services s]\nsts =\n  endpoint_url = " + lab, want: "sts.endpoint_url: the value is plain http"},
		"keys need STS": {env: with(keysInEnv, map[string]string{"AWS_ENDPOINT_URL_STS": lab}), want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			sts := ststest.NewTest(t)
			w := world{env: with(test.env), files: map[string]string{"/token": sts.Issuer().Token(nil).Reveal(), "/home/.aws/config": test.config}, transport: &machine{sts: sts}}
			_, err := w.chain(t).Retrieve(t.Context())
			if test.want == "" {
				require.NoError(t, err)
				_, err = w.chain(t).Client(t.Context())
				test.want = "AWS_ENDPOINT_URL_STS: the value is plain http"
			}
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, "AllowHTTP")
			require.ErrorIs(t, err, stschain.ErrPermanent)
			if name == "web identity" {
				d := w.chain(t)
				d.AllowHTTP = true
				_, err = d.Retrieve(context.Background())
				require.NoError(t, err)
			}
		})
	}
}
