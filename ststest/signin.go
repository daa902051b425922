package ststest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
)

// signInPath is the path of the console's sign-in endpoint on every host.
const signInPath = "/federation"

// consoleLife is how long a sign-in token is valid.
const consoleLife = 15 * time.Minute

// console is a sign-in token that was issued and not yet used.
type console struct {
	accessKeyID string
	expires     time.Time
}

// Federation returns the sign-in endpoint of the AWS console, which the server
// itself serves on the path /federation.
//
// Action=getSigninToken, by POST or GET, returns {"SigninToken":"..."} for a
// Session of credentials that the server issued by GetFederationToken or an
// AssumeRole operation, and that have not expired. SessionDuration, 900 to 43200
// seconds, is only for those of an AssumeRole operation that was not called with
// temporary credentials.
//
// Action=login, by GET, redirects to Destination if SigninToken is at most 15
// minutes old and was not used before.
//
// Refusals have status 400 and an HTML body. For faults and Calls, the operation is the action.
func (s *Server) Federation() http.Handler { return http.HandlerFunc(s.serveSignIn) }

func (s *Server) serveSignIn(w http.ResponseWriter, r *http.Request) {
	r, leave := s.enter(r)
	defer leave()

	form, no := readSignIn(r)
	x := s.begin(r, form)
	run := func() (*response, *refusal) { return s.login(form, x.now) }
	if x.call.Operation != "login" && no == nil {
		var id identity
		id, no = s.sessionOf(form.Get("Session"))
		x.call.Caller, x.call.AccessKeyID = id.arn, id.creds.AccessKeyID
		run = func() (*response, *refusal) { return s.signInToken(form, id, x.now) }
	}
	x.finish(w, r, no, signInRefusal, run)
}

// signInActions are the actions of the endpoint and their parameters.
var signInActions = map[string][]string{
	"getSigninToken": {"Action", "Session", "SessionDuration", "SessionType"},
	"login":          {"Action", "Issuer", "Destination", "SigninToken"},
}

// readSignIn reads the parameters, and checks that each occurs once.
func readSignIn(r *http.Request) (url.Values, *refusal) {
	form := url.Values{}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	if err != nil || len(body) > maxForm {
		return form, malformed("BadRequest", "The body is incomplete or too long.")
	}
	_, query := target(r)
	for _, encoded := range []string{query, string(body)} {
		values, err := url.ParseQuery(encoded)
		if err != nil {
			return form, malformed("BadRequest", "The parameters cannot be decoded.")
		}
		for key, v := range values {
			form[key] = append(form[key], v...)
		}
	}
	for key, values := range form {
		if len(values) > 1 {
			return form, malformed("BadRequest", fmt.Sprintf("The parameter %q occurs %d times.", key, len(values)))
		}
	}
	known := signInActions[form.Get("Action")]
	if known == nil {
		return form, malformed("BadRequest", fmt.Sprintf("The Action is %q instead of getSigninToken or login.", form.Get("Action")))
	}
	for key := range form {
		if !slices.Contains(known, key) {
			return form, malformed("BadRequest", fmt.Sprintf("The parameter %q is not one of %s.", key, form.Get("Action")))
		}
	}
	switch {
	case r.Method == http.MethodGet && len(body) == 0:
	case r.Method == http.MethodPost && form.Get("Action") == "getSigninToken":
		if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
			return form, malformed("BadRequest", "The content type is not application/x-www-form-urlencoded.")
		}
	default:
		return form, malformed("BadRequest", "The method is "+r.Method+", which this action does not support.")
	}
	return form, nil
}

// signInToken issues a sign-in token for credentials.
func (s *Server) signInToken(form url.Values, id identity, now time.Time) (*response, *refusal) {
	switch {
	case id.kind != ofRole && id.kind != ofFederation || !id.temporary():
		return nil, badRequest("Credentials of " + id.kind.String() + " cannot sign in to the console.")
	case id.revoked || id.creds.ExpiredAt(now):
		return nil, badRequest("The credentials have expired.")
	}
	if form.Has("SessionDuration") {
		seconds, err := strconv.Atoi(form.Get("SessionDuration"))
		switch {
		case err != nil || seconds < 900 || seconds > 43200:
			return nil, malformed("BadRequest", "SessionDuration is not a number of seconds between 900 and 43200.")
		case id.kind != ofRole || id.chained:
			return nil, badRequest("SessionDuration is only for credentials of AssumeRole that were not obtained with temporary credentials.")
		}
	}
	token := newSessionToken(emptyToken)
	s.lock()
	s.consoles[token] = console{id.creds.AccessKeyID, now.Add(consoleLife)}
	s.mu.Unlock()
	body, _ := json.Marshal(map[string]string{"SigninToken": token.Reveal()})
	return &response{status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}, body: string(body)}, nil
}

// badRequest refuses a request that a correct client may send.
func badRequest(message string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: "BadRequest", message: message}
}

// sessionJSON is the Session parameter.
type sessionJSON struct {
	SessionID    string `json:"sessionId"`
	SessionKey   string `json:"sessionKey"`
	SessionToken string `json:"sessionToken"`
}

// sessionOf returns the identity of a session.
func (s *Server) sessionOf(text string) (identity, *refusal) {
	var session sessionJSON
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&session); err != nil || d.More() || session.SessionID == "" || session.SessionKey == "" || session.SessionToken == "" {
		return identity{}, malformed("BadRequest", "Session is not a JSON object of sessionId, sessionKey and sessionToken.")
	}
	id, known := s.lookup(session.SessionID)
	if !known || id.creds.SecretAccessKey != stschain.NewSecret(session.SessionKey) || id.creds.SessionToken != stschain.NewSecret(session.SessionToken) {
		return identity{}, badRequest("The session is not one of known credentials.")
	}
	return id, nil
}

// login redeems a sign-in token.
func (s *Server) login(form url.Values, now time.Time) (*response, *refusal) {
	destination, err := url.Parse(form.Get("Destination"))
	if err != nil || destination.Scheme != "https" || destination.Host == "" {
		return nil, malformed("BadRequest", "Destination is not an https URL.")
	}
	token := stschain.NewSecret(form.Get("SigninToken"))
	s.lock()
	c, known := s.consoles[token]
	delete(s.consoles, token)
	s.mu.Unlock()
	if id, ok := s.lookup(c.accessKeyID); !known || !ok || id.revoked || !now.Before(c.expires) {
		return nil, badRequest("The sign-in token is not valid: it is unknown, was used before, or has expired.")
	}
	return &response{status: http.StatusFound, header: http.Header{"Location": {destination.String()}}}, nil
}

// signInRefusal is the error page of the sign-in endpoint.
func signInRefusal(r *refusal) *response {
	return &response{status: r.status, code: r.code, header: http.Header{"Content-Type": {"text/html;charset=UTF-8"}},
		body: fmt.Sprintf("<!DOCTYPE html>\n<html><head><title>%d %s</title></head><body><p>%s</p></body></html>\n",
			r.status, http.StatusText(r.status), escapeXML(r.message))}
}
