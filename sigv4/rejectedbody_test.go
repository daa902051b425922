package sigv4_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

// A response whose body never ends delays the caller by 2 s at most, and
// can be read as it arrives .
func TestEndlessRefusal(t *testing.T) {
	for name, c := range map[string]struct {
		first string // what arrives at once
		sent  int
	}{"nothing": {"", 1}, "not enough": {"<Error><Message>a", 1}, "enough": {"<Error><Code>ExpiredToken</Code><Message>n</Message>", 2}} {
		synctest.Test(t, func(t *testing.T) {
			more := make(chan string)
			endless := func() *stream {
				pending, closed := strings.NewReader(c.first), make(chan struct{})
				return &stream{Closer: closerFunc(func() { close(closed) }), Reader: readerFunc(func(p []byte) (int, error) {
					if pending.Len() == 0 {
						select {
						case s, ok := <-more:
							if !ok {
								return 0, io.EOF
							}
							pending = strings.NewReader(s)
						case <-closed:
							return 0, errors.New("closed")
						}
					}
					return pending.Read(p)
				})}
			}
			sent, ids := 0, 0
			tr := &sigv4.Transport{Service: "s3", Region: "r", Base: roundTripper(func(*http.Request) (*http.Response, error) {
				sent++
				return &http.Response{StatusCode: 403, Header: http.Header{}, Body: endless()}, nil
			})}
			tr.Credentials = cached(t, func() (stschain.Credentials, error) {
				ids++
				return creds(fmt.Sprint("AKID", ids)), nil
			})
			start := time.Now()
			resp, err := tr.RoundTrip(newRequest(t, "GET", "https://h/", nil))
			require.NoError(t, err, name)
			require.Equal(t, c.sent, sent, name)
			require.Equal(t, time.Duration(sent)*2*time.Second, time.Since(start), name)
			got := make([]byte, 1000)
			if c.first != "" {
				n, err := io.ReadFull(resp.Body, got[:len(c.first)])
				require.NoError(t, err)
				require.Equal(t, c.first, string(got[:n]), "what has arrived is there at once")
			}
			go func() {
				more <- "more "
				more <- "and more"
				close(more)
			}()
			rest, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, "more and more", string(rest))
			require.NoError(t, resp.Body.Close())
		})
	}
}

// A caller that does not want the rest closes it, which ends the peek.
func TestEndlessRefusalIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		defer w.Close()
		resp, err := responding(403, r).RoundTrip(newRequest(t, "GET", "https://h/", nil))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		_, err = resp.Body.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.ErrClosedPipe)
	})
	for _, read := range []func(p []byte) (int, error){
		func(p []byte) (int, error) { return len(p) + 1, nil },
		func([]byte) (int, error) { return -1, nil },
		func([]byte) (int, error) { panic("out of luck") },
	} {
		resp, err := responding(403, &stream{Reader: readerFunc(read)}).RoundTrip(newRequest(t, "GET", "https://h/", nil))
		require.NoError(t, err)
		got, err := io.ReadAll(resp.Body)
		require.ErrorContains(t, err, "sigv4: Read of a body ")
		require.Empty(t, got)
	}
}

// A response that cannot reject a token is not read ahead. An error while reading
// one that can is returned when the caller reads.
func TestReadAhead(t *testing.T) {
	for _, status := range []int{200, 206, 301, 404, 500, 503} {
		body := &stream{Reader: readerFunc(func([]byte) (int, error) { t.Error("was read"); return 0, io.EOF })}
		resp, err := responding(status, body).RoundTrip(newRequest(t, "GET", "https://h/", nil))
		require.NoError(t, err)
		require.Same(t, body, resp.Body)
	}
	broken := errors.New("reset")
	body := &stream{Reader: io.MultiReader(strings.NewReader("<Error>"), readerFunc(func([]byte) (int, error) { return 0, broken }))}
	resp, err := responding(403, body).RoundTrip(newRequest(t, "GET", "https://h/", nil))
	require.NoError(t, err)
	got, err := io.ReadAll(resp.Body)
	require.ErrorIs(t, err, broken)
	require.Equal(t, "<Error>", string(got))
	require.NoError(t, resp.Body.Close())
	require.EqualValues(t, 1, body.closed.Load())

	long := newStream(text(200_000))
	resp, err = responding(403, long).RoundTrip(newRequest(t, "GET", "https://h/", nil))
	require.NoError(t, err)
	require.Equal(t, 200_000-64<<10, long.Reader.(*strings.Reader).Len())
	got, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, text(200_000), string(got))

	long = newStream(text(200_000))
	slow := &stream{Reader: readerFunc(func(p []byte) (int, error) {
		if len(p) == 0 {
			t.Error("read into an empty buffer")
			return 0, io.EOF
		}
		return long.Read(p[:min(len(p), 1000)])
	})}
	_, err = responding(403, slow).RoundTrip(newRequest(t, "GET", "https://h/", nil))
	require.NoError(t, err)
	require.Equal(t, 200_000-64<<10, long.Reader.(*strings.Reader).Len(), "a part at a time")
}

// A Base may return no body at all; http.Client would not.
func TestRefusalWithoutBody(t *testing.T) {
	resp, err := responding(403, nil).RoundTrip(newRequest(t, "GET", "https://h/", nil))
	require.NoError(t, err)
	got, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Empty(t, got)
	require.NoError(t, resp.Body.Close())
}

func responding(status int, body io.ReadCloser) *sigv4.Transport {
	return &sigv4.Transport{Service: "s3", Region: "r", Credentials: stschain.Static("AKID", "secret", ""),
		Base: roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: body}, nil
		})}
}
