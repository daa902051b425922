//go:build unix

package valkeystore_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/adapter/valkeystore"
	"github.com/stschain-go/stschain/shared"
)

// hostile returns a store whose server runs in memory. It sends what reply returns in small parts.
func hostile(t testing.TB, reply func(command string) string) (s *valkeystore.Store) {
	var mu sync.Mutex // a client of a cluster may dial after it was closed
	var running sync.WaitGroup
	ctx, end := context.WithCancel(context.Background())
	s = &valkeystore.Store{}
	s.Client.InitAddress = []string{"127.0.0.1:1"}
	s.Client.DialCtxFn = func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		client, server := net.Pipe()
		context.AfterFunc(ctx, func() { server.Close() })
		texts := make(chan string, 100)
		running.Go(func() {
			defer close(texts)
			for r := bufio.NewReader(server); ; {
				command, err := readCommand(r)
				if err != nil {
					return
				}
				texts <- reply(command)
			}
		})
		running.Go(func() {
			for text := range texts {
				for part := range slices.Chunk([]byte(text), 7+len(text)/100) {
					_, _ = server.Write(part)
				}
			}
		})
		return client, nil
	}
	t.Cleanup(func() {
		s.Close()
		mu.Lock()
		end()
		mu.Unlock()
		running.Wait()
	})
	return s
}

// valkey-go panics at these, or runs out of memory.
func TestHostileServer(t *testing.T) {
	anything := strings.Repeat("*1\r\n", 1000)
	for name, text := range map[string]string{
		"a string of negative size":     "$-2\r\n",
		"a huge string":                 "$1000000000000\r\n",
		"a size that overflows":         "$18446744073709551615\r\n",
		"an array of negative size":     "*-2\r\n",
		"a huge array":                  "*1000000000000\r\n",
		"a map of negative size":        "%-1\r\n",
		"a map whose size overflows":    "%4611686018427387904\r\n",
		"a chunk of negative size":      "$?\r\n;-1\r\n",
		"an array without end":          "*?\r\n" + anything,
		"nested arrays":                 anything,
		"nested attributes":             strings.Repeat("|1\r\n", 1000),
		"a line without end":            "+" + strings.Repeat("x", 1<<20),
		"strings without end":           "*30000\r\n" + strings.Repeat("$200000\r\n"+strings.Repeat("x", 200000)+"\r\n", 25),
		"several replies":               "_\r\n_\r\n_\r\n",
		"a subscription":                ">3\r\n+subscribe\r\n+x\r\n:1\r\n",
		"a message of a subscription":   ">3\r\n+message\r\n+x\r\n+y\r\n",
		"an array without a size":       "*\r\n",
		"a string with two signs":       "$--1\r\n",
		"no carriage return":            "*0\n",
		"a null with a value":           "_1\r\n",
		"a redirection without address": "-MOVED 1\r\n",
		"another one":                   "-ASK\r\n",
		"an unknown type":               "@\r\n",
		"an empty line":                 "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			for _, cluster := range []string{"-ERR This instance has cluster support disabled\r\n", "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n+127.0.0.1\r\n:1\r\n", text} {
				s := hostile(t, func(command string) string {
					if command == "CLUSTER" {
						return cluster
					}
					return scripted(text)(command)
				})
				for op, err := range operations(bounded(t), s, 1) {
					require.ErrorContains(t, err, "valkeystore: "+op+" 6b86b273: unexpected reply, ")
					require.ErrorContains(t, err, "is Client.InitAddress a Valkey or Redis server?")
					require.Less(t, len(err.Error()), 300)
				}
			}
		})
	}
}

// Replies that are large or nested, as far as servers send them, are not refused.
func TestReplySizes(t *testing.T) {
	sealed := strings.Repeat("x", 64<<10)
	s := hostile(t, scripted(fmt.Sprintf("*3\r\n$1\r\n7\r\n:60000\r\n$%d\r\n%s\r\n", len(sealed), sealed)))
	for range 3 {
		v, err := s.Load(bounded(t), key)
		require.NoError(t, err)
		require.Equal(t, shared.Value{Sealed: []byte(sealed), Left: time.Minute, Generation: 7}, v)
	}
	node := "%3\r\n+endpoint\r\n+127.0.0.1\r\n+port\r\n:1\r\n+health\r\n+online\r\n"
	shards := "*1000\r\n" + strings.Repeat("%2\r\n+slots\r\n*2\r\n:0\r\n:16383\r\n+nodes\r\n*3\r\n"+strings.Repeat(node, 3), 1000)
	s = hostile(t, func(command string) string {
		switch command {
		case "HELLO":
			return "%2\r\n+version\r\n+8.1.0\r\n+proto\r\n:3\r\n"
		case "CLUSTER":
			return strings.ReplaceAll(shards, "%3\r\n", "%4\r\n+role\r\n+master\r\n")
		}
		return "*1\r\n$1\r\n7\r\n"
	})
	_, err := s.Load(bounded(t), key)
	require.ErrorIs(t, err, shared.ErrMissing)
}

// FuzzServer connects to a server that sends anything. Without the checks of a connection, valkey-go panics in seconds.
func FuzzServer(f *testing.F) {
	f.Add("*3\r\n$1\r\n7\r\n:60000\r\n$1\r\nx\r\n", "", "")
	f.Add("*1\r\n$1\r\n7\r\n", "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n+127.0.0.1\r\n:1\r\n", "")
	f.Add("-MOVED 3999 127.0.0.1:6381\r\n", "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n+127.0.0.1\r\n:1\r\n", "%2\r\n+version\r\n+6.2.0\r\n+proto\r\n:3\r\n")
	f.Add("*1\r\n>2\r\n+invalidate\r\n_\r\n", "*1\r\n%2\r\n+slots\r\n*2\r\n:0\r\n:1\r\n+nodes\r\n*1\r\n%1\r\n+health\r\n+online\r\n", "%2\r\n+version\r\n+8.0.0\r\n+proto\r\n:3\r\n")
	f.Add("_\r\n", "", "-ERR unknown command 'HELLO'\r\n")
	f.Add("0", "*1\r\n*3\r\n", ".....\xb6\xb6\n") // more replies than lines
	f.Add("________*1\r@\\\xfd\x87\r\n", "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n+127.0.0.1\r\n:1\r\n", "")
	f.Fuzz(func(t *testing.T, script, cluster, hello string) {
		s := hostile(t, func(command string) string {
			switch {
			case command == "CLUSTER" && cluster != "":
				return cluster
			case command == "HELLO" && hello != "":
				return hello
			}
			return scripted(script)(command)
		})
		s.Client.Dialer.Timeout, s.Client.ConnWriteTimeout = 20*time.Millisecond, 20*time.Millisecond // it may send less than a reply
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, err := s.Load(ctx, key); err != nil && !errors.Is(err, shared.ErrMissing) {
			require.ErrorContains(t, err, "valkeystore: load 6b86b273: ")
		}
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(100<<20))
	})
}
