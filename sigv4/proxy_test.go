package sigv4_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/ststest"
)

// framing is how the body of a request arrived.
type framing struct {
	length int64
	coding string
	body   string // hash
}

// bucket is a service that treats bodies as S3 does, and records how they arrive.
func bucket(t *testing.T, service string) (*ststest.Server, *httptest.Server, *framing) {
	t.Helper()
	srv, got := ststest.NewTest(t), new(framing)
	s3 := httptest.NewServer(srv.Protect(service, "eu-west-1", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		io.Copy(h, r.Body)
		*got = framing{r.ContentLength, strings.Join(r.TransferEncoding, ","), fmt.Sprintf("%x", h.Sum(nil))}
	})))
	t.Cleanup(s3.Close)
	return srv, s3, got
}

// Uploads through a ReverseProxy arrive with a length, however they came to it
// (aws-sigv4-proxy#70).
func TestReverseProxy(t *testing.T) {
	srv, s3, got := bucket(t, "s3")
	sizes := []int{0, 1, 4095, 64 << 10, 64<<10 + 1, 1 << 20}
	if !testing.Short() {
		sizes = append(sizes, 64<<20)
	}
	tr := &sigv4.Transport{Service: "s3", Region: "eu-west-1", Credentials: srv.User(), MaxBody: 64 << 20}
	proxies := map[string]*httputil.ReverseProxy{
		"Transport": {
			Transport: tr,
			Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(mustParse(t, s3.URL)) },
		},
		"SignRequest": {
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(mustParse(t, s3.URL))
				if err := tr.SignRequest(r.Out); err != nil {
					t.Error(err)
				}
			},
		},
	}
	for name, proxy := range proxies {
		front := httptest.NewServer(proxy)
		defer front.Close()
		for _, size := range sizes {
			content := strings.Repeat("x", size)
			for _, chunked := range []bool{false, true} {
				for _, expect := range []string{"", "100-continue"} {
					if size > 1<<20 && (expect != "" || name != "Transport") {
						continue // these take their time
					}
					req := newRequest(t, "PUT", front.URL+"/bucket/a+b/c", strings.NewReader(content))
					if chunked {
						req = newRequest(t, "PUT", front.URL+"/bucket/a+b/c", io.MultiReader(strings.NewReader(content)))
					}
					if expect != "" {
						req.Header.Set("Expect", expect)
					}
					resp, reply := read(t, front.Client().Do, req)
					require.Equal(t, 200, resp.StatusCode, "%s, %d B, chunked: %v: %s", name, size, chunked, reply)
					require.Equal(t, framing{int64(size), "", sha256hex([]byte(content))}, *got)
				}
			}
		}
	}
}

// S3 accepts no chunks: a body of unknown length is kept, up to MaxBody, although
// nothing has to be hashed; what is too large is refused (aws-sdk-go#138).
func TestUnsignedPayloadOfUnknownLength(t *testing.T) {
	srv := ststest.NewTest(t)
	for service, chunks := range map[string]bool{"s3": false, "s3-object-lambda": false, "execute-api": true} {
		var arrived framing
		s := httptest.NewTLSServer(srv.Protect(service, "", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			arrived = framing{r.ContentLength, strings.Join(r.TransferEncoding, ","), sha256hex(body)}
		})))
		defer s.Close()
		for _, c := range []struct {
			max     int64
			size    int
			refused bool
		}{{0, 10, false}, {large, large, false}, {large - 1, large, true}, {-1, 10, true}, {0, 11 << 20, true}} {
			for _, sign := range []bool{false, true} {
				tr := &sigv4.Transport{Service: service, Region: "eu-west-1", Credentials: srv.User(), Base: s.Client().Transport, UnsignedPayload: true, MaxBody: c.max}
				content := strings.Repeat("x", c.size)
				body := newStream(content)
				req := newRequest(t, "PUT", s.URL+"/key", body)
				req.Header.Set("X-Amz-Content-Sha256", "fill in")
				send := tr.RoundTrip
				if sign {
					send = func(req *http.Request) (*http.Response, error) {
						if err := tr.SignRequest(req); err != nil {
							return nil, err
						}
						return tr.Base.RoundTrip(req)
					}
				}
				resp, err := send(req)
				if c.refused && !chunks {
					require.ErrorIs(t, err, sigv4.ErrBodyTooLarge)
					require.ErrorContains(t, err, service+" requires a Content-Length")
					require.EqualValues(t, 1, body.closed.Load())
					continue
				}
				require.NoError(t, err)
				resp.Body.Close()
				require.Equal(t, 200, resp.StatusCode)
				want := framing{int64(c.size), "", sha256hex([]byte(content))}
				if chunks {
					want.length, want.coding = -1, "chunked"
				}
				require.Equal(t, want, arrived)
			}
		}
	}
}
