// Package samlverify checks the XML signature of SAML responses for a
// ststest.Server, with the keys of a real identity provider. It is a separate
// module, because it requires an XML signature library.
//
//	idp := &samlverify.Verifier{Certificates: []*x509.Certificate{cert}}
//	srv := ststest.NewTest(t)
//	srv.VerifyAssertion = idp.Verify
//
// It is for tests, and does not support everything that STS accepts, such as encrypted assertions.
package samlverify

import (
	"bytes"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"

	"github.com/stschain-go/stschain"
)

// Verifier verifies with the certificates of an identity provider. It is safe for
// concurrent use.
type Verifier struct {
	Certificates []*x509.Certificate // required: of the allowed signing keys; KeyInfo selects one
	Clock        stschain.Clock      // nil: the system clock. A certificate must be valid now
}

const (
	protocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	assertion = "urn:oasis:names:tc:SAML:2.0:assertion"
)

// Bounds of a response.
const (
	maxBytes    = 1 << 20
	maxElements = 5000
	maxDepth    = 30
)

// Verify returns the part of a SAML response that is signed: the Response if it
// carries a signature, else its Assertion. It is the digested content, parsed
// and serialized again, so that nothing injected around or into the signed part
// reaches the reader (signature wrapping).
//
// The response must contain exactly one Assertion, no encrypted one, no duplicate ID and no document type declaration.
func (v *Verifier) Verify(response []byte) ([]byte, error) {
	signed, err := v.verify(response)
	if err != nil {
		return nil, fmt.Errorf("samlverify: %w", err)
	}
	return signed, nil
}

func (v *Verifier) verify(response []byte) ([]byte, error) {
	if len(v.Certificates) == 0 {
		return nil, errors.New("Verifier.Certificates is empty")
	}
	if err := checkShape(response); err != nil {
		return nil, err
	}
	document := etree.NewDocument()
	if err := document.ReadFromBytes(response); err != nil {
		return nil, fmt.Errorf("the response is not XML: %w", err)
	}
	signed, err := signedPart(document.Root())
	if err != nil {
		return nil, err
	}
	context := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: v.Certificates})
	now := time.Now()
	if v.Clock != nil {
		now = v.Clock.Now()
	}
	context.Clock = dsig.NewFakeClockAt(now)
	valid, err := context.Validate(signed)
	if err != nil {
		return nil, fmt.Errorf("the signature of the %s is not valid: %w", signed.Tag, err)
	}
	out := etree.NewDocument()
	out.SetRoot(valid)
	return out.WriteToBytes()
}

// signedPart returns the element that carries the signature to check, with the
// namespaces that it uses.
func signedPart(root *etree.Element) (*etree.Element, error) {
	if root == nil || root.NamespaceURI() != protocol || root.Tag != "Response" {
		return nil, errors.New("the root element is not a Response of SAML 2.0")
	}
	if carriesSignature(root) {
		return root, nil
	}
	for _, child := range root.ChildElements() {
		if child.NamespaceURI() != assertion || child.Tag != "Assertion" || !carriesSignature(child) {
			continue
		}
		context, err := etreeutils.NSBuildParentContext(child)
		if err != nil {
			return nil, err
		}
		return etreeutils.NSDetatch(context, child)
	}
	return nil, errors.New("neither the Response nor its Assertion is signed")
}

func carriesSignature(e *etree.Element) bool {
	for _, child := range e.ChildElements() {
		if child.NamespaceURI() == dsig.Namespace && child.Tag == dsig.SignatureTag {
			return true
		}
	}
	return false
}

// checkShape refuses documents that readers could interpret differently.
func checkShape(response []byte) error {
	if len(response) > maxBytes {
		return fmt.Errorf("the response is longer than %d bytes", maxBytes)
	}
	d := xml.NewDecoder(bytes.NewReader(response))
	ids := map[string]bool{}
	elements, depth, assertions := 0, 0, 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("the response is not XML: %w", err)
		}
		switch token := token.(type) {
		case xml.Directive:
			return errors.New("the response has a document type declaration")
		case xml.ProcInst:
			if token.Target != "xml" {
				return errors.New("the response has a processing instruction")
			}
		case xml.StartElement:
			elements, depth = elements+1, depth+1
			if elements > maxElements || depth > maxDepth {
				return fmt.Errorf("the response has more than %d elements, or more than %d levels", maxElements, maxDepth)
			}
			switch token.Name {
			case xml.Name{Space: assertion, Local: "Assertion"}:
				assertions++
			case xml.Name{Space: assertion, Local: "EncryptedAssertion"}:
				return errors.New("the assertion is encrypted")
			}
			for _, a := range token.Attr {
				if a.Name.Space != "" || a.Name.Local != "ID" {
					continue
				}
				if ids[a.Value] {
					return errors.New("the response has a duplicate ID")
				}
				ids[a.Value] = true
			}
		case xml.EndElement:
			depth--
		}
	}
	if assertions != 1 {
		return fmt.Errorf("the response contains %d assertions instead of one", assertions)
	}
	return nil
}
