package ststest

import (
	"bytes"
	"crypto/subtle"
	"crypto/x509"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
)

// MinIO has the settings of the operations that only MinIO has, for [Server.AddMinIO].
type MinIO struct {
	ClientCAs []*x509.Certificate        // whose certificates AssumeRoleWithCertificate accepts; nil: the operation is off
	Passwords map[string]stschain.Secret // of a directory, by user name, for AssumeRoleWithLDAPIdentity; nil: the operation is off
	Tokens    map[string]stschain.Secret // custom tokens, by user, for AssumeRoleWithCustomToken; nil: the operation is off

	RoleARN    string        // of the identity plug-in; "": "arn:minio:iam:::role/idmp-test"
	Validity   time.Duration // that the plug-in allows; 0: 1 hour
	ConfigName string        // of the directory, which a request may name; optional
}

// AddMinIO makes the server accept AssumeRoleWithCertificate, AssumeRoleWithLDAPIdentity and AssumeRoleWithCustomToken, with the
// limits, codes and texts of MinIO. It checks where the parameters are: MinIO reads those of LDAP from the form, and the
// others from the query. AssumeRoleWithCertificate needs TLS: mount the server in an [net/http/httptest.Server] whose TLS
// configuration requests a client certificate.
func (s *Server) AddMinIO(m MinIO) {
	m.ClientCAs, m.Passwords, m.Tokens = slices.Clone(m.ClientCAs), maps.Clone(m.Passwords), maps.Clone(m.Tokens)
	if m.RoleARN == "" {
		m.RoleARN = "arn:minio:iam:::role/idmp-test"
	}
	if m.Validity == 0 {
		m.Validity = time.Hour
	}
	s.lock()
	defer s.mu.Unlock()
	s.added["minio"] = added{
		func(path string) bool { return path == "/" || path == "" }, // and by the operation
		func(w http.ResponseWriter, r *http.Request) bool { return s.serveMinIO(m, w, r) },
	}
}

// minioOperation is an operation of MinIO.
type minioOperation struct {
	inQuery bool // MinIO reads the parameters from the query, and from the form otherwise
	params  []string
	run     func(MinIO, *request, *http.Request) (any, *refusal)
}

var minioOperations = map[string]minioOperation{
	"AssumeRoleWithCertificate":  {true, []string{"DurationSeconds", "TokenRevokeType"}, MinIO.assumeRoleWithCertificate},
	"AssumeRoleWithCustomToken":  {true, []string{"Token", "RoleArn", "DurationSeconds", "TokenRevokeType"}, MinIO.assumeRoleWithCustomToken},
	"AssumeRoleWithLDAPIdentity": {false, []string{"LDAPUsername", "LDAPPassword", "Policy", "DurationSeconds", "TokenRevokeType", "ConfigName"}, MinIO.assumeRoleWithLDAPIdentity},
}

// serveMinIO serves an operation of MinIO. It reports false, and keeps the body, if the request has another operation.
func (s *Server) serveMinIO(m MinIO, w http.ResponseWriter, r *http.Request) (served bool) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm))
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), r.Body))
	if err != nil {
		return false // readCall reports it
	}
	_, rawQuery := target(r)
	query, badQuery := url.ParseQuery(rawQuery)
	form, badForm := url.ParseQuery(string(body))
	name, params := query.Get("Action"), query
	if rawQuery == "" {
		name, params = form.Get("Action"), form
	}
	op, ok := minioOperations[name]
	if !ok {
		return false
	}
	r, leave := s.enter(r)
	defer leave()

	x := s.begin(r, params)
	no := func() *refusal {
		media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		switch {
		case badQuery != nil || badForm != nil || r.Method != http.MethodPost:
			return minioMalformed("it is not a POST, or its parameters cannot be decoded")
		case op.inQuery && (rawQuery == "" || len(body) > 0), !op.inQuery && (rawQuery != "" || media != "application/x-www-form-urlencoded"):
			return minioMalformed("the parameters of this operation are in the wrong place: query or form")
		case params.Get("Version") != apiVersion:
			return minioMalformed("Invalid STS API version " + params.Get("Version") + ", expecting " + apiVersion)
		}
		for _, values := range params {
			if len(values) != 1 {
				return minioMalformed("a parameter occurs twice")
			}
		}
		return checkNames(params, op.params)
	}()
	x.noteSignature(r, input{})
	x.finish(w, r, no, errorResponse, func() (*response, *refusal) {
		q := &request{server: s, now: x.now, host: r.Host, form: params, fault: x.fault}
		result, no := op.run(m, q, r)
		if no != nil {
			return nil, no
		}
		return resultResponse(name, result), nil
	})
	return true
}

// minioMalformed refuses what no correct client sends.
func minioMalformed(message string) *refusal { return malformed("InvalidParameterValue", message) }

// minioRefusal refuses a request as MinIO does.
func minioRefusal(code, message string) *refusal {
	status := http.StatusBadRequest
	switch code {
	case "STSNotInitialized":
		status = http.StatusServiceUnavailable
	case "InternalError":
		status = http.StatusInternalServerError
	}
	return &refusal{status: status, code: code, message: message}
}

// minioDuration returns DurationSeconds, or fallback without it. least is the shortest in seconds.
func minioDuration(q *request, code string, least int, fallback time.Duration) (time.Duration, *refusal) {
	if !q.form.Has("DurationSeconds") {
		return fallback, nil
	}
	n, err := strconv.Atoi(q.form.Get("DurationSeconds"))
	if err != nil || n < least || n > 365*24*3600 {
		return 0, malformed(code, "invalid token expiry")
	}
	return time.Duration(n) * time.Second, nil
}

// minioSession issues credentials to a user of MinIO until a time, or for life.
func minioSession(q *request, user string, life time.Duration) sessionXML {
	id := identity{arn: "arn:minio:sts:::" + user, userID: user, account: "", kind: ofSession}
	id = q.server.issue(id, q.expiry(life), emptyToken)
	return sessionXML{Credentials: q.show(id)}
}

type certificateResult struct {
	XMLName     xml.Name        `xml:"AssumeRoleWithCertificateResult"`
	Credentials *credentialsXML `xml:",omitempty"`
}

func (m MinIO) assumeRoleWithCertificate(q *request, r *http.Request) (any, *refusal) {
	switch {
	case m.ClientCAs == nil:
		return nil, minioRefusal("STSNotInitialized", "STS API 'AssumeRoleWithCertificate' is disabled")
	case r.TLS == nil:
		return nil, minioRefusal("InsecureConnection", "No TLS connection attempt")
	}
	var leaves []*x509.Certificate
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range m.ClientCAs {
		roots.AddCert(c)
	}
	for _, c := range r.TLS.PeerCertificates {
		if c.IsCA {
			intermediates.AddCert(c)
			continue
		}
		leaves = append(leaves, c)
	}
	switch len(leaves) {
	case 0:
		return nil, minioRefusal("MissingParameter", "No client certificate provided")
	case 1:
	default:
		return nil, minioRefusal("InvalidParameterValue", "More than one client certificate provided")
	}
	leaf := leaves[0]
	if _, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, CurrentTime: q.now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}); err != nil {
		return nil, minioRefusal("InvalidClientCertificate", err.Error())
	}
	if leaf.Subject.CommonName == "" {
		return nil, minioRefusal("MissingParameter", "certificate subject CN cannot be empty")
	}
	life, no := minioDuration(q, "MissingParameter", 900, time.Hour)
	if no != nil {
		return nil, no
	}
	session := minioSession(q, "tls:"+leaf.Subject.CommonName, min(life, leaf.NotAfter.Sub(q.now)))
	return certificateResult{Credentials: session.Credentials}, nil
}

type ldapResult struct {
	XMLName     xml.Name        `xml:"AssumeRoleWithLDAPIdentityResult"`
	Credentials *credentialsXML `xml:",omitempty"`
}

func (m MinIO) assumeRoleWithLDAPIdentity(q *request, _ *http.Request) (any, *refusal) {
	user, password, policy := q.form.Get("LDAPUsername"), q.form.Get("LDAPPassword"), q.form.Get("Policy")
	var document struct{ Version string }
	want, known := m.Passwords[user]
	switch {
	case user == "" || password == "":
		return nil, malformed("MissingParameter", "LDAPUsername and LDAPPassword cannot be empty")
	case len(policy) > 2048, policy != "" && (json.Unmarshal([]byte(policy), &document) != nil || document.Version == ""):
		return nil, malformed("InvalidParameterValue", "The session policy is malformed.")
	case m.Passwords == nil || q.form.Get("ConfigName") != "" && q.form.Get("ConfigName") != m.ConfigName:
		return nil, minioRefusal("InvalidParameterValue", "LDAP server error: LDAP is not configured")
	case !known:
		return nil, minioRefusal("InvalidParameterValue", "LDAP server error: Unable to find user DN: User DN not found for: "+user)
	case subtle.ConstantTimeCompare([]byte(password), []byte(want.Reveal())) != 1:
		return nil, minioRefusal("InvalidParameterValue", fmt.Sprintf(`LDAP server error: LDAP auth failed for DN uid=%s: LDAP Result Code 49 "Invalid Credentials": `, user))
	}
	life, no := minioDuration(q, "InvalidParameterValue", 900, time.Hour)
	if no != nil {
		return nil, no
	}
	return ldapResult{Credentials: minioSession(q, "ldap:"+user, life).Credentials}, nil
}

type customTokenResult struct {
	XMLName     xml.Name        `xml:"AssumeRoleWithCustomTokenResult"`
	Credentials *credentialsXML `xml:",omitempty"`
	AssumedUser string
}

func (m MinIO) assumeRoleWithCustomToken(q *request, _ *http.Request) (any, *refusal) {
	token, arn := q.form.Get("Token"), q.form.Get("RoleArn")
	switch {
	case m.Tokens == nil:
		return nil, minioRefusal("STSNotInitialized", "STS API 'AssumeRoleWithCustomToken' is disabled")
	case token == "":
		return nil, malformed("InvalidParameterValue", "Invalid empty `Token` parameter provided")
	case arn != m.RoleARN:
		return nil, minioRefusal("InvalidParameterValue", "Error processing parameter RoleArn: Role "+arn+" does not exist")
	}
	life, no := minioDuration(q, "InvalidParameterValue", 1, m.Validity)
	if no != nil {
		return nil, no
	}
	for _, user := range slices.Sorted(maps.Keys(m.Tokens)) {
		if subtle.ConstantTimeCompare([]byte(token), []byte(m.Tokens[user].Reveal())) == 1 {
			user = "custom:" + strings.TrimPrefix(user, "custom:")
			return customTokenResult{Credentials: minioSession(q, user, min(life, m.Validity)).Credentials, AssumedUser: user}, nil
		}
	}
	return nil, minioRefusal("InternalError", "the plug-in does not know the token")
}
