package sigv4_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

// reading is a Transport with UnsignedPayload over a Base that calls read.
func reading(read func(*http.Request) error) *sigv4.Transport {
	return &sigv4.Transport{Service: "execute-api", Region: "r", Credentials: stschain.Static("AKID", "secret", ""), UnsignedPayload: true,
		Base: roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: http.NoBody}, read(r)
		})}
}

// A body of at most 64 KiB is kept; a larger one that can be opened again is read twice.
func TestSmallBodiesAreKept(t *testing.T) {
	for size, want := range map[int]int{1: 0, 64 << 10: 0, 64<<10 + 1: 1} {
		got := 0
		req := newRequest(t, "PUT", "https://h/", newStream(text(size)))
		req.ContentLength = int64(size)
		req.GetBody = func() (io.ReadCloser, error) { got++; return newStream(text(size)), nil }
		requireOK(t, s3(discard{}).RoundTrip, req)
		require.Equal(t, want, got, size)
	}
}

// A body that is longer than its length is not read further than necessary.
func TestTooLongBodyIsNotRead(t *testing.T) {
	body := newStream(text(large))
	req := newRequest(t, "PUT", "https://h/", body)
	req.ContentLength = small
	_, err := s3(discard{}).RoundTrip(req)
	require.ErrorContains(t, err, "sigv4: the body is longer than its ContentLength of 1000")
	require.Equal(t, large-small-1, body.Reader.(*strings.Reader).Len())
}

// The start of a body that fails is not sent, even if the context cannot end.
func TestBodyFailsWithoutCancellation(t *testing.T) {
	broken := errors.New("disk on fire")
	body := &stream{Reader: io.MultiReader(strings.NewReader("start"), iotest.ErrReader(broken))}
	_, err := s3(discard{}).RoundTrip(newRequest(t, "PUT", "https://h/", body))
	require.ErrorIs(t, err, broken)
}

// A context that has ended ends the request, even if the body cannot block.
func TestContextEndedBeforeHashingMemory(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s3(discard{}).RoundTrip(newRequest(t, "PUT", "https://h/", strings.NewReader("text")).WithContext(ctx))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "sigv4: hashing the body")
}

// A body is sent completely although its end is not where Seek says, as in /proc.
func TestUnsignedSeekerOfUnknownLength(t *testing.T) {
	for name, end := range map[string]struct {
		at  int64
		err error
	}{"at its start": {}, "not known": {100, errors.New("no end")}} {
		body := newSeekable("text")
		body.Seeker = seekerFunc(func(_ int64, whence int) (int64, error) {
			if whence == io.SeekEnd {
				return end.at, end.err
			}
			return 0, nil
		})
		tr := reading(func(r *http.Request) error {
			got, err := io.ReadAll(r.Body)
			require.Equal(t, "text", string(got), name)
			require.EqualValues(t, -1, r.ContentLength, name)
			return err
		})
		requireOK(t, tr.RoundTrip, newRequest(t, "PUT", "https://h/", body))
	}
}

// After the context has ended, Base reads an error, and neither bytes nor the end.
func TestReadAfterContextEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	closed := make(chan struct{})
	body := newStream("text")
	body.Closer = closerFunc(func() { close(closed) })
	tr := reading(func(r *http.Request) error {
		cancel()
		<-closed
		n, err := r.Body.Read(make([]byte, 10))
		require.EqualError(t, err, "sigv4: the body is closed")
		require.Zero(t, n)
		return err
	})
	_, err := tr.RoundTrip(newRequest(t, "PUT", "https://h/", body).WithContext(ctx))
	require.ErrorIs(t, err, context.Canceled)
}

// A Read that breaks its contract has read nothing.
func TestBrokenReadIsEmpty(t *testing.T) {
	for _, read := range []readerFunc{
		func(p []byte) (int, error) { return len(p) + 1, nil },
		func([]byte) (int, error) { panic("out of luck") },
	} {
		tr := reading(func(r *http.Request) error {
			n, err := r.Body.Read(make([]byte, 10))
			require.Zero(t, n)
			return err
		})
		_, err := tr.RoundTrip(newRequest(t, "PUT", "https://h/", &stream{Reader: read}))
		require.ErrorContains(t, err, "sigv4: Read of a body ")
	}
}

// 100 reads in a row may return nothing. Those that return a byte, or into an empty buffer, do not count.
func TestReadsWithoutProgress(t *testing.T) {
	for idle, want := range map[int]error{100: nil, 101: io.ErrNoProgress} {
		body := io.MultiReader(strings.NewReader("a"), readerFunc(func([]byte) (int, error) {
			if idle--; idle < 0 {
				return 0, io.EOF
			}
			return 0, nil
		}))
		_, err := s3(discard{}).RoundTrip(newRequest(t, "PUT", "https://h/", &stream{Reader: body}))
		require.ErrorIs(t, err, want)
	}
	requireOK(t, s3(discard{}).RoundTrip, newRequest(t, "PUT", "https://h/", iotest.OneByteReader(strings.NewReader(text(small)))))
	tr := reading(func(r *http.Request) error {
		for range 200 {
			n, err := r.Body.Read(nil)
			require.NoError(t, err)
			require.Zero(t, n)
		}
		got, err := io.ReadAll(r.Body)
		require.Equal(t, text(small), string(got))
		return err
	})
	requireOK(t, tr.RoundTrip, newRequest(t, "PUT", "https://h/", newStream(text(small))))
}

// The last bytes may come together with the end. Together with the error that there are more, they are withheld.
func TestEndOfBody(t *testing.T) {
	for more, want := range map[string]error{"": io.EOF, "x": errors.New("sigv4: the body is longer than its length of 300000")} {
		req := newRequest(t, "PUT", "https://h/", newStream(text(large)))
		req.GetBody = func() (io.ReadCloser, error) {
			return io.NopCloser(iotest.DataErrReader(strings.NewReader(text(large) + more))), nil
		}
		tr := reading(func(r *http.Request) (err error) {
			n := 0
			for buf := make([]byte, 1000); err == nil; {
				n, err = r.Body.Read(buf)
			}
			require.EqualError(t, err, want.Error())
			require.Equal(t, more == "", n > 0)
			return nil
		})
		tr.UnsignedPayload = false
		_, err := tr.RoundTrip(req)
		require.Equal(t, more == "", err == nil)
	}
}
