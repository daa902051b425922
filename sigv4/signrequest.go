package sigv4

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/signature"
)

// SignRequest signs req without sending it, for frameworks that send requests
// themselves: as the last thing before that, and again before each retry. Where a
// framework takes an http.RoundTripper, RoundTrip does more.
//
// The rules are those of RoundTrip, but it is req that changes:
//
//   - Header becomes a signed copy, without what an earlier signature left.
//   - URL and Host get the form that is signed.
//   - Body and GetBody give what was hashed, from its start, or fail. Signing again
//     takes the body from GetBody. After the first time there is one, unless the
//     body is large and can only seek.
//
// Body is closed by who sends it, or here if reading it fails. After other errors
// it is whole, and the signature what it was.
//
// The client that sends must not follow redirects: it would take the session token,
// which is a header, to wherever they lead. Whether the service rejected the token
// is for [Transport.InvalidateRejected] to see.
func (t *Transport) SignRequest(req *http.Request) error {
	t.once.Do(t.setUp)
	sc, err := t.check(req, true)
	if err != nil {
		return err
	}
	hash, err := t.settleBody(req)
	if err != nil {
		return err
	}
	creds, err := t.retrieve(req.Context(), sc)
	if err != nil {
		return err
	}
	signed := shallow(req) // somebody may be reading the header of the try before
	if err := t.signer.sign(sc, signed, hash, creds, t.now()); err != nil {
		return err
	}
	req.URL, req.Host, req.Header = signed.URL, signed.Host, signed.Header
	return nil
}

// InvalidateRejected looks whether the service rejected the session token of a
// request that SignRequest signed, as RoundTrip does with its answers. If so, it
// invalidates the credentials that the request was signed with and returns true:
// the request is worth another try, once, which SignRequest signs with others if
// there are any. It reads at most 64 KiB of an answer that may say so, and leaves
// its body as it was. It needs resp.Request, which net/http sets.
func (t *Transport) InvalidateRejected(resp *http.Response) bool {
	t.once.Do(t.setUp)
	if t.creds == nil || resp == nil || resp.Request == nil {
		return false
	}
	id := signedBy(resp.Request.Header)
	if id == "" || !rejectsToken(resp) {
		return false
	}
	t.creds.Invalidate(stschain.Credentials{AccessKeyID: id})
	return true
}

const scheme = signature.Algorithm + " "

func isSignature(authorization []string) bool {
	return len(authorization) == 1 && strings.HasPrefix(authorization[0], scheme)
}

// signedBy is the access key ID of a signed request, "" if it is none.
func signedBy(h http.Header) string {
	fields, ok := strings.CutPrefix(h.Get("Authorization"), scheme+"Credential=")
	if !ok {
		return ""
	}
	id, _, _ := strings.Cut(fields, ", SignedHeaders=")
	for range 4 { // date, region, service, aws4_request; an ID may hold a slash
		id = id[:max(strings.LastIndexByte(id, '/'), 0)]
	}
	return id
}

// settleBody makes the body of req such that what is sent of it is what was
// hashed, and returns the hash.
func (t *Transport) settleBody(req *http.Request) (hash string, err error) {
	if err := restoreBody(req); err != nil {
		return "", err
	}
	if req.Body == nil || req.Body == http.NoBody {
		return emptyHash, checkSize(req, 0)
	}
	if t.UnsignedPayload {
		return UnsignedPayload, nil
	}
	made := madeOf{get: req.GetBody, body: req.Body, start: position(req.Body)}
	p, err := t.prepare(req)
	if err != nil {
		return "", err
	}
	defer p.release()
	if len(req.Trailer) == 0 {
		req.ContentLength = p.size
	}
	if p.open == nil {
		req.Body, req.GetBody = http.NoBody, noBody
		return p.hash, nil
	}
	body, err := p.open()
	switch {
	case err != nil:
		return "", err
	case isMemory(body):
		req.Body, req.GetBody = body, p.open
		return p.hash, nil
	}
	req.Body = &settledBody{body, made}
	if made.get != nil {
		req.GetBody = func() (io.ReadCloser, error) {
			body, err := p.open()
			if err != nil {
				return nil, err
			}
			return &settledBody{body, made}, nil
		}
	}
	return p.hash, nil
}

// settledBody is a body as SignRequest leaves it.
type settledBody struct {
	io.ReadCloser
	of madeOf
}

// madeOf is what SignRequest found.
type madeOf struct {
	get   func() (io.ReadCloser, error) // nil: there was none
	body  io.ReadCloser
	start int64 // of body; -1: it cannot seek
}

// restoreBody undoes settleBody, and goes back to the start of a body that was
// sent, as far as that can be done.
func restoreBody(req *http.Request) error {
	switch {
	case req.Body == http.NoBody:
		return nil
	case req.Body == nil && (req.GetBody == nil || req.ContentLength == 0):
		return nil // go-retryablehttp has requests whose Body is not there yet
	}
	if req.GetBody == nil {
		b, ok := req.Body.(*settledBody)
		if !ok || b.of.start < 0 {
			return nil
		}
		if _, err := b.of.body.(io.Seeker).Seek(b.of.start, io.SeekStart); err != nil {
			return fmt.Errorf("sigv4: going back to the start of the body, which has no GetBody: %w", err)
		}
		req.Body = b.of.body
		return nil
	}
	body, err := req.GetBody()
	if b, ok := body.(*settledBody); ok {
		b.Close()
		req.GetBody = b.of.get
		body, err = req.GetBody()
	}
	if err != nil {
		return fmt.Errorf("sigv4: GetBody: %w", err)
	}
	if req.Body != nil {
		req.Body.Close()
	}
	req.Body = body
	return nil
}

// position is where a body is that can seek, otherwise -1.
func position(body io.Reader) int64 {
	if r, ok := body.(io.Seeker); ok {
		if at, err := r.Seek(0, io.SeekCurrent); err == nil {
			return at
		}
	}
	return -1
}

func noBody() (io.ReadCloser, error) { return http.NoBody, nil }
