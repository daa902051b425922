package howto_test

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
	"github.com/stschain-go/stschain/webidentity"
)

func cephClient(endpoint, accessKey, secretKey, roleARN string) *http.Client {
	role := &assumerole.Provider{
		Client: &stsquery.Client{
			Credentials: stschain.Static(accessKey, secretKey, ""), // of a user that the role trusts
			Endpoint:    endpoint,                                  // "https://rgw.example:8443", the same as for S3
			Region:      "us-east-1",
		},
		RoleARN:     roleARN, // "arn:aws:iam:::role/backup", without an account
		SessionName: "nightly",
	}
	creds := &stschain.Cache{Provider: role, OnEvent: stschain.LogEvents(slog.Default())}
	return &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: "us-east-1", Credentials: creds}}
}

func cephWithToken(endpoint, roleARN, tokenFile string) stschain.Provider {
	return &stschain.Cache{Provider: &webidentity.Provider{
		Client:      &stsquery.Client{Endpoint: endpoint, Region: "us-east-1"},
		RoleARN:     roleARN,
		SessionName: "nightly",
		Token:       webidentity.TokenFile(tokenFile), // "/run/secrets/keycloak-token"
	}}
}

// cephRefusal is what RGW sends: the XML of S3, and not that of STS.
func cephRefusal(status int, code string) ststest.Fault {
	return ststest.Respond(status, http.Header{"Content-Type": {"application/xml"}},
		`<?xml version="1.0" encoding="UTF-8"?><Error><Code>`+code+`</Code><RequestId>tx0000-0000-default</RequestId><HostId>1-default-default</HostId></Error>`)
}

func TestCeph(t *testing.T) {
	rgw := newStore(t)
	const role = "arn:aws:iam::123456789012:role/backup" // the fake requires the account
	user := rgw.sts.User().Credentials
	client := cephClient(rgw.url, user.AccessKeyID, user.SecretAccessKey.Reveal(), role)
	req, err := http.NewRequest(http.MethodPut, rgw.url+"/backups/monday", strings.NewReader("content"))
	require.NoError(t, err)
	requireStatus(t, client, req, http.StatusOK)
	content, _ := rgw.object("/backups/monday")
	require.Equal(t, "content", content)

	token := writeFile(t, "token", rgw.sts.Issuer().Token(map[string]any{"sub": "nightly"}).Reveal())
	creds, err := cephWithToken(rgw.url, role, token).Retrieve(t.Context())
	require.NoError(t, err)
	caller, _ := rgw.sts.Caller(creds.AccessKeyID)
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/backup/nightly", caller.ARN)
}

func TestCephErrors(t *testing.T) {
	var errs []error
	for code, status := range map[string]int{"AccessDenied": 403, "InvalidAccessKeyId": 403, "NoSuchEntity": 404, "InvalidArgument": 400, "MethodNotAllowed": 405} {
		rgw := newStore(t)
		rgw.sts.FailAll(cephRefusal(status, code))
		user := rgw.sts.User().Credentials
		client := cephClient(rgw.url, user.AccessKeyID, user.SecretAccessKey.Reveal(), "arn:aws:iam:::role/backup")
		_, err := client.Get(rgw.url + "/backups/monday")
		errs = append(errs, err)
	}
	requireRows(t, "ceph.md", errs...)
}

func requireStatus(t *testing.T, client *http.Client, req *http.Request, status int) {
	t.Helper()
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, status, resp.StatusCode, "%s", body)
}
