package ststest

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Fault is a failure that replaces or changes the response to a call. The zero
// Fault does not fail: in a queue, the call succeeds.
//
// Faults that replace the response have no effect: no credentials are issued,
// no MFA code is used up. The others change the response of a call that was executed.
type Fault struct {
	name      string
	operation string        // the only operation that it applies to; "": all
	skew      time.Duration // by how much the server's clock is ahead
	header    http.Header   // added to the response

	expired bool                                                           // issued credentials have expired
	show    func(*credentialsXML) *credentialsXML                          // nil: unchanged
	instead func(operation string) *response                               // nil: the real response. Status 0: no response
	send    func(http.ResponseWriter, *http.Request, *response, time.Time) // nil: sent unchanged
	refusal *refusal                                                       // of Refuse, for services that send errors in a form of their own
}

// String names the fault.
func (f Fault) String() string {
	if f.name == "" {
		return "no fault"
	}
	return f.name
}

// On limits the fault to calls of one operation. It does not affect others.
func (f Fault) On(operation string) Fault {
	f.operation = operation
	return f
}

// With adds a header to the response: x-amz-retry-after, Age.
func (f Fault) With(key, value string) Fault {
	f.header = f.header.Clone()
	if f.header == nil {
		f.header = http.Header{}
	}
	f.header.Add(key, value)
	return f
}

// FailNext queues faults: each affects one call, in this order.
func (s *Server) FailNext(faults ...Fault) {
	s.lock()
	defer s.mu.Unlock()
	s.next = append(s.next, faults...)
}

// FailAll simulates an outage: until Heal, a fault affects every call, except
// calls for which FailNext has one. Of several faults, the first one for the
// call's operation applies. A later FailAll replaces an earlier one.
func (s *Server) FailAll(faults ...Fault) {
	s.lock()
	defer s.mu.Unlock()
	s.always = slices.Clone(faults)
}

// Heal removes the faults of FailNext and FailAll. Calls that hang continue to hang.
func (s *Server) Heal() {
	s.lock()
	defer s.mu.Unlock()
	s.next, s.always = nil, nil
}

// draw takes the fault for a call.
func (s *Server) draw(operation string) Fault {
	s.lock()
	defer s.mu.Unlock()
	applies := func(f Fault) bool { return f.operation == "" || f.operation == operation }
	if i := slices.IndexFunc(s.next, applies); i >= 0 {
		f := s.next[i]
		s.next = slices.Delete(s.next, i, i+1)
		return f
	}
	if i := slices.IndexFunc(s.always, applies); i >= 0 {
		return s.always[i]
	}
	return Fault{}
}

// Throttle returns 400 Throttling, as STS does for too many requests.
func Throttle() Fault {
	f := Refuse(http.StatusBadRequest, "Throttling", "Rate exceeded")
	f.name = "Throttle"
	return f
}

// Refuse returns an STS error, or one of IAM Roles Anywhere, of AWS Sign-In, or of S3, if the call is one of these.
func Refuse(status int, code, message string) Fault {
	return Fault{name: "Refuse " + code, refusal: &refusal{status: status, code: code, message: message}, instead: func(operation string) *response {
		r := &refusal{status: status, code: code, message: message}
		if operation == createSession {
			return sessionRefusal(r)
		}
		if tokenOperations[operation].grant != "" {
			return tokenRefusal(r)
		}
		return errorResponse(r)
	}}
}

// Hang returns no response until the request's context or the server ends.
func Hang() Fault {
	return Fault{name: "Hang", instead: nothing, send: func(_ http.ResponseWriter, r *http.Request, _ *response, _ time.Time) {
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}}
}

// Disconnect closes the connection without a response.
func Disconnect() Fault {
	return Fault{name: "Disconnect", instead: nothing, send: func(http.ResponseWriter, *http.Request, *response, time.Time) {
		panic(http.ErrAbortHandler)
	}}
}

func nothing(string) *response { return &response{} }

// Truncate closes the connection in the middle of the response.
func Truncate() Fault {
	return Fault{name: "Truncate", send: func(w http.ResponseWriter, _ *http.Request, a *response, now time.Time) {
		a.head(w, now)
		io.WriteString(w, a.body[:len(a.body)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}}
}

// Slow sends the response byte by byte, with a pause before each. The pauses are
// in real time, not on the server's clock.
func Slow(pause time.Duration) Fault {
	return Fault{name: "Slow", send: func(w http.ResponseWriter, r *http.Request, a *response, now time.Time) {
		a.head(w, now)
		flusher := http.NewResponseController(w)
		flusher.Flush()
		timer := time.NewTimer(pause)
		defer timer.Stop()
		for i := range len(a.body) {
			select {
			case <-timer.C:
				timer.Reset(pause)
			case <-r.Context().Done():
				panic(http.ErrAbortHandler)
			}
			if _, err := io.WriteString(w, a.body[i:i+1]); err != nil {
				return
			}
			flusher.Flush()
		}
	}}
}

// Skew sets the server's clock ahead, or back if d is negative: for the date of
// signatures, the Date header and the expiry of what is issued.
func Skew(d time.Duration) Fault { return Fault{name: fmt.Sprintf("Skew %v", d), skew: d} }

// ExpiredOnArrival issues credentials that expired a second ago.
func ExpiredOnArrival() Fault { return Fault{name: "ExpiredOnArrival", expired: true} }

// NoCredentials returns 200 without a Credentials element, where one is expected.
func NoCredentials() Fault {
	return Fault{name: "NoCredentials", show: func(*credentialsXML) *credentialsXML { return nil }}
}

// EmptyCredentials returns 200 with a Credentials element without values,
// where one is expected.
func EmptyCredentials() Fault {
	return Fault{name: "EmptyCredentials", show: func(*credentialsXML) *credentialsXML { return &credentialsXML{} }}
}

// Respond sends the given response, such as one that was recorded from another server.
func Respond(status int, header http.Header, body string) Fault {
	header = header.Clone()
	return Fault{name: fmt.Sprintf("Respond %d", status), instead: func(string) *response {
		h := header.Clone()
		if h == nil {
			h = http.Header{}
		}
		h.Del("Content-Length") // it is computed from the body
		return &response{status: status, header: h, body: body}
	}}
}

// named returns a fault whose response has this body for the operation.
func named(name string, status int, contentType string, body func(operation string) string) Fault {
	return Fault{name: name, instead: func(operation string) *response {
		return &response{status: status, header: http.Header{"Content-Type": {contentType}}, body: body(operation)}
	}}
}

func fixed(body string) func(string) string { return func(string) string { return body } }

// WrongRoot returns 200 with the XML of another service.
func WrongRoot() Fault {
	return named("WrongRoot", http.StatusOK, "application/xml", fixed(
		`<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Buckets></Buckets></ListAllMyBucketsResult>`))
}

// Malformed returns 200 with truncated XML.
func Malformed() Fault {
	return named("Malformed", http.StatusOK, "text/xml", func(operation string) string {
		return fmt.Sprintf("<%[1]sResponse xmlns=%[2]q>\n  <%[1]sResult>\n    <Cred", operation, namespace)
	})
}

// EmptyBody returns 200 with an empty body.
func EmptyBody() Fault { return named("EmptyBody", http.StatusOK, "text/xml", fixed("")) }

// HTML returns an HTML page, as a proxy does.
func HTML(status int) Fault {
	return named(fmt.Sprintf("HTML %d", status), status, "text/html", fixed(fmt.Sprintf(
		"<!DOCTYPE html>\n<html><head><title>%[1]d %[2]s</title></head><body><h1>%[2]s</h1><br>The proxy is sorry.</body></html>\n",
		status, http.StatusText(status))))
}

// S3Error returns 403 with S3's bare Error element.
func S3Error() Fault {
	return Fault{name: "S3Error", instead: func(string) *response {
		return s3Response(&refusal{status: http.StatusForbidden, code: "AccessDenied"})
	}}
}

// Redirect returns 307, which redirects the same request to another URL.
func Redirect(url string) Fault {
	return Fault{name: "Redirect", instead: func(string) *response {
		return &response{status: http.StatusTemporaryRedirect, header: http.Header{"Location": {url}}}
	}}
}

// Huge returns 200 with 20 MiB of well-formed XML.
func Huge() Fault {
	return named("Huge", http.StatusOK, "text/xml", func(operation string) string {
		return wrapped(operation, "<Padding>"+strings.Repeat("x", 20<<20)+"</Padding>")
	})
}

// DeepXML returns 200 with 100,000 nested elements.
func DeepXML() Fault {
	return named("DeepXML", http.StatusOK, "text/xml", func(operation string) string {
		const n = 100_000
		return wrapped(operation, strings.Repeat("<a>", n)+strings.Repeat("</a>", n))
	})
}

// DTD returns 200 with a document type declaration whose entities expand exponentially.
func DTD() Fault {
	return named("DTD", http.StatusOK, "text/xml", func(operation string) string {
		var dtd strings.Builder
		dtd.WriteString(`<!DOCTYPE x [<!ENTITY e0 "ha">`)
		for i := 1; i <= 9; i++ {
			fmt.Fprintf(&dtd, `<!ENTITY e%d "%s">`, i, strings.Repeat(fmt.Sprintf("&e%d;", i-1), 10))
		}
		dtd.WriteString("]>\n")
		return dtd.String() + wrapped(operation, "<Credentials><AccessKeyId>&e9;</AccessKeyId></Credentials>")
	})
}

// wrapped returns the XML of an operation's response with this result.
func wrapped(operation, result string) string {
	return fmt.Sprintf("<%[1]sResponse xmlns=%[2]q><%[1]sResult>%[3]s</%[1]sResult></%[1]sResponse>\n", operation, namespace, result)
}

// IDPUnreachable returns the error of STS when it cannot reach the issuer of a web
// identity token: 400 IDPCommunicationError.
func IDPUnreachable() Fault {
	f := Refuse(http.StatusBadRequest, "IDPCommunicationError", "Couldn't retrieve verification key from your identity provider, "+
		"please reference AssumeRoleWithWebIdentity documentation for requirements")
	f.name = "IDPUnreachable"
	return f
}
