package miniosts

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
	"strings"

	"github.com/stschain-go/stschain"
)

const maxPeek = 64 << 10 // of an answer that may reject a token

// RetryRejected returns a Transport for minio.Options of a client whose credentials
// come from p. When the server answers ExpiredToken or InvalidToken, the cache is
// told, so that it brings others. minio-go tries again after ExpiredToken by itself,
// and then with these; without the Transport it does so with the rejected ones.
// An answer to HEAD has no code to go by. A nil base is http.DefaultTransport.
func (p *CredentialsProvider) RetryRejected(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &watch{base, p}
}

type watch struct {
	base     http.RoundTripper
	provider *CredentialsProvider
}

func (w *watch) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.base.RoundTrip(req)
	if err != nil || w.provider.Credentials == nil || !rejectsToken(resp) {
		return resp, err
	}
	if used := signedWith(req); used != "" {
		w.provider.held().Invalidate(stschain.Credentials{AccessKeyID: used})
	}
	return resp, nil
}

// CloseIdleConnections closes those of the base, for http.Client's method of that name.
func (w *watch) CloseIdleConnections() {
	if c, ok := w.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// signedWith is the access key ID that a request was signed with, in its header or
// in its query; "" if it was not.
func signedWith(req *http.Request) string {
	credential := req.URL.Query().Get("X-Amz-Credential")
	if credential == "" {
		_, credential, _ = strings.Cut(req.Header.Get("Authorization"), "Credential=")
	}
	id, _, signed := strings.Cut(credential, "/")
	if !signed {
		return ""
	}
	return id
}

// rejectsToken reports whether S3 refuses the session token. It reads no answer but
// one that may do so, and leaves its body as it was.
func rejectsToken(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
	default:
		return false
	}
	if resp.Body == nil { // which http.Client takes for an empty one
		return false
	}
	start, _ := io.ReadAll(io.LimitReader(resp.Body, maxPeek)) // an error comes again to who reads on
	resp.Body = &peeked{io.MultiReader(bytes.NewReader(start), resp.Body), resp.Body}
	var answer struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
	}
	if xml.Unmarshal(start, &answer) != nil {
		return false
	}
	return answer.Code == "ExpiredToken" || answer.Code == "InvalidToken"
}

// peeked is a body whose start was read.
type peeked struct {
	io.Reader
	io.Closer
}
