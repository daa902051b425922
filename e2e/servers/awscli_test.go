package servers_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/source/profile"
)

// cli is the AWS CLI with a home directory of its own.
type cli struct {
	t            *testing.T
	binary, home string
}

// newCLI takes the binary that STSCHAIN_AWSCLI names. It is a slow one: each call takes most
// of a second.
func newCLI(t *testing.T) cli {
	t.Helper()
	binary := os.Getenv("STSCHAIN_AWSCLI")
	if binary == "" {
		t.Skip("STSCHAIN_AWSCLI names no aws to compare with; apt-get install awscli has one")
	}
	t.Parallel()
	c := cli{t, binary, t.TempDir()}
	version, err := c.run("--version")
	require.NoError(t, err)
	t.Log(version)
	return c
}

// run returns what the program prints. It reads nothing but its own home, and never leaves the machine.
func (c cli) run(args ...string) (string, error) {
	cmd := exec.CommandContext(c.t.Context(), c.binary, args...)
	cmd.Env = []string{"HOME=" + c.home, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER="}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, stderr.String())
	}
	return strings.TrimSuffix(string(out), "\n"), err
}

func (c cli) must(args ...string) string {
	c.t.Helper()
	out, err := c.run(args...)
	require.NoError(c.t, err, args)
	return out
}

func (c cli) provider(name string) *profile.Provider {
	return &profile.Provider{Profile: name, Home: c.home, LookupEnv: func(string) (string, bool) { return "", false }}
}

// region is what we read for region, whatever its value: it is not sent.
func (c cli) region(name string) string {
	c.t.Helper()
	client, err := c.provider(name).Client(c.t.Context(), nil)
	require.NoError(c.t, err)
	return client.Region
}

// What aws configure set writes, we read as aws configure get does.
func TestAWSCLIWritesAndWeRead(t *testing.T) {
	c := newCLI(t)
	for i, value := range []string{
		"=a==b=", `x\`, `"quoted"`, "`tick", `"""three`, "a#b;c", "%(region)s %s", "[bracket", "two words", "tab\tin it", "héllo 日本語",
		"arn:aws:iam::123456789012:role/path/name+=,.@-_", `C:\keys\run.exe --for "a b"`, "  around  ", strings.Repeat("long ", 500) + "end",
	} {
		name := []string{"default", "dev.one"}[i%2]
		c.must("configure", "set", "region", "--profile", name, value)
		require.Equal(t, c.must("configure", "get", "region", "--profile", name), c.region(name), "value %d of %s", i, name)
	}
}

// Here the AWS CLI and the AWS SDKs differ, and we do as the SDKs do.
func TestAWSCLIDiffers(t *testing.T) {
	c := newCLI(t)
	for theirs, ours := range map[string]string{"a #b": "a", "a ; b": "a", "#a": ""} { // white space and # or ; begin a comment
		c.must("configure", "set", "region", theirs, "--profile", "dev")
		require.Equal(t, theirs, c.must("configure", "get", "region", "--profile", "dev"))
		require.Equal(t, ours, c.region("dev"))
	}
}

func TestAWSCLIProfiles(t *testing.T) {
	c := newCLI(t)
	for _, name := range []string{"default", "dev", "dev.one", "with space", "a-b_c/d@e:f+g%h"} {
		c.must("configure", "set", "region", "region of "+name, "--profile", name)
		require.Equal(t, c.must("configure", "get", "region", "--profile", name), c.region(name), name)
	}
	c.must("configure", "set", "s3.addressing_style", "path", "--profile", "dev")
	require.Equal(t, "region of dev", c.region("dev"))

	listed, err := c.run("configure", "list-profiles")
	if err != nil {
		t.Skip("version 1 cannot list profiles")
	}
	for name := range strings.SplitSeq(listed, "\n") {
		require.Equal(t, "region of "+name, c.region(name))
	}
}

// The keys of a profile, which go to the other file, and those of a process.
func TestAWSCLICredentials(t *testing.T) {
	c := newCLI(t)
	for i, secret := range []string{"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "`/+=%(a)s", "=a#b;c"} {
		name := fmt.Sprint("keys", i)
		c.must("configure", "set", "aws_access_key_id", "AKIDEXAMPLE", "--profile", name)
		c.must("configure", "set", "aws_secret_access_key", secret, "--profile", name)
		if i%2 == 1 {
			c.must("configure", "set", "aws_session_token", "token/"+secret, "--profile", name)
		}
		c.compare(name)
	}
	script := filepath.Join(c.home, "keys of mine")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\necho '{\"Version\": 1, \"AccessKeyId\": \"AKIDPROCESS\", \"SecretAccessKey\": \"s'\"$(echo \"$1\" | tr ' ' -)\"'\"}'\n"), 0o700))
	c.must("configure", "set", "credential_process", `"`+script+`" "two words"`, "--profile", "process")
	c.compare("process")
}

// compare gets the credentials of a profile from both.
func (c cli) compare(name string) {
	c.t.Helper()
	creds, err := c.provider(name).Retrieve(c.t.Context())
	require.NoError(c.t, err)
	var theirs struct{ AccessKeyID, SecretAccessKey, SessionToken string }
	exported, err := c.run("configure", "export-credentials", "--profile", name, "--format", "process")
	if err != nil { // an old one: the files are all it shows
		theirs.AccessKeyID, _ = c.run("configure", "get", "aws_access_key_id", "--profile", name)
		theirs.SecretAccessKey, _ = c.run("configure", "get", "aws_secret_access_key", "--profile", name)
		theirs.SessionToken, _ = c.run("configure", "get", "aws_session_token", "--profile", name)
		if theirs.AccessKeyID == "" {
			c.t.Skip("this aws has no configure export-credentials")
		}
	} else {
		require.NoError(c.t, json.Unmarshal([]byte(exported), &theirs))
	}
	require.Equal(c.t, theirs.AccessKeyID, creds.AccessKeyID)
	require.True(c.t, theirs.SecretAccessKey == creds.SecretAccessKey.Reveal(), "the secret keys differ")
	require.True(c.t, theirs.SessionToken == creds.SessionToken.Reveal(), "the session tokens differ")
}
