package sigv4

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"strings"

	"github.com/stschain-go/stschain"
)

const maxPeek = 64 << 10 // of an answer that may reject a token

// replay invalidates credentials that the service rejected, and sends req once
// more if there are others. If not, the answer stays what it was.
func (t *Transport) replay(req *http.Request, to scope, body *body, rejected stschain.Credentials, resp *http.Response) (*http.Response, error) {
	t.creds.Invalidate(rejected)
	if !body.again() {
		return resp, nil
	}
	creds, err := t.creds.Retrieve(req.Context())
	if err != nil || sameKeys(creds, rejected) {
		return resp, nil
	}
	resp.Body.Close()
	return t.send(req, to, body, creds)
}

func sameKeys(a, b stschain.Credentials) bool {
	return a.AccessKeyID == b.AccessKeyID && a.SecretAccessKey == b.SecretAccessKey && a.SessionToken == b.SessionToken
}

// rejectsToken reports whether the service refuses the session token. It reads
// no answer but one that may do so, and leaves its body as it was.
func rejectsToken(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
	default:
		return false
	}
	if resp.Body == nil {
		resp.Body = http.NoBody // as http.Client does
	}
	if code := resp.Header.Get("X-Amzn-Errortype"); code != "" {
		return isTokenCode(code)
	}
	start, _ := io.ReadAll(io.LimitReader(resp.Body, maxPeek)) // an error comes again to who reads on
	resp.Body = &peeked{io.MultiReader(bytes.NewReader(start), resp.Body), resp.Body}
	return isTokenCode(errorCode(start))
}

// peeked is a body whose start was read.
type peeked struct {
	io.Reader
	io.Closer
}

// isTokenCode takes codes as services write them, as
// "com.amazonaws.sts#ExpiredTokenException:http://internal.amazon.com/".
func isTokenCode(code string) bool {
	code, _, _ = strings.Cut(code, ":")
	if _, after, ok := strings.Cut(code, "#"); ok {
		code = after
	}
	switch strings.TrimSpace(code) {
	case "ExpiredToken", "ExpiredTokenException", "InvalidToken":
		return true
	}
	return false
}

// errorCode finds the code in an error document of AWS, XML or JSON; "" if it
// is something else.
func errorCode(doc []byte) string {
	doc = bytes.TrimLeft(doc, "\xef\xbb\xbf \t\r\n")
	switch {
	case bytes.HasPrefix(doc, []byte("<")):
		return xmlCode(doc)
	case bytes.HasPrefix(doc, []byte("{")):
		var v struct {
			Type string `json:"__type"`
			Code string `json:"code"`
		}
		_ = json.Unmarshal(doc, &v) // a field of another type leaves the others
		if v.Type != "" {
			return v.Type
		}
		return v.Code
	}
	return ""
}

// xmlCode returns the text of the first element named Code, wherever it is:
// S3 has it below Error, STS below ErrorResponse, EC2 below Response.
func xmlCode(doc []byte) string {
	d := xml.NewDecoder(bytes.NewReader(doc))
	for {
		token, err := d.Token()
		if err != nil {
			return ""
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "Code" {
			return text(d)
		}
	}
}

// text is what stands before the next tag, whatever comments and CDATA cut it into.
func text(d *xml.Decoder) string {
	var all []byte
	for {
		token, err := d.Token()
		if err != nil {
			return ""
		}
		switch token := token.(type) {
		case xml.CharData:
			all = append(all, token...)
		case xml.StartElement, xml.EndElement:
			return string(all)
		}
	}
}
