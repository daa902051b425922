// Package e2e_test runs the library against real servers.
package e2e_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	user     = "STSCHAINE2EACCESSKEY"
	password = "stschain-e2e-password"
	region   = "us-east-1"
)

// server is one that runs until its test ends.
type server struct {
	url string
	log *logBuffer
}

type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// start runs the server whose binary the variable names, until the test ends,
// on a free loopback port, and returns once health answers. args makes its
// arguments from the address and a folder of its own.
func start(t *testing.T, variable, health string, env []string, args func(address, dir string) []string) server {
	t.Helper()
	binary := os.Getenv(variable)
	if binary == "" {
		t.Skipf("%s names no binary; .ci/run builds one", variable)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())

	ctx, cancel := context.WithCancel(context.Background())
	log := new(logBuffer)
	cmd := exec.CommandContext(ctx, binary, args(address, t.TempDir())...)
	cmd.Env = append(env, "HOME="+t.TempDir(), "PATH="+os.Getenv("PATH"))
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cancel()
		cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	url := "http://" + address
	for deadline := time.Now().Add(30 * time.Second); ; {
		resp, err := http.Get(url + health)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return server{url, log}
			}
		}
		require.True(t, time.Now().Before(deadline), "%s did not come up: %v", binary, err)
		<-time.After(50 * time.Millisecond)
	}
}

// do makes a request that must succeed, and returns the body of the answer.
func do(t *testing.T, client *http.Client, method, url, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, []int{http.StatusOK, http.StatusNoContent}, resp.StatusCode, "%s %s: %s", method, url, got)
	return string(got)
}
