package saml

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// Role is a role that an assertion is for.
type Role struct {
	RoleARN     string
	ProviderARN string // of the SAML provider in IAM: [Provider.PrincipalARN]

	// What the assertion says beside, which is the same for all of its roles.
	SessionName         string        // what the session is called
	SessionDuration     time.Duration // of a session of the console, which alone goes by it; 0: not said
	NotOnOrAfter        time.Time     // when the assertion is no longer taken, if nothing else makes that earlier; zero: not said
	SessionNotOnOrAfter time.Time     // when every session ends; zero: not said
}

// Roles lists the roles that an assertion is for, in its order. The assertion is the
// identity provider's whole response in base64, line breaks included if there are
// any, or the form that a browser posts, "SAMLResponse=...". Nothing is verified.
//
// An assertion without roles, and an encrypted one, which only STS can read, are
// errors.
func Roles(assertion stschain.Secret) ([]Role, error) {
	_, a, err := read(assertion.Reveal())
	if err == nil {
		err = a.anyRole()
	}
	if err != nil {
		return nil, fmt.Errorf("saml: %w", err)
	}
	return slices.Clone(a.roles), nil
}

// assertion is what was read from a response. An encrypted one is empty.
type assertion struct {
	encrypted           bool
	roles               []Role
	badRoles            int       // values of the Role attribute that are no pair of ARNs
	notOnOrAfter        time.Time // for its use; zero: not said
	sessionNotOnOrAfter time.Time // zero: not said
}

var errEncrypted = stschain.Permanent(errors.New("the assertion is encrypted, and only STS can read its roles: set RoleARN and PrincipalARN"))

func (a *assertion) anyRole() error {
	switch {
	case a.encrypted:
		return errEncrypted
	case len(a.roles) > 0:
		return nil
	case a.badRoles > 0:
		return stschain.Permanent(fmt.Errorf("the assertion has no role: its attribute %s has %d values, and none is the ARNs of a role and a SAML provider with a comma between", roleAttribute, a.badRoles))
	}
	return stschain.Permanent(fmt.Errorf("the assertion has no role: the identity provider has to send the attribute %s", roleAttribute))
}

// choose finds the role to assume: the one that is named, or the only one.
func (a *assertion) choose(roleARN, principalARN string) (role, principal string, err error) {
	if roleARN != "" && principalARN != "" && len(a.roles) == 0 {
		return roleARN, principalARN, nil // STS, or a server that goes by something else, decides
	}
	if err := a.anyRole(); err != nil {
		return "", "", err
	}
	var fit []Role
	for _, r := range a.roles {
		if (roleARN == "" || roleARN == r.RoleARN) && (principalARN == "" || principalARN == r.ProviderARN) {
			fit = append(fit, r)
		}
	}
	switch len(fit) {
	case 1:
		return fit[0].RoleARN, fit[0].ProviderARN, nil
	case 0:
		return "", "", stschain.Permanent(fmt.Errorf("the assertion is not for the role: it is for %s", list(a.roles)))
	}
	return "", "", stschain.Permanent(fmt.Errorf("the assertion is for %d roles: set RoleARN, and PrincipalARN if that leaves a choice, to one of %s", len(fit), list(fit)))
}

// list shows roles for people.
func list(roles []Role) string {
	const most = 20
	var b strings.Builder
	for i, r := range roles[:min(len(roles), most)] {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s by %s", r.RoleARN, r.ProviderARN)
	}
	if more := len(roles) - most; more > 0 {
		fmt.Fprintf(&b, "; and %d more", more)
	}
	return b.String()
}

// leeway is how long an assertion may have been expired by this process's clock and
// is still sent. A clock that is fast by some minutes must not refuse what STS, which
// goes by its own, accepts; if STS does not, the error says the same.
const leeway = 15 * time.Minute

// usable refuses an assertion that is long expired.
func (a *assertion) usable(now time.Time) error {
	end := a.notOnOrAfter
	if end.IsZero() || now.Before(end.Add(leeway)) {
		return nil
	}
	return fmt.Errorf("%s: STS takes one within five minutes after it was issued, so Assertion has to bring a new one each time", a.expired(now))
}

// explain adds to an error of STS when the assertion ended.
func (a *assertion) explain(err error, now time.Time) error {
	e, ok := errors.AsType[*stsquery.Error](err)
	if !ok || strings.TrimSuffix(e.Code, "Exception") != "ExpiredToken" || a.notOnOrAfter.IsZero() {
		return err
	}
	return fmt.Errorf("%w; %s", err, a.expired(now))
}

// expired tells when the assertion ends, or ended.
func (a *assertion) expired(now time.Time) string {
	when := a.notOnOrAfter.UTC().Format(time.RFC3339)
	if ago := now.Sub(a.notOnOrAfter); ago >= 0 {
		return fmt.Sprintf("the assertion expired at %s, %v ago", when, ago.Round(time.Second))
	}
	return fmt.Sprintf("the assertion expires at %s, which this machine's clock says is to come", when)
}

// parsePair reads a value of the Role attribute: the ARNs of a role and of a SAML
// provider, in either order. The name of a role may have commas.
func parsePair(value string) (r Role, ok bool) {
	for i := range len(value) {
		if value[i] != ',' {
			continue
		}
		first, second := strings.TrimSpace(value[:i]), strings.TrimSpace(value[i+1:])
		if isProvider(first) {
			first, second = second, first
		}
		if isRole(first) && isProvider(second) {
			return Role{RoleARN: first, ProviderARN: second}, true
		}
	}
	return Role{}, false
}

func isRole(s string) bool     { return isARN(s, "role/") }
func isProvider(s string) bool { return isARN(s, "saml-provider/") && !strings.Contains(s, ",") }

// isARN reports whether s is one ARN, of a kind of resource in any partition, of
// characters that can be shown.
func isARN(s, kind string) bool {
	parts := strings.SplitN(s, ":", 6)
	return len(parts) == 6 && parts[0] == "arn" && len(s) <= 2048 &&
		strings.HasPrefix(parts[5], kind) && len(parts[5]) > len(kind) &&
		!strings.Contains(s, ",arn:") && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

var errTime = errors.New("is no time")

// parseTime reads an instant of XML Schema, which SAML wants in UTC.
func parseTime(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errTime
}
