// Package realserver runs real servers on loopback, for tests.
package realserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// User and Password are the root keys of the servers.
const (
	User     = "STSCHAINE2EACCESSKEY"
	Password = "stschain-e2e-password"
)

// Server is one that runs until its test ends.
type Server struct {
	URL string
	log *logBuffer
}

// Log is what it printed so far.
func (s Server) Log() string { return s.log.String() }

// MinIO starts the one that STSCHAIN_MINIO names, with env besides the keys.
func MinIO(t *testing.T, env ...string) Server {
	t.Helper()
	return Start(t, "STSCHAIN_MINIO", health, minioEnv(env),
		func(address, dir string) []string { return []string{"server", "--address", address, dir} })
}

// MinIOTLS is MinIO with TLS. Its certificate, key and authorities are in the folder certs.
func MinIOTLS(t *testing.T, certs string, env ...string) Server {
	t.Helper()
	return start(t, "https", "STSCHAIN_MINIO", health, minioEnv(env),
		func(address, dir string) []string {
			return []string{"server", "--certs-dir", certs, "--address", address, dir}
		})
}

const health = "/minio/health/cluster"

func minioEnv(env []string) []string {
	return append(env, "MINIO_BROWSER=off", "MINIO_UPDATE=off", "MINIO_ROOT_USER="+User, "MINIO_ROOT_PASSWORD="+Password)
}

// Start runs the server whose binary the variable names, until the test ends,
// on a free loopback port, and returns once health returns 200. args makes its
// arguments from the address and a folder of its own.
func Start(t *testing.T, variable, health string, env []string, args func(address, dir string) []string) Server {
	t.Helper()
	return start(t, "http", variable, health, env, args)
}

func start(t *testing.T, scheme, variable, health string, env []string, args func(address, dir string) []string) Server {
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
	url := scheme + "://" + address
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // it is this machine
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for deadline := time.Now().Add(30 * time.Second); ; {
		resp, err := client.Get(url + health)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return Server{url, log}
			}
		}
		require.True(t, time.Now().Before(deadline), "%s did not come up: %v", binary, err)
		<-time.After(50 * time.Millisecond)
	}
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
