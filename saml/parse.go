package saml

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
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

// The attributes that AWS defines.
const (
	roleAttribute     = "https://aws.amazon.com/SAML/Attributes/Role"
	nameAttribute     = "https://aws.amazon.com/SAML/Attributes/RoleSessionName"
	durationAttribute = "https://aws.amazon.com/SAML/Attributes/SessionDuration"
)

// response has the parts of a SAML 2.0 response that STS uses, at the paths
// that SAML defines. The same elements elsewhere, such as in a signature or an
// extension, are ignored.
type response struct {
	Assertions []struct {
		Confirmations []element `xml:"urn:oasis:names:tc:SAML:2.0:assertion Subject>SubjectConfirmation>SubjectConfirmationData"`
		Conditions    []element `xml:"urn:oasis:names:tc:SAML:2.0:assertion Conditions"`
		Sessions      []element `xml:"urn:oasis:names:tc:SAML:2.0:assertion AuthnStatement"`
		Attributes    []struct {
			Attrs  []xml.Attr `xml:",any,attr"`
			Values []element  `xml:"urn:oasis:names:tc:SAML:2.0:assertion AttributeValue"`
		} `xml:"urn:oasis:names:tc:SAML:2.0:assertion AttributeStatement>Attribute"`
	} `xml:"urn:oasis:names:tc:SAML:2.0:assertion Assertion"`
	Encrypted []element `xml:"urn:oasis:names:tc:SAML:2.0:assertion EncryptedAssertion"`
}

type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"` // the complete text, including that after comments
	Children []struct{} `xml:",any"`
}

// read decodes and parses a response. It returns the response in the form that STS accepts: base64 on one
// line.
func read(given string) (encoded stschain.Secret, a *assertion, err error) {
	document, err := decode(given)
	if err == nil {
		a, err = parse(document)
	}
	if err != nil {
		return stschain.Secret{}, nil, fmt.Errorf("the SAML assertion %w", err)
	}
	return stschain.NewSecret(base64.StdEncoding.EncodeToString(document)), a, nil
}

// decode returns the document in base64, or in a form that a browser posts.
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
			return nil, errors.New("is not a valid form value")
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
		return nil, errors.New("is XML: it must be in base64, as the identity provider posts it")
	}
	document, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return nil, errors.New("is not base64")
	}
	return document, nil
}

func tooLong(n int) error {
	return fmt.Errorf("has %d characters, and STS accepts at most %d", n, maxResponse)
}

// parse parses a response.
func parse(document []byte) (*assertion, error) {
	if err := check(document); err != nil {
		return nil, err
	}
	var r response
	if err := xml.Unmarshal(document, &r); err != nil {
		return nil, errors.New("is malformed XML") // err quotes the document
	}
	switch {
	case len(r.Assertions) == 0 && len(r.Encrypted) == 0:
		return nil, errors.New("is a SAML response without an assertion: the identity provider refused")
	case len(r.Assertions) == 0:
		return &assertion{encrypted: true}, nil
	case len(r.Assertions)+len(r.Encrypted) > 1:
		return nil, errors.New("is a SAML response with more than one assertion")
	}
	a, all := &assertion{}, r.Assertions[0]
	for _, attribute := range all.Attributes {
		for _, value := range attribute.Values {
			if err := a.set(attr(attribute.Attrs, "Name"), value); err != nil {
				return nil, err
			}
		}
	}
	ends, err1 := times(all.Conditions, "NotOnOrAfter")
	confirmed, err2 := times(all.Confirmations, "NotOnOrAfter")
	sessions, err3 := times(all.Sessions, "SessionNotOnOrAfter")
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	if len(confirmed) > 0 && !slices.ContainsFunc(confirmed, time.Time.IsZero) {
		ends = append(ends, slices.MaxFunc(confirmed, time.Time.Compare)) // one confirmation is enough
	}
	a.NotOnOrAfter, a.SessionNotOnOrAfter = earliest(ends), earliest(sessions)
	return a, nil
}

// check refuses what encoding/xml accepts but SAML does not, and what exceeds the bounds. The decoder's own errors are
// not used: they quote the document.
func check(document []byte) error {
	d := xml.NewDecoder(bytes.NewReader(document))
	malformed := func() error {
		line, column := d.InputPos()
		return fmt.Errorf("is malformed XML at line %d, column %d", line, column)
	}
	for elements, depth := 0, 0; ; {
		t, err := d.Token()
		text, isText := t.(xml.CharData)
		switch {
		case err == io.EOF && elements > 0:
			return nil
		case err == nil && (!isText || depth > 0 || len(bytes.TrimSpace(text)) == 0):
		case elements == 0:
			return errors.New("is base64, but not of XML in UTF-8")
		default:
			return malformed()
		}
		switch t := t.(type) {
		case xml.StartElement:
			elements++
			depth++
			switch {
			case elements > maxElements || depth > maxDepth:
				return fmt.Errorf("is XML of more than %d elements or %d levels", maxElements, maxDepth)
			case depth == 1 && elements > 1:
				return errors.New("is XML with two roots")
			case depth == 1 && t.Name != xml.Name{Space: "urn:oasis:names:tc:SAML:2.0:protocol", Local: "Response"}:
				return errors.New("is not a SAML 2.0 response: STS requires the complete response, with the assertion in it")
			case repeats(t.Attr):
				return errors.New("is XML with a duplicate attribute")
			}
		case xml.EndElement:
			depth--
		case xml.Directive:
			return errors.New("is XML with a DTD, which SAML forbids")
		case xml.ProcInst:
			if t.Target != "xml" || elements > 0 {
				return errors.New("is XML with processing instructions, which SAML does not use")
			}
		}
	}
}

// repeats reports whether an attribute occurs twice.
func repeats(attrs []xml.Attr) bool {
	seen := make(map[xml.Name]bool, len(attrs))
	for _, a := range attrs {
		seen[a.Name] = true
	}
	return len(seen) < len(attrs)
}

// set stores a value of an attribute.
func (a *assertion) set(attribute string, value element) error {
	text := strings.TrimSpace(value.Text)
	switch attribute {
	case roleAttribute, nameAttribute, durationAttribute:
		if len(value.Children) > 0 {
			return fmt.Errorf("has XML instead of text in the attribute %s", attribute)
		}
	}
	switch attribute {
	case roleAttribute:
		r, ok := parsePair(text)
		switch {
		case !ok:
			a.badRoles++
		case !slices.Contains(a.roles, r):
			a.roles = append(a.roles, r)
		}
	case nameAttribute:
		a.SessionName = text
	case durationAttribute:
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds < 0 || seconds > 365*24*60*60 {
			return fmt.Errorf("has the attribute %s, which is not a number of seconds", durationAttribute)
		}
		a.SessionDuration = time.Duration(seconds) * time.Second
	}
	return nil
}

// attr returns the value of an XML attribute without a namespace.
func attr(attrs []xml.Attr, name string) string {
	for _, a := range attrs {
		if a.Name == (xml.Name{Local: name}) {
			return a.Value
		}
	}
	return ""
}

// times returns the time in an XML attribute of each element, zero if it has none.
func times(elements []element, attribute string) (list []time.Time, err error) {
	for _, e := range elements {
		var at time.Time
		if text := attr(e.Attrs, attribute); text != "" {
			if at, err = parseTime(text); err != nil {
				return nil, fmt.Errorf("has a %s of %s that is not a valid time", attribute, e.XMLName.Local)
			}
		}
		list = append(list, at)
	}
	return list, nil
}

// parseTime parses a time of XML Schema, which SAML requires in UTC.
func parseTime(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	if t, err := time.Parse("2006-01-02T15:04:05", s); err == nil {
		return t, nil
	}
	return time.Parse(time.RFC3339, s)
}

// earliest returns the first time that is not zero.
func earliest(times []time.Time) (first time.Time) {
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
