package ststest

import (
	"fmt"
	"regexp"
	"slices"
	"time"
)

// Role is a role with constraints, for [Server.AddRole].
type Role struct {
	ARN         string        // required: "arn:aws:iam::123456789012:role/path/name"
	MaxDuration time.Duration // of a session; 0: 12 h, the maximum of STS
	ExternalID  string        // that callers must send; "": any or none
	MFA         bool          // true: callers must have used an MFA device, in this call or for the session of GetSessionToken they sign with
	Trusted     []string      // ARNs of the users and roles that may assume it, and accounts: "123456789012" or "arn:aws:iam::123456789012:root"; nil: every known caller

	WebIdentity   []WebIdentityTrust // tokens that AssumeRoleWithWebIdentity accepts for it; nil: of every known issuer
	SAMLProviders []string           // ARNs of the identity providers that AssumeRoleWithSAML accepts for it; nil: all of its account
}

// WebIdentityTrust has the conditions of a role on a web identity token.
type WebIdentityTrust struct {
	Issuer   string // the iss claim; "": any known issuer
	Audience string // a value of the aud claim; "": any that is registered for the issuer
	Subject  string // the sub claim, where * matches any text; "": any
}

// AddRole declares a role, or replaces its declaration.
func (s *Server) AddRole(r Role) {
	if _, ok := parseRoleARN(r.ARN); !ok {
		s.mistake(fmt.Errorf("AddRole: Role.ARN %q is not the ARN of a role", r.ARN))
		return
	}
	if r.MaxDuration < 0 {
		s.mistake(fmt.Errorf("AddRole: Role.MaxDuration is %v", r.MaxDuration))
		return
	}
	r.Trusted = slices.Clone(r.Trusted)
	s.lock()
	defer s.mu.Unlock()
	s.roles[r.ARN] = r
}

// MFA is a device that generates codes, for [Server.AddMFA].
type MFA struct {
	Serial string                               // required: "arn:aws:iam::123456789012:mfa/alice"
	User   string                               // ARN of the only user that it belongs to; "": every user
	Codes  []string                             // valid codes, six digits each
	Verify func(code string, at time.Time) bool // nil: only Codes are accepted. At is the server's time; called from any goroutine
}

// AddMFA registers a device, or replaces its registration. Each code is accepted once.
func (s *Server) AddMFA(m MFA) {
	if len(m.Serial) < 9 {
		s.mistake(fmt.Errorf("AddMFA: MFA.Serial %q is shorter than 9 characters", m.Serial))
		return
	}
	m.Codes = slices.Clone(m.Codes)
	s.lock()
	defer s.mu.Unlock()
	s.devices[m.Serial] = &device{MFA: m, used: map[string]bool{}}
}

// device is a registered MFA device. used is guarded by the server's lock.
type device struct {
	MFA
	used map[string]bool
}

func (s *Server) role(arn string) (Role, bool) {
	s.lock()
	defer s.mu.Unlock()
	r, ok := s.roles[arn]
	return r, ok
}

func (s *Server) device(serial string) *device {
	s.lock()
	defer s.mu.Unlock()
	return s.devices[serial]
}

// useCode reports whether the code is valid and has not been used before.
func (s *Server) useCode(d *device, code string, at time.Time) bool {
	if !slices.Contains(d.Codes, code) && (d.Verify == nil || !d.Verify(code, at)) {
		return false
	}
	s.lock()
	defer s.mu.Unlock()
	again := d.used[code]
	d.used[code] = true
	return !again
}

// trusts reports whether Trusted names the caller, its role or its account.
func (r Role) trusts(caller identity) bool {
	return slices.ContainsFunc(r.Trusted, func(principal string) bool {
		switch {
		case principal == "":
			return false
		case principal == caller.arn, principal == caller.role, principal == caller.account:
			return true
		}
		return resourceOf(principal) == "root" && accountOf(principal) == caller.account
	})
}

var roleARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:role/(?:[!-~]+/)?([\w+=,.@-]{1,64})$`)

// parseRoleARN returns the name of the role, without its path.
func parseRoleARN(arn string) (name string, ok bool) {
	m := roleARN.FindStringSubmatch(arn)
	if m == nil {
		return "", false
	}
	return m[1], true
}
