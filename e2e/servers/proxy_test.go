package servers_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/e2e/realserver"
	"github.com/stschain-go/stschain/sigv4"
)

const largest = 64 << 20

// TestReverseProxy uploads objects of 0 bytes to 64 MiB through an httputil.ReverseProxy over a Transport, with a known length and
// chunked, and reads them again. Chunked uploads have no length before the Transport gives them one.
// Reports: aws-sigv4-proxy#70.
func TestReverseProxy(t *testing.T) {
	servers := map[string]func(*testing.T) realserver.Server{
		"minio":     func(t *testing.T) realserver.Server { return realserver.MinIO(t) },
		"versitygw": func(t *testing.T) realserver.Server { return startVersity(t, "posix") },
	}
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			endpoint, err := url.Parse(start(t).URL)
			require.NoError(t, err)
			front := httptest.NewServer(&httputil.ReverseProxy{
				Transport: &sigv4.Transport{Service: "s3", Region: region, Credentials: stschain.Static(user, password, ""), MaxBody: largest},
				Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(endpoint) },
			})
			defer front.Close()
			do(t, front.Client(), http.MethodPut, front.URL+"/bucket", "")
			for i := range uint64(100) {
				upload(t, front, i)
			}
		})
	}
}

// upload puts the object of a seed, gets it, and compares both.
func upload(t *testing.T, front *httptest.Server, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 7))
	boundaries := []int64{0, 1, 4095, 4096, 64 << 10, 64<<10 + 1, 8 << 20, largest}
	size := int64(math.Pow(largest, r.Float64()))
	if i := seed / 2; i < uint64(len(boundaries)) { // each of them chunked and not
		size = boundaries[i]
	}
	chunked := seed%2 == 1
	what := fmt.Sprintf("seed %d: %d bytes, chunked: %v", seed, size, chunked)
	sent := sha256.New()
	object := fmt.Sprintf("%s/bucket/%d/a+b%%20c/%%C3%%A4", front.URL, seed)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, object, io.TeeReader(io.LimitReader(noise{r}, size), sent))
	require.NoError(t, err)
	switch {
	case chunked:
		req.ContentLength = -1
	case size == 0:
		req.Body = http.NoBody
	default:
		req.ContentLength = size
	}
	if r.IntN(2) == 0 {
		req.Header.Set("Expect", "100-continue")
	}
	req.Header.Set("X-Amz-Meta-Seed", fmt.Sprint(seed))
	resp, err := front.Client().Do(req)
	require.NoError(t, err, what)
	text, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	require.NoError(t, err, what)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s: %s", what, text)

	resp, err = front.Client().Get(object)
	require.NoError(t, err, what)
	defer resp.Body.Close()
	received := sha256.New()
	n, err := io.Copy(received, resp.Body)
	require.NoError(t, err, what)
	require.Equal(t, size, n, what)
	require.Equal(t, sent.Sum(nil), received.Sum(nil), what)
	require.Equal(t, fmt.Sprint(seed), resp.Header.Get("X-Amz-Meta-Seed"), what)
}

// noise is a Reader without end.
type noise struct{ *rand.Rand }

func (n noise) Read(p []byte) (int, error) {
	word := n.Uint64() | 1
	for i := range p {
		p[i] = byte(word >> (i % 8 * 8))
	}
	return len(p), nil
}
