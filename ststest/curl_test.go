package ststest_test

import (
	"os/exec"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/ststest"
)

// curl calls a URL with curl's own signature and returns status and body. Curl
// is a signer that is not of this project.
func curl(t *testing.T, c stschain.Credentials, scope, url string, args ...string) (status, body string) {
	t.Helper()
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("there is no curl on this machine: ", err)
	}
	if help, _ := exec.Command(curl, "--help", "all").Output(); !strings.Contains(string(help), "--aws-sigv4") {
		t.Skip("this curl has no --aws-sigv4")
	}
	args = append([]string{
		"--disable", "--silent", "--show-error", "--noproxy", "*", "--max-time", "20", "--path-as-is",
		"--aws-sigv4", "aws:amz:" + scope, "--user", c.AccessKeyID + ":" + c.SecretAccessKey.Reveal(),
		"--write-out", "\n%{http_code}",
	}, args...)
	if !c.SessionToken.IsZero() {
		args = append(args, "--header", "X-Amz-Security-Token: "+c.SessionToken.Reveal())
	}
	cmd := exec.CommandContext(t.Context(), curl, append(args, url)...)
	cmd.Env = []string{"PATH=" + path.Dir(curl), "HOME=" + t.TempDir()}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	i := strings.LastIndexByte(string(out), '\n')
	return string(out[i+1:]), string(out[:i])
}

func TestCurlCallsSTS(t *testing.T) {
	srv := ststest.NewTest(t)
	user := srv.User().Credentials
	status, body := curl(t, user, "eu-west-1:sts", srv.URL(), "--data", form("AssumeRole",
		"RoleArn", roleARN, "RoleSessionName", "by+curl@example", "Policy", `{"Statement": []}`).Encode())
	require.Equal(t, "200", status, body)
	require.Contains(t, body, "<Arn>arn:aws:sts::123456789012:assumed-role/backup/by+curl@example</Arn>")
	creds := between(body, "<AccessKeyId>", "<SecretAccessKey>", "<SessionToken>")

	session := stschain.Credentials{
		AccessKeyID:     creds[0],
		SecretAccessKey: stschain.NewSecret(creds[1]),
		SessionToken:    stschain.NewSecret(creds[2]),
	}
	status, body = curl(t, session, "eu-west-1:sts", srv.URL(), "--data", whoAmIBody)
	require.Equal(t, "200", status, body)
	require.Contains(t, body, "assumed-role/backup/by+curl@example")

	srv.AllowRefusals()
	wrong := user
	wrong.SecretAccessKey = stschain.NewSecret("wrong")
	status, body = curl(t, wrong, "eu-west-1:sts", srv.URL(), "--data", whoAmIBody)
	require.Equal(t, "403", status)
	require.Contains(t, body, "SignatureDoesNotMatch")
	status, body = curl(t, user, "eu-west-1:iam", srv.URL(), "--data", whoAmIBody)
	require.Equal(t, "403", status)
	require.Contains(t, body, "correct service")
}

func TestCurlCallsAService(t *testing.T) {
	srv := ststest.NewTest(t)
	front := listen(t, srv.Protect("execute-api", "eu-west-1", nil))
	for name, args := range map[string][]string{
		"plain":   {front},
		"query":   {front + "/path?a=1&b=two"},
		"PUT":     {front + "/path", "--request", "PUT", "--data", "hello"},
		"headers": {front + "/path", "--header", "X-Amz-Meta-A: 1", "--header", "X-Other:  two   words "},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := curl(t, srv.User().Credentials, "eu-west-1:execute-api", args[0], args[1:]...)
			require.Equal(t, "200", status, body)
			require.Equal(t, srv.User().ARN, body)
		})
	}
}

func TestCurlCallsS3(t *testing.T) {
	srv := ststest.NewTest(t)
	front := listen(t, srv.Protect("s3", "eu-west-1", nil))
	status, body := curl(t, srv.User().Credentials, "eu-west-1:s3", front+"/bucket/key",
		"--request", "PUT", "--data", "hello", "--header", "X-Amz-Content-Sha256: 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
	require.Equal(t, "200", status, body)
	require.Equal(t, srv.User().ARN, body)
}

// between returns the text of the first element of each of these start tags.
func between(s string, tags ...string) (found []string) {
	for _, tag := range tags {
		_, rest, _ := strings.Cut(s, tag)
		text, _, _ := strings.Cut(rest, "<")
		found = append(found, text)
	}
	return found
}
