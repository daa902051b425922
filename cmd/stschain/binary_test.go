package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/test/canary"
)

// The program as it is installed.
func TestBinary(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command to build the program with")
	}
	binary := filepath.Join(t.TempDir(), "stschain.exe")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(out))

	w := newWorld(t).keys()
	command := func(env map[string]string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), binary, args...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "SYSTEMROOT=" + os.Getenv("SYSTEMROOT")}
		for name, value := range env {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		return cmd
	}
	nothing := with(w.env, map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})
	for _, tt := range []struct {
		env     map[string]string
		args    string
		code    int
		stdout  string
		secrets bool
	}{
		{w.env, "version", 0, runtime.Version(), false},
		{w.env, "whoami", 0, "user/alice", false},
		{w.env, "explain", 0, "succeeded         env: ", false},
		{w.env, "process -role-arn " + roleARN, 0, `"SessionToken"`, true},
		{w.env, "nothing", 2, "", false},
		{nothing, "whoami", 3, "", false},
	} {
		var stdout, stderr bytes.Buffer
		cmd := command(tt.env, strings.Fields(tt.args)...)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		_ = cmd.Run()
		require.Equal(t, tt.code, cmd.ProcessState.ExitCode(), "%s: %s", tt.args, &stderr)
		require.Contains(t, stdout.String(), tt.stdout, tt.args)
		canary.CheckText(t, w.secret(), stderr.String())
		if tt.secrets {
			require.Empty(t, stderr.String())
			continue
		}
		canary.CheckText(t, w.secret(), stdout.String())
	}

	// A profile that has its credentials from the program.
	w.config("[profile through]\ncredential_process = " + binary + " process\n")
	outer := with(w.env, map[string]string{"AWS_PROFILE": ""})
	out, err = command(outer, "whoami", "-profile", "through", "-json").CombinedOutput()
	require.NoError(t, err, string(out))
	var who struct{ ARN, Origin string }
	require.NoError(t, json.Unmarshal(out, &who))
	require.Equal(t, "arn:aws:iam::123456789012:user/alice", who.ARN)
	require.Contains(t, who.Origin, "process")

	if runtime.GOOS == "windows" {
		return // which has no signal for it
	}
	server := command(w.env, "serve")
	stdout, err := server.StdoutPipe()
	require.NoError(t, err)
	var stderr bytes.Buffer
	server.Stderr = &stderr
	require.NoError(t, server.Start())
	lines := bufio.NewScanner(stdout)
	require.True(t, lines.Scan())
	url := exported(t, lines.Text(), "AWS_CONTAINER_CREDENTIALS_FULL_URI")
	require.True(t, lines.Scan())
	token := exported(t, lines.Text(), "AWS_CONTAINER_AUTHORIZATION_TOKEN")
	out, err = command(with(nothing, map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": url, "AWS_CONTAINER_AUTHORIZATION_TOKEN": token}), "whoami").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "user/alice")
	require.NoError(t, server.Process.Signal(os.Interrupt))
	require.NoError(t, server.Wait(), stderr.String())
	require.NotContains(t, stderr.String(), "error")
	canary.CheckText(t, token, stderr.String())
}
