package stsquery

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/wire"
)

// Limits of a response. The largest STS responses have a few kilobytes and a few dozen elements.
const (
	maxBody     = 1 << 20
	maxDepth    = 16
	maxElements = 512
)

// element is an XML element by its local name: servers disagree on namespaces. It has text or children.
type element struct {
	_ [0]func() // nothing compares it, so no code for that is needed

	name, text  string
	first, next *element // first child, next sibling
}

// child returns the first child with a name, or an empty element.
//
//go:noinline // there are dozens of calls, and inlining makes binaries larger
func (e *element) child(name string) *element {
	for c := e.first; c != nil; c = c.next {
		if c.name == name {
			return c
		}
	}
	return &noElement
}

var noElement element // never changed

// value returns the text of a child.
func (e *element) value(name string) string { return e.child(name).text }

// either returns the text of a child whose name servers disagree on.
func (e *element) either(name, other string) string { return cmp.Or(e.value(name), e.value(other)) }

// number returns the number in a child, or 0. Numbers are informational, so an
// invalid one does not invalidate the credentials.
func (e *element) number(name string) int {
	text := e.value(name)
	if text == "" { // most are empty, and creating an error would be the most expensive step
		return 0
	}
	n, _ := strconv.Atoi(text)
	return n
}

// parseXML parses a document strictly: one root element, no DTD, bounded depth
// and size. Its errors quote nothing of the document, which may contain
// secrets.
func parseXML(body []byte) (*element, error) {
	p := &parser{left: maxElements}
	p.in.Reset(body)
	p.d, p.free, p.text = xml.NewDecoder(&p.in), p.elements[:], p.chars[:0]
	var document element
	if err := p.children(&document, xml.Name{}, 0); err != nil {
		return nil, err
	}
	switch root := document.first; {
	case root == nil:
		return nil, p.malformed(io.EOF)
	case root.next == nil:
		return root, nil
	}
	return nil, errors.New("response is XML with more than one root element")
}

type parser struct {
	d    *xml.Decoder
	left int       // elements that are still allowed
	free []element // not yet in the document
	text []byte    // since the last start tag

	// What suffices for most responses, in one allocation.
	in       bytes.Reader
	elements [16]element
	chars    [1024]byte
}

// element returns a new element.
func (p *parser) element(name string) *element {
	if len(p.free) == 0 {
		p.free = make([]element, 32)
	}
	e := &p.free[0]
	p.free = p.free[1:]
	e.name = name
	return e
}

// children reads the content of an element, up to its end tag. The document is at depth 0.
func (p *parser) children(e *element, tag xml.Name, depth int) error {
	end := &e.first // where the next child belongs
	for {
		t, err := p.d.RawToken()
		if err == io.EOF && depth == 0 {
			return nil
		}
		if err != nil {
			return p.malformed(err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if p.left--; p.left < 0 || depth == maxDepth {
				return fmt.Errorf("response is XML with more than %d elements or %d levels", maxElements, maxDepth)
			}
			p.text = p.text[:0]
			child := p.element(t.Name.Local)
			*end, end = child, &child.next
			if err := p.children(child, t.Name, depth+1); err != nil {
				return err
			}
		case xml.EndElement:
			if t.Name != tag {
				return p.malformed(nil)
			}
			if e.first == nil {
				e.text = string(bytes.TrimSpace(p.text))
			}
			return nil
		case xml.CharData:
			if depth == 0 && len(bytes.TrimSpace(t)) > 0 {
				return errNotXML
			}
			p.text = append(p.text, t...)
		case xml.Directive:
			return errors.New("response is XML with a DTD, which STS never sends")
		}
	}
}

var errNotXML = errors.New("response is not XML")

// malformed says where the document is malformed. The decoder's own errors quote the document.
func (p *parser) malformed(err error) error {
	line, column := p.d.InputPos()
	switch {
	case p.d.InputOffset() == 0:
		return errNotXML
	case err == io.EOF:
		return errors.New("response is truncated XML")
	}
	return fmt.Errorf("response is malformed XML at line %d, column %d", line, column)
}

// result is the result of an operation.
type result struct {
	_ [0]func() // nothing compares it, so no code for that is needed

	*element
	operation, requestID string
	ahead                time.Duration // of the server's clock, as far as expiry dates are concerned
}

// output is what a result is decoded into.
type output interface{ decode(result) error }

// resultOf finds the result of an operation in a response.
func resultOf(root *element, operation string, ahead time.Duration) (result, error) {
	if root.name != operation+"Response" {
		return result{}, fmt.Errorf("the root element of the response is %s instead of %sResponse: is the endpoint an STS?", name(root.name), operation)
	}
	return result{element: root.child(operation + "Result"), operation: operation, requestID: requestIDOf(root), ahead: ahead}, nil
}

// fault is why a server refused a request.
type fault struct{ code, message, kind, requestID string }

// faultOf finds the fault in a response, in any of the shapes that servers use:
// <ErrorResponse><Error>, <ErrorResponse><Errors><Error>, <Response><Errors><Error>, and S3's bare <Error>.
func faultOf(root *element) (f fault, ok bool) {
	e := root
	switch root.name {
	case "ErrorResponse", "Response":
		if e = root.child("Error"); e.name == "" {
			e = root.child("Errors").child("Error")
		}
	case "Error":
	default:
		return fault{}, false
	}
	f = fault{e.value("Code"), e.either("Message", "message"), e.value("Type"), cmp.Or(requestIDOf(e), requestIDOf(root))}
	return f, f.code != ""
}

// requestIDOf finds the ID of a request, whose case varies.
func requestIDOf(e *element) string {
	for _, in := range []*element{e.child("ResponseMetadata"), e} {
		for c := in.first; c != nil; c = c.next {
			if strings.EqualFold(c.name, "RequestId") {
				return c.text
			}
		}
	}
	return ""
}

// name returns the name of an element, or of a content type, for an error. A
// longer one is not shown, because a truncated secret could no longer be
// recognized.
func name(s string) string {
	const most = 64
	if len(s) > most {
		return fmt.Sprintf("(a name of %d bytes)", len(s))
	}
	return redact.OneLine(s, most)
}

// credentials returns the credentials in a result.
func (r result) credentials() (stschain.Credentials, error) {
	e := r.child("Credentials")
	id, key, token := e.value("AccessKeyId"), e.value("SecretAccessKey"), e.value("SessionToken")
	expires, err := r.expiration(e)
	return stschain.Credentials{
		AccessKeyID:     id,
		SecretAccessKey: stschain.NewSecret(key),
		SessionToken:    stschain.NewSecret(token),
		Expires:         expires,
		Origin:          r.operation,
	}, cmp.Or(usable("AccessKeyId", id), usable("SecretAccessKey", key), usable("SessionToken", token), err)
}

// usable returns an error for a value that is missing or has characters that a header cannot carry.
func usable(name, value string) error {
	switch {
	case value == "":
		return fmt.Errorf("response has no %s", name)
	case strings.IndexFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0:
		return fmt.Errorf("%s of the response has characters that no header can carry", name)
	}
	return nil
}

// expiration returns when the content of an element expires, on this process's clock. Servers written
// in Go send the zero time for one that was never set, and ParseTime refuses it.
func (r result) expiration(e *element) (time.Time, error) {
	expires, ok := wire.ParseTime(e.value("Expiration"))
	if !ok {
		return time.Time{}, errors.New("Expiration of the response is missing or not a valid time")
	}
	if corrected := expires.Add(-r.ahead); corrected.Year() <= 9999 { // the end of RFC 3339
		return corrected, nil
	}
	return expires, nil
}

// user returns the identity of a session of a role.
func (r result) user() AssumedRoleUser {
	e := r.child("AssumedRoleUser")
	return AssumedRoleUser{
		ARN:           e.value("Arn"),
		AssumedRoleID: e.either("AssumedRoleId", "AssumeRoleId"), // MinIO's spelling
	}
}
