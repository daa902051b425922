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
	"github.com/stschain-go/stschain/internal/wire"
)

// Bounds on an answer. The largest that STS gives are a few kilobytes and a few
// dozen elements.
const (
	maxBody     = 1 << 20
	maxDepth    = 16
	maxElements = 512
)

// element is an XML element by its local name: servers disagree on namespaces.
// It has text or children.
type element struct {
	name     string
	text     string
	children []element
}

// child returns the first child of a name; an empty element if there is none.
//
//go:noinline // there are dozens of calls, and binaries are to be small
func (e *element) child(name string) *element {
	for i := range e.children {
		if e.children[i].name == name {
			return &e.children[i]
		}
	}
	return &noElement
}

var noElement element // never changed

// value is the text of a child.
func (e *element) value(name string) string { return e.child(name).text }

// either is the text of a child whose name servers disagree on.
func (e *element) either(name, other string) string { return cmp.Or(e.value(name), e.value(other)) }

// number is the number in a child; 0 if there is none. Numbers in answers only
// inform, so a bad one is no reason to refuse good credentials.
func (e *element) number(name string) int {
	text := e.value(name)
	if text == "" { // as most are: an error costs more than all else here
		return 0
	}
	n, _ := strconv.Atoi(text)
	return n
}

// parseXML reads a document strictly: one root element, no DTD, bounded depth
// and size. Its errors hold nothing of the document, which may hold secrets.
func parseXML(body []byte) (*element, error) {
	p := parser{d: xml.NewDecoder(bytes.NewReader(body)), left: maxElements}
	var root *element
	for {
		t, err := p.d.RawToken()
		if err == io.EOF && root != nil {
			return root, nil
		}
		if err != nil {
			return nil, p.syntax(err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if root != nil {
				return nil, errors.New("the answer is XML with two roots")
			}
			root = new(element)
			if err := p.element(root, t.Name, 1); err != nil {
				return nil, err
			}
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return nil, errors.New("the answer is not XML")
			}
		case xml.Directive:
			return nil, errDirective
		}
	}
}

type parser struct {
	d    *xml.Decoder
	left int
	text []byte // since the last tag
}

// element reads on to the end of the element whose start was read.
func (p *parser) element(e *element, name xml.Name, depth int) error {
	if p.left--; p.left < 0 || depth > maxDepth {
		return fmt.Errorf("the answer is XML of more than %d elements or %d levels", maxElements, maxDepth)
	}
	e.name = name.Local
	p.text = p.text[:0]
	for {
		t, err := p.d.RawToken()
		if err != nil {
			return p.syntax(err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			e.children = append(e.children, element{})
			if err := p.element(&e.children[len(e.children)-1], t.Name, depth+1); err != nil {
				return err
			}
		case xml.EndElement:
			if t.Name != name {
				return p.syntax(nil)
			}
			if len(e.children) == 0 {
				e.text = string(bytes.TrimSpace(p.text))
			}
			return nil
		case xml.CharData:
			p.text = append(p.text, t...)
		case xml.Directive:
			return errDirective
		}
	}
}

var errDirective = errors.New("the answer is XML with a DTD, which STS never sends")

// syntax reports where the document is malformed. The decoder's own errors are
// left out: they quote the document.
func (p *parser) syntax(err error) error {
	line, column := p.d.InputPos()
	switch {
	case p.d.InputOffset() == 0:
		return errors.New("the answer is not XML")
	case err == io.EOF:
		return errors.New("the answer is XML that ends too early")
	}
	return fmt.Errorf("the answer is malformed XML at line %d, column %d", line, column)
}

// resultOf finds the result of an operation in an answer.
func resultOf(root *element, operation string) (*element, error) {
	if root.name != operation+"Response" {
		return nil, fmt.Errorf("the answer's root element is %s instead of %sResponse: is the endpoint an STS?", name(root.name), operation)
	}
	return root.child(operation + "Result"), nil
}

// fault is what a server says about why it refused.
type fault struct{ code, message, kind, requestID string }

// faultOf finds the fault in an answer, in any of the shapes that servers use:
// <ErrorResponse><Error>, <ErrorResponse><Errors><Error>, <Response><Errors>
// <Error>, and S3's bare <Error>.
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
	f = fault{e.value("Code"), e.either("Message", "message"), e.value("Type"), requestIDOf(e)}
	if f.requestID == "" {
		f.requestID = requestIDOf(root)
	}
	return f, f.code != ""
}

// requestIDOf finds a request's ID, whose case varies.
func requestIDOf(e *element) string {
	for _, in := range []*element{e.child("ResponseMetadata"), e} {
		for _, c := range in.children {
			if strings.EqualFold(c.name, "RequestId") {
				return c.text
			}
		}
	}
	return ""
}

// credentialsOf reads the credentials in a result of an operation.
func credentialsOf(result *element, operation string) (stschain.Credentials, error) {
	e := result.child("Credentials")
	id, key, token := e.value("AccessKeyId"), e.value("SecretAccessKey"), e.value("SessionToken")
	for _, part := range []struct{ name, value string }{
		{"AccessKeyId", id}, {"SecretAccessKey", key}, {"SessionToken", token},
	} {
		if err := sendable(part.name, part.value); err != nil {
			return stschain.Credentials{}, err
		}
	}
	expires, err := expirationOf(e)
	if err != nil {
		return stschain.Credentials{}, err
	}
	return stschain.Credentials{
		AccessKeyID:     id,
		SecretAccessKey: stschain.NewSecret(key),
		SessionToken:    stschain.NewSecret(token),
		Expires:         expires,
		Origin:          operation,
	}, nil
}

// sendable refuses what an answer must have, and in characters of a header.
func sendable(name, value string) error {
	switch {
	case value == "":
		return fmt.Errorf("the answer has no %s", name)
	case strings.IndexFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0:
		return fmt.Errorf("the answer's %s has characters that no header can carry", name)
	}
	return nil
}

// expirationOf returns when something expires. Servers written in Go send the zero time for one that
// was never set, and ParseTime refuses it.
func expirationOf(e *element) (time.Time, error) {
	expires, ok := wire.ParseTime(e.value("Expiration"))
	if !ok {
		return time.Time{}, errors.New("the answer's Expiration is missing or not a valid time")
	}
	return expires, nil
}
