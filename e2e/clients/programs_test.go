package clients_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// named is what the environment names for a client.
func named(t *testing.T, variable, what string) string {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		t.Skipf("%s names no %s", variable, what)
	}
	return value
}

func TestAWSCLI(t *testing.T) {
	binary := named(t, "STSCHAIN_AWSCLI", "aws; apt-get install awscli has one")
	ways(t, func(t *testing.T, w *world, vars []string) {
		for range 2 {
			cmd := exec.CommandContext(t.Context(), binary, "sts", "get-caller-identity", "--endpoint-url", w.sts.URL(), "--output", "json")
			cmd.Env = environment(t, vars...)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			require.NoError(t, err, stderr.String())
			var identity struct{ Arn string }
			require.NoError(t, json.Unmarshal(out, &identity))
			require.Equal(t, "arn:aws:sts::123456789012:assumed-role/served/clients", identity.Arn)
			require.Equal(t, w.current().AccessKeyID, w.signedWith())
			w.refresh()
		}
	})
}

func TestBoto3(t *testing.T) {
	python := boto3(t)
	ways(t, func(t *testing.T, w *world, vars []string) {
		s := start(t, vars, python, "testdata/boto3_client.py", w.sts.URL())
		for range 3 {
			require.Equal(t, w.fingerprint(), s.next())
			require.Equal(t, w.current().AccessKeyID, w.signedWith())
			w.refresh()
		}
	})
}

// The providers of the SDK for JavaScript that know the way, and its whole chain.
func TestSDKForJavaScript(t *testing.T) {
	client := javaScript(t)
	ways(t, func(t *testing.T, w *world, vars []string) {
		providers := []string{"fromProcess", "fromNodeProviderChain"}
		if strings.HasPrefix(vars[0], "AWS_CONTAINER") {
			providers = []string{"fromHttp", "fromContainerMetadata", "fromNodeProviderChain"}
		}
		for _, provider := range providers {
			s := start(t, vars, "node", client, provider)
			for range 3 {
				require.Equal(t, w.fingerprint(), s.next(), provider)
				w.refresh()
			}
		}
	})
}

// SDKs want a session token and an end of life, which keys of a user do not have.
func TestLongLivedKeys(t *testing.T) {
	for name, command := range map[string]func(t *testing.T, w *world) []string{
		"boto3": func(t *testing.T, w *world) []string {
			return []string{boto3(t), "testdata/boto3_client.py", w.sts.URL()}
		},
		"fromHttp":              func(t *testing.T, _ *world) []string { return []string{"node", javaScript(t), "fromHttp"} },
		"fromContainerMetadata": func(t *testing.T, _ *world) []string { return []string{"node", javaScript(t), "fromContainerMetadata"} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.serve(w.sts.User())
			c := command(t, w)
			require.Equal(t, w.fingerprint(), start(t, w.container(), c[0], c[1:]...).next())
		})
	}
}

func boto3(t *testing.T) (python string) {
	t.Helper()
	return named(t, "STSCHAIN_BOTO3", "python3 with boto3; apt-get install python3-boto3 makes /usr/bin/python3 one")
}

// javaScript is the script for node, in the folder of the modules that it needs: node looks for them from there.
func javaScript(t *testing.T) (path string) {
	t.Helper()
	dir, err := filepath.Abs(named(t, "STSCHAIN_NODE", "directory where npm installed @aws-sdk/credential-providers"))
	require.NoError(t, err)
	script, err := os.ReadFile("testdata/node_client.mjs")
	require.NoError(t, err)
	path = filepath.Join(dir, "stschain-client.mjs")
	require.NoError(t, os.WriteFile(path, script, 0o600))
	return path
}

// script is a client that prints the fingerprint of its credentials whenever it reads a line.
type script struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.Writer
	stdout *bufio.Reader
	stderr *bytes.Buffer
}

func start(t *testing.T, vars []string, command string, args ...string) *script {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command, args...)
	s := &script{t: t, cmd: cmd, stderr: new(bytes.Buffer)}
	cmd.Env = environment(t, vars...)
	cmd.Stderr = s.stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	s.stdin, s.stdout = stdin, bufio.NewReader(stdout)
	return s
}

func (s *script) next() string {
	s.t.Helper()
	_, err := io.WriteString(s.stdin, "\n")
	require.NoError(s.t, err)
	line, err := s.stdout.ReadString('\n')
	if err != nil {
		s.cmd.Wait() // then all that it said is there
	}
	require.NoError(s.t, err, "the client ended: %s", s.stderr)
	return strings.TrimSpace(line)
}
