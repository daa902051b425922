package servers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/e2e/realserver"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/webidentity"
)

// dexConfig is an OpenID provider with one client and one user, whose password is
// "password". dex takes JSON for YAML.
const dexConfig = `{
  "issuer": "http://%[1]s/dex", "storage": {"type": "memory"}, "web": {"http": "%[1]s"},
  "oauth2": {"passwordConnector": "local", "skipApprovalScreen": true},
  "enablePasswordDB": true,
  "staticClients": [{"id": "minio", "secret": "client-secret", "name": "MinIO", "redirectURIs": ["http://127.0.0.1/"]}],
  "staticPasswords": [{"email": "alice@example.com", "username": "alice", "userID": "4711",
    "hash": "$2a$10$2b2cU8CPhOTaGrs1HRQuAueS7JTT5ZHsHSzYiFPm1leZck7Mc8T4W"}]
}`

func startDex(t *testing.T) realserver.Server {
	t.Helper()
	return realserver.Start(t, "STSCHAIN_DEX", "/dex/healthz", nil, func(address, dir string) []string {
		config := filepath.Join(dir, "config.yaml")
		require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, dexConfig, address), 0o600))
		return []string{"serve", config}
	})
}

// idToken logs in as alice without a browser.
func idToken(ctx context.Context, dex string) (stschain.Secret, error) {
	form := url.Values{"grant_type": {"password"}, "scope": {"openid email"}, "username": {"alice@example.com"}, "password": {"password"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, dex+"/dex/token", strings.NewReader(form.Encode()))
	if err != nil {
		return stschain.Secret{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("minio", "client-secret")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return stschain.Secret{}, err
	}
	defer resp.Body.Close()
	var reply struct {
		IDToken string `json:"id_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil || reply.IDToken == "" {
		return stschain.Secret{}, fmt.Errorf("dex: %s, %w", resp.Status, err)
	}
	return stschain.NewSecret(reply.IDToken), nil
}

var roleInLog = regexp.MustCompile(`arn:minio:iam:::role/[\w-]+`)

// TestDexAndMinIO exchanges an ID token of dex for credentials of MinIO, and
// works with objects.
// Reports: minio#21421.
func TestDexAndMinIO(t *testing.T) {
	dex := startDex(t).URL
	minio := realserver.MinIO(t,
		"MINIO_IDENTITY_OPENID_CONFIG_URL="+dex+"/dex/.well-known/openid-configuration",
		"MINIO_IDENTITY_OPENID_CLIENT_ID=minio", "MINIO_IDENTITY_OPENID_CLIENT_SECRET=client-secret",
		"MINIO_IDENTITY_OPENID_ROLE_POLICY=readwrite")
	var roleARN string
	require.Eventually(t, func() bool {
		roleARN = roleInLog.FindString(minio.Log())
		return roleARN != ""
	}, 20*time.Second, 50*time.Millisecond, "MinIO's log names no role")

	role := &webidentity.Provider{
		Client:  &stsquery.Client{Region: region, Endpoint: minio.URL},
		RoleARN: roleARN,
		Token:   func(ctx context.Context) (stschain.Secret, error) { return idToken(ctx, dex) },
	}
	client := &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: region, Credentials: role}}
	do(t, client, http.MethodPut, minio.URL+"/bucket", "")
	do(t, client, http.MethodPut, minio.URL+"/bucket/key", "by alice")
	require.Equal(t, "by alice", do(t, client, http.MethodGet, minio.URL+"/bucket/key", ""))

	forged := *role
	forged.Token = func(ctx context.Context) (stschain.Secret, error) {
		token, err := idToken(ctx, dex)
		head, signature, _ := strings.Cut(token.Reveal(), ".e")
		return stschain.NewSecret(head + ".e" + signature[:len(signature)-8] + "AAAAAAAA"), err
	}
	_, err := forged.Retrieve(t.Context())
	t.Log(err)
	var refused *stsquery.Error
	require.ErrorAs(t, err, &refused)
	require.NotZero(t, refused.StatusCode)
}
