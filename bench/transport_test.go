package bench_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/sigv4"
)

// BenchmarkTransport is what signing adds to a request with a body of 1 kB.
//
//   - wire=loopback: by an http.Client, on a connection that is kept
//   - wire=none: RoundTrip alone, which shows the difference exactly
//
// impl=sha256 is the plain request and the hashes that no signer can do without.
func BenchmarkTransport(b *testing.B) {
	b.Run("wire=loopback", func(b *testing.B) { compare(b, overLoopback(b)) })
	b.Run("wire=none", func(b *testing.B) { compare(b, overNothing()) })
}

var oneKB = bytes.Repeat([]byte("x"), 1000)

func newPost(url string) (*http.Request, error) {
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(oneKB))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	return req, nil
}

func signing(base http.RoundTripper) *sigv4.Transport {
	return &sigv4.Transport{Service: "execute-api", Region: region, Credentials: ourSource(), Base: base}
}

func overLoopback(tb testing.TB) []work {
	url := serveBare(tb) + "/v1/things?x=1"
	base := &http.Transport{}
	tb.Cleanup(base.CloseIdleConnections)
	post := func(rt http.RoundTripper) func() error {
		client := &http.Client{Transport: rt}
		return func() error {
			req, err := newPost(url)
			if err != nil {
				return err
			}
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			_, err = io.Copy(io.Discard, resp.Body)
			return check(resp.StatusCode == http.StatusOK, err)
		}
	}
	return []work{
		{"plain", post(base)},
		{"stschain", post(signing(base))},
	}
}

// serveBare starts a server that allocates nothing for a request: what is counted
// is the client's.
func serveBare(tb testing.TB) (url string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	tb.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go answerBare(conn)
		}
	}()
	return "http://" + l.Addr().String()
}

// answerBare reads requests with a body of 1 kB, until there are no more.
func answerBare(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	response := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
	for {
		for line := []byte("first"); len(line) > len("\r\n"); {
			var err error
			if line, err = in.ReadSlice('\n'); err != nil {
				return
			}
		}
		if _, err := in.Discard(len(oneKB)); err != nil {
			return
		}
		if _, err := conn.Write(response); err != nil {
			return
		}
	}
}

// noWire reads a request and returns ok.
type noWire struct{}

var ok = &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}

func (noWire) RoundTrip(req *http.Request) (*http.Response, error) {
	io.Copy(io.Discard, req.Body)
	req.Body.Close()
	resp := *ok
	return &resp, nil
}

func overNothing() []work {
	const url = "https://api.example.com/v1/things?x=1"
	post := func(rt http.RoundTripper) func() error {
		return func() error {
			req, err := newPost(url)
			if err != nil {
				return err
			}
			_, err = rt.RoundTrip(req)
			return err
		}
	}
	plain := post(noWire{})
	hashes := hashesOf(oneKB,
		"POST\n/v1/things\nx=1\ncontent-type:application/json\nhost:api.example.com\nx-amz-date:20261121T120000Z\n"+
			"x-amz-security-token:"+sessionToken+"\n\ncontent-type;host;x-amz-date;x-amz-security-token\n",
		"AWS4-HMAC-SHA256\n20261121T120000Z\n20261121/eu-west-1/execute-api/aws4_request\n")
	return []work{
		{"plain", plain},
		{"sha256", func() error { hashes(); return plain() }},
		{"stschain", post(signing(noWire{}))},
	}
}
