package ststest

import (
	"net/http"
	"time"
)

// Rules are those of services that no front of this package stands for, and
// that the official suite has cases of.
type Rules struct {
	Service, Region string
	KeepPath        bool // the path is not normalized
	UnsignedToken   bool // the session token is added after signing
	S3              bool // the path is escaped once
}

// Verify looks at the signature of a request and at nothing else. It returns
// "" or the code of the refusal.
func (s *Server) Verify(r *http.Request, body []byte, rule Rules, now time.Time) string {
	_, rawQuery := target(r)
	query, err := parseQuery(rawQuery)
	if err != nil {
		return "MalformedQueryString"
	}
	_, _, no := s.authenticate(r, query, body, rules{
		service: rule.Service, region: rule.Region, keepPath: rule.KeepPath, unsignedToken: rule.UnsignedToken, s3: rule.S3,
	}, now)
	if no != nil {
		return no.inSTS().code
	}
	return ""
}

// What the tests reach of the parsers.
var (
	HostRegion = hostRegion
	Like       = like
)

// ParseJWT takes a token apart, and returns its algorithm and claims.
func ParseJWT(token string) (algorithm string, claims map[string]any, err error) {
	t, err := parseJWT(token)
	return t.algorithm, t.claims, err
}

// ParseSAML reads a response, and returns its issuer and attributes.
func ParseSAML(document []byte) (issuer string, attributes map[string][]string, err error) {
	r, err := parseSAML(document)
	return r.issuer, r.attributes, err
}
