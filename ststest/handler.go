package ststest

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
)

// added is a service that an Add method turns on, so that programs that do not call it do not link the service.
type added struct {
	serves func(path string) bool
	serve  func(http.ResponseWriter, *http.Request) (served bool)
}

// addedFor returns what serves a path instead of STS, or nil.
func (s *Server) addedFor(path string) func(http.ResponseWriter, *http.Request) bool {
	s.lock()
	defer s.mu.Unlock()
	for _, a := range s.added {
		if a.serves(path) {
			return a.serve
		}
	}
	return nil
}

// maxForm bounds the body of a call of STS.
const maxForm = 1 << 20

// ServeHTTP implements STS: it accepts a form by POST and a presigned GET, on
// any path and for any host. Paths that end in /federation are the console's
// sign-in endpoint, [Server.Federation], and those that end in /v1/token issue access tokens, [Server.SignIn].
// After [Server.AddTrustAnchor], paths that end in /sessions are IAM Roles Anywhere. After [Server.AddRoleAlias], paths
// that begin with /role-aliases/ are the credentials provider of AWS IoT Core. [Server.AddMinIO] adds operations of MinIO.
// [Server.AddIdentityCenter] adds IAM Identity Center.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if path, _ := target(r); strings.HasSuffix(path, signInPath) {
		s.serveSignIn(w, r)
		return
	} else if strings.HasSuffix(path, tokenPath) {
		s.serveToken(w, r)
		return
	} else if added := s.addedFor(path); added != nil && added(w, r) {
		return
	}
	r, leave := s.enter(r)
	defer leave()

	in, no := readCall(r)
	x := s.begin(r, in.form)
	rule := rules{service: "sts", region: s.Region, fixedLifetime: true}
	if rule.region == "" {
		rule.region = hostRegion(r.Host)
	}
	q := &request{server: s, now: x.now, host: r.Host, region: rule.region, form: in.form, fault: x.fault}
	if operations[x.call.Operation].unsigned {
		x.noteSignature(r, in)
	} else if no == nil {
		q.caller, no = x.authenticate(r, in, rule)
		q.region = cmp.Or(q.region, x.call.Region)
	}
	x.finish(w, r, no, errorResponse, func() (*response, *refusal) {
		result, no := q.run(x.call.Operation)
		if no != nil {
			return nil, no
		}
		return resultResponse(x.call.Operation, result), nil
	})
}

// conversation is a request and the state of its processing.
type conversation struct {
	server *Server
	fault  Fault
	now    time.Time // on the server's clock, with the fault's skew
	call   *Call
	s3     bool // errors are those of S3
}

func (s *Server) begin(r *http.Request, form url.Values) *conversation {
	action := form.Get("Action")
	fault := s.draw(action)
	now := s.now().Add(fault.skew)
	shown, token := hideToken(form)
	return &conversation{server: s, fault: fault, now: now, call: &Call{
		Time:      now,
		Operation: action,
		Method:    r.Method,
		Form:      shown,
		Token:     token,
		Header:    visible(r.Header),
		Host:      r.Host,
		Fault:     fault.name,
	}}
}

// authenticate finds the caller, and records it.
func (x *conversation) authenticate(r *http.Request, in input, rule rules) (identity, *refusal) {
	id, c, no := x.server.authenticate(r, in.query, in.body, rule, x.now)
	if no != nil {
		no.inSTS()
		if no.why == wrongDate && x.fault.skew != 0 {
			no.callersFault = false // the test set the clock
		}
	}
	x.call.Presigned, x.call.Caller, x.call.AccessKeyID, x.call.Region = c.presigned, id.arn, c.accessKeyID, c.region
	return id, no
}

// noteSignature records an unexpected signature and reports it to the test.
func (x *conversation) noteSignature(r *http.Request, in input) {
	c, no := readClaim(r, in.query)
	if no != nil && no.why == unsigned && r.Header.Get("X-Amz-Security-Token") == "" {
		return
	}
	x.call.Presigned, x.call.AccessKeyID, x.call.Region = c.presigned, c.accessKeyID, c.region
	x.server.warn("UnexpectedSignature", x.call.Operation+" is signed: STS ignores that, and a client that signs it would need credentials to get credentials")
}

// finish sends the response: that of the fault, the refusal, or the result of run.
func (x *conversation) finish(w http.ResponseWriter, r *http.Request, no *refusal, refuse func(*refusal) *response, run func() (*response, *refusal)) {
	s, call := x.server, x.call
	s.arrived(call)
	var a *response
	if err := s.mistaken(); err != nil {
		a = refuse(&refusal{status: http.StatusInternalServerError, code: "InternalFailure", message: "ststest: " + err.Error()})
	} else if x.s3 && x.fault.refusal != nil {
		a = refuse(x.fault.refusal)
	} else if x.fault.instead != nil {
		a = x.fault.instead(call.Operation)
	} else if s.tooFast() {
		a = refuse(&refusal{status: http.StatusBadRequest, code: "Throttling", message: "Rate exceeded"})
	} else {
		if no == nil {
			a, no = run()
		}
		if no != nil {
			a = refuse(no)
		}
	}
	s.complain(call.Operation, no)

	send := sendWhole
	if x.fault.send != nil {
		send = x.fault.send
	}
	if a.status != 0 { // a fault without a response has none
		s.responded(call, a.status, a.code)
		for key, values := range x.fault.header {
			a.header[key] = values
		}
	}
	send(w, r, a, x.now)
}

// tooFast counts a call and reports whether CallsPerSecond throttles it.
func (s *Server) tooFast() bool {
	if s.CallsPerSecond <= 0 {
		return false
	}
	second := s.now().Unix()
	s.lock()
	defer s.mu.Unlock()
	if s.second != second {
		s.second, s.inSecond = second, 0
	}
	s.inSecond++
	return s.inSecond > s.CallsPerSecond
}

func sendWhole(w http.ResponseWriter, _ *http.Request, a *response, now time.Time) {
	a.head(w, now)
	io.WriteString(w, a.body)
}

// input is a request whose signature has not been checked yet.
type input struct {
	query []param
	form  url.Values // without the parameters of a signature
	body  []byte
}

func readCall(r *http.Request) (input, *refusal) {
	in := input{form: url.Values{}}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	if err != nil {
		return in, &refusal{status: http.StatusBadRequest, code: "RequestAborted", message: "The body is incomplete."}
	}
	if len(body) > maxForm {
		return in, malformed("RequestEntityTooLarge", fmt.Sprintf("The body is longer than %d bytes.", maxForm))
	}
	in.body = body

	_, rawQuery := target(r)
	if in.query, err = parseQuery(rawQuery); err != nil {
		return in, malformed("MalformedQueryString", "The query string cannot be decoded: "+err.Error())
	}
	for _, p := range in.query {
		if !isAuth(p.key) {
			in.form.Add(p.key, p.value)
		}
	}
	switch r.Method {
	case http.MethodPost:
		if no := in.readForm(r.Header.Get("Content-Type")); no != nil {
			return in, no
		}
	case http.MethodGet:
		if len(body) > 0 {
			return in, malformed("MalformedInput", "A GET request has a body.")
		}
	default:
		return in, malformed("MalformedInput", "The method is "+r.Method+" instead of POST or GET.")
	}
	for key, values := range in.form {
		if len(values) > 1 {
			return in, malformed("MalformedInput", fmt.Sprintf("The parameter %q occurs %d times.", key, len(values)))
		}
	}
	switch action, version := in.form.Get("Action"), in.form.Get("Version"); {
	case action == "" && r.Header.Get("Authorization") == "" && len(in.query) == 0:
		return in, deny(unsigned, "Request is missing Authentication Token").inSTS()
	case action == "":
		return in, malformed("MissingAction", "The request has no Action.")
	case operations[action].run == nil || version != apiVersion:
		if version == "" {
			version = "NO_VERSION_SPECIFIED"
		}
		return in, malformed("InvalidAction", fmt.Sprintf("Could not find operation %s for version %s", action, version))
	}
	return in, nil
}

func (in *input) readForm(contentType string) *refusal {
	if contentType == "" && len(in.body) == 0 {
		return nil // STS accepts a POST with all parameters in the query, which is what Google sends on
	}
	media, params, err := mime.ParseMediaType(contentType)
	charset, given := params["charset"]
	if err != nil || media != "application/x-www-form-urlencoded" || given && !strings.EqualFold(charset, "utf-8") {
		return malformed("MalformedInput", fmt.Sprintf("The content type is %q instead of application/x-www-form-urlencoded.", contentType))
	}
	form, err := url.ParseQuery(string(in.body))
	if err != nil {
		return malformed("MalformedInput", "The form cannot be decoded.").because(err.Error())
	}
	for key, values := range form {
		if isAuth(key) {
			return malformed("MalformedInput", fmt.Sprintf("The form has the parameter %q of a signature.", key))
		}
		in.form[key] = append(in.form[key], values...)
	}
	return nil
}

// isAuth distinguishes the parameters of a presigned request from those of the operation.
func isAuth(key string) bool { return strings.HasPrefix(key, "X-Amz-") }

// visible is a header without secrets.
func visible(h http.Header) http.Header {
	h = h.Clone()
	h.Del("Authorization")
	h.Del("X-Amz-Security-Token")
	h.Del(sessionToken)
	h.Del(bearerHeader)
	return h
}

// secretParams are the parameters that grant access like credentials.
var secretParams = []string{"WebIdentityToken", "SAMLAssertion", "TradeInToken", "Session", "SigninToken", "LDAPPassword", "Token", "subject_token"}

// hideToken returns the parameters without secrets, and the secret that it removed.
func hideToken(form url.Values) (url.Values, stschain.Secret) {
	shown, token := maps.Clone(form), stschain.Secret{}
	for _, param := range secretParams {
		if form.Has(param) {
			token = stschain.NewSecret(form.Get(param))
			shown[param] = []string{"[redacted]"}
		}
	}
	return shown, token
}

// isGlobal reports whether a host is the global endpoint of STS.
func isGlobal(host string) bool {
	name, _, _ := strings.Cut(strings.ToLower(host), ":")
	return name == "sts.amazonaws.com"
}

// hostRegion returns the region of an STS host name of AWS, "us-east-1" for the
// global one, "" for hosts that name no region.
func hostRegion(host string) string {
	labels := strings.Split(strings.ToLower(host), ".")
	i := slices.IndexFunc(labels, func(l string) bool { return l == "sts" || l == "sts-fips" })
	if i < 0 || i+1 == len(labels) {
		return ""
	}
	switch next := labels[i+1]; {
	case next == "amazonaws":
		return "us-east-1"
	case strings.Count(next, "-") >= 2 && next[len(next)-1] >= '0' && next[len(next)-1] <= '9':
		return next
	}
	return ""
}
