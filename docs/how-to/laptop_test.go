//go:build linux

package howto_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/ststest"
)

// TestLaptop runs the commands of laptop.md in one shell, with the profiles of the page. The programs that they run check
// what they get.
func TestLaptop(t *testing.T) {
	for _, program := range []string{"bash", "curl", "script", "go"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	page, err := os.ReadFile("laptop.md")
	require.NoError(t, err)
	blocks := func(language string) (all string) {
		for _, b := range regexp.MustCompile("(?ms)^```"+language+"\n(.+?)^```$").FindAllStringSubmatch(string(page), -1) {
			all += b[1] + "\n"
		}
		require.NotEmpty(t, all)
		return all
	}
	l := newLaptop(t)
	l.write(t, ".aws/config", blocks("ini"))
	l.enterMFA(t)

	out, err := l.command(t, "bash", "-c", "set -euxo pipefail\n"+blocks("sh")).CombinedOutput()
	require.NoError(t, err, string(out))
	for _, want := range []string{
		"deploy-for-programs  process", "signed in to work until ", ":assumed-role/deploy/", ":assumed-role/admin/", "opened the console", "signed out of work",
	} {
		require.Contains(t, string(out), want)
	}
	require.Equal(t, 2, strings.Count(l.log(t), "aws s3 ls with a server\n")+strings.Count(l.log(t), "docker with a server\n"))
	require.Equal(t, 3, strings.Count(l.log(t), "with keys\n"))
	roles := map[string]int{}
	for _, c := range l.sts.Calls() {
		if c.Operation == "AssumeRole" {
			roles[c.Form.Get("RoleArn")]++
		}
	}
	require.Equal(t, map[string]int{"arn:aws:iam::123456789012:role/deploy": 2, "arn:aws:iam::123456789012:role/admin": 1}, roles, "explain assumes a role for itself")
	entries, err := os.ReadDir(filepath.Join(l.home, ".local", "state", "stschain"))
	require.NoError(t, err)
	for _, entry := range entries {
		require.Equal(t, "sso", entry.Name(), "sessions are left")
	}
}

// laptop is a machine with stschain, a browser in which the user allows everything, and programs that check what they get.
type laptop struct {
	home, bin string
	sts       *ststest.Server
	mfa       ststest.TOTP
}

func newLaptop(t *testing.T) *laptop {
	l := &laptop{t.TempDir(), t.TempDir(), ststest.NewTest(t), ststest.TOTP{}}
	l.mfa = l.sts.AddTOTP("alice")
	l.sts.AddIdentityCenter(ststest.IdentityCenter{StartURL: "https://example.awsapps.com/start"})
	l.sts.AddRole(ststest.Role{ARN: "arn:aws:iam::123456789012:role/admin", MFA: true})
	keys := l.sts.User().Credentials
	l.write(t, ".aws/credentials", "[keys]\naws_access_key_id = "+keys.AccessKeyID+"\naws_secret_access_key = "+keys.SecretAccessKey.Reveal()+"\n")

	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(l.bin, "stschain"), "../../cmd/stschain")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	l.program(t, "browser", `exec curl -sSL --proto-redir =http "$1"`) // the console, by https, is not reached
	l.program(t, "aws", `
if [ -n "${AWS_CONTAINER_CREDENTIALS_FULL_URI:-}" ]; then
  curl -sSf -o /dev/null -H "Authorization: $AWS_CONTAINER_AUTHORIZATION_TOKEN" "$AWS_CONTAINER_CREDENTIALS_FULL_URI"
  echo "aws $* with a server" >> "$HOME/log"
else
  : "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" "$AWS_SESSION_TOKEN"
  echo "aws $* with keys" >> "$HOME/log"
fi`)
	l.program(t, "docker", `
kind=keys
while [ "$1" != amazon/aws-cli ]; do
  [ "$1" != -e ] || [ -n "${!2}" ]
  [ "$2" != AWS_CONTAINER_CREDENTIALS_FULL_URI ] || kind="a server"
  shift
done
echo "docker with $kind" >> "$HOME/log"`)
	return l
}

// write writes a file below the home directory.
func (l *laptop) write(t *testing.T, name, content string) {
	file := filepath.Join(l.home, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
}

// program puts a script on the PATH.
func (l *laptop) program(t *testing.T, name, script string) {
	require.NoError(t, os.WriteFile(filepath.Join(l.bin, name), []byte("#!/usr/bin/env bash\nset -euo pipefail\n"+script+"\n"), 0o700))
}

// command is a command on the laptop.
func (l *laptop) command(t *testing.T, name string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = t.TempDir()
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = []string{
		"HOME=" + l.home, "PATH=" + l.bin + ":/usr/bin:/bin", "SHELL=/bin/bash", "AWS_EC2_METADATA_DISABLED=true", "BROWSER=browser",
		"AWS_ENDPOINT_URL_STS=" + l.sts.URL(), "AWS_ENDPOINT_URL_SSO=" + l.sts.URL(), "AWS_ENDPOINT_URL_SSO_OIDC=" + l.sts.URL(), "AWS_ENDPOINT_URL_SIGNIN=" + l.sts.URL(),
	}
	return cmd
}

// enterMFA runs the first command with the role that requires MFA, in a terminal, where the user enters the code. The commands of the
// page run without one.
func (l *laptop) enterMFA(t *testing.T) {
	code, err := l.mfa.MFAToken(t.Context(), l.mfa.Serial)
	require.NoError(t, err)
	cmd := l.command(t, "script", "-qec", "stschain whoami -profile admin", os.DevNull)
	cmd.Stdin = strings.NewReader(code.Reveal() + "\n")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "MFA code of "+l.mfa.Serial)
}

// log is what the programs have noted.
func (l *laptop) log(t *testing.T) string {
	text, err := os.ReadFile(filepath.Join(l.home, "log"))
	require.NoError(t, err)
	return string(text)
}
