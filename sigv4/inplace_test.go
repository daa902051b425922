package sigv4_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/sigv4"
)

// A bytes.Reader is hashed without a copy, from where the caller left it, and each attempt sends all of it.
func TestBytesInPlace(t *testing.T) {
	for _, size := range []int{small, large} {
		content := []byte(text(size))
		reader := bytes.NewReader(append([]byte("read before"), content...))
		_, err := io.ReadFull(reader, make([]byte, len("read before")))
		require.NoError(t, err)
		req := newRequest(t, "PUT", "https://bucket.example/key", reader)
		requireBody := func(body io.Reader) {
			got, err := io.ReadAll(body)
			require.NoError(t, err)
			require.Equal(t, content, got)
		}
		attempts := 0
		tr := s3(roundTripper(func(r *http.Request) (*http.Response, error) {
			require.Equal(t, sigv4.PayloadHash(content), r.Header.Get("X-Amz-Content-Sha256"))
			require.EqualValues(t, size, r.ContentLength)
			again, err := r.GetBody()
			require.NoError(t, err)
			requireBody(r.Body)
			requireBody(again)
			attempts++
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
		}))
		do(t, tr.RoundTrip, req)
		require.Equal(t, 1, attempts)

		req.Body, err = req.GetBody()
		require.NoError(t, err)
		for range 3 { // a framework signs again before each retry
			require.NoError(t, tr.SignRequest(req))
			requireBody(req.Body)
		}
	}
}
