package webidentity

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// claims are what a token says of itself. Nobody has verified it, so it is good
// for telling early and in words what STS would say, and for nothing else.
type claims struct {
	issuer, subject string
	audiences       []string
	expires         time.Time // zero: it does not say
}

// maxPeek bounds a token that is looked into; a longer one is none of STS.
const maxPeek = 1 << 17

// peek looks into a token that is a JWT (RFC 7519, in the compact form of RFC 7515).
// A claim that is not of its type counts as missing.
func peek(token string) (c claims, isJWT bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > maxPeek {
		return claims{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return claims{}, false
	}
	var all map[string]json.RawMessage // a struct would take EXP for exp
	if json.Unmarshal(payload, &all) != nil || all == nil {
		return claims{}, false
	}
	json.Unmarshal(all["iss"], &c.issuer)
	json.Unmarshal(all["sub"], &c.subject)
	if json.Unmarshal(all["aud"], &c.audiences) != nil { // a list, or
		c.audiences = make([]string, 1)
		if json.Unmarshal(all["aud"], &c.audiences[0]) != nil {
			c.audiences = nil
		}
	}
	c.expires = numericDate(all["exp"])
	return c, true
}

// lastYear keeps far dates where all of package time works.
var lastYear = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// numericDate reads seconds since 1970, which may have a fraction. Zero: it is
// none.
func numericDate(raw json.RawMessage) time.Time {
	seconds, err := strconv.ParseFloat(string(raw), 64) // not for a string, nor null
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange), math.IsNaN(seconds):
		return time.Time{}
	case seconds >= float64(lastYear.Unix()):
		return lastYear
	case seconds < 0:
		return time.Unix(0, 0)
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9))
}

// leeway is how long a token may have been expired by this process's clock and is
// still sent. A clock that is fast by some minutes must not refuse what STS, which
// goes by its own, accepts; if STS does not, the error says the same.
const leeway = 15 * time.Minute

// presented is a token that is sent, and what is known about it.
type presented struct {
	token  stschain.Secret
	origin string // what errors call it; "" if the source did not tell
	claims
	isJWT bool
}

// check refuses a token that is long expired.
func (s presented) check(now time.Time) error {
	if s.expires.IsZero() || now.Before(s.expires.Add(leeway)) {
		return nil
	}
	return errors.New(s.expired(now))
}

// explain adds to an error of STS what the token says of itself.
func (s presented) explain(err error, now time.Time) error {
	e, ok := errors.AsType[*stsquery.Error](err)
	if !ok || s.token.IsZero() {
		return err
	}
	switch strings.TrimSuffix(e.Code, "Exception") {
	case "ExpiredToken":
		if !s.expires.IsZero() {
			return fmt.Errorf("%w; %s", err, s.expired(now))
		}
	case "AccessDenied", "InvalidIdentityToken", "IDPRejectedClaim":
		if !s.isJWT {
			return fmt.Errorf("%w; %s is no JWT, as ID tokens are", err, s.name())
		}
		return fmt.Errorf("%w; %s has the issuer %s, the subject %s and the audience %s",
			err, s.name(), shown(s.issuer), shown(s.subject), shown(s.audiences...))
	}
	return err
}

// expired tells when the token ends, or ended.
func (s presented) expired(now time.Time) string {
	when := s.expires.UTC().Format(time.RFC3339)
	if ago := now.Sub(s.expires); ago >= 0 {
		return fmt.Sprintf("%s expired at %s, %v ago: check what should renew it, and this machine's clock", s.name(), when, ago.Round(time.Second))
	}
	return fmt.Sprintf("%s expires at %s, which this machine's clock says is to come", s.name(), when)
}

func (s presented) name() string {
	if s.origin == "" {
		return "the token"
	}
	return s.origin
}

// shown is a claim for people: quoted, and cut where it is long.
func shown(values ...string) string {
	if len(values) == 0 {
		return "(none)"
	}
	var list []string
	for _, v := range values[:min(len(values), 4)] {
		if len(v) > 256 {
			v = strings.ToValidUTF8(v[:256], "") + "..."
		}
		list = append(list, strconv.Quote(v))
	}
	if len(values) > 4 {
		list = append(list, "...")
	}
	return strings.Join(list, ", ")
}
