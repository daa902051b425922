package ststest

import (
	"crypto/rand"
	"encoding/xml"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/stschain-go/stschain"
)

const namespace = "https://sts.amazonaws.com/doc/2011-06-15/"

// response is a complete HTTP response.
type response struct {
	status int
	code   string // of the STS error in it, if it is one
	header http.Header
	body   string
}

// refusal is the reason for an error response.
type refusal struct {
	why          denial // if the signature is refused; status and code then depend on it
	status       int
	code         string
	message      string
	detail       string // for the report of a test only
	callersFault bool   // no correct client sends this
}

func (r *refusal) because(detail string) *refusal {
	r.detail = detail
	return r
}

// malformed refuses what no correct client sends.
func malformed(code, message string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: code, message: message, callersFault: true}
}

// forbidden refuses an operation that the caller may not call.
func forbidden(message string) *refusal {
	return &refusal{status: http.StatusForbidden, code: "AccessDenied", message: message}
}

// badIdentity refuses a web identity token or a SAML response.
func badIdentity(message string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: "InvalidIdentityToken", message: message}
}

// expiredIdentity refuses one that has expired.
func expiredIdentity(message string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: "ExpiredTokenException", message: message}
}

// denials are the codes for each denial: of STS, and of S3.
var denials = map[denial]struct {
	stsStatus int
	sts       string
	s3Status  int
	s3        string
}{
	unsigned:       {403, "MissingAuthenticationToken", 403, "AccessDenied"},
	incomplete:     {400, "IncompleteSignature", 400, "AuthorizationHeaderMalformed"},
	wrongScope:     {403, "SignatureDoesNotMatch", 400, "AuthorizationHeaderMalformed"},
	wrongDate:      {403, "SignatureDoesNotMatch", 403, "RequestTimeTooSkewed"},
	urlExpired:     {403, "SignatureDoesNotMatch", 403, "AccessDenied"},
	unknownKey:     {403, "InvalidClientTokenId", 403, "InvalidAccessKeyId"},
	badToken:       {403, "InvalidClientTokenId", 400, "InvalidToken"},
	expiredToken:   {403, "ExpiredToken", 400, "ExpiredToken"},
	wrongHeaders:   {403, "SignatureDoesNotMatch", 403, "AccessDenied"},
	wrongPayload:   {403, "SignatureDoesNotMatch", 400, "XAmzContentSHA256Mismatch"},
	wrongSignature: {403, "SignatureDoesNotMatch", 403, "SignatureDoesNotMatch"},
}

// inSTS fills in the error of STS for a denial.
func (r *refusal) inSTS() *refusal {
	if r.code == "" {
		r.status, r.code = denials[r.why].stsStatus, denials[r.why].sts
	}
	return r
}

// inS3 fills in the error of S3 for a denial.
func (r *refusal) inS3() *refusal {
	if r.code == "" {
		r.status, r.code = denials[r.why].s3Status, denials[r.why].s3
	}
	return r
}

type responseXML struct {
	XMLName  xml.Name
	Xmlns    string `xml:"xmlns,attr"`
	Result   any
	Metadata struct{ RequestId string } `xml:"ResponseMetadata"`
}

type errorXML struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Xmlns     string   `xml:"xmlns,attr"`
	Error     struct{ Type, Code, Message string }
	RequestId string
}

// s3ErrorXML is the root element of S3's errors.
type s3ErrorXML struct {
	XMLName                  xml.Name `xml:"Error"`
	Code, Message, RequestId string
}

type credentialsXML struct {
	AccessKeyId, SecretAccessKey, SessionToken, Expiration string
}

func showCredentials(c stschain.Credentials) *credentialsXML {
	return &credentialsXML{
		AccessKeyId:     c.AccessKeyID,
		SecretAccessKey: c.SecretAccessKey.Reveal(),
		SessionToken:    c.SessionToken.Reveal(),
		Expiration:      c.Expires.UTC().Format("2006-01-02T15:04:05.999Z"), // a fraction only with Lifetime
	}
}

// resultResponse is the response of an operation that succeeded.
func resultResponse(operation string, result any) *response {
	id := requestID()
	v := responseXML{XMLName: xml.Name{Local: operation + "Response"}, Xmlns: namespace, Result: result}
	v.Metadata.RequestId = id
	return xmlResponse(http.StatusOK, "", id, v)
}

// errorResponse is an STS error.
func errorResponse(r *refusal) *response {
	id := requestID()
	v := errorXML{Xmlns: namespace, RequestId: id}
	if r.code == "InvalidAction" {
		v.Xmlns = "http://webservices.amazon.com/AWSFault/2005-15-09"
	}
	v.Error.Type = "Sender"
	if r.status >= 500 {
		v.Error.Type = "Receiver"
	}
	v.Error.Code, v.Error.Message = r.code, r.message
	return xmlResponse(r.status, r.code, id, v)
}

// s3Response is the error of S3, and of the services behind Protect.
func s3Response(r *refusal) *response {
	id := requestID()
	return xmlResponse(r.status, r.code, id, s3ErrorXML{Code: r.code, Message: r.message, RequestId: id})
}

func xmlResponse(status int, code, id string, v any) *response {
	body, err := xml.MarshalIndent(v, "", "  ")
	if err != nil { // impossible with the types above
		status, code, body = http.StatusInternalServerError, "InternalFailure", nil
	}
	return &response{
		status: status,
		code:   code,
		header: http.Header{"Content-Type": {"text/xml"}, "X-Amzn-Requestid": {id}},
		body:   string(body) + "\n",
	}
}

func requestID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // a random UUID
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// head writes the response without its body.
func (a *response) head(w http.ResponseWriter, now time.Time) {
	h := w.Header()
	for key, values := range a.header {
		h[key] = values
	}
	if h.Get("Date") == "" {
		h.Set("Date", now.UTC().Format(http.TimeFormat))
	}
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
}
