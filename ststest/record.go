package ststest

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/stschain-go/stschain"
)

// Call is a request to the server and its result.
type Call struct {
	Time        time.Time       // on the server's clock
	Method      string          // "POST"
	Operation   string          // "AssumeRole"; as in the request, so it may not be one of STS
	Form        url.Values      // the parameters, without those of the signature; secret tokens are "[redacted]"
	Token       stschain.Secret // the WebIdentityToken, SAMLAssertion, TradeInToken, Session, SigninToken or subject_token
	Header      http.Header     // without Authorization, X-Amz-Security-Token and the token of IAM Identity Center
	Host        string
	Presigned   bool   // signed in the query
	Caller      string // the ARN; "" if the signature was not accepted or not checked
	AccessKeyID string // the access key ID in the signature
	Region      string // the region in the signature; of SigV4a the region set, "us-east-1,eu-*"

	Fault  string // the fault that affected the call; "": none
	Status int    // of the response; 0: not yet, or the connection broke
	Code   string // the STS error code of the response; "": none
}

// maxCalls is how many calls are recorded; the counts include dropped ones.
const maxCalls = 10_000

// Calls returns the calls so far in the order of their arrival, including those in flight. It has the latest 10,000.
func (s *Server) Calls() []Call {
	s.lock()
	defer s.mu.Unlock()
	calls := make([]Call, len(s.calls))
	for i, c := range s.calls {
		calls[i] = c.clone()
	}
	return calls
}

// Count returns the number of calls of an operation, or of all operations if operation is "", including refused ones.
func (s *Server) Count(operation string) int {
	s.lock()
	defer s.mu.Unlock()
	if operation == "" {
		return s.total
	}
	return s.counts[operation]
}

// isOperation reports whether a Server has an operation of this name.
func isOperation(name string) bool {
	switch name {
	case createSession, getDataAccess, iotOperation:
		return true
	}
	_, known := operations[name]
	_, ofCenter := centerMembers[name]
	return known || ofCenter || signInActions[name] != nil || tokenOperations[name].grant != ""
}

// arrived records a call and calls OnCall.
func (s *Server) arrived(c *Call) {
	s.lock()
	if len(s.calls) == maxCalls {
		s.calls = slices.Delete(s.calls, 0, maxCalls/10)
	}
	s.calls = append(s.calls, c)
	s.total++
	if isOperation(c.Operation) {
		s.counts[c.Operation]++ // others would make the map grow without bound
	}
	copied := c.clone()
	s.mu.Unlock()
	if s.OnCall != nil {
		s.OnCall(copied)
	}
}

// responded completes the record of a call.
func (s *Server) responded(c *Call, status int, code string) {
	s.lock()
	defer s.mu.Unlock()
	c.Status, c.Code = status, code
}

func (c *Call) clone() Call {
	d := *c
	d.Form = url.Values(http.Header(c.Form).Clone())
	d.Header = c.Header.Clone()
	return d
}
