package saml

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/stschain-go/stschain"
)

// Bounds on a response. The length in base64 is STS's.
const (
	maxResponse = 100_000
	maxElements = 5_000
	maxDepth    = 32
)

// The namespaces of SAML 2.0, and what AWS calls its attributes.
const (
	samlp = "urn:oasis:names:tc:SAML:2.0:protocol"
	saml2 = "urn:oasis:names:tc:SAML:2.0:assertion"

	roleAttribute     = "https://aws.amazon.com/SAML/Attributes/Role"
	nameAttribute     = "https://aws.amazon.com/SAML/Attributes/RoleSessionName"
	durationAttribute = "https://aws.amazon.com/SAML/Attributes/SessionDuration"
)

// read decodes a response and parses it. It returns the response as STS takes it:
// base64 on one line.
func read(given string) (response stschain.Secret, a *assertion, err error) {
	document, err := decode(given)
	if err != nil {
		return stschain.Secret{}, nil, fmt.Errorf("the SAML assertion %w", err)
	}
	if a, err = parse(document); err != nil {
		return stschain.Secret{}, nil, fmt.Errorf("the SAML assertion %w", err)
	}
	return stschain.NewSecret(base64.StdEncoding.EncodeToString(document)), a, nil
}

// decode takes the document out of base64, or out of the form that a browser posts.
func decode(given string) ([]byte, error) {
	if len(given) > 4*maxResponse { // escaped, or on many lines
		return nil, tooLong(len(given))
	}
	text := strings.TrimSpace(given)
	for field := range strings.SplitSeq(text, "&") {
		if value, ok := strings.CutPrefix(field, "SAMLResponse="); ok {
			text = value
		}
	}
	if strings.Contains(text, "%") { // then a "+" is a space
		var err error
		if text, err = url.QueryUnescape(text); err != nil {
			return nil, errors.New("is no form value")
		}
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text)
	switch {
	case text == "":
		return nil, errors.New("is empty")
	case len(text) > maxResponse:
		return nil, tooLong(len(text))
	case text[0] == '<':
		return nil, errors.New("is XML: it has to be in base64, as the identity provider posts it")
	}
	document, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return nil, errors.New("is not base64")
	}
	return document, nil
}

func tooLong(n int) error {
	return fmt.Errorf("has %d characters, and STS takes at most %d", n, maxResponse)
}

// parse reads a response: the times and the attributes of its assertion, where SAML
// has them. What lies elsewhere, such as in a signature or in an extension, means
// nothing.
func parse(document []byte) (*assertion, error) {
	p := parser{d: xml.NewDecoder(bytes.NewReader(document)), a: &assertion{}}
	if err := p.document(); err != nil {
		return nil, err
	}
	switch {
	case p.assertions == 0 && !p.a.encrypted:
		return nil, errors.New("is a SAML response without an assertion: the identity provider refused")
	case p.assertions > 1 || p.assertions == 1 && p.a.encrypted:
		return nil, errors.New("is a SAML response with more than one assertion")
	}
	p.finish()
	return p.a, nil
}

type parser struct {
	d          *xml.Decoder
	a          *assertion
	path       []xml.Name
	elements   int
	assertions int

	attribute string    // the name of the attribute that is read
	value     []byte    // the text of its value so far; nil: none is read
	confirmed time.Time // the latest end of a way to confirm the subject: one of them is enough
	always    bool      // one of those has no end

	sessionName string
	duration    time.Duration
}

// document reads all of it.
func (p *parser) document() error {
	for {
		t, err := p.d.Token()
		if err == io.EOF && p.elements > 0 {
			return nil
		}
		if err != nil {
			return p.syntax()
		}
		switch t := t.(type) {
		case xml.StartElement:
			err = p.start(t)
		case xml.EndElement:
			err = p.end()
		case xml.CharData:
			if len(p.path) == 0 && len(bytes.TrimSpace(t)) > 0 {
				return p.syntax()
			}
			if p.value != nil {
				p.value = append(p.value, t...)
			}
		case xml.Directive:
			return errors.New("is XML with a DTD, which SAML forbids")
		case xml.ProcInst:
			if t.Target != "xml" || p.elements > 0 {
				return errors.New("is XML with processing instructions, which SAML has no use for")
			}
		}
		if err != nil {
			return err
		}
	}
}

// syntax reports where the document is malformed. The decoder's own errors are left
// out: they quote the document.
func (p *parser) syntax() error {
	if p.elements == 0 {
		return errors.New("is base64, but not of XML in UTF-8")
	}
	line, column := p.d.InputPos()
	return fmt.Errorf("is malformed XML at line %d, column %d", line, column)
}

func (p *parser) start(t xml.StartElement) error {
	if p.elements++; p.elements > maxElements || len(p.path) == maxDepth {
		return fmt.Errorf("is XML of more than %d elements or %d levels", maxElements, maxDepth)
	}
	switch {
	case len(p.path) > 0:
	case p.elements > 1:
		return errors.New("is XML with two roots")
	case t.Name != xml.Name{Space: samlp, Local: "Response"}:
		return errors.New("is no SAML 2.0 response: STS takes the whole response, with the assertion in it")
	}
	if p.value != nil {
		if isOurs(p.attribute) {
			return fmt.Errorf("has XML instead of text in the attribute %s", p.attribute)
		}
		p.value = nil
	}
	if err := unique(t.Attr); err != nil {
		return err
	}
	p.path = append(p.path, t.Name)
	switch {
	case p.at("Assertion"):
		p.assertions++
	case p.at("EncryptedAssertion"):
		p.a.encrypted = true
	case p.at("Assertion", "AttributeStatement", "Attribute"):
		p.attribute = attr(t, "Name")
	case p.at("Assertion", "AttributeStatement", "Attribute", "AttributeValue"):
		p.value = []byte{}
	case p.at("Assertion", "Conditions"):
		return earliest(&p.a.notOnOrAfter, t, "NotOnOrAfter")
	case p.at("Assertion", "AuthnStatement"):
		return earliest(&p.a.sessionNotOnOrAfter, t, "SessionNotOnOrAfter")
	case p.at("Assertion", "Subject", "SubjectConfirmation", "SubjectConfirmationData"):
		return p.confirm(t)
	}
	return nil
}

func (p *parser) end() error {
	if p.value != nil && p.at("Assertion", "AttributeStatement", "Attribute", "AttributeValue") {
		value := strings.TrimSpace(string(p.value))
		p.value = nil
		if err := p.keep(value); err != nil {
			return err
		}
	}
	p.path = p.path[:len(p.path)-1]
	return nil
}

// at reports whether the element that is read is this one of a response. All but
// the response itself are of the namespace of assertions.
func (p *parser) at(locals ...string) bool {
	if len(p.path) != 1+len(locals) {
		return false
	}
	for i, local := range locals {
		if p.path[1+i] != (xml.Name{Space: saml2, Local: local}) {
			return false
		}
	}
	return true
}

// keep takes a value of an attribute.
func (p *parser) keep(value string) error {
	switch p.attribute {
	case roleAttribute:
		r, ok := parsePair(value)
		switch {
		case !ok:
			p.a.badRoles++
		case !p.a.has(r):
			p.a.roles = append(p.a.roles, r)
		}
	case nameAttribute:
		p.sessionName = value
	case durationAttribute:
		seconds, err := strconv.Atoi(value)
		if err != nil || seconds < 0 || seconds > 365*24*60*60 {
			return fmt.Errorf("has the attribute %s, which is no number of seconds", durationAttribute)
		}
		p.duration = time.Duration(seconds) * time.Second
	}
	return nil
}

func isOurs(attribute string) bool {
	return attribute == roleAttribute || attribute == nameAttribute || attribute == durationAttribute
}

// has reports whether a role is listed already.
func (a *assertion) has(r Role) bool {
	for _, o := range a.roles {
		if o.RoleARN == r.RoleARN && o.ProviderARN == r.ProviderARN {
			return true
		}
	}
	return false
}

// confirm reads until when a way to confirm the subject is good.
func (p *parser) confirm(t xml.StartElement) error {
	var end time.Time
	if err := earliest(&end, t, "NotOnOrAfter"); err != nil {
		return err
	}
	if end.IsZero() {
		p.always = true
	} else if end.After(p.confirmed) {
		p.confirmed = end
	}
	return nil
}

// finish puts together what the whole document said.
func (p *parser) finish() {
	if end := p.confirmed; !p.always && !end.IsZero() && (p.a.notOnOrAfter.IsZero() || end.Before(p.a.notOnOrAfter)) {
		p.a.notOnOrAfter = end
	}
	for i := range p.a.roles {
		r := &p.a.roles[i]
		r.SessionName, r.SessionDuration = p.sessionName, p.duration
		r.NotOnOrAfter, r.SessionNotOnOrAfter = p.a.notOnOrAfter, p.a.sessionNotOnOrAfter
	}
}

// earliest takes an instant from an XML attribute, if it is there and earlier.
func earliest(to *time.Time, t xml.StartElement, name string) error {
	text := attr(t, name)
	if text == "" {
		return nil
	}
	at, err := parseTime(text)
	if err != nil {
		return fmt.Errorf("has a %s of %s that is no time", name, t.Name.Local)
	}
	if to.IsZero() || at.Before(*to) {
		*to = at
	}
	return nil
}

// attr is the value of an XML attribute without a namespace.
func attr(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if a.Name == (xml.Name{Local: name}) {
			return a.Value
		}
	}
	return ""
}

// unique refuses an XML attribute that is there twice, which the decoder lets
// through.
func unique(attrs []xml.Attr) error {
	seen := make(map[xml.Name]bool, len(attrs))
	for _, a := range attrs {
		if seen[a.Name] {
			return errors.New("is XML with an attribute that is there twice")
		}
		seen[a.Name] = true
	}
	return nil
}
