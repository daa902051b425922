package clients_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/ststest"
)

// office is a laptop whose profile uses IAM Identity Center. Its tokens are so short that SDKs refresh them at once.
type office struct {
	*laptop
	portal *ststest.Portal
	vars   []string
}

func newOffice(t *testing.T) *office {
	l := &laptop{ststest.NewTest(t), t.TempDir()}
	o := &office{l, l.sts.AddIdentityCenter(ststest.IdentityCenter{StartURL: "https://example.awsapps.com/start", Life: 12 * time.Minute, Interval: time.Second}), nil}
	o.write(t, "config", "[profile sso]\nsso_session = work\nsso_account_id = 123456789012\nsso_role_name = served\nregion = eu-west-1\n"+
		"[sso-session work]\nsso_start_url = https://example.awsapps.com/start\nsso_region = eu-west-1\nsso_registration_scopes = sso:account:access\n")
	o.vars = []string{
		"HOME=" + l.home, "AWS_PROFILE=sso", "AWS_ENDPOINT_URL_STS=" + l.sts.URL(), "AWS_ENDPOINT_URL_SSO=" + l.sts.URL(), "AWS_ENDPOINT_URL_SSO_OIDC=" + l.sts.URL(),
	}
	// Versions of botocore before 1.31 read no endpoints from the environment, but rules from this directory.
	rules, err := json.Marshal(map[string]any{
		"version": "1.0", "parameters": map[string]any{"Region": map[string]any{"builtIn": "AWS::Region", "required": false, "type": "String", "documentation": "-"}},
		"rules": []any{map[string]any{"conditions": []any{}, "type": "endpoint", "endpoint": map[string]any{"url": l.sts.URL(), "properties": map[string]any{}, "headers": map[string]any{}}}},
	})
	require.NoError(t, err)
	for _, service := range []string{"sso", "sso-oidc"} {
		dir := filepath.Join(l.home, ".aws", "models", service, "2019-06-10")
		require.NoError(t, os.MkdirAll(dir, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "endpoint-rule-set-1.json"), rules, 0o600))
	}
	return o
}

// signIn runs a program that prints a code, and confirms the code.
func (o *office) signIn(t *testing.T, command ...string) {
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = environment(t, o.vars...)
	read, write := io.Pipe()
	var printed bytes.Buffer
	cmd.Stdout, cmd.Stderr = write, write
	require.NoError(t, cmd.Start())
	confirmed := make(chan bool, 1)
	go func() {
		code, done := regexp.MustCompile(`^\s*([A-Z]{4}-[A-Z]{4})$`), false
		for lines := bufio.NewScanner(read); lines.Scan(); {
			printed.WriteString(lines.Text() + "\n")
			if m := code.FindStringSubmatch(lines.Text()); m != nil {
				done = o.portal.Confirm(m[1], true)
			}
		}
		confirmed <- done
	}()
	err := cmd.Wait()
	write.Close()
	ok := <-confirmed
	require.NoError(t, err, printed.String())
	require.True(t, ok, printed.String())
}

// run runs a program and returns what it prints.
func (o *office) run(t *testing.T, command ...string) (string, error) {
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = environment(t, o.vars...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// token is the content of the file.
func (o *office) token(t *testing.T) map[string]string {
	content, err := os.ReadFile(filepath.Join(o.home, ".aws", "sso", "cache", "e274eeff768c6396088ec6eb091f4bf4d47ab1e0.json"))
	require.NoError(t, err)
	var doc map[string]string
	require.NoError(t, json.Unmarshal(content, &doc))
	return doc
}

const ssoRole = "arn:aws:sts::123456789012:assumed-role/served/user"

// TestSSOBoto3: boto3 uses and refreshes what stschain login writes, and stschain uses what boto3 writes.
func TestSSOBoto3(t *testing.T) {
	python := boto3(t)
	built, err := programs()
	require.NoError(t, err)
	o := newOffice(t)
	o.signIn(t, built["stschain"][0], "login", "-device-code")
	before := o.token(t)
	s := start(t, o.vars, python, "testdata/boto3_client.py", o.sts.URL())
	s.next()
	calls := o.sts.Calls()
	require.Equal(t, ssoRole, calls[len(calls)-1].Caller)
	after := o.token(t)
	require.NotEqual(t, before["accessToken"], after["accessToken"], "boto3 refreshes it")
	require.NotEqual(t, before["refreshToken"], after["refreshToken"])
	for _, name := range []string{"startUrl", "region", "clientId", "clientSecret", "registrationExpiresAt"} {
		require.Equal(t, before[name], after[name], name)
	}
	out, err := o.run(t, built["stschain"][0], "whoami")
	require.NoError(t, err, out)
	require.Contains(t, out, ssoRole)
}

// TestSSOAWSCLI: the AWS CLI and stschain use each other's tokens and client registrations.
func TestSSOAWSCLI(t *testing.T) {
	aws := named(t, "STSCHAIN_AWSCLI", "aws; apt-get install awscli has one")
	if out, err := exec.CommandContext(t.Context(), aws, "--version").CombinedOutput(); err != nil || !bytes.HasPrefix(out, []byte("aws-cli/2")) {
		t.Skipf("%s is not version 2, which has aws sso login: %s", aws, out)
	}
	built, err := programs()
	require.NoError(t, err)
	own := built["stschain"][0]
	identity := []string{aws, "sts", "get-caller-identity", "--endpoint-url", "", "--query", "Arn", "--output", "text"}
	cliLogin := []string{aws, "sso", "login", "--no-browser"}
	if out, err := exec.CommandContext(t.Context(), aws, "sso", "login", "help").CombinedOutput(); err == nil && bytes.Contains(out, []byte("--use-device-code")) {
		cliLogin = append(cliLogin, "--use-device-code")
	}
	for name, login := range map[string]struct{ first, second []string }{
		"stschain login": {[]string{own, "login", "-device-code"}, cliLogin},
		"aws sso login":  {cliLogin, []string{own, "login", "-device-code"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			identity[4] = o.sts.URL()
			for _, command := range [][]string{login.first, login.second} {
				o.signIn(t, command...)
				out, err := o.run(t, identity...)
				require.NoError(t, err, out)
				require.Contains(t, out, ssoRole)
				out, err = o.run(t, own, "whoami")
				require.NoError(t, err, out)
				require.Contains(t, out, ssoRole)
			}
			require.Equal(t, 1, o.sts.Count("RegisterClient"), "the second one uses the client of the first")
			out, err := o.run(t, own, "logout")
			require.NoError(t, err, out)
			out, err = o.run(t, identity...)
			require.Error(t, err, out)
		})
	}
}
