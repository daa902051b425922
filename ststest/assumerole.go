package ststest

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"net/http"
	"time"
)

type assumeRoleResult struct {
	XMLName xml.Name `xml:"AssumeRoleResult"`
	sessionXML
	AssumedRoleUser assumedRoleUser
	SourceIdentity  string `xml:",omitempty"`
}

type assumedRoleUser struct{ AssumedRoleId, Arn string }

func (q *request) assumeRole() (any, *refusal) {
	v := violations{form: q.form}
	v.required("RoleArn", 20, 2048, nil)
	v.required("RoleSessionName", 2, 64, nameChars)
	v.text("ExternalId", 2, 1224, externalIDChars)
	v.text("SourceIdentity", 2, 64, nameChars)
	v.text("SerialNumber", 9, 256, serialChars)
	v.secret("TokenCode", 6, 6, digits)
	v.policies(maxForm)
	v.tags()
	v.contexts()
	requested, no := v.roleDuration()
	if no != nil {
		return nil, no
	}
	tags, no := newTags(q.formTags(), members(q.form, "TransitiveTagKeys.member.#"), q.caller.tags)
	if no != nil {
		return nil, no
	}
	mfa, no := q.useMFA()
	if no != nil {
		return nil, no
	}
	arn := q.form.Get("RoleArn")
	role, no := q.mayAssume(arn, mfa)
	if no != nil {
		return nil, no
	}
	life, no := roleLifetime(requested, role.MaxDuration, q.caller.role != "")
	if no != nil {
		return nil, no
	}
	sourceIdentity := q.form.Get("SourceIdentity")
	if was := q.caller.sourceIdentity; was != "" && sourceIdentity != "" && sourceIdentity != was {
		return nil, q.notAuthorized("sts:SetSourceIdentity", arn)
	}
	id, no := roleSession(arn, q.form.Get("RoleSessionName"))
	if no != nil {
		return nil, no
	}
	id.tags = tags // the use of an MFA device is not passed on: IAM User Guide, "Secure API access with MFA"
	id.sourceIdentity = cmp.Or(q.caller.sourceIdentity, sourceIdentity)
	session, no := q.grant(id, life)
	if no != nil {
		return nil, no
	}
	return assumeRoleResult{
		sessionXML:      session,
		AssumedRoleUser: assumedRoleUser{id.userID, id.arn},
		SourceIdentity:  id.sourceIdentity,
	}, nil
}

// roleSession is the identity of a session of a role.
func roleSession(arn, session string) (identity, *refusal) {
	name, ok := parseRoleARN(arn)
	if !ok {
		return identity{}, malformed("ValidationError", arn+" is invalid")
	}
	account := accountOf(arn)
	return identity{
		arn:     fmt.Sprintf("arn:%s:sts::%s:assumed-role/%s/%s", partitionOf(arn), account, name, session),
		userID:  roleID(arn) + ":" + session,
		account: account,
		role:    arn,
		kind:    ofRole,
	}, nil
}

// roleDuration returns the requested duration of a role session, and the refusal for the violations so far.
func (v *violations) roleDuration() (time.Duration, *refusal) {
	requested := v.number("DurationSeconds", 900, 43200)
	v.number("MinimumSessionTokenSize", 0, longestToken)
	if no := v.refusal(); no != nil {
		return 0, no
	}
	return requested, checkPolicy(v.form.Get("Policy"))
}

// roleLifetime is the lifetime of a role session.
func roleLifetime(requested, most time.Duration, chained bool) (time.Duration, *refusal) {
	switch {
	case chained && requested > time.Hour:
		return 0, malformed("ValidationError",
			"The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	case most > 0 && requested > most:
		return 0, malformed("ValidationError",
			"The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	case requested > 0:
		return requested, nil
	case most > 0:
		return min(most, time.Hour), nil
	}
	return time.Hour, nil
}

// mayAssume finds the role and decides whether the caller may assume it.
func (q *request) mayAssume(arn string, mfa bool) (Role, *refusal) {
	if _, ok := parseRoleARN(arn); !ok {
		return Role{}, malformed("ValidationError", arn+" is invalid")
	}
	if resourceOf(q.caller.arn) == "root" {
		return Role{}, &refusal{status: http.StatusForbidden, code: "AccessDenied", message: "Roles may not be assumed by root accounts."}
	}
	role, declared := q.server.role(arn)
	switch {
	case !declared && q.server.DenyUndeclared,
		role.ExternalID != "" && q.form.Get("ExternalId") != role.ExternalID,
		role.MFA && !mfa && !q.caller.mfa,
		role.Trusted != nil && !role.trusts(q.caller):
		return Role{}, q.notAuthorized("sts:AssumeRole", arn)
	}
	return role, nil
}

func (q *request) notAuthorized(action, resource string) *refusal {
	return forbidden(fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s", q.caller.arn, action, resource))
}
