package ststest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// rules are the requirements of a service on a signature.
type rules struct {
	service         string
	region          string // "": any
	s3              bool   // the path is escaped once, x-amz-content-sha256 is required, a presigned body is not hashed
	keepPath        bool   // the path is not normalized
	unsignedPayload bool   // UNSIGNED-PAYLOAD is accepted
	fixedLifetime   bool   // a presigned request is valid for 15 minutes, regardless of X-Amz-Expires
	unsignedToken   bool   // the session token is added after signing
	oneRegion       bool   // SigV4a is not accepted
	s3Session       bool   // the keys are a session of a directory bucket, whose token has a header of its own
}

// window is how far the date of a signature may be from the server's clock.
const window = 15 * time.Minute

// denial is a reason to refuse a request. Services have different codes for it.
type denial int

const (
	unsigned denial = iota
	incomplete
	wrongScope
	wrongDate
	urlExpired
	unknownKey
	badToken
	expiredToken
	wrongHeaders
	wrongPayload
	wrongSignature
)

// deny refuses a request because of its signature. Status and code are
// filled in for each service.
func deny(why denial, message string) *refusal {
	return &refusal{why: why, message: message, callersFault: why != expiredToken}
}

// authenticate finds the identity that signed a request.
func (s *Server) authenticate(r *http.Request, query []param, body []byte, rule rules, now time.Time) (identity, claim, *refusal) {
	c, no := readClaim(r, query)
	if no != nil {
		return identity{}, c, no
	}
	if no := c.checkScope(rule); no != nil {
		return identity{}, c, no
	}
	if no := c.checkDate(rule, now); no != nil {
		return identity{}, c, no
	}
	id, known := s.lookup(c.accessKeyID)
	if rule.s3Session {
		id, known = s.lookupSession(c.accessKeyID)
		if no := c.readSessionToken(r, query); no != nil {
			return identity{}, c, no
		}
	}
	if !known {
		return identity{}, c, deny(unknownKey, "The security token included in the request is invalid.").
			because("the access key ID " + c.accessKeyID + " is not known here")
	}
	if c.token != id.creds.SessionToken.Reveal() {
		return identity{}, c, deny(badToken, "The security token included in the request is invalid.").
			because(tokenProblem(c.token, id))
	}
	if no := c.checkHeaders(r, rule); no != nil {
		return identity{}, c, no
	}
	if no := c.checkSignature(r, query, body, rule, id); no != nil {
		return identity{}, c, no
	}
	switch {
	case id.revoked && !id.temporary():
		no := deny(unknownKey, "The security token included in the request is invalid.")
		no.callersFault = false
		return identity{}, c, no
	case id.revoked || id.creds.ExpiredAt(now):
		return identity{}, c, deny(expiredToken, "The security token included in the request is expired")
	}
	return id, c, nil
}

func tokenProblem(token string, id identity) string {
	switch {
	case !id.temporary():
		return "there is a session token, and " + id.creds.AccessKeyID + " is a long-lived key"
	case token == "":
		return "the session token is missing, and " + id.creds.AccessKeyID + " is a temporary key"
	}
	return "the session token is not that of " + id.creds.AccessKeyID
}

func (c *claim) checkScope(rule rules) *refusal {
	if rule.oneRegion && c.algorithm == algorithmECDSA {
		return deny(incomplete, "Unsupported AWS 'algorithm': '"+c.algorithm+"'")
	}
	if c.service != rule.service {
		return deny(wrongScope, fmt.Sprintf("Credential should be scoped to correct service: '%s'. ", rule.service)).
			because(fmt.Sprintf("it is scoped to %q", c.service))
	}
	if rule.region != "" && !c.coversRegion(rule.region) {
		return deny(wrongScope, "Credential should be scoped to a valid region. ").
			because(fmt.Sprintf("it is scoped to %q instead of %q", c.region, rule.region))
	}
	if day := c.at.Format("20060102"); c.date != day {
		return deny(wrongScope, fmt.Sprintf("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.",
			c.date, day, c.at.Format(amzDate)))
	}
	return nil
}

func (c *claim) checkDate(rule rules, now time.Time) *refusal {
	now = now.UTC()
	oldest, latest := now.Add(-window), now.Add(window)
	if c.at.After(latest) {
		return deny(wrongDate, fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + 15 min.)",
			c.at.Format(amzDate), latest.Format(amzDate), now.Format(amzDate)))
	}
	if c.presigned && !rule.fixedLifetime && c.life >= 0 {
		if now.After(c.at.Add(c.life)) {
			return deny(urlExpired, "Request has expired")
		}
		return nil
	}
	if c.at.Before(oldest) {
		return deny(wrongDate, fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - 15 min.)",
			c.at.Format(amzDate), oldest.Format(amzDate), now.Format(amzDate)))
	}
	return nil
}

// checkHeaders refuses a request that would stay valid after a change of its
// host or one of its x-amz-* headers.
func (c *claim) checkHeaders(r *http.Request, rule rules) *refusal {
	must := []string{"host"}
	for name := range r.Header {
		name = strings.ToLower(name)
		if rule.unsignedToken && name == "x-amz-security-token" {
			continue
		}
		if strings.HasPrefix(name, "x-amz-") {
			must = append(must, name)
		}
	}
	if !c.presigned && r.Header.Get("X-Amz-Date") == "" {
		must = append(must, "date")
	}
	for _, name := range must {
		if !slices.Contains(c.signedHeaders, name) {
			return deny(wrongHeaders, fmt.Sprintf("'%s' must be a 'SignedHeader' in the AWS Authorization.", name))
		}
	}
	return nil
}

func (c *claim) checkSignature(r *http.Request, query []param, body []byte, rule rules, id identity) *refusal {
	hash, no := c.checkPayload(body, rule)
	if no != nil {
		return no
	}
	canonical, err := canonicalRequest(r, query, c, hash, rule)
	if err != nil {
		return deny(wrongSignature, mismatch).because(err.Error())
	}
	toSign := stringToSign(c, canonical)
	if !c.verifies(id.creds.AccessKeyID, id.creds.SecretAccessKey.Reveal(), toSign) {
		if c.token != "" { // the canonical request is printed
			canonical = strings.NewReplacer(c.token, "[redacted]", escape(c.token), "[redacted]").Replace(canonical)
		}
		return deny(wrongSignature, mismatch).because(fmt.Sprintf(
			"either the secret key is wrong, or these differ from the signer's:\ncanonical request:\n%s\nstring to sign:\n%s", canonical, toSign))
	}
	return nil
}

const mismatch = "The request signature we calculated does not match the signature you provided. " +
	"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."

func canonicalRequest(r *http.Request, query []param, c *claim, payloadHash string, rule rules) (string, error) {
	rawPath, _ := target(r)
	path, err := canonicalPath(rawPath, rule.s3, rule.s3 || rule.keepPath)
	if err != nil {
		return "", err
	}
	headers, err := canonicalHeaders(r, c.signedHeaders)
	if err != nil {
		return "", err
	}
	var without []string
	if rule.unsignedToken {
		without = []string{"X-Amz-Security-Token"}
	}
	return strings.Join([]string{
		r.Method,
		path,
		canonicalQuery(query, without...),
		headers, // ends in a line feed
		strings.Join(c.signedHeaders, ";"),
		payloadHash,
	}, "\n"), nil
}

const unsignedPayload = "UNSIGNED-PAYLOAD"

// checkPayload compares the body with the hash that the request names and
// returns the hash that must have been signed.
func (c *claim) checkPayload(body []byte, rule rules) (string, *refusal) {
	actual := hexHash(body)
	switch c.payloadHash {
	case actual:
		return actual, nil
	case "":
		switch {
		case !rule.s3:
			return actual, nil
		case c.presigned:
			return unsignedPayload, nil
		}
		return "", deny(wrongPayload, "Missing required header for this request: x-amz-content-sha256")
	case unsignedPayload:
		if rule.unsignedPayload {
			return unsignedPayload, nil
		}
		return "", deny(wrongPayload, mismatch).because("UNSIGNED-PAYLOAD is not for this service")
	}
	return "", deny(wrongPayload, "The provided 'x-amz-content-sha256' header does not match what was computed.").
		because(fmt.Sprintf("it is %q, and the hash of the %d bytes that arrived is %s", c.payloadHash, len(body), actual))
}
