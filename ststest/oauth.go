package ststest

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tokenPath is the path of the token endpoint of AWS Sign-In on every host.
const tokenPath = "/v1/token"

// tokenOperation is an operation of the token endpoint.
type tokenOperation struct {
	query    param // selects it
	signed   bool
	required []string // members of the body
	optional []string
	grant    string         // grant_type
	resource *regexp.Regexp // of the services that accept the tokens
	life     time.Duration  // the longest, and that of a token without duration
}

var anyService = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*\.amazonaws\.com$`)

// tokenOperations are the operations by name. AWS documents one resource for the exchange.
var tokenOperations = map[string]tokenOperation{
	"CreateBearerToken": {
		query: param{"x-amz-token-request-type", "bearer"}, signed: true, required: []string{"grant_type", "resource"}, optional: []string{"duration"},
		grant: "client_credentials", resource: anyService, life: 12 * time.Hour,
	},
	"CreateOAuth2TokenWithIAM": {
		query: param{"x-amz-client-auth-method", "iam"}, signed: true, required: []string{"grant_type", "resource"},
		grant: "client_credentials", resource: anyService, life: time.Hour,
	},
	"CreateOAuth2TokenWithTokenExchange": {
		query: param{"x-amz-oauth-token-method", "token-exchange"}, required: []string{"grant_type", "resource", "subject_token", "subject_token_type"}, optional: []string{"scope"},
		grant: "urn:ietf:params:oauth:grant-type:token-exchange", resource: regexp.MustCompile(`^glue\.amazonaws\.com$`), life: time.Hour,
	},
}

var managedPolicy = regexp.MustCompile(`^arn:aws[a-z-]*:iam::(aws|[0-9]{12}):policy/[\w+=,.@/-]{1,512}$`)

// SignIn returns the issuer of the access tokens of AWS Sign-In, which the server issues on paths that end in /v1/token:
// by CreateBearerToken and CreateOAuth2TokenWithIAM for a signed request, and by CreateOAuth2TokenWithTokenExchange for a
// JWT of one of its issuers. Verify them with its Verify. Their claim sub is the ARN of the caller, or the subject of the
// JWT; resource and scope are those of the request.
func (s *Server) SignIn() *Issuer {
	s.lock()
	defer s.mu.Unlock()
	return s.signIn
}

// serveToken implements the token endpoint.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	r, leave := s.enter(r)
	defer leave()

	in, no := readTokenRequest(r)
	x := s.begin(r, in.form)
	op := tokenOperations[x.call.Operation]
	var caller identity
	switch {
	case no != nil:
	case op.signed:
		caller, no = x.authenticateSignIn(r, in)
	default:
		x.noteSignature(r, in)
	}
	x.finish(w, r, no, tokenRefusal, func() (*response, *refusal) {
		claims := map[string]any{"sub": caller.arn, "account_id": caller.account}
		until := time.Time{}
		if op.signed {
			until = caller.creds.Expires
		} else {
			var no *refusal
			if claims, until, no = x.subject(in.form.Get("subject_token")); no != nil {
				return nil, no
			}
			claims["scope"] = in.form.Get("scope")
		}
		claims["resource"] = in.form.Get("resource")
		return x.issueToken(op, in.form, claims, until)
	})
}

// readTokenRequest reads the members of the body as parameters, and checks them. The operation is the Action.
func readTokenRequest(r *http.Request) (input, *refusal) {
	in := input{form: url.Values{}}
	bad := func(format string, args ...any) (input, *refusal) {
		return in, malformed("ValidationException", fmt.Sprintf(format, args...))
	}
	var err error
	if in.body, err = io.ReadAll(io.LimitReader(r.Body, maxForm)); err != nil {
		return bad("The body is incomplete.")
	}
	_, query := target(r)
	if in.query, err = parseQuery(query); err != nil || len(in.query) != 1 {
		return bad("The query does not have exactly one parameter.")
	}
	var op tokenOperation
	for name, o := range tokenOperations {
		if o.query == in.query[0] {
			op = o
			in.form.Set("Action", name)
		}
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	members, err := decodeObject(in.body)
	switch {
	case op.grant == "":
		return bad("The query %q does not select a known operation.", in.query[0].key)
	case r.Method != http.MethodPost || media != "application/json" || err != nil:
		return bad("It is not a POST of a JSON object: %v", err)
	}
	for _, name := range op.required {
		if members[name] == nil {
			return bad("The member %s is missing.", name)
		}
	}
	for name, value := range members {
		text, isText := value.(string)
		if number, ok := value.(json.Number); ok && name == "duration" {
			text, isText = number.String(), true
		}
		if !isText || !slices.Contains(op.required, name) && !slices.Contains(op.optional, name) {
			return bad("The member %q is unknown, or has a value of another type.", name)
		}
		in.form.Set(name, text)
	}
	return in, op.check(in.form)
}

// check validates the values of a request.
func (op tokenOperation) check(form url.Values) *refusal {
	if form.Has("duration") {
		if seconds, err := strconv.Atoi(form.Get("duration")); err != nil || seconds < 300 || seconds > 43200 {
			return malformed("ValidationException", "duration is not between 300 and 43200.")
		}
	}
	switch {
	case form.Get("grant_type") != op.grant:
		return malformed("ValidationException", "grant_type is not "+op.grant+".")
	case !op.resource.MatchString(form.Get("resource")):
		return malformed("ValidationException", "resource is not a service that accepts these tokens.")
	case form.Has("subject_token_type") && form.Get("subject_token_type") != "urn:ietf:params:oauth:token-type:jwt":
		return malformed("ValidationException", "subject_token_type is not that of a JWT.")
	}
	if form.Has("scope") {
		for arn := range strings.SplitSeq(form.Get("scope"), " ") {
			if !managedPolicy.MatchString(arn) {
				return malformed("InvalidScopeException", "scope is not a list of ARNs of managed policies, separated by single spaces.")
			}
		}
	}
	return nil
}

// jsonDenials are the codes of services with JSON for each denial.
var jsonDenials = map[denial]string{
	unsigned: "MissingAuthenticationTokenException", incomplete: "IncompleteSignatureException", unknownKey: "UnrecognizedClientException",
	badToken: "UnrecognizedClientException", expiredToken: "ExpiredTokenException",
}

// authenticateSignIn finds the caller, and records it.
func (x *conversation) authenticateSignIn(r *http.Request, in input) (identity, *refusal) {
	rule := rules{service: "signin", region: x.server.Region}
	if region, ok := strings.CutSuffix(r.Host, ".oauth.signin.aws"); ok && rule.region == "" {
		rule.region = region
	}
	id, c, no := x.server.authenticate(r, in.query, in.body, rule, x.now)
	if no == nil && c.presigned {
		no = deny(incomplete, "The request is signed in the query.")
	}
	if no != nil {
		no.status, no.code = http.StatusForbidden, jsonDenials[no.why]
		if no.code == "" {
			no.code = "InvalidSignatureException"
		}
		no.callersFault = no.callersFault && (no.why != wrongDate || x.fault.skew == 0)
	}
	x.call.Caller, x.call.AccessKeyID, x.call.Region = id.arn, c.accessKeyID, c.region
	return id, no
}

// subject verifies the JWT of an exchange.
func (x *conversation) subject(token string) (claims map[string]any, until time.Time, no *refusal) {
	invalid := func(message string) (map[string]any, time.Time, *refusal) {
		return nil, time.Time{}, &refusal{status: http.StatusBadRequest, code: "InvalidGrantException", message: message}
	}
	t, err := parseJWT(token)
	if err != nil {
		return invalid("The subject token is not a valid JWT.")
	}
	issuer := x.server.knownIssuer(t.text("iss"))
	if issuer == nil {
		return invalid("The issuer of the subject token is not trusted.")
	}
	if no := issuer.verify(t, x.now); no != nil {
		return invalid(no.message)
	}
	if !slices.ContainsFunc(t.audiences(), issuer.accepts) || t.text("sub") == "" || issuer.rejects(token) {
		return invalid("The audience or the subject of the subject token is not accepted, or it was revoked.")
	}
	until, _ = t.time("exp") // it was verified
	return map[string]any{"sub": t.text("sub"), "account_id": AccountID}, until, nil
}

// issueToken issues an access token that is valid until the given time at most; zero: no limit.
func (x *conversation) issueToken(op tokenOperation, form url.Values, claims map[string]any, until time.Time) (*response, *refusal) {
	life := op.life
	if seconds, err := strconv.Atoi(form.Get("duration")); err == nil {
		life = time.Duration(seconds) * time.Second
	}
	now := x.now.UTC().Truncate(time.Second)
	if !until.IsZero() {
		life = min(life, until.Sub(now).Truncate(time.Second))
	}
	if life < time.Second {
		return nil, &refusal{status: http.StatusBadRequest, code: "AccessDeniedException", message: "What the request proves the caller with is about to expire."}
	}
	issuer := x.server.SignIn()
	claims["iss"], claims["aud"], claims["jti"] = issuer.URL, form.Get("resource"), requestID()
	claims["iat"], claims["exp"] = now.Unix(), now.Add(life).Unix()
	document := map[string]any{
		"access_token": issuer.sign(issuer.algorithm(), claims),
		"expires_in":   int64(life / time.Second),
		"token_type":   "Bearer",
	}
	if !op.signed {
		document["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
	}
	return jsonResponse(http.StatusOK, "", document), nil
}

// tokenReasons are the OAuth errors of some codes.
var tokenReasons = map[string]string{
	"AccessDeniedException": "INSUFFICIENT_PERMISSIONS", "InvalidGrantException": "invalid_grant", "InvalidScopeException": "invalid_scope",
	"ValidationException": "invalid_request", "TooManyRequestsError": "rate_exceeded", "InternalServerException": "server_error",
	"ServiceUnavailableException": "service_unavailable",
}

// tokenRefusal is an error of the token endpoint.
func tokenRefusal(r *refusal) *response {
	status, code := r.status, r.code
	if code == "Throttling" { // of STS
		status, code = http.StatusTooManyRequests, "TooManyRequestsError"
	}
	document := map[string]any{"__type": code, "message": r.message}
	if reason := tokenReasons[code]; reason != "" {
		document["error"] = reason
	}
	a := jsonResponse(status, code, document)
	a.header.Set("X-Amzn-Errortype", code)
	return a
}
