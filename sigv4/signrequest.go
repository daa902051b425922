package sigv4

import (
	"net/http"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/signature"
)

// SignRequest signs req without sending it, for frameworks that send requests
// themselves: call it as the last thing before that, and again before each retry.
// If a framework accepts an http.RoundTripper, use a Transport there: RoundTrip does more.
//
// The rules are those of RoundTrip, but req itself is changed:
//
//   - Header becomes a signed copy, without an earlier signature.
//   - URL and Host are normalized.
//   - Body and GetBody return what was hashed, from its start, and ContentLength is
//     its length. Signing again takes the body from GetBody, which is then set,
//     unless the body is large and can only seek.
//
// The sender closes Body, or SignRequest does if reading it fails. After other errors
// the body is complete, and an earlier signature is unchanged.
//
// The client that sends must not follow redirects: it would send the session token,
// which is a header, wherever they lead. Pass the response to
// [Transport.InvalidateRejected] to find out whether the service rejected the token.
func (t *Transport) SignRequest(req *http.Request) error {
	t.once.Do(t.setUp)
	to, err := t.check(req, true)
	if err != nil {
		return err
	}
	hash, err := t.replaceBody(req, to)
	if err != nil {
		return err
	}
	keys, err := t.retrieve(req, to)
	if err != nil {
		return err
	}
	signed := shallow(req) // the sender may still read the header of the previous attempt
	if err := t.signer.sign(to, signed, hash, keys.Credentials, t.date(target(req.URL)).signed()); err != nil {
		return err
	}
	req.URL, req.Host, req.Header = signed.URL, signed.Host, signed.Header
	return nil
}

// InvalidateRejected reports whether the service rejected the session token or the
// date of a request that SignRequest signed, as RoundTrip finds out for its own. If
// so, the request is worth another attempt, once: SignRequest then signs it with
// other credentials, if there are any, or with the date of the service's clock. It
// reads at most 64 KiB of a response that may reject a request, for at most 2 s; the
// body can still be read from its start. It needs resp.Request, which net/http sets,
// and for which CredentialsFor is called again.
func (t *Transport) InvalidateRejected(resp *http.Response) bool {
	t.once.Do(t.setUp)
	if t.creds == nil && t.CredentialsFor == nil || resp == nil || resp.Request == nil || resp.Request.URL == nil {
		return false
	}
	id := signedBy(resp.Request.Header)
	if id == "" {
		return false
	}
	host := target(resp.Request.URL)
	d := t.date(host)
	if at, err := time.Parse(signature.DateFormat, resp.Request.Header.Get("X-Amz-Date")); err == nil {
		d.ahead = at.Sub(d.sent) // approximately: the time when it was sent is unknown
	}
	why := t.verdict(resp, host, d)
	if why == rejectedToken {
		if p, err := t.provider(resp.Request); err == nil {
			p.Invalidate(stschain.Credentials{AccessKeyID: id})
		}
	}
	return why != accepted
}

// The schemes of the Authorization header.
const (
	scheme       = signature.Algorithm + " "
	regionScheme = signature.AlgorithmECDSA + " "
)

func isSignature(authorization []string) bool {
	return len(authorization) == 1 && (strings.HasPrefix(authorization[0], scheme) || strings.HasPrefix(authorization[0], regionScheme))
}

// signedBy returns the access key ID that a request is signed with, "" if it is not signed.
func signedBy(h http.Header) string {
	slashes := 4 // date, region, service, aws4_request; an ID may contain a slash
	fields, ok := strings.CutPrefix(h.Get("Authorization"), scheme+"Credential=")
	if !ok {
		slashes = 3 // without a region
		fields, ok = strings.CutPrefix(h.Get("Authorization"), regionScheme+"Credential=")
	}
	if !ok {
		return ""
	}
	id, _, _ := strings.Cut(fields, ", SignedHeaders=")
	for range slashes {
		id = id[:max(strings.LastIndexByte(id, '/'), 0)]
	}
	return id
}

// replaceBody replaces the body of req with one of the length that was hashed, and
// returns the hash.
func (t *Transport) replaceBody(req *http.Request, to service) (hash string, err error) {
	if err := restoreBody(req); err != nil {
		return "", err
	}
	b, err := t.newBody(req, to)
	if err != nil {
		return "", err
	}
	defer b.release()
	b.frame(req)
	if req.Body == nil {
		return b.hash, nil
	}
	req.GetBody = nil
	if b.src == nil {
		req.GetBody = b.open
	}
	req.Body, err = b.open()
	return b.hash, err
}

// restoreBody undoes replaceBody, and goes back to the start of a body that was
// sent, as far as that is possible.
func restoreBody(req *http.Request) error {
	switch {
	case req.Body == http.NoBody, req.Body == nil && (req.GetBody == nil || req.ContentLength == 0):
		return nil
	case req.GetBody == nil:
		a, ok := req.Body.(*attempt)
		if !ok {
			return nil
		}
		if err := a.src.back(); err != nil {
			return err
		}
		req.Body = a.src.rc
		return nil
	}
	body, err := getBody(req.GetBody) // even if Body is nil: go-retryablehttp sets it later
	if a, ok := body.(*attempt); ok {
		a.Close()
		req.GetBody = a.of.get
		body, err = getBody(req.GetBody)
	}
	if err != nil {
		return err
	}
	if req.Body != nil {
		req.Body.Close()
	}
	req.Body = body
	return nil
}
