package docs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/ststest"
)

// setups provide, by page, what its commands need.
var setups = map[string]func(t *testing.T, s *shell){
	"README.md":                    readme,
	"docs/how-to/ec2.md":           instance,
	"docs/how-to/ecs.md":           task,
	"docs/how-to/eks.md":           pod,
	"docs/how-to/fleet.md":         openssl,
	"docs/how-to/fleet/README.md":  openssl,
	"docs/how-to/laptop.md":        laptop,
	"docs/how-to/rolesanywhere.md": plainKey,
}

// sts is an STS for the commands of a page, with the keys of its user in the environment.
func sts(t *testing.T, s *shell) *ststest.Server {
	t.Helper()
	server := ststest.NewTest(t)
	keys := server.User().Credentials
	s.env = append(s.env, "AWS_REGION=eu-west-1", "AWS_ENDPOINT_URL_STS="+server.URL(),
		"AWS_ACCESS_KEY_ID="+keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+keys.SecretAccessKey.Reveal())
	return server
}

// readme has a user with keys, a profile of a role, one of IAM Identity Center, and a browser in which the user allows
// everything.
func readme(t *testing.T, s *shell) {
	needs(t, "curl")
	server := sts(t, s)
	server.AddIdentityCenter(ststest.IdentityCenter{StartURL: "https://example.awsapps.com/start"})
	s.env = append(s.env, "AWS_ENDPOINT_URL_SSO="+server.URL(), "AWS_ENDPOINT_URL_SSO_OIDC="+server.URL(),
		"AWS_ENDPOINT_URL_SIGNIN="+server.URL(), "BROWSER=browser")
	s.program(t, "browser", `exec curl -sSL --proto-redir =http "$1"`) // the console, by https, is not reached
	s.program(t, "terraform", `[ "$1" = apply ] && [ -n "$AWS_CONTAINER_CREDENTIALS_FULL_URI" ]`)
	s.write(t, ".aws/config", `[profile prod]
role_arn = arn:aws:iam::123456789012:role/backup
credential_source = Environment

[profile dev]
sso_session = work
sso_account_id = 123456789012
sso_role_name = backup

[sso-session work]
sso_start_url = https://example.awsapps.com/start
sso_region = eu-west-1
`)
}

func openssl(t *testing.T, _ *shell) { needs(t, "openssl") }

func plainKey(t *testing.T, s *shell) {
	needs(t, "openssl")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "plain.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "key-password"), []byte("correct horse"), 0o600))
}
