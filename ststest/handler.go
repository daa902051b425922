package ststest

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxForm bounds the body of a call of STS.
const maxForm = 1 << 20

// ServeHTTP is STS: it accepts a form by POST and a presigned GET, on any path
// and for any host.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, leave, open := s.enter(r.Context())
	if !open {
		panic(http.ErrAbortHandler)
	}
	defer leave()
	r = r.WithContext(ctx)

	in, no := readCall(r)
	fault := s.draw(in.form.Get("Action"))
	now := s.now().Add(fault.skew)
	var (
		id identity
		c  claim
	)
	if no == nil {
		rule := rules{service: "sts", region: s.Region, fixedLife: true}
		if rule.region == "" {
			rule.region = hostRegion(r.Host)
		}
		if id, c, no = s.authenticate(r, in.query, in.body, rule, now); no != nil {
			no.inSTS()
			if no.why == wrongDate && fault.skew != 0 {
				no.callersFault = false // the test set the clock
			}
		}
	}
	call := &Call{
		Time:        now,
		Operation:   in.form.Get("Action"),
		Form:        in.form,
		Header:      visible(r.Header),
		Host:        r.Host,
		Presigned:   c.presigned,
		Caller:      id.arn,
		AccessKeyID: c.accessKeyID,
		Region:      c.region,
		Fault:       fault.name,
	}
	s.arrived(call)

	var a *answer
	if err := s.mistaken(); err != nil {
		a = errorAnswer(&refusal{status: http.StatusInternalServerError, code: "InternalFailure", message: "ststest: " + err.Error()})
	} else if fault.instead != nil {
		a = fault.instead(call.Operation)
	} else if no != nil {
		a = errorAnswer(no)
	} else {
		q := &request{server: s, now: now, caller: id, form: in.form, fault: fault}
		var result any
		if result, no = q.run(call.Operation); no == nil {
			a = resultAnswer(call.Operation, result)
		} else {
			a = errorAnswer(no)
		}
	}
	s.complain(call.Operation, no)

	send := sendWhole
	if fault.send != nil {
		send = fault.send
	}
	if a.status != 0 { // a fault that answers nothing has none
		s.answered(call, a.status, a.code)
		for key, values := range fault.header {
			a.header[key] = values
		}
	}
	send(w, r, a, now)
}

func sendWhole(w http.ResponseWriter, _ *http.Request, a *answer, now time.Time) {
	a.head(w, now)
	io.WriteString(w, a.body)
}

// input is a request before anybody looked at its signature.
type input struct {
	query []param
	form  url.Values // without the parameters of a signature
	body  []byte
}

func readCall(r *http.Request) (input, *refusal) {
	in := input{form: url.Values{}}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	if err != nil {
		return in, &refusal{status: http.StatusBadRequest, code: "RequestAborted", message: "The body did not arrive whole."}
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
			return in, malformed("MalformedInput", fmt.Sprintf("The parameter %q is there %d times.", key, len(values)))
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

// isAuth tells the parameters of a presigned request from those of the operation.
func isAuth(key string) bool { return strings.HasPrefix(key, "X-Amz-") }

// visible is a header without what nobody should print.
func visible(h http.Header) http.Header {
	h = h.Clone()
	h.Del("Authorization")
	h.Del("X-Amz-Security-Token")
	return h
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
