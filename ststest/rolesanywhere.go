package ststest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TrustAnchor is a trust anchor of IAM Roles Anywhere and a profile, for [Server.AddTrustAnchor].
type TrustAnchor struct {
	ARN          string              // required: "arn:aws:rolesanywhere:eu-west-1:123456789012:trust-anchor/0a1b"
	ProfileARN   string              // required: "arn:aws:rolesanywhere:eu-west-1:123456789012:profile/2c3d"
	Certificates []*x509.Certificate // required: of the authorities
	Roles        []string            // ARNs that the profile lists; nil: every role
	SessionNames bool                // true: the profile has acceptRoleSessionName
	Duration     time.Duration       // of sessions, unless the request has one; 0: 1 hour
}

// AddTrustAnchor declares a trust anchor, or replaces its declaration. From then on the server accepts CreateSession of IAM
// Roles Anywhere, on paths that end in /sessions. It checks the signature, the certificate, and its chain, which must be in
// order and within 100 kB. Roles are those of [Server.AddRole]: Trusted must contain rolesanywhere.amazonaws.com, or be nil.
// The source identity of a session is the common name of the certificate.
func (s *Server) AddTrustAnchor(a TrustAnchor) {
	if !strings.Contains(a.ARN, ":trust-anchor/") || !strings.Contains(a.ProfileARN, ":profile/") || len(a.Certificates) == 0 {
		s.mistake(fmt.Errorf("AddTrustAnchor: the ARN %q, the ProfileARN %q or the certificates are missing or invalid", a.ARN, a.ProfileARN))
		return
	}
	a.Certificates, a.Roles = slices.Clone(a.Certificates), slices.Clone(a.Roles)
	s.lock()
	defer s.mu.Unlock()
	if s.anchors == nil {
		s.anchors = map[string]TrustAnchor{}
		s.added["rolesanywhere"] = added{
			func(path string) bool { return strings.HasSuffix(path, sessionsPath) },
			func(w http.ResponseWriter, r *http.Request) bool { s.serveSession(w, r); return true },
		}
	}
	s.anchors[a.ARN] = a
}

const (
	createSession    = "CreateSession"
	sessionsPath     = "/sessions"
	servicePrincipal = "rolesanywhere.amazonaws.com"
	maxCertificate   = 100 << 10 // of the headers with certificates, in bytes
)

// serveSession implements CreateSession.
func (s *Server) serveSession(w http.ResponseWriter, r *http.Request) {
	r, leave := s.enter(r)
	defer leave()

	in, no := readSession(r)
	x := s.begin(r, in.form)
	var caller certified
	if no == nil {
		caller, no = x.certify(r, in)
	}
	x.finish(w, r, no, sessionRefusal, func() (*response, *refusal) { return x.session(in.form, caller) })
}

// readSession reads the parameters: ARNs in the query, the others in the body.
func readSession(r *http.Request) (input, *refusal) {
	in := input{form: url.Values{"Action": {createSession}}}
	bad := func(format string, args ...any) (input, *refusal) {
		return in, malformed("ValidationException", fmt.Sprintf(format, args...))
	}
	var err error
	if in.body, err = io.ReadAll(io.LimitReader(r.Body, maxForm)); err != nil {
		return bad("The body is incomplete.")
	}
	_, query := target(r)
	if in.query, err = parseQuery(query); err != nil {
		return bad("The query cannot be decoded: %v", err)
	}
	for _, p := range in.query {
		if in.form.Has(p.key) || !slices.Contains([]string{"profileArn", "roleArn", "trustAnchorArn"}, p.key) {
			return bad("The query has %q twice, or it is not a parameter.", p.key)
		}
		in.form.Set(p.key, p.value)
	}
	var body struct {
		DurationSeconds *int    `json:"durationSeconds"`
		RoleSessionName *string `json:"roleSessionName"`
	}
	d := json.NewDecoder(bytes.NewReader(in.body))
	d.DisallowUnknownFields()
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err := d.Decode(&body); err != nil || d.More() || media != "application/json" || r.Method != http.MethodPost {
		return bad("It is not a POST of a JSON object with durationSeconds and roleSessionName: %v", err)
	}
	if n := body.DurationSeconds; n != nil {
		if *n < 900 || *n > 43200 {
			return bad("durationSeconds is %d, and not between 900 and 43200.", *n)
		}
		in.form.Set("durationSeconds", strconv.Itoa(*n))
	}
	if name := body.RoleSessionName; name != nil {
		if len(*name) < 2 || len(*name) > 64 || !nameChars.MatchString(*name) {
			return bad("roleSessionName is not valid.")
		}
		in.form.Set("roleSessionName", *name)
	}
	return in, nil
}

// certified is the verified certificate of a request, and the trust anchor.
type certified struct {
	anchor TrustAnchor
	leaf   *x509.Certificate
}

// certify verifies the signature, the certificate and its chain.
func (x *conversation) certify(r *http.Request, in input) (certified, *refusal) {
	arn := in.form.Get("trustAnchorArn")
	x.server.lock()
	anchor, known := x.server.anchors[arn]
	x.server.mu.Unlock()
	if !known || anchor.ProfileARN != in.form.Get("profileArn") {
		return certified{}, &refusal{status: http.StatusNotFound, code: "ResourceNotFoundException", message: "Trust anchor or profile not found: " + arn}
	}
	leaf, chain, no := readCertificates(r.Header)
	if no != nil {
		return certified{}, no
	}
	c, no := verifyCertified(r, in, leaf, rules{service: "rolesanywhere", region: arnPart(arn, 3)}, x.now)
	x.call.AccessKeyID, x.call.Region = c.accessKeyID, c.region
	if no != nil {
		if no.why == wrongDate && x.fault.skew != 0 {
			no.callersFault = false // the test set the clock
		}
		no.status, no.code = http.StatusForbidden, "AccessDeniedException"
		return certified{}, no
	}
	if no := anchor.trusts(leaf, chain, x.now); no != nil {
		return certified{}, no
	}
	x.call.Caller = leaf.Subject.String()
	return certified{anchor, leaf}, nil
}

// readCertificates reads the headers with the certificate and its chain.
func readCertificates(h http.Header) (leaf *x509.Certificate, chain []*x509.Certificate, no *refusal) {
	encoded := []string{h.Get("X-Amz-X509")}
	if h.Get("X-Amz-X509-Chain") != "" {
		encoded = append(encoded, strings.Split(h.Get("X-Amz-X509-Chain"), ",")...)
	}
	if len(h.Values("X-Amz-X509")) != 1 || len(h.Values("X-Amz-X509-Chain")) > 1 || len(strings.Join(encoded, "")) > maxCertificate {
		return nil, nil, malformed("ValidationException", "The certificates are missing, twice or too large.")
	}
	for i, text := range encoded {
		der, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil {
			return nil, nil, malformed("ValidationException", fmt.Sprintf("Certificate %d is not base64.", i))
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, nil, malformed("ValidationException", fmt.Sprintf("Certificate %d is malformed: %v", i, err))
		}
		chain = append(chain, c)
	}
	return chain[0], chain[1:], nil
}

// verifyCertified verifies the signature of a request with the key of a certificate.
func verifyCertified(r *http.Request, in input, leaf *x509.Certificate, rule rules, now time.Time) (claim, *refusal) {
	scheme := map[x509.PublicKeyAlgorithm]string{x509.RSA: "AWS4-X509-RSA-SHA256", x509.ECDSA: "AWS4-X509-ECDSA-SHA256"}[leaf.PublicKeyAlgorithm]
	c, no := readAuthorization(r.Header, scheme)
	switch {
	case scheme == "":
		return c, deny(incomplete, "The key of the certificate is neither RSA nor EC.")
	case no != nil:
		return c, no
	case c.accessKeyID != leaf.SerialNumber.String():
		return c, deny(unknownKey, "The credential is not the serial number of the certificate.").because(c.accessKeyID)
	case !slices.Contains(c.signedHeaders, "content-type"):
		return c, deny(wrongHeaders, "'content-type' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for _, check := range []func() *refusal{
		func() *refusal { return c.checkScope(rule) },
		func() *refusal { return c.checkDate(rule, now) },
		func() *refusal { return c.checkHeaders(r, rule) },
	} {
		if no := check(); no != nil {
			return c, no
		}
	}
	hash, no := c.checkPayload(in.body, rule)
	if no != nil {
		return c, no
	}
	canonical, err := canonicalRequest(r, in.query, &c, hash, rule)
	if err != nil {
		return c, deny(wrongSignature, mismatch).because(err.Error())
	}
	toSign := strings.Join([]string{scheme, c.at.Format(amzDate), c.scope(), hexHash([]byte(canonical))}, "\n")
	signature, _ := hex.DecodeString(c.signature) // it was validated
	digest := sha256.Sum256([]byte(toSign))
	valid := false
	switch key := leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		valid = rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
	case *ecdsa.PublicKey:
		valid = ecdsa.VerifyASN1(key, digest[:], signature)
	}
	if !valid {
		return c, deny(wrongSignature, mismatch).because(fmt.Sprintf(
			"either the key is not that of the certificate, or these differ from the signer's:\ncanonical request:\n%s\nstring to sign:\n%s", canonical, toSign))
	}
	return c, nil
}

// trusts verifies that the certificate may create sessions, and its chain to an authority of the trust anchor.
func (a TrustAnchor) trusts(leaf *x509.Certificate, chain []*x509.Certificate, now time.Time) *refusal {
	untrusted := func(why string) *refusal {
		return &refusal{status: http.StatusForbidden, code: "AccessDeniedException", message: "Untrusted certificate. " + why}
	}
	rsaKey, isRSA := leaf.PublicKey.(*rsa.PublicKey)
	if leaf.Version != 3 || leaf.IsCA || leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 || isRSA && rsaKey.N.BitLen() < 2048 {
		return untrusted("Insufficient certificate")
	}
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range a.Certificates {
		roots.AddCert(c)
	}
	last := leaf
	for i, c := range chain {
		if last.CheckSignatureFrom(c) != nil {
			return untrusted(fmt.Sprintf("Certificate %d of the chain did not issue the one before", i+1))
		}
		intermediates.AddCert(c)
		last = c
	}
	if _, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		return untrusted(err.Error())
	}
	return nil
}

// session issues credentials to the owner of a certificate.
func (x *conversation) session(form url.Values, caller certified) (*response, *refusal) {
	arn := form.Get("roleArn")
	if _, ok := parseRoleARN(arn); !ok {
		return nil, malformed("ValidationException", arn+" is not the ARN of a role.")
	}
	role, declared := x.server.role(arn)
	switch {
	case !declared && x.server.DenyUndeclared,
		role.Trusted != nil && !slices.Contains(role.Trusted, servicePrincipal),
		caller.anchor.Roles != nil && !slices.Contains(caller.anchor.Roles, arn):
		return nil, &refusal{status: http.StatusForbidden, code: "AccessDeniedException", message: "Unable to assume role for " + arn}
	case form.Has("roleSessionName") && !caller.anchor.SessionNames:
		return nil, &refusal{status: http.StatusForbidden, code: "AccessDeniedException", message: "The profile does not accept roleSessionName."}
	}
	seconds, _ := strconv.Atoi(form.Get("durationSeconds")) // it was validated
	life := time.Duration(seconds) * time.Second
	for _, fallback := range []time.Duration{caller.anchor.Duration, time.Hour} {
		if life == 0 {
			life = fallback
		}
	}
	if role.MaxDuration > 0 {
		life = min(life, role.MaxDuration)
	}
	name := form.Get("roleSessionName")
	if name == "" {
		name = caller.leaf.SerialNumber.Text(16)
	}
	id, no := roleSession(arn, name)
	if no != nil {
		return nil, no
	}
	id.sourceIdentity = caller.leaf.Subject.CommonName
	q := &request{server: x.server, now: x.now, form: form, fault: x.fault}
	granted, no := q.grant(id, life)
	if no != nil {
		return nil, no
	}
	return jsonResponse(http.StatusCreated, "", map[string]any{
		"credentialSet": []any{map[string]any{
			"assumedRoleUser":  map[string]string{"arn": id.arn, "assumedRoleId": id.userID},
			"credentials":      sessionKeys(granted.Credentials),
			"packedPolicySize": granted.PackedPolicySize,
			"roleArn":          arn,
			"sourceIdentity":   id.sourceIdentity,
		}},
		"subjectArn": strings.Replace(caller.anchor.ARN, ":trust-anchor/", ":subject/", 1),
	}), nil
}

// sessionKeys are credentials in JSON; null if a fault removed them.
func sessionKeys(c *credentialsXML) map[string]string {
	if c == nil {
		return nil
	}
	return map[string]string{
		"accessKeyId": c.AccessKeyId, "secretAccessKey": c.SecretAccessKey, "sessionToken": c.SessionToken, "expiration": c.Expiration,
	}
}

// sessionRefusal is an error of Roles Anywhere.
func sessionRefusal(r *refusal) *response {
	status, code := r.status, r.code
	if code == "Throttling" { // of CallsPerSecond
		status, code = http.StatusTooManyRequests, "ThrottlingException"
	}
	a := jsonResponse(status, code, map[string]string{"message": r.message})
	a.header.Set("X-Amzn-Errortype", code)
	return a
}

func jsonResponse(status int, code string, v any) *response {
	body, _ := json.Marshal(v) // of strings and numbers
	return &response{status: status, code: code, body: string(body), header: http.Header{
		"Content-Type": {"application/json"}, "X-Amzn-Requestid": {requestID()},
	}}
}
