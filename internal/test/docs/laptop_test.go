package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/ststest"
)

// laptop is a machine with the profiles of the page, a browser in which the user allows everything, and programs that check
// what they get. At the end, the roles were assumed as the page says, and no session is left.
func laptop(t *testing.T, s *shell) {
	needs(t, "curl")
	needs(t, "script")
	if runtime.GOOS != "linux" {
		t.Skip("script of util-linux makes a terminal")
	}
	page := filepath.Join(root, "docs", "how-to", "laptop.md")
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	config := ""
	for _, b := range parse(page, string(text)).of("ini") {
		config += b.text
	}
	server := ststest.NewTest(t)
	keys := server.User().Credentials
	s.write(t, ".aws/config", config)
	s.write(t, ".aws/credentials", "[keys]\naws_access_key_id = "+keys.AccessKeyID+"\naws_secret_access_key = "+keys.SecretAccessKey.Reveal()+"\n")
	server.AddIdentityCenter(ststest.IdentityCenter{StartURL: "https://example.awsapps.com/start"})
	s.env = append(s.env, "AWS_ENDPOINT_URL_STS="+server.URL(), "AWS_ENDPOINT_URL_SSO="+server.URL(), "AWS_ENDPOINT_URL_SSO_OIDC="+server.URL(),
		"AWS_ENDPOINT_URL_SIGNIN="+server.URL(), "BROWSER=browser")
	s.program(t, "browser", `exec curl -sSL --proto-redir =http "$1"`) // the console, by https, is not reached
	s.program(t, "aws", `
if [ -n "${AWS_CONTAINER_CREDENTIALS_FULL_URI:-}" ]; then
  curl -sSf -o /dev/null -H "Authorization: $AWS_CONTAINER_AUTHORIZATION_TOKEN" "$AWS_CONTAINER_CREDENTIALS_FULL_URI"
  echo "aws $* with a server" >> "$HOME/log"
else
  : "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" "$AWS_SESSION_TOKEN"
  echo "aws $* with keys" >> "$HOME/log"
fi`)
	s.program(t, "docker", `
kind=keys
while [ "$1" != amazon/aws-cli ]; do
  [ "$1" != -e ] || [ -n "${!2}" ]
  [ "$2" != AWS_CONTAINER_CREDENTIALS_FULL_URI ] || kind="a server"
  shift
done
echo "docker with $kind" >> "$HOME/log"`)
	s.enterMFA(t, server)

	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		log, err := os.ReadFile(filepath.Join(s.home, "log"))
		require.NoError(t, err)
		require.Equal(t, []string{
			"aws s3 ls with a server", "aws s3 ls with keys", "aws s3 ls with keys", "aws iam list-users with a server", "docker with a server", "docker with keys",
		}, strings.Split(strings.TrimSpace(string(log)), "\n"))
		roles := map[string]int{}
		for _, c := range server.Calls() {
			if c.Operation == "AssumeRole" {
				roles[c.Form.Get("RoleArn")]++
			}
		}
		// explain assumes a role for itself.
		require.Equal(t, map[string]int{"arn:aws:iam::123456789012:role/deploy": 2, "arn:aws:iam::123456789012:role/admin": 1}, roles)
		for _, dir := range []string{"sessions", "sso/*"} {
			left, err := filepath.Glob(filepath.Join(s.home, ".local", "state", "stschain", dir))
			require.NoError(t, err)
			require.Empty(t, left)
		}
	})
}

// enterMFA runs the first command with the role that requires MFA in a terminal, where the user enters the code. The
// commands of the page run without one.
func (s *shell) enterMFA(t *testing.T, server *ststest.Server) {
	t.Helper()
	device := server.AddTOTP("alice")
	server.AddRole(ststest.Role{ARN: "arn:aws:iam::123456789012:role/admin", MFA: true})
	code, err := device.MFAToken(t.Context(), device.Serial)
	require.NoError(t, err)
	terminal := exec.CommandContext(t.Context(), "script", "-qec", "stschain whoami -profile admin", os.DevNull)
	terminal.Env = append([]string{"HOME=" + s.home, "PATH=" + s.bin + ":/usr/bin:/bin", "SHELL=/bin/sh"}, s.env...)
	terminal.Stdin = strings.NewReader(code.Reveal() + "\n")
	out, err := terminal.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "MFA code of "+device.Serial)
}
