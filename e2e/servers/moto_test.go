package servers_test

import (
	"context"
	"encoding/xml"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/e2e/realserver"
	"github.com/stschain-go/stschain/federation"
	"github.com/stschain-go/stschain/saml"
	"github.com/stschain-go/stschain/sessiontoken"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
	"github.com/stschain-go/stschain/webidentity"
)

const roleARN = "arn:aws:iam::123456789012:role/backup"

func startMoto(t *testing.T) string {
	t.Helper()
	return realserver.Start(t, "STSCHAIN_MOTO", "/moto-api/", nil, func(address, _ string) []string {
		host, port, err := net.SplitHostPort(address)
		require.NoError(t, err)
		return []string{"-H", host, "-p", port}
	}).URL
}

// iamUser makes a user who may do anything, with keys, and has moto check
// signatures and permissions from then on.
func iamUser(t *testing.T, moto string) stschain.Provider {
	t.Helper()
	anybody := &http.Client{Transport: &sigv4.Transport{Service: "iam", Region: region, Credentials: stschain.Static("anybody", "anything", "")}}
	iam := func(action string, parameters url.Values) string {
		parameters.Set("Action", action)
		parameters.Set("Version", "2010-05-08")
		return do(t, anybody, http.MethodGet, moto+"/?"+parameters.Encode(), "")
	}
	iam("CreateUser", url.Values{"UserName": {"alice"}})
	iam("PutUserPolicy", url.Values{"UserName": {"alice"}, "PolicyName": {"all"}, "PolicyDocument": {
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`}})
	iam("CreateRole", url.Values{"RoleName": {"backup"}, "AssumeRolePolicyDocument": {
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"*"}}]}`}})
	iam("PutRolePolicy", url.Values{"RoleName": {"backup"}, "PolicyName": {"all"}, "PolicyDocument": {
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`}})
	var key struct {
		ID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	require.NoError(t, xml.Unmarshal([]byte(iam("CreateAccessKey", url.Values{"UserName": {"alice"}})), &key))
	resp, err := http.Post(moto+"/moto-api/reset-auth", "text/plain", strings.NewReader("0"))
	require.NoError(t, err)
	resp.Body.Close()
	return stschain.Static(key.ID, key.Secret, "")
}

// The signed operations, against a moto that checks signatures.
func TestMotoSigned(t *testing.T) {
	moto := startMoto(t)
	alice := iamUser(t, moto)
	client := &stsquery.Client{Credentials: alice, Region: region, Endpoint: moto}

	who, err := client.GetCallerIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, "arn:aws:iam::123456789012:user/alice", who.ARN)

	role := &assumerole.Provider{Client: client, RoleARN: roleARN, SessionName: "nightly"}
	who, err = (&stsquery.Client{Credentials: role, Region: region, Endpoint: moto}).
		GetCallerIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/backup/nightly", who.ARN)

	wrong := &assumerole.Provider{Client: &stsquery.Client{Credentials: stschain.Static("AKIANOBODYKNOWSTHIS0", "wrong", ""), Region: region, Endpoint: moto},
		RoleARN: roleARN}
	_, err = wrong.Retrieve(t.Context())
	var refused *stsquery.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusForbidden, refused.StatusCode)
}

// The other operations, against a moto that takes any caller: with checks on, it
// crashes on the unsigned ones.
func TestMotoOpen(t *testing.T) {
	moto := startMoto(t)
	client := &stsquery.Client{Credentials: stschain.Static("AKIAIOSFODNN7EXAMPLE", "anything", ""), Region: region, Endpoint: moto}
	unsigned := &stsquery.Client{Region: region, Endpoint: moto}
	fake := ststest.New()

	for _, p := range []stschain.Provider{
		&assumerole.Provider{Client: client, RoleARN: roleARN, Tags: []stsquery.Tag{{Key: "team", Value: "a b+c/ü"}}},
		&sessiontoken.Provider{Client: client, Duration: time.Hour},
		&federation.Provider{Client: client, Name: "guest", Policy: `{"Version":"2012-10-17","Statement":[]}`},
		&webidentity.Provider{Client: unsigned, RoleARN: roleARN, Token: func(context.Context) (stschain.Secret, error) {
			return fake.Issuer().Token(map[string]any{"sub": "alice"}), nil
		}},
		&saml.Provider{Client: unsigned, Assertion: func(context.Context) (stschain.Secret, error) {
			return fake.Assertion(ststest.Assertion{Roles: []ststest.SAMLRole{
				{RoleARN: roleARN, ProviderARN: "arn:aws:iam::123456789012:saml-provider/corp"}}}), nil
		}},
	} {
		t.Run(strings.Fields(p.(interface{ String() string }).String())[0], func(t *testing.T) {
			creds, err := stschain.Cached(p).Retrieve(t.Context())
			require.NoError(t, err)
			require.NotEmpty(t, creds.AccessKeyID)
			require.False(t, creds.SecretAccessKey.IsZero())
			require.False(t, creds.SessionToken.IsZero())
			require.Greater(t, time.Until(creds.Expires), 10*time.Minute)
		})
	}
	info, err := client.GetAccessKeyInfo(t.Context(), stsquery.GetAccessKeyInfoInput{AccessKeyID: "AKIAIOSFODNN7EXAMPLE"})
	require.NoError(t, err)
	require.Equal(t, "123456789012", info.Account)
}
