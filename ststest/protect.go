package ststest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Caller is the identity that signed a request.
type Caller struct {
	ARN         string // "arn:aws:sts::123456789012:assumed-role/backup/session"
	UserID      string
	AccountID   string
	AccessKeyID string
	Expires     time.Time // of the credentials; zero: never
	Region      string    // that the signature was made for; of SigV4a the region set, "us-east-1,eu-*"
	Presigned   bool      // signed in the query

	MFA               bool              // an MFA device was used for the session, which is one of GetSessionToken
	Grant             string            // what credentials of GetDataAccess are for: "READ s3://bucket/prefix/*"
	SourceIdentity    string            // of the session
	Tags              map[string]string // of the session, inherited ones among them
	TransitiveTagKeys []string          // of the tags that the next role of a chain inherits
}

// Caller returns the identity and the session of an access key, even if it has expired.
func (s *Server) Caller(accessKeyID string) (Caller, bool) {
	id, ok := s.lookup(accessKeyID)
	if !ok {
		return Caller{}, false
	}
	return id.caller(), true
}

// CallerFrom returns the caller of the request with this context, in a handler
// behind [Server.Protect].
func CallerFrom(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	return c, ok
}

type callerKey struct{}

// iotGateway is the signing name of the WebSocket endpoint of AWS IoT.
const iotGateway = "iotdevicegateway"

// maxPayload bounds the body of a request to a service behind Protect.
const maxPayload = 64 << 20

// Protect returns a handler that passes a request to next only if a known
// caller signed it for this service ("s3", "execute-api") and region; "" is any
// region. Others get an error: for "s3", "s3-object-lambda" and "s3-outposts"
// with the codes of S3, whose rules for escaping and for x-amz-content-sha256
// then apply; for other services with those of STS, in S3's XML. An expired or
// revoked session token is ExpiredToken, with status 400 from S3, as in AWS,
// and 403 from others. "iam" refuses the credentials that IAM refuses: those of
// GetFederationToken, and those of GetSessionToken without MFA. "iotdevicegateway" is the
// WebSocket endpoint of AWS IoT: a presigned GET of /mqtt with the subprotocol mqtt, whose
// session token is not signed. Other requests are refused with status 403, as AWS does.
//
// A signature may be one of SigV4a if region is in its region set. Services that AWS does not document it for refuse it
// with IncompleteSignature: all except cloudfront-keyvaluestore, events, execute-api, partnercentral-channel, s3,
// s3-outposts, ses, sts, sustainability and vpc-lattice-svcs.
//
// The body is compared with the signature before next reads it; it may be 64 MiB
// long. UNSIGNED-PAYLOAD is accepted. For the services of S3 a chunked body is
// NotImplemented (501), and one without a Content-Length MissingContentLength
// (411). Faults do not affect these requests, and they are not among Calls.
// Requests that no correct client sends are reported as for STS.
//
// A nil next returns the caller's ARN.
func (s *Server) Protect(service, region string, next http.Handler) http.Handler {
	if service == "" {
		s.mistake(errors.New("Protect: service is empty"))
	}
	if next == nil {
		next = http.HandlerFunc(showCaller)
	}
	s3 := service == "s3" || service == "s3-object-lambda" || service == "s3-outposts"
	return protected{s, rules{
		service: service, region: region, s3: s3, unsignedPayload: true,
		unsignedToken: service == iotGateway, oneRegion: !verifiesSigV4a(service),
	}, next}
}

func showCaller(w http.ResponseWriter, r *http.Request) {
	c, _ := CallerFrom(r.Context())
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, c.ARN)
}

type protected struct {
	server *Server
	rule   rules
	next   http.Handler
}

func (p protected) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r, leave := p.server.enter(r)
	defer leave()

	caller, body, no := p.admit(r)
	if no != nil {
		if p.rule.s3 {
			no.inS3()
		}
		no.inSTS()
		p.server.complain(p.rule.service+" "+r.Method+" "+r.URL.Path, no)
		a := s3Response(no)
		a.head(w, p.server.now())
		if r.Method != http.MethodHead {
			io.WriteString(w, a.body)
		}
		return
	}
	r = r.WithContext(context.WithValue(r.Context(), callerKey{}, caller))
	r.Body = io.NopCloser(bytes.NewReader(body))
	p.next.ServeHTTP(w, r)
}

// admit decides whether a request may pass, and returns its caller and its body.
func (p protected) admit(r *http.Request) (Caller, []byte, *refusal) {
	if err := p.server.mistaken(); err != nil {
		return Caller{}, nil, &refusal{status: http.StatusInternalServerError, code: "InternalFailure", message: "ststest: " + err.Error()}
	}
	if p.rule.s3 {
		if no := checkFraming(r); no != nil {
			return Caller{}, nil, no
		}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxPayload+1))
	if err != nil {
		return Caller{}, nil, &refusal{status: http.StatusBadRequest, code: "IncompleteBody", message: "The body is incomplete."}
	}
	if len(body) > maxPayload {
		return Caller{}, nil, malformed("EntityTooLarge", fmt.Sprintf("The body is longer than %d bytes.", maxPayload))
	}
	path, rawQuery := target(r)
	query, err := parseQuery(rawQuery)
	if p.rule.service == iotGateway && (path != "/mqtt" || r.Method != http.MethodGet || r.Header.Get("Sec-Websocket-Protocol") != "mqtt") {
		return Caller{}, nil, &refusal{status: http.StatusForbidden, code: "Forbidden", message: "It is not a GET of /mqtt with the subprotocol mqtt.", callersFault: true}
	}
	if err != nil {
		return Caller{}, nil, malformed("InvalidURI", "The query string cannot be decoded: "+err.Error())
	}
	id, c, no := p.server.authenticate(r, query, body, p.rule, p.server.now())
	if no != nil {
		return Caller{}, nil, no
	}
	if rule := p.rule; rule.service == "iam" && (id.kind == ofFederation || id.kind == ofSession && !id.mfa) {
		return Caller{}, nil, forbidden("User: " + id.arn + " cannot call IAM with credentials of " + id.kind.String())
	}
	caller := id.caller()
	caller.Region, caller.Presigned = c.region, c.presigned
	return caller, body, nil
}

// checkFraming refuses bodies without a length in the header, as S3 does. Its
// own chunks, aws-chunked, are a Content-Encoding and have a Content-Length.
func checkFraming(r *http.Request) *refusal {
	no := &refusal{callersFault: true}
	switch {
	case len(r.TransferEncoding) > 0:
		no.status, no.code = http.StatusNotImplemented, "NotImplemented"
		no.message = "A header you provided implies functionality that is not implemented"
	case r.ContentLength < 0, r.Method == http.MethodPut && r.Header.Get("Content-Length") == "":
		no.status, no.code = http.StatusLengthRequired, "MissingContentLength"
		no.message = "You must provide the Content-Length HTTP header."
	default:
		return nil
	}
	return no
}
