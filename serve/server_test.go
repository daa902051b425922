package serve_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/serve"
)

func listener(t *testing.T) net.Listener {
	t.Helper()
	l, err := serve.Listen(t.Context(), "")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// running serves h until the test ends, and returns its URL.
func running(t *testing.T, h http.Handler) string {
	t.Helper()
	l := listener(t)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve.Serve(ctx, l, h) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return "http://" + l.Addr().String() + "/"
}

// get sends a request over the network.
func get(ctx context.Context, url, token string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// A thousand clients at once cause one call of the source.
// Reports: eks-pod-identity-agent#50.
func TestThousandClients(t *testing.T) {
	const clients = 1000
	var calls, arrived atomic.Int32
	all := make(chan struct{})
	h := handler(stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
		calls.Add(1)
		select {
		case <-all:
			return session(), nil
		case <-ctx.Done():
			return stschain.Credentials{}, ctx.Err()
		}
	}))
	url := running(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if arrived.Add(1) == clients {
			close(all)
		}
		h.ServeHTTP(w, r)
	}))
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			status, body, err := get(t.Context(), url, token)
			if err != nil || status != http.StatusOK || !strings.Contains(body, `"AccessKeyId":"ASIAEXAMPLE"`) {
				t.Errorf("response %d, %v", status, err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, calls.Load())
}

// Several identities at several paths, each with its own token.
func TestMux(t *testing.T) {
	mux := http.NewServeMux()
	for _, name := range []string{"reader", "writer"} {
		mux.Handle("/"+name, &serve.Handler{Credentials: stschain.Static(name, secret, ""), Token: stschain.NewSecret("token of " + name)})
	}
	url := running(t, mux)
	for path, token := range map[string]string{"reader": "token of reader", "writer": "token of writer"} {
		status, body, err := get(t.Context(), url+path, token)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, body, `"AccessKeyId":"`+path+`"`)
	}
	status, _, err := get(t.Context(), url+"writer", "token of reader")
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, status)
}

func TestServeEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	called, release := make(chan struct{}), make(chan struct{})
	defer close(release) // the call of the provider outlives its callers
	h := handler(stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		close(called)
		<-release
		return session(), nil
	}))
	l := listener(t)
	ended, response := make(chan error, 1), make(chan string, 1)
	go func() { ended <- serve.Serve(ctx, l, h) }()
	go func() {
		_, body, err := get(context.Background(), "http://"+l.Addr().String(), token)
		response <- fmt.Sprint(body, err)
	}()
	<-called
	cancel(errors.New("enough"))
	require.Contains(t, <-response, `"code":"Failed"`, "waiting clients get a response")
	require.NoError(t, <-ended)
	_, err := net.Dial("tcp", l.Addr().String())
	require.Error(t, err)

	require.ErrorContains(t, serve.Serve(t.Context(), l, h), "serve: ")
	require.EqualError(t, serve.Serve(t.Context(), l, nil), "serve: Serve needs a listener and a handler")
	require.EqualError(t, serve.Serve(t.Context(), nil, h), "serve: Serve needs a listener and a handler")
}

// The size of requests is bounded, and a connection is for one request.
func TestServeBounds(t *testing.T) {
	url := running(t, handler(providing(session())))
	for header, want := range map[string]int{
		"X: " + strings.Repeat("x", 64<<10): http.StatusRequestHeaderFieldsTooLarge,
		"Host: localhost":                   http.StatusBadRequest, // a second one
		"Authorization: " + token:           http.StatusOK,
	} {
		conn, err := net.Dial("tcp", strings.Trim(url, "htp:/"))
		require.NoError(t, err)
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n\r\n", header)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		require.Equal(t, want, resp.StatusCode)
		require.True(t, resp.Close)
		resp.Body.Close()
		conn.Close()
	}
}

// pipe is a listener of one connection.
type pipe struct {
	conn   chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conn:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipe) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipe) Addr() net.Addr { return &net.TCPAddr{} }

// A client that sends no complete request is disconnected.
func TestServeSilentClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		l := &pipe{conn: make(chan net.Conn, 1), closed: make(chan struct{})}
		l.conn <- server
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- serve.Serve(ctx, l, handler(providing(session()))) }()
		began := time.Now()
		_, err := client.Write([]byte("GET / HTTP/1.1\r\n"))
		require.NoError(t, err)
		_, err = io.ReadAll(client)
		require.NoError(t, err)
		require.WithinDuration(t, began.Add(5*time.Second), time.Now(), time.Second)
		cancel()
		require.NoError(t, <-ended)
	})
}

func TestListen(t *testing.T) {
	for address, ok := range map[string]bool{
		"":                     true,
		"127.0.0.1:0":          true,
		"127.0.0.2:0":          true,
		"localhost:0":          true,
		":0":                   false,
		"0.0.0.0:0":            false,
		"[::]:0":               false,
		"192.168.1.5:0":        false,
		"localhost.example:80": false,
		"8080":                 false,
	} {
		l, err := serve.Listen(t.Context(), address)
		if !ok {
			require.ErrorContains(t, err, "serve: ", address)
			continue
		}
		require.NoError(t, err, address)
		require.True(t, l.Addr().(*net.TCPAddr).IP.IsLoopback())
		_, err = serve.Listen(t.Context(), l.Addr().String())
		require.ErrorContains(t, err, "serve: ", "in use")
		require.NoError(t, l.Close())
	}
}

func TestNewToken(t *testing.T) {
	a, b := serve.NewToken(), serve.NewToken()
	require.NotEqual(t, a, b)
	require.Regexp(t, "^[A-Za-z0-9_-]{40}$", a.Reveal())
}
