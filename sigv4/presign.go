package sigv4

import (
	"net/http"
	"time"

	"github.com/stschain-go/stschain"
)

// Presigned is a request that anyone who has it can send.
type Presigned struct {
	URL     stschain.Secret // as good as a credential until Expires
	Header  http.Header     // must be sent with it, Host among them
	Expires time.Time       // of the signature or of the credentials, whichever is earlier; on this process's clock
}

// Presign returns a URL that carries the signature of req, for life: whole
// seconds, from 1 s to 7 days. It sends nothing. It refuses the requests that
// RoundTrip refuses, and takes the service's clock into account as far as it is
// known.
//
// The URL expires with the credentials. If it must be valid for all of life, first
// retrieve credentials that are, with [stschain.Cache.RetrieveFor] of the cache that
// is the Transport's provider.
//
// The body of req, if it has one, is hashed and closed, and the URL is valid for a
// request with the same body. Without one, S3 and VPC Lattice accept any body, and
// other services none.
func (t *Transport) Presign(req *http.Request, life time.Duration) (Presigned, error) {
	to, body, keys, err := t.prepare(req)
	if err != nil {
		return Presigned{}, err
	}
	defer body.release()
	if to.s3 && body.size == 0 {
		body.hash = UnsignedPayload
	}
	d := t.date(target(req.URL))
	url, header, err := t.signer.presign(to, req, body.hash, keys.Credentials, d.signed(), life)
	if err != nil {
		return Presigned{}, err
	}
	expires := d.sent.Add(life)
	if !keys.Expires.IsZero() && keys.Expires.Before(expires) {
		expires = keys.Expires
	}
	return Presigned{url, header, expires}, nil
}
