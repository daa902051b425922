package miniosts

import (
	"net/http"
	"sync"

	"github.com/stschain-go/stschain/sigv4"
)

// RetryRejected returns a Transport for minio.Options of a client whose credentials come from p. If the server rejects
// the session token, as sigv4.Transport.InvalidateRejected finds out, it invalidates the credentials in the cache.
// minio-go retries after ExpiredToken by itself, and then with other credentials; without this Transport it sends the
// rejected ones again. The response to a HEAD request has no error code. A nil base is http.DefaultTransport.
func (p *CredentialsProvider) RetryRejected(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{base, sync.OnceValue(func() *sigv4.Transport { return &sigv4.Transport{Credentials: p.cached()} })}
}

type transport struct {
	base   http.RoundTripper
	signer func() *sigv4.Transport // only for InvalidateRejected
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(req)
	if err == nil {
		if resp.Request == nil { // net/http sets it, others may not
			resp.Request = req
		}
		t.signer().InvalidateRejected(resp)
	}
	return resp, err
}

// CloseIdleConnections closes those of the base, for http.Client's method of that name.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
