package profile_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/profile"
)

const session = "[sso-session work]\nsso_region = eu-north-1\nsso_start_url = https://example.awsapps.com/start\n"

// tokenOf is the file of a token, and where it lies.
func tokenOf(name string) (path, content string) {
	sum := sha1.Sum([]byte(name))
	return "/home/.aws/sso/cache/" + hex.EncodeToString(sum[:]) + ".json",
		`{"accessToken":"token-of-` + name + `","expiresAt":"2099-01-01T00:00:00Z"}`
}

// aws is the portal of IAM Identity Center and STS, and notes the callers.
type aws struct {
	t        *testing.T
	requests []string // host, and token or access key
}

func (a *aws) RoundTrip(r *http.Request) (*http.Response, error) {
	body := `{"roleCredentials":{"accessKeyId":"ASIASSO","secretAccessKey":"s","sessionToken":"t","expiration":4070908800000}}`
	by := r.Header.Get("X-Amz-Sso_bearer_token") + " " + r.URL.RawQuery
	if by == " " {
		_, by, _ = strings.Cut(r.Header.Get("Authorization"), "Credential=")
		by, _, _ = strings.Cut(by, "/")
		body = `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey>` +
			`<SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`
	}
	a.requests = append(a.requests, r.URL.Host+" "+by)
	return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func TestSSO(t *testing.T) {
	const (
		portal = "portal.sso.eu-north-1.amazonaws.com token-of-%s account_id=123456789012&role_name=Developer"
		role   = "sso_account_id = 123456789012\nsso_role_name = Developer\n"
	)
	for _, test := range []struct {
		name, config, session string
		env                   env
		want                  string
		requests              []string
		endpoint              string // Provider.Endpoint, which is STS's
	}{
		{"a session", "[profile p]\nsso_session = work\n" + role + session, "work", nil, "ASIASSO", []string{fmt.Sprintf(portal, "work")}, ""},
		{
			"no session", "[profile p]\nsso_region = eu-north-1\nsso_start_url = https://example.awsapps.com/start\n" + role,
			"https://example.awsapps.com/start", nil, "ASIASSO", []string{fmt.Sprintf(portal, "https://example.awsapps.com/start")}, "",
		},
		{
			"the source of a role", "[profile p]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = q\n[profile q]\nsso_session = work\n" + role + session,
			"work", nil, "ASIAROLE", []string{fmt.Sprintf(portal, "work"), "sts.eu-west-1.amazonaws.com ASIASSO"}, "",
		},
		{
			"an endpoint of STS", "[profile p]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = q\n[profile q]\nsso_session = work\n" + role + session,
			"work", nil, "ASIAROLE", []string{fmt.Sprintf(portal, "work"), "sts.example ASIASSO"}, "https://sts.example",
		},
		{
			"FIPS", "[profile p]\nuse_fips_endpoint = true\nsso_session = work\n" + role + session,
			"work", nil, "ASIASSO", []string{strings.Replace(fmt.Sprintf(portal, "work"), ".sso.", ".sso-fips.", 1)}, "",
		},
		{
			"an endpoint of one's own", "[profile p]\nservices = mine\nsso_session = work\n" + role + session + "[services mine]\nsso =\n  endpoint_url = https://portal.example\n",
			"work", nil, "ASIASSO", []string{strings.Replace(fmt.Sprintf(portal, "work"), "portal.sso.eu-north-1.amazonaws.com", "portal.example", 1)}, "",
		},
		{
			"the environment's", "[profile p]\nsso_session = work\n" + role + session,
			"work", env{"AWS_ENDPOINT_URL_SSO": "https://portal.example", "AWS_ENDPOINT_URL": "https://none.example"}, "ASIASSO", []string{strings.Replace(fmt.Sprintf(portal, "work"), "portal.sso.eu-north-1.amazonaws.com", "portal.example", 1)}, "",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := at(nil, test.config, test.env)
			path, token := tokenOf(test.session)
			p.Open = files{"/home/.aws/config": test.config, path: token}.open
			service := &aws{t: t}
			p.HTTPClient, p.Endpoint = &http.Client{Transport: service}, test.endpoint
			got, err := p.Retrieve(t.Context())
			require.NoError(t, err)
			require.Equal(t, test.want, got.AccessKeyID)
			require.Equal(t, test.requests, service.requests)
		})
	}
}

func TestSSOIsWrong(t *testing.T) {
	for _, test := range []struct{ name, config, home, want string }{
		{"no role", "[profile p]\nsso_session = work\n" + session, "/home", "[profile p] has an sso_session, and no role in it: set sso_account_id and sso_role_name"},
		{"no home", "[profile p]\nsso_session = work\nsso_account_id = 1\nsso_role_name = r\n" + session, "", "there is no home directory with its token"},
		{"no login", "[profile p]\nsso_session = work\nsso_account_id = 1\nsso_role_name = r\n" + session, "/home", "run aws sso login --sso-session work"},
		{"an endpoint of plain http", "[profile p]\nservices = mine\nsso_session = work\nsso_account_id = 1\nsso_role_name = r\n" + session + "[services mine]\nsso =\n  endpoint_url = http://portal.example\n", "/home", "PortalEndpoint (AWS_ENDPOINT_URL_SSO) is plain http to"},
		{"an invalid region", "[profile p]\nsso_account_id = 1\nsso_role_name = r\nsso_start_url = u\nsso_region = evil.example/", "/home", "Region is not a valid region: letters, digits and hyphens are allowed, such as eu-west-1; a profile sets it as sso_region"},
	} {
		p := &profile.Provider{
			Profile: "p", LookupEnv: env{"HOME": test.home, "AWS_CONFIG_FILE": "/config"}.lookup,
			Open: files{"/config": test.config}.open, HTTPClient: &http.Client{Transport: &aws{t: t}},
		}
		_, err := p.Retrieve(t.Context())
		require.ErrorContains(t, err, test.want)
		require.ErrorIs(t, err, stschain.ErrPermanent)
	}
}

// Who signed in with `aws login` may assume roles as well.
// Reports: aws-sdk-go-v2#3446.
func TestLogin(t *testing.T) {
	const session = "arn:aws:iam::123456789012:user/ada"
	home := t.TempDir()
	dir := filepath.Join(home, ".aws", "login", "cache")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	sum := sha256.Sum256([]byte(session))
	require.NoError(t, os.WriteFile(filepath.Join(dir, hex.EncodeToString(sum[:])+".json"), []byte(`{"accessToken":{"accessKeyId":"ASIALOGIN","secretAccessKey":"s",
		"sessionToken":"t","accountId":"123456789012","expiresAt":"`+time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+`"}}`), 0o600))
	config := "[profile p]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = q\n[profile q]\nregion = eu-west-1\nlogin_session = " + session + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(home, ".aws", "config"), []byte(config), 0o600))
	for name, want := range map[string][]string{
		"q": nil,
		"p": {"sts.eu-west-1.amazonaws.com ASIALOGIN"},
	} {
		service := &aws{t: t}
		p := &profile.Provider{
			Profile: name, LookupEnv: env{"HOME": home, "AWS_REGION": "eu-west-1"}.lookup, HTTPClient: &http.Client{Transport: service},
		}
		got, err := p.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, map[string]string{"q": "ASIALOGIN", "p": "ASIAROLE"}[name], got.AccessKeyID)
		require.Equal(t, want, service.requests)
		if name == "q" { // a rejection goes on to the session, which this file has nothing to refresh with
			stschain.Cached(p).Invalidate(got)
			_, err = p.Retrieve(t.Context())
			require.ErrorContains(t, err, "run aws login --profile q")
		}
	}
	p := &profile.Provider{Profile: "q", LookupEnv: env{"HOME": t.TempDir(), "AWS_CONFIG_FILE": filepath.Join(home, ".aws", "config")}.lookup}
	_, err := p.Retrieve(t.Context())
	require.ErrorContains(t, err, "run aws login --profile q")
	require.ErrorIs(t, err, stschain.ErrPermanent)
}

// The settings reach the refresh of such a session.
func TestLoginSettings(t *testing.T) {
	const session = "arn:aws:iam::123456789012:user/ada"
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	ended, err := json.Marshal(map[string]any{
		"accessToken": map[string]string{"accessKeyId": "ASIALOGIN", "secretAccessKey": "s", "sessionToken": "t", "expiresAt": "2020-01-01T00:00:00Z"},
		"clientId":    "c", "refreshToken": "r", "dpopKey": string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})),
	})
	require.NoError(t, err)
	sum := sha256.Sum256([]byte(session))
	path := "/home/.aws/login/cache/" + hex.EncodeToString(sum[:]) + ".json"
	for _, test := range []struct {
		setting  string
		env      env
		http     bool // AllowHTTP
		want     string
		requests []string
	}{
		{"", nil, false, "502", []string{"https://eu-west-1.signin.aws.amazon.com/v1/token"}},
		{"use_fips_endpoint = true", nil, false, "502", []string{"https://signin-fips.eu-west-1.amazonaws.com/v1/token"}},
		{"use_dualstack_endpoint = true", nil, false, "502", []string{"https://signin.eu-west-1.api.aws/v1/token"}},
		{"endpoint_url = https://signin.example", nil, false, "502", []string{"https://signin.example/v1/token"}},
		{"endpoint_url = https://none.example", env{"AWS_ENDPOINT_URL_SIGNIN": "http://signin.example"}, true, "502", []string{"http://signin.example/v1/token"}},
		{"endpoint_url = http://signin.example", nil, false, "Endpoint is plain http to", nil},
	} {
		config := "[profile p]\nmax_attempts = 1\nlogin_session = " + session + "\n" + test.setting
		p := at(nil, config, test.env)
		p.Open, p.AllowHTTP = files{"/home/.aws/config": config, path: string(ended)}.open, test.http
		var requests []string
		p.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			requests = append(requests, r.URL.String())
			return &http.Response{StatusCode: http.StatusBadGateway, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
		})}
		_, err := p.Retrieve(t.Context())
		require.ErrorContains(t, err, test.want, test.setting)
		require.Equal(t, test.requests, requests, test.setting)
	}
}
