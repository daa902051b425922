package verifiers_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	//lint:ignore SA1019 the v0 line of awsutil takes no others
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-secure-stdlib/awsutil"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google/externalaccount"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/proof"
	"github.com/stschain-go/stschain/stsquery"
)

const (
	keyID        = "ASIAEXAMPLEEXAMPLE00"
	secretKey    = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	sessionToken = "token/with+special=chars"
	audience     = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/aws"
)

var (
	keys     = stschain.Static(keyID, secretKey, sessionToken)
	longKeys = stschain.Static("AKIDEXAMPLE", secretKey, "")
)

// emptyEnvironment keeps the libraries from this machine's settings.
func emptyEnvironment(t *testing.T) {
	for _, name := range []string{"AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
		"AWS_SESSION_TOKEN", "AWS_STS_REGIONAL_ENDPOINTS", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_SDK_LOAD_CONFIG"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

// supplier gives Google's library keys and a region.
type supplier struct{ from stschain.Provider }

func (s supplier) AwsRegion(context.Context, externalaccount.SupplierOptions) (string, error) {
	return "eu-west-1", nil
}

func (s supplier) AwsSecurityCredentials(ctx context.Context, _ externalaccount.SupplierOptions) (*externalaccount.AwsSecurityCredentials, error) {
	c, err := s.from.Retrieve(ctx)
	return &externalaccount.AwsSecurityCredentials{
		AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey.Reveal(), SessionToken: c.SessionToken.Reveal(),
	}, err
}

// theirSubjectToken is what Google's library sends to its Security Token Service.
func theirSubjectToken(t *testing.T, from stschain.Provider) string {
	var sent url.Values
	google := roundTripper(func(req *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		sent, err = url.ParseQuery(string(body))
		reply := `{"access_token":"x","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":3600}`
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(reply)), Request: req}, err
	})
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, &http.Client{Transport: google})
	source, err := externalaccount.NewTokenSource(ctx, externalaccount.Config{
		Audience:                       audience,
		SubjectTokenType:               "urn:ietf:params:aws:token-type:aws4_request",
		TokenURL:                       "https://sts.googleapis.com/v1/token",
		Scopes:                         []string{"scope"},
		AwsSecurityCredentialsSupplier: supplier{from},
	})
	require.NoError(t, err)
	_, err = source.Token()
	require.NoError(t, err)
	return sent.Get("subject_token")
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// For the same keys and instant the subject token is the same, byte for byte.
func TestGCPEqual(t *testing.T) {
	emptyEnvironment(t)
	for name, from := range map[string]stschain.Provider{"role": keys, "user": longKeys} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gcp := &proof.GCP{Client: &stsquery.Client{Region: "eu-west-1", Credentials: from}, Audience: audience}
				ours, err := gcp.Token(t.Context())
				require.NoError(t, err)
				require.Equal(t, theirSubjectToken(t, from), ours.Value.Reveal())
			})
		})
	}
}

// For the same keys and instant a login is the same, but for the User-Agent, which
// ours has not: it is not signed, and Vault has no use for it.
func TestVaultEqual(t *testing.T) {
	emptyEnvironment(t)
	for name, test := range map[string]struct {
		region   string // of awsutil
		regional string
		client   *stsquery.Client
	}{
		"default":         {"", "", &stsquery.Client{Credentials: keys, Region: "aws-global"}},
		"user":            {"", "", &stsquery.Client{Credentials: longKeys, Region: "aws-global"}},
		"global endpoint": {"eu-west-1", "", &stsquery.Client{Credentials: keys, Region: "eu-west-1", Endpoint: "https://sts.amazonaws.com"}},
		"regional":        {"eu-west-1", "regional", &stsquery.Client{Credentials: keys, Region: "eu-west-1"}},
		"China":           {"cn-north-1", "", &stsquery.Client{Credentials: keys, Region: "cn-north-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_STS_REGIONAL_ENDPOINTS", test.regional)
			synctest.Test(t, func(t *testing.T) {
				ours, err := (&proof.Vault{Client: test.client, ServerID: "vault.example.com"}).Token(t.Context())
				require.NoError(t, err)
				var login map[string]any
				require.NoError(t, json.Unmarshal([]byte(ours.Value.Reveal()), &login))

				c, err := test.client.Credentials.Retrieve(t.Context())
				require.NoError(t, err)
				theirs, err := awsutil.GenerateLoginData(
					credentials.NewStaticCredentials(c.AccessKeyID, c.SecretAccessKey.Reveal(), c.SessionToken.Reveal()),
					"vault.example.com", test.region, hclog.NewNullLogger())
				require.NoError(t, err)

				ourHeaders, theirHeaders := headersOf(t, login), headersOf(t, theirs)
				require.NotEmpty(t, theirHeaders["User-Agent"])
				delete(theirHeaders, "User-Agent")
				require.Equal(t, theirHeaders, ourHeaders)
				delete(theirs, "iam_request_headers")
				delete(login, "iam_request_headers")
				require.Equal(t, theirs, login)
			})
		})
	}
}

func headersOf(t *testing.T, login map[string]any) http.Header {
	text, err := base64.StdEncoding.DecodeString(login["iam_request_headers"].(string))
	require.NoError(t, err)
	var h http.Header
	require.NoError(t, json.Unmarshal(text, &h))
	return h
}
