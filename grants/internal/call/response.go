package call

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/wire"
)

// Result is the content of a response.
type Result struct {
	Credentials stschain.Credentials // without AccountID and Origin
	Header      http.Header

	MatchedGrantTarget             string // of GetDataAccess
	GranteeType, GranteeIdentifier string
}

// fault is an error document of S3.
type fault struct{ code, message string }

func (f *fault) Error() string { return f.code }

// unexpectedRoot is the error of a document with this root element.
type unexpectedRoot string

func (r unexpectedRoot) Error() string {
	return "unexpected response, with the root element " + redact.OneLine(string(r), 64)
}

// document is a response, whatever its namespace: servers disagree on those. What may occur once is a list, to see it twice.
type document struct {
	XMLName     xml.Name
	Credentials []struct {
		AccessKeyId, SecretAccessKey, SessionToken, Expiration []string
	}
	MatchedGrantTarget []string
	Grantee            []struct{ GranteeType, GranteeIdentifier []string }

	Code, Message []string         // of S3
	Error         []faultOfControl // of S3 Control
}

type faultOfControl struct{ Code, Message []string }

// roots are the names of a document with credentials. The API reference has one that S3 does not send.
var roots = map[string]bool{"CreateSessionResult": true, "CreateSessionOutput": true, "GetDataAccessResult": true}

// Parse returns the credentials in a response, or the error in it. Its errors quote nothing of the response, which may contain secrets.
func Parse(body []byte) (Result, error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	var doc document
	if err := d.Decode(&doc); err != nil {
		return Result{}, errors.New("unexpected response, not an XML document of S3")
	}
	if err := end(d); err != nil {
		return Result{}, err
	}
	switch root := doc.XMLName.Local; {
	case root == "Error" && len(doc.Code) == 1:
		return Result{}, &fault{doc.Code[0], first(doc.Message)}
	case root == "ErrorResponse" && len(doc.Error) == 1 && len(doc.Error[0].Code) == 1:
		return Result{}, &fault{doc.Error[0].Code[0], first(doc.Error[0].Message)}
	case !roots[root]:
		return Result{}, unexpectedRoot(root)
	case len(doc.Credentials) != 1:
		return Result{}, fmt.Errorf("response has %d elements Credentials instead of 1", len(doc.Credentials))
	}
	return doc.result()
}

// end checks that nothing follows the document.
func end(d *xml.Decoder) error {
	for {
		switch token, err := d.Token(); t := token.(type) {
		case nil:
			if err == io.EOF {
				return nil
			}
			return errors.New("unexpected response, XML that is malformed at its end")
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return errors.New("unexpected response, text after the XML document")
			}
		case xml.StartElement, xml.Directive:
			return errors.New("unexpected response, more than one XML document")
		}
	}
}

func (d *document) result() (Result, error) {
	keys := d.Credentials[0]
	for _, field := range []struct {
		name   string
		values []string
	}{
		{"AccessKeyId", keys.AccessKeyId}, {"SecretAccessKey", keys.SecretAccessKey}, {"SessionToken", keys.SessionToken}, {"Expiration", keys.Expiration},
	} {
		switch {
		case len(field.values) != 1 || field.values[0] == "":
			return Result{}, fmt.Errorf("response does not have exactly one %s", field.name)
		case field.name != "Expiration" && !redact.Visible(field.values[0]):
			return Result{}, fmt.Errorf("%s of the response has characters that no header can carry", field.name)
		}
	}
	expires, ok := wire.ParseTime(keys.Expiration[0])
	if !ok {
		return Result{}, errors.New("Expiration of the response is not a valid time")
	}
	r := Result{
		Credentials: stschain.Credentials{
			AccessKeyID:     keys.AccessKeyId[0],
			SecretAccessKey: stschain.NewSecret(keys.SecretAccessKey[0]),
			SessionToken:    stschain.NewSecret(keys.SessionToken[0]),
			Expires:         expires.Round(0).In(time.UTC),
		},
		MatchedGrantTarget: first(d.MatchedGrantTarget),
	}
	if len(d.Grantee) > 0 {
		r.GranteeType, r.GranteeIdentifier = first(d.Grantee[0].GranteeType), first(d.Grantee[0].GranteeIdentifier)
	}
	return r, nil
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
