//go:build unix

package valkeystore_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valkey-io/valkey-go"

	"github.com/stschain-go/stschain/adapter/valkeystore"
)

const (
	key   = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
	limit = 20 * time.Second // of what takes a moment
)

// binary returns the server program, or skips the test.
func binary(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"valkey-server", "redis-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("neither valkey-server nor redis-server is installed: apt-get install redis-server")
	}
	t.Skip("neither valkey-server nor redis-server is installed: apt-get install redis-server")
	return ""
}

// server is a Valkey or Redis server that runs until its test ends.
type server struct {
	Address string
	Socket  string // by which stores connect; "": Address. A server that is started again can have it again
	Process *os.Process
	admin   valkey.Client
}

// option is how the administrator of a test connects.
func option(address string) valkey.ClientOption {
	return valkey.ClientOption{
		InitAddress: []string{address}, ForceSingleClient: true, DisableCache: true, PipelineMultiplex: -1,
		Dialer: net.Dialer{Timeout: limit},
	}
}

// start starts a server on a free port. Another process may get the port first: then the server exits, and the next
// port is used.
func start(t *testing.T, args ...string) *server {
	t.Helper()
	return startAs(t, option, func(port, dir string) []string {
		return append([]string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir}, args...)
	})
}

func startAs(t *testing.T, admin func(address string) valkey.ClientOption, args func(port, dir string) []string) *server {
	t.Helper()
	path := binary(t)
	for range 10 {
		port := freePort(t)
		s := &server{Address: "127.0.0.1:" + port}
		dir := t.TempDir()
		log, err := os.Create(filepath.Join(dir, "log"))
		require.NoError(t, err)
		defer log.Close()
		run := exec.Command(path, args(port, dir)...)
		run.Env = []string{"PATH=" + os.Getenv("PATH")} // libraries of the test's environment may not fit the server
		run.Stdout, run.Stderr = log, log
		require.NoError(t, run.Start())
		s.Process = run.Process
		exited := make(chan struct{})
		go func() { run.Wait(); close(exited) }()
		t.Cleanup(func() {
			s.Process.Kill()
			<-exited
			if text, _ := os.ReadFile(log.Name()); t.Failed() {
				t.Logf("%s", text)
			}
		})
		for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			select {
			case <-exited:
			default:
				client, err := valkey.NewClient(admin(s.Address))
				if err != nil {
					if client != nil {
						client.Close()
					}
					continue
				}
				info, err := client.Do(t.Context(), client.B().Info().Section("server").Build()).ToString()
				if err != nil || !strings.Contains(info, fmt.Sprintf("process_id:%d\r\n", run.Process.Pid)) {
					client.Close()
					continue
				}
				s.admin = client
				t.Cleanup(client.Close)
				return s
			}
			break
		}
		if text, _ := os.ReadFile(log.Name()); !strings.Contains(string(text), "Address already in use") {
			t.Fatalf("%s did not start: %s", path, text)
		}
	}
	t.Fatal("found no free port")
	return nil
}

func freePort(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

// do executes a command, which must succeed.
func (s *server) do(t *testing.T, command ...string) valkey.ValkeyResult {
	t.Helper()
	result := s.admin.Do(t.Context(), s.admin.B().Arbitrary(command...).Build())
	if err := result.Error(); !valkey.IsValkeyNil(err) {
		require.NoError(t, err, command[0])
	}
	return result
}

func (s *server) text(t *testing.T, command ...string) string {
	t.Helper()
	text, err := s.do(t, command...).ToString()
	require.NoError(t, err)
	return text
}

// await fails unless reached returns true within a bound.
func await(t *testing.T, what string, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !reached(); time.Sleep(5 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline), what)
	}
}

// store returns a store on a server, which is closed when the test ends.
func store(t *testing.T, address ...string) *valkeystore.Store {
	s := &valkeystore.Store{Client: valkey.ClientOption{InitAddress: address}}
	t.Cleanup(s.Close)
	return s
}

// store returns a store on s, which is closed when the test ends.
func (s *server) store(t *testing.T) *valkeystore.Store {
	v := store(t, s.Address)
	v.Client.Dialer.Timeout = limit
	if s.Socket != "" {
		v.Client.DialCtxFn = func(ctx context.Context, _ string, dialer *net.Dialer, _ *tls.Config) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", s.Socket)
		}
	}
	return v
}

// startOn starts a server on a socket.
func startOn(t *testing.T, socket string) *server {
	s := start(t, "--unixsocket", socket)
	s.Socket = socket
	return s
}

// kill kills a server on a socket, and returns when it refuses connections.
func (s *server) kill(t *testing.T) {
	require.NoError(t, s.Process.Kill())
	await(t, "the server still runs", func() bool {
		conn, err := net.Dial("unix", s.Socket)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
}

// bounded returns a context that ends only if something hangs.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// dialer lets a test break the connections of a store.
type dialer struct {
	// Reply is called after a reply to a script was received, which is dropped if it returns an error.
	Reply func() error
}

func (d *dialer) dial(ctx context.Context, address string, dialer *net.Dialer, _ *tls.Config) (net.Conn, error) {
	conn, err := dialer.DialContext(ctx, "tcp", address)
	return &breakable{Conn: conn, dialer: d}, err
}

type breakable struct {
	net.Conn
	dialer *dialer
	mu     sync.Mutex
	script bool
}

func (b *breakable) Write(p []byte) (int, error) {
	b.mu.Lock()
	b.script = strings.Contains(string(p), "\r\nEVAL\r\n")
	b.mu.Unlock()
	return b.Conn.Write(p)
}

func (b *breakable) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.script && err == nil {
		if err := b.dialer.Reply(); err != nil {
			b.Conn.Close()
			return 0, err
		}
	}
	return n, err
}
