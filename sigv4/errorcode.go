package sigv4

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"slices"
	"strings"
)

// serviceError is the error document of a service.
type serviceError struct{ code, message string }

// errorOf reads the error of a response that may reject a signature. The body
// can still be read from its start. Other responses are not read.
func errorOf(resp *http.Response) serviceError {
	if s := resp.StatusCode; s != http.StatusBadRequest && s != http.StatusUnauthorized && s != http.StatusForbidden {
		return serviceError{}
	}
	code := baseCode(cmp.Or(resp.Header.Get("X-Amzn-Errortype"), resp.Header.Get("X-Minio-Error-Code")))
	if code != "" && !slices.Contains(messageCodes, code) {
		return serviceError{code: code} // the message does not matter
	}
	e := parseError(peek(resp), resp.Header.Get("Content-Encoding"))
	e.code = cmp.Or(code, e.code)
	return e
}

// baseCode returns the code in the forms that services send, such as
// "com.amazonaws.sts#ExpiredTokenException:http://internal.amazon.com/".
func baseCode(code string) string {
	code, _, _ = strings.Cut(code, ":")
	return strings.TrimSpace(code[strings.IndexByte(code, '#')+1:])
}

// parseError reads an error document of AWS, XML or JSON, which may be
// truncated. For anything else it returns the zero value.
func parseError(doc []byte, encoding string) serviceError {
	if strings.EqualFold(encoding, "gzip") { // the caller requested it, or net/http would have decoded it
		if r, err := gzip.NewReader(bytes.NewReader(doc)); err == nil {
			doc, _ = io.ReadAll(io.LimitReader(r, maxPeek))
		}
	}
	doc = bytes.TrimLeft(doc, "\xef\xbb\xbf \t\r\n")
	switch {
	case bytes.HasPrefix(doc, []byte("<")):
		return xmlError(doc)
	case bytes.HasPrefix(doc, []byte("{")):
		return jsonError(doc)
	}
	return serviceError{}
}

// jsonFields are the fields of an error. Their names match in any case.
type jsonFields struct {
	Type     string `json:"__type"`
	Code     string `json:"code"`
	Message  string `json:"message"`
	Detailed string `json:"detailedMessage"` // Neptune
}

// jsonError reads {"__type": ...}, {"code": ...} and, nested, {"error": {"code": ...}}.
func jsonError(doc []byte) serviceError {
	var v struct {
		jsonFields
		Error jsonFields `json:"error"`
	}
	_ = json.Unmarshal(doc, &v) // a field of another type does not affect the others
	f := v.jsonFields
	if f.Type == "" && f.Code == "" && v.Error != (jsonFields{}) {
		f = v.Error
	}
	return serviceError{baseCode(cmp.Or(f.Type, f.Code)), cmp.Or(f.Message, f.Detailed)}
}

type xmlFields struct{ Code, Message string }

// xmlError reads <Error><Code> of S3, <ErrorResponse><Error><Code> of STS and
// <Response><Errors><Error><Code> of EC2.
func xmlError(doc []byte) serviceError {
	var v struct {
		xmlFields
		STS xmlFields `xml:"Error"`
		EC2 xmlFields `xml:"Errors>Error"`
	}
	_ = xml.Unmarshal(doc, &v) // what comes before an error is read
	f := cmp.Or(v.xmlFields, v.STS, v.EC2)
	return serviceError{baseCode(f.Code), f.Message}
}
