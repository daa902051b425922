package ststest

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

const (
	samlProtocol   = "urn:oasis:names:tc:SAML:2.0:protocol"
	samlAssertion  = "urn:oasis:names:tc:SAML:2.0:assertion"
	samlSuccess    = "urn:oasis:names:tc:SAML:2.0:status:Success"
	samlBearer     = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
	samlAttributes = "https://aws.amazon.com/SAML/Attributes/"
)

// Bounds of a SAML response.
const (
	maxElements = 5000
	maxDepth    = 30
)

// element is a part of an XML document.
type element struct {
	space, name string
	attrs       map[string]string // those without a namespace
	children    []*element
	text        string // its own text, without comments
}

// parseXML parses a document within bounds. It refuses document type
// declarations, processing instructions and duplicate attributes.
func parseXML(data []byte) (*element, error) {
	d := xml.NewDecoder(bytes.NewReader(data))
	d.CharsetReader = func(string, io.Reader) (io.Reader, error) { return nil, errors.New("the charset is not UTF-8") }
	top := &element{}
	open := []*element{top}
	elements := 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("it is not well-formed XML: %w", err)
		}
		inner := open[len(open)-1]
		switch token := token.(type) {
		case xml.Directive:
			return nil, errors.New("it has a document type declaration")
		case xml.ProcInst:
			if token.Target != "xml" {
				return nil, errors.New("it has a processing instruction")
			}
		case xml.StartElement:
			if elements++; elements > maxElements {
				return nil, fmt.Errorf("it has more than %d elements", maxElements)
			}
			if len(open) > maxDepth {
				return nil, fmt.Errorf("it is nested deeper than %d", maxDepth)
			}
			e, err := newElement(token)
			if err != nil {
				return nil, err
			}
			inner.children = append(inner.children, e)
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			inner.text += string(token)
		}
	}
	if len(top.children) != 1 || strings.TrimSpace(top.text) != "" {
		return nil, errors.New("it does not have exactly one root element")
	}
	return top.children[0], nil
}

func newElement(start xml.StartElement) (*element, error) {
	e := &element{space: start.Name.Space, name: start.Name.Local, attrs: map[string]string{}}
	seen := map[xml.Name]bool{}
	for _, a := range start.Attr {
		if seen[a.Name] {
			return nil, errors.New("it has a duplicate attribute")
		}
		if seen[a.Name] = true; a.Name.Space == "" {
			e.attrs[a.Name.Local] = a.Value
		}
	}
	return e, nil
}

func (e *element) is(space, name string) bool { return e.space == space && e.name == name }

// all returns the elements of the assertion namespace on a path of names.
func (e *element) all(path ...string) []*element {
	if len(path) == 0 {
		return []*element{e}
	}
	var found []*element
	for _, c := range e.children {
		if c.is(samlAssertion, path[0]) {
			found = append(found, c.all(path[1:]...)...)
		}
	}
	return found
}

// first returns the first element of all, or an empty one.
func (e *element) first(path ...string) *element {
	if found := e.all(path...); len(found) > 0 {
		return found[0]
	}
	return &element{}
}

func (e *element) trimmed() string { return strings.TrimSpace(e.text) }

// samlResponse has the parts of a SAML response that STS uses.
type samlResponse struct {
	issuer, subject, subjectType string
	audiences                    []string
	attributes                   map[string][]string

	confirmations       []samlConfirmation
	issued              time.Time
	notBefore           time.Time // zero: not set
	notOnOrAfter        time.Time // zero: not set
	sessionNotOnOrAfter time.Time // zero: not set
}

// samlConfirmation is how the assertion may be presented: by a bearer, until a time, at a recipient.
type samlConfirmation struct {
	recipient    string
	notOnOrAfter time.Time
}

// parseSAML reads a Response, or an Assertion alone. It verifies nothing.
func parseSAML(document []byte) (samlResponse, error) {
	root, err := parseXML(document)
	if err != nil {
		return samlResponse{}, err
	}
	assertion := root
	if root.is(samlProtocol, "Response") {
		var assertions []*element
		for _, c := range root.children {
			switch {
			case c.is(samlAssertion, "EncryptedAssertion"):
				return samlResponse{}, errors.New("the assertion is encrypted")
			case c.is(samlAssertion, "Assertion"):
				assertions = append(assertions, c)
			case c.is(samlProtocol, "Status"):
				for _, code := range c.children {
					if code.is(samlProtocol, "StatusCode") && code.attrs["Value"] != samlSuccess {
						return samlResponse{}, errors.New("the status of the response is not success")
					}
				}
			}
		}
		if len(assertions) != 1 {
			return samlResponse{}, fmt.Errorf("the response has %d assertions instead of one", len(assertions))
		}
		assertion = assertions[0]
	}
	if !assertion.is(samlAssertion, "Assertion") {
		return samlResponse{}, errors.New("the root element is neither a Response nor an Assertion of SAML 2.0")
	}
	return readAssertion(assertion)
}

func readAssertion(e *element) (samlResponse, error) {
	nameID := e.first("Subject", "NameID")
	r := samlResponse{
		issuer:      e.first("Issuer").trimmed(),
		subject:     nameID.trimmed(),
		subjectType: nameID.attrs["Format"],
		attributes:  map[string][]string{},
	}
	var times samlTimes
	r.issued = times.read(e, "IssueInstant")
	for _, c := range e.all("Subject", "SubjectConfirmation") {
		if c.attrs["Method"] == samlBearer {
			data := c.first("SubjectConfirmationData")
			r.confirmations = append(r.confirmations, samlConfirmation{data.attrs["Recipient"], times.read(data, "NotOnOrAfter")})
		}
	}
	conditions := e.first("Conditions")
	r.notBefore = times.read(conditions, "NotBefore")
	r.notOnOrAfter = times.read(conditions, "NotOnOrAfter")
	for _, a := range conditions.all("AudienceRestriction", "Audience") {
		r.audiences = append(r.audiences, a.trimmed())
	}
	for _, s := range e.all("AuthnStatement") {
		r.sessionNotOnOrAfter = earlier(r.sessionNotOnOrAfter, times.read(s, "SessionNotOnOrAfter"))
	}
	for _, a := range e.all("AttributeStatement", "Attribute") {
		for _, v := range a.all("AttributeValue") {
			r.attributes[a.attrs["Name"]] = append(r.attributes[a.attrs["Name"]], v.trimmed())
		}
	}
	if times.err != nil {
		return samlResponse{}, times.err
	}
	return r, nil
}

// samlTimes reads times and records the first error.
type samlTimes struct{ err error }

func (t *samlTimes) read(e *element, attr string) time.Time {
	value, ok := e.attrs[attr]
	if !ok {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, value)
	if err != nil && t.err == nil {
		t.err = fmt.Errorf("%s is not a time", attr)
	}
	return at
}

// earlier returns the earlier of two times, ignoring zero times.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
