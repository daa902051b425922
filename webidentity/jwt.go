package webidentity

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
)

// claims are the claims of a token. They are not verified: they are used to
// report early, and in more detail, what STS would refuse.
type claims struct {
	issuer, subject string
	audiences       []string
	expires         time.Time // zero: unknown
	others          string    // the other claims that IAM evaluates, or makes tags or the source identity of
}

// maxPeek bounds a token that is parsed. STS does not accept longer ones.
const maxPeek = 1 << 17

// peek parses a token that is a JWT (RFC 7519, in the compact form of RFC 7515). A claim of another type
// counts as missing.
func peek(token string) (c claims, isJWT bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > maxPeek {
		return claims{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	var all map[string]json.RawMessage // a struct would accept EXP for exp
	if err != nil || json.Unmarshal(payload, &all) != nil || all == nil {
		return claims{}, false
	}
	c = claims{
		issuer:    claim[string](all["iss"]),
		subject:   claim[string](all["sub"]),
		audiences: claim[[]string](all["aud"]),
		expires:   numericDate(all["exp"]),
	}
	for _, name := range []string{"azp", "amr", "https://aws.amazon.com/tags", "https://aws.amazon.com/source_identity"} {
		if value, ok := all[name]; ok {
			c.others += fmt.Sprintf("%q:%s ", name, value)
		}
	}
	if one := claim[*string](all["aud"]); one != nil {
		c.audiences = []string{*one}
	}
	return c, true
}

func claim[T any](raw json.RawMessage) T {
	var value, zero T
	if json.Unmarshal(raw, &value) != nil {
		return zero
	}
	return value
}

// lastDay, 9999-12-31, limits dates to those that all of package time supports.
const lastDay = 253402214400

// numericDate returns seconds since 1970, which may have a fraction, as a time; zero if raw is not a
// number.
func numericDate(raw json.RawMessage) time.Time {
	seconds, err := strconv.ParseFloat(string(raw), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return time.Time{}
	}
	whole, fraction := math.Modf(min(max(seconds, 0), lastDay))
	return time.Unix(int64(whole), int64(fraction*1e9))
}

// presented is a token that is sent, with its claims and origin.
type presented struct {
	token  stschain.Secret
	origin string // its name in errors; "" if the source did not say
	claims
	isJWT bool
	local bool // this process read it from a file or an agent: it is of the subject that it names
}

// identity returns the fields of the token in an identity. A caller can give a forged token to a function, but not
// to a file or an agent of this machine.
func (s *presented) identity() []string {
	if !s.local || s.issuer == "" || s.subject == "" || len(s.audiences) == 0 {
		return []string{"token=" + s.token.Fingerprint()}
	}
	return []string{"iss=" + s.issuer, "sub=" + s.subject, "aud=" + flow.Names(s.audiences), "claims=" + s.others}
}

func (s *presented) name() string { return cmp.Or(s.origin, "the token") }

func (s *presented) expiry() flow.Expiry { return flow.Expiry{Token: s.name(), At: s.expires} }

// expired says when the token expires or expired, and what to check.
func (s *presented) expired(now time.Time) string {
	text := s.expiry().Describe(now)
	if now.Before(s.expires) {
		return text
	}
	return text + ": check what should renew it, and this machine's clock"
}

// explain adds the claims of the token to an error of STS.
func (s *presented) explain(err error, now time.Time) error {
	if s.token.IsZero() {
		return err
	}
	switch flow.Code(err) {
	case "ExpiredToken":
		if !s.expires.IsZero() {
			return fmt.Errorf("%w; %s", err, s.expired(now))
		}
	case "AccessDenied", "InvalidIdentityToken", "IDPRejectedClaim":
		if !s.isJWT {
			return fmt.Errorf("%w; %s is not a JWT, as ID tokens are", err, s.name())
		}
		return fmt.Errorf("%w; %s has the issuer %s, the subject %s and the audience %s",
			err, s.name(), shown(s.issuer), shown(s.subject), shown(s.audiences...))
	}
	return err
}

// shown formats claims for errors: quoted, and truncated if they are long.
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
