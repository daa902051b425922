package ststest

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	amzDate    = "20060102T150405Z"
	terminator = "aws4_request"
)

// claim is the signature of a request: well-formed, and not yet verified.
type claim struct {
	algorithm             string
	accessKeyID           string
	date, region, service string // of the scope; with SigV4a region is the region set
	signedHeaders         []string
	signature             string
	token                 string
	at                    time.Time
	life                  time.Duration // X-Amz-Expires; negative: not set
	presigned             bool
	payloadHash           string // x-amz-content-sha256; "": not set
}

func (c *claim) scope() string {
	if c.algorithm == algorithmECDSA {
		return c.date + "/" + c.service + "/" + terminator
	}
	return c.date + "/" + c.region + "/" + c.service + "/" + terminator
}

// readClaim finds the signature in the header or in the query, never in both.
// With a refusal it returns what it read until then, for the record of calls.
func readClaim(r *http.Request, query []param) (claim, *refusal) {
	presigned := slices.ContainsFunc(query, func(p param) bool {
		return p.key == "X-Amz-Algorithm" || p.key == "X-Amz-Credential" || p.key == "X-Amz-Signature"
	})
	authorization := r.Header.Values("Authorization")
	switch {
	case presigned && len(authorization) > 0:
		return claim{}, deny(incomplete, "The request is signed in the Authorization header and in the query.")
	case presigned:
		return readPresigned(query)
	case len(authorization) == 1:
		return readAuthorization(r.Header, schemeOf(r.Header))
	case len(authorization) > 1:
		return claim{}, deny(incomplete, "There is more than one Authorization header.")
	}
	return claim{}, deny(unsigned, "Request is missing Authentication Token")
}

// readAuthorization reads
// AWS4-HMAC-SHA256 Credential=id/scope, SignedHeaders=a;b, Signature=hex.
func readAuthorization(h http.Header, required string) (claim, *refusal) {
	c := claim{algorithm: required, life: -1}
	scheme, rest, _ := strings.Cut(h.Get("Authorization"), " ")
	if scheme != required {
		return c, deny(incomplete, "The algorithm of the Authorization header is not "+required+".")
	}
	values := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		key, value, ok := strings.Cut(strings.Trim(part, " \t"), "=")
		_, again := values[key]
		switch {
		case !ok:
			return c, deny(incomplete, "A part of the Authorization header is not key=value.")
		case again:
			return c, deny(incomplete, "The Authorization header names "+key+" twice.")
		case key != "Credential" && key != "SignedHeaders" && key != "Signature":
			return c, deny(incomplete, fmt.Sprintf("The Authorization header has an unknown parameter %q.", key))
		}
		values[key] = value
	}
	for _, key := range []string{"Credential", "Signature", "SignedHeaders"} {
		if values[key] == "" {
			return c, deny(incomplete, "Authorization header requires '"+key+"' parameter.")
		}
	}
	if no := c.readCredential(values["Credential"]); no != nil {
		return c, no
	}
	for _, key := range []string{"X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-Sha256"} {
		if len(h.Values(key)) > 1 {
			return c, deny(incomplete, "There is more than one "+key+" header.")
		}
	}
	c.token = h.Get("X-Amz-Security-Token")
	c.payloadHash = h.Get("X-Amz-Content-Sha256")
	if no := c.readDate(h); no != nil {
		return c, no
	}
	if required == algorithmECDSA {
		if no := c.readRegionSet(h.Values("X-Amz-Region-Set")); no != nil {
			return c, no
		}
	}
	return c, c.readSigned(values["SignedHeaders"], values["Signature"])
}

// readDate reads X-Amz-Date or, if that is missing, Date.
func (c *claim) readDate(h http.Header) *refusal {
	if date := h.Get("X-Amz-Date"); date != "" {
		return c.readAmzDate(date)
	}
	date := h.Get("Date")
	if date == "" {
		return deny(incomplete, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	at, err := http.ParseTime(date)
	if err != nil {
		return c.readAmzDate(date)
	}
	c.at = at.UTC()
	return nil
}

func (c *claim) readAmzDate(date string) *refusal {
	at, err := time.Parse(amzDate, date)
	if err != nil || at.Format(amzDate) != date { // Parse accepts a fraction of a second
		return deny(incomplete, fmt.Sprintf("Date must be in ISO-8601 'basic format'. Got '%s'.", date))
	}
	c.at = at
	return nil
}

// readPresigned reads the X-Amz-* parameters of a query.
func readPresigned(query []param) (claim, *refusal) {
	c := claim{presigned: true, life: -1}
	values := map[string]string{}
	for _, p := range query {
		if !strings.HasPrefix(p.key, "X-Amz-") {
			continue
		}
		if _, again := values[p.key]; again {
			return c, deny(incomplete, "The query names "+p.key+" twice.")
		}
		values[p.key] = p.value
	}
	for _, key := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"} {
		if values[key] == "" {
			return c, deny(incomplete, "AWS query-string parameters must include '"+key+"'.")
		}
	}
	switch c.algorithm = values["X-Amz-Algorithm"]; c.algorithm {
	case algorithm:
	case algorithmECDSA:
		if no := c.readRegionSet([]string{values["X-Amz-Region-Set"]}); no != nil {
			return c, no
		}
	default:
		return c, deny(incomplete, "X-Amz-Algorithm is neither "+algorithm+" nor "+algorithmECDSA+".")
	}
	if no := c.readCredential(values["X-Amz-Credential"]); no != nil {
		return c, no
	}
	if no := c.readAmzDate(values["X-Amz-Date"]); no != nil {
		return c, no
	}
	if life, set := values["X-Amz-Expires"]; set {
		seconds, err := strconv.Atoi(life)
		if err != nil || seconds < 0 || seconds > 604800 {
			return c, deny(incomplete, "X-Amz-Expires must be a number of seconds between 0 and 604800.")
		}
		c.life = time.Duration(seconds) * time.Second
	}
	c.token = values["X-Amz-Security-Token"]
	c.payloadHash = values["X-Amz-Content-Sha256"]
	return c, c.readSigned(values["X-Amz-SignedHeaders"], values["X-Amz-Signature"])
}

func (c *claim) readCredential(credential string) *refusal {
	parts, elements := strings.Split(credential, "/"), "5 slash-delimited elements, e.g. keyid/date/region/service/term."
	want := 5
	if c.algorithm == algorithmECDSA {
		want, elements = 4, "4 slash-delimited elements, e.g. keyid/date/service/term."
	}
	if len(parts) != want || slices.Contains(parts, "") {
		return deny(incomplete, "Credential must have exactly "+elements)
	}
	if want == 4 {
		parts = slices.Insert(parts, 2, c.region)
	}
	c.accessKeyID, c.date, c.region, c.service = parts[0], parts[1], parts[2], parts[3]
	if parts[4] != terminator {
		return deny(wrongScope, fmt.Sprintf("Credential should be scoped with a valid terminator: '%s', not '%s'.", terminator, parts[4]))
	}
	return nil
}

// readSigned reads the list of signed headers, which must be sorted, in lower
// case and without duplicates, and the signature, which is an HMAC or of any length.
func (c *claim) readSigned(headers, signature string) *refusal {
	c.signedHeaders = strings.Split(headers, ";")
	for i, h := range c.signedHeaders {
		switch {
		case h == "" || h != strings.ToLower(h):
			return deny(incomplete, fmt.Sprintf("SignedHeaders has %q, which is not a header name in lower case.", h))
		case i > 0 && h <= c.signedHeaders[i-1]:
			return deny(incomplete, fmt.Sprintf("SignedHeaders is not sorted, or names a header twice, at %q.", h))
		}
	}
	if raw, err := hex.DecodeString(signature); err != nil || c.algorithm == algorithm && len(raw) != 32 || signature != strings.ToLower(signature) {
		return deny(incomplete, "Signature is not hexadecimal digits in lower case, 64 for an HMAC.")
	}
	c.signature = signature
	return nil
}
