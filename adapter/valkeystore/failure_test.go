//go:build unix

package valkeystore_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valkey-io/valkey-go"

	"github.com/stschain-go/stschain/adapter/valkeystore"
	"github.com/stschain-go/stschain/shared"
)

// operations calls each method once, and returns their errors by name.
func operations(ctx context.Context, s shared.Store, generation uint64) map[string]error {
	errs := map[string]error{}
	_, errs["load"] = s.Load(ctx, key)
	_, errs["lease"] = s.Lease(ctx, key, "owner", false, time.Minute)
	_, errs["save"] = s.Save(ctx, key, "owner", shared.Value{Sealed: []byte("x"), Left: time.Minute, Generation: generation})
	errs["revoke"] = s.Revoke(ctx, key, generation)
	return errs
}

func TestServerIsDown(t *testing.T) {
	server := start(t)
	s := store(t, server.Address)
	server.Process.Kill()
	await(t, "the server still runs", func() bool {
		conn, err := net.Dial("tcp", server.Address)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	for op, err := range operations(bounded(t), s, 1) {
		require.ErrorContains(t, err, "valkeystore: "+op+" 6b86b273: ")
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
	}
}

// A store that was down, or whose connections were lost, is used again once it is back.
func TestServerComesBack(t *testing.T) {
	server := start(t)
	s := store(t, server.Address)
	s.Client.DialCtxFn = refuse(1)
	_, err := s.Load(bounded(t), key)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	keep(t, s, prepare(t, s), "sealed")
	server.do(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	await(t, "it does not connect again", func() bool { _, err := s.Load(bounded(t), key); return err == nil })
	s.Close()
	s.Close()
	_, err = s.Load(bounded(t), key)
	require.NoError(t, err, "an operation after Close connects again")
}

// A script whose reply is lost was executed once.
func TestLostReply(t *testing.T) {
	server := start(t)
	dropped := 0
	d := &dialer{Reply: func() error { dropped++; return io.EOF }}
	s := store(t, server.Address)
	generation := prepare(t, s)
	broken := store(t, server.Address)
	broken.Client.DialCtxFn = d.dial
	server.do(t, "SCRIPT", "FLUSH")
	_, err := broken.Save(bounded(t), key, "owner", value("sealed", generation))
	require.ErrorContains(t, err, "valkeystore: save 6b86b273: ")
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, 1, dropped)
	loads(t, s, generation+1, "sealed")
	require.NoError(t, s.Revoke(bounded(t), key, generation+1))
	require.NoError(t, broken.Revoke(bounded(t), key, 1), "EVALSHA would be enough, so its reply is not dropped")
}

// A connection that is closed while the server is about to run the script.
func TestKilledConnection(t *testing.T) {
	server := start(t)
	s := store(t, server.Address)
	generation := prepare(t, s)
	server.do(t, "CLIENT", "PAUSE", "60000", "WRITE")
	failed := make(chan error, 1)
	go func() {
		_, err := s.Save(bounded(t), key, "owner", value("sealed", generation))
		failed <- err
	}()
	await(t, "the script does not arrive", func() bool {
		return strings.Contains(server.text(t, "CLIENT", "LIST"), "cmd=evalsha")
	})
	server.do(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	require.ErrorContains(t, <-failed, "valkeystore: save 6b86b273: ")
	server.do(t, "CLIENT", "UNPAUSE")
	misses(t, s, generation)
}

func TestOutOfMemory(t *testing.T) {
	server := start(t, "--maxmemory-policy", "noeviction")
	s := store(t, server.Address)
	generation := prepare(t, s)
	keep(t, s, generation, "sealed")
	server.do(t, "CONFIG", "SET", "maxmemory", "1")
	errs := operations(bounded(t), s, generation+1)
	for _, op := range []string{"lease", "save"} {
		require.ErrorContains(t, errs[op], "valkeystore: "+op+" 6b86b273: OOM ")
		require.ErrorContains(t, errs[op], "raise maxmemory")
	}
	require.NoError(t, errs["load"])
	require.NoError(t, errs["revoke"])
	server.do(t, "CONFIG", "SET", "maxmemory", "0")
	misses(t, s, generation+2)
}

// A server that hangs makes an operation last as long as its context.
func TestServerHangs(t *testing.T) {
	server := start(t)
	connected := store(t, server.Address)
	keep(t, connected, prepare(t, connected), "sealed")
	require.NoError(t, server.Process.Signal(syscall.SIGSTOP))
	for name, s := range map[string]*valkeystore.Store{"connected": connected, "connecting": store(t, server.Address)} {
		s.Client.Dialer.Timeout = time.Second // ends what is left of an attempt to connect
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		for op, err := range operations(ctx, s, 1) {
			require.ErrorIs(t, err, context.DeadlineExceeded, name)
			require.ErrorContains(t, err, "valkeystore: "+op+" 6b86b273: no reply in time: ")
		}
	}
	require.NoError(t, server.Process.Signal(syscall.SIGCONT))
	await(t, "the store does not recover", func() bool { _, err := connected.Load(bounded(t), key); return err == nil })
}

// A caller whose context ends does not wait for an attempt to connect that another one began.
func TestCallersWaitOnTheirOwn(t *testing.T) {
	dialing, release := make(chan struct{}), make(chan struct{})
	s := store(t, "127.0.0.1:1")
	s.Client.DialCtxFn = func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
		close(dialing)
		<-release
		return nil, io.ErrUnexpectedEOF
	}
	first := make(chan error, 1)
	go func() { _, err := s.Load(context.Background(), key); first <- err }()
	<-dialing
	ctx, cancel := context.WithCancel(t.Context())
	second := make(chan error, 1)
	go func() { _, err := s.Load(ctx, key); second <- err }()
	cancel()
	require.ErrorIs(t, <-second, context.Canceled)
	close(release)
	require.ErrorIs(t, <-first, io.ErrUnexpectedEOF)
}

// Anything but a reply of a script is an error.
func TestGarbage(t *testing.T) {
	for name, greeting := range map[string]string{
		"HTTP": "HTTP/1.1 400 Bad Request\r\n\r\n", "text": "220 smtp.example ESMTP\r\n", "zeros": "\x00\x00\x00\x00", "empty": "",
		"not a map": "+OK\r\n", "TLS alert": "\x15\x03\x01\x00\x02\x02\x16",
	} {
		t.Run("greeting "+name, func(t *testing.T) {
			s := store(t, listen(t, func(string) string { return greeting }))
			for op, err := range operations(bounded(t), s, 1) {
				require.ErrorContains(t, err, "valkeystore: "+op+" 6b86b273: ")
				require.NotErrorIs(t, err, shared.ErrMissing)
			}
		})
	}
	for name, text := range map[string]string{
		"text": "220 smtp.example ESMTP\r\n", "OK": "+OK\r\n", "a number": ":1\r\n", "null": "_\r\n", "old null": "$-1\r\n", "a null array": "*-1\r\n",
		"a string": "$4\r\n1234\r\n", "a map": "%1\r\n+a\r\n+b\r\n", "words": "*1\r\n$3\r\none\r\n", "a negative number": "*1\r\n:-1\r\n",
		"arrays": "*3\r\n*0\r\n*0\r\n*0\r\n", "truncated": "*3\r\n$1\r\n1\r\n:", "an empty error": "-\r\n", "binary": "-ERR \x1b[31m\x00\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := store(t, listen(t, scripted(text)))
			for op, err := range operations(bounded(t), s, 1) {
				require.ErrorContains(t, err, "valkeystore: "+op+" 6b86b273: ")
				require.NotErrorIs(t, err, shared.ErrMissing)
				require.NotContains(t, err.Error(), "\x1b")
			}
		})
	}
	for name, text := range map[string]string{ // which are valid for one operation, but not for Load
		"a number alone": "*0\r\n", "no value": "*2\r\n$1\r\n1\r\n:1\r\n", "never expires": "*3\r\n$1\r\n1\r\n:-1\r\n$1\r\nx\r\n",
		"expires after the end of time": "*3\r\n$1\r\n1\r\n:9223372036854775807\r\n$1\r\nx\r\n", "a number for a value": "*3\r\n$1\r\n1\r\n:1\r\n:1\r\n",
	} {
		t.Run("load "+name, func(t *testing.T) {
			_, err := store(t, listen(t, scripted(text))).Load(bounded(t), key)
			require.ErrorContains(t, err, "valkeystore: load 6b86b273: unexpected reply")
			require.NotErrorIs(t, err, shared.ErrMissing)
		})
	}
}

// Errors say what to do, and do not repeat a password.
func TestErrors(t *testing.T) {
	const password = "hunter4711"
	for text, want := range map[string]string{
		"MOVED 3999 127.0.0.1:6381": "remove ForceSingleClient",
		"ERR Error running script (call to f_1): @user_script:3: @user_script: 3: -READONLY You can't write against a read only replica.": "connect to the primary",
		"ERR Error running script (call to f_1): @user_script:3: WRONGTYPE Operation against a key":                                       "set another Store.Prefix",
		"LOADING Redis is loading the dataset in memory":                                                                                  "later operations may succeed",
		"CLUSTERDOWN The cluster is down":                                          "later operations may succeed",
		"ERR unknown command 'EVAL', with args beginning with: '" + password + "'": "Redis 6 or later",
		"ERR " + password + " is not welcome":                                      "[redacted] is not welcome",
		"READONLY You can't write against a read only replica.":                    "connect to the primary",
		"ERR " + strings.Repeat("long ", 1000):                                     "long ...",
	} {
		t.Run(text[:min(30, len(text))], func(t *testing.T) {
			s := store(t, listen(t, scripted("-"+text+"\r\n")))
			s.Client.Password = password
			for op, err := range operations(bounded(t), s, 1) {
				require.ErrorContains(t, err, "valkeystore: "+op+" 6b86b273: ")
				require.ErrorContains(t, err, want)
				require.NotContains(t, err.Error(), password)
				require.Less(t, len(err.Error()), 500)
			}
		})
	}
	for text, want := range map[string]string{
		password:             "the server returned an error, which may contain the password of Client.AuthCredentialsFn",
		"NOPERM " + password: "6b86b273: the user needs ",
		"unknown command 'EVAL', with args: " + password: "enabled is required",
	} {
		s := store(t, listen(t, scripted("-"+text+"\r\n")))
		s.Client.AuthCredentialsFn = func(valkey.AuthCredentialsContext) (valkey.AuthCredentials, error) {
			return valkey.AuthCredentials{Password: password}, nil
		}
		_, err := s.Load(bounded(t), key)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), password)
	}
}

// scripted replies to the scripts with text, and to other commands as a server does.
func scripted(text string) func(command string) string {
	return func(command string) string {
		switch command {
		case "HELLO":
			return "%2\r\n+version\r\n+7.0.15\r\n+proto\r\n:3\r\n"
		case "CLUSTER":
			return "-ERR This instance has cluster support disabled\r\n"
		case "PING":
			return "+PONG\r\n"
		}
		return text
	}
}

// listen starts a server of commands, which ends with the test. It hangs up if there is no reply.
func listen(t *testing.T, reply func(command string) string) (address string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				for {
					command, err := readCommand(r)
					if err != nil {
						return
					}
					text := reply(command)
					if _, err := io.WriteString(conn, text); err != nil || text == "" || strings.HasSuffix(text, ":") {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { listener.Close(); running.Wait() })
	return listener.Addr().String()
}

// readCommand returns the name of the next command.
func readCommand(r *bufio.Reader) (name string, err error) {
	number := func() (n int) {
		var line string
		if line, err = r.ReadString('\n'); err == nil {
			n, err = strconv.Atoi(strings.TrimSpace(line[1:]))
		}
		return n
	}
	for i, n := 0, number(); i < n && err == nil; i++ {
		arg := make([]byte, number()+2)
		if err == nil {
			_, err = io.ReadFull(r, arg)
		}
		if i == 0 {
			name = strings.TrimSpace(string(arg))
		}
	}
	return name, err
}

// refuse refuses as many connections.
func refuse(n int) func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
	var mu sync.Mutex
	return func(ctx context.Context, address string, dialer *net.Dialer, _ *tls.Config) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		if n--; n >= 0 {
			return nil, &net.OpError{Op: "dial", Err: errors.Join(syscall.ECONNREFUSED)}
		}
		return dialer.DialContext(ctx, "tcp", address)
	}
}
