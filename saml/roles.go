package saml

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
)

// Role is a role that an assertion is for.
type Role struct {
	RoleARN     string
	ProviderARN string // of the SAML provider in IAM: [Provider.PrincipalARN]

	// Further content of the assertion, the same for all of its roles.
	SessionName         string        // the name of the session
	SessionDuration     time.Duration // of a console session; it does not apply to others. 0: not specified
	NotOnOrAfter        time.Time     // when the assertion expires; zero: not specified
	SessionNotOnOrAfter time.Time     // when every session ends; zero: not specified
}

// Roles lists the roles that an assertion is for, in its order. The assertion is the identity provider's
// complete response in base64, which may contain line breaks, or the form that a browser posts,
// "SAMLResponse=...". Nothing is verified.
//
// An assertion without roles, and an encrypted one, which only STS can read, are errors.
func Roles(assertion stschain.Secret) ([]Role, error) {
	_, a, err := read(assertion.Reveal())
	if err == nil {
		err = a.anyRole()
	}
	if err != nil {
		return nil, fmt.Errorf("saml: %w", err)
	}
	list := make([]Role, len(a.roles))
	for i, r := range a.roles {
		list[i] = a.Role
		list[i].RoleARN, list[i].ProviderARN = r.RoleARN, r.ProviderARN
	}
	return list, nil
}

// assertion is the content of a response. An encrypted one is empty.
type assertion struct {
	encrypted bool
	Role             // without ARNs: what all of its roles share
	roles     []Role // the ARNs alone
	badRoles  int    // values of the Role attribute that are not a pair of ARNs
}

func (a *assertion) anyRole() error {
	switch {
	case a.encrypted:
		return stschain.Permanent(errors.New("the assertion is encrypted, and only STS can read its roles: set RoleARN and PrincipalARN"))
	case len(a.roles) > 0:
		return nil
	case a.badRoles > 0:
		return stschain.Permanent(fmt.Errorf("the assertion has no role: its attribute %s has %d values, and none is a role ARN and a SAML provider ARN with a comma between them", roleAttribute, a.badRoles))
	}
	return stschain.Permanent(fmt.Errorf("the assertion has no role: the identity provider must send the attribute %s", roleAttribute))
}

// choose returns the role to assume: the named one, or the only one.
func (a *assertion) choose(roleARN, principalARN string) (role, principal string, err error) {
	if roleARN != "" && principalARN != "" && len(a.roles) == 0 {
		return roleARN, principalARN, nil // STS, or a server with other attributes, decides
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
	return "", "", stschain.Permanent(fmt.Errorf("the assertion is for %d roles: set RoleARN, and PrincipalARN if several providers remain, to one of %s", len(fit), list(fit)))
}

// list formats roles for errors.
func list(roles []Role) string {
	const most = 20
	var texts []string
	for _, r := range roles[:min(len(roles), most)] {
		texts = append(texts, r.RoleARN+" by "+r.ProviderARN)
	}
	if more := len(roles) - most; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, "; ")
}

func (a *assertion) expiry() flow.Expiry {
	return flow.Expiry{Token: "the assertion", At: a.NotOnOrAfter}
}

// explain adds to an error of STS when the assertion expired.
func (a *assertion) explain(err error, now time.Time) error {
	if flow.Code(err) != "ExpiredToken" || a.NotOnOrAfter.IsZero() {
		return err
	}
	return fmt.Errorf("%w; %s", err, a.expiry().Describe(now))
}

// parsePair parses a value of the Role attribute: the ARNs of a role and of a SAML provider, in either
// order. The name of a role may contain commas.
func parsePair(value string) (r Role, ok bool) {
	for i := range len(value) {
		if value[i] != ',' {
			continue
		}
		first, second := strings.TrimSpace(value[:i]), strings.TrimSpace(value[i+1:])
		if isProvider(first) {
			first, second = second, first
		}
		if isARN(first, "role/") && isProvider(second) {
			return Role{RoleARN: first, ProviderARN: second}, true
		}
	}
	return Role{}, false
}

func isProvider(s string) bool { return isARN(s, "saml-provider/") && !strings.Contains(s, ",") }

// isARN reports whether s is a single ARN, of a kind of resource in any partition, in printable ASCII.
func isARN(s, kind string) bool {
	parts := strings.SplitN(s, ":", 6)
	return len(parts) == 6 && parts[0] == "arn" && len(s) <= 2048 &&
		strings.HasPrefix(parts[5], kind) && len(parts[5]) > len(kind) &&
		!strings.Contains(s, ",arn:") && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}
