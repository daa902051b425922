package ststest

import (
	"cmp"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

const apiVersion = "2011-06-15"

// operation is one of STS: the parameters that it knows, with # for the index
// in a list, and what it does once they are known.
type operation struct {
	params []string
	run    func(*request) (any, *refusal)
}

var operations = map[string]operation{
	"AssumeRole": {[]string{
		"RoleArn", "RoleSessionName", "DurationSeconds", "ExternalId", "SerialNumber", "TokenCode", "SourceIdentity",
		"Policy", "PolicyArns.member.#.arn", "Tags.member.#.Key", "Tags.member.#.Value", "TransitiveTagKeys.member.#",
		"ProvidedContexts.member.#.ProviderArn", "ProvidedContexts.member.#.ContextAssertion", "MinimumSessionTokenSize",
	}, (*request).assumeRole},
	"GetCallerIdentity": {nil, (*request).getCallerIdentity},
	"GetSessionToken": {[]string{
		"DurationSeconds", "SerialNumber", "TokenCode", "MinimumSessionTokenSize",
	}, (*request).getSessionToken},
}

// request is a call whose signature was accepted.
type request struct {
	server *Server
	now    time.Time
	caller identity
	form   url.Values
	fault  Fault
}

func (q *request) run(name string) (any, *refusal) {
	op := operations[name]
	if no := checkNames(q.form, op.params); no != nil {
		return nil, no
	}
	return op.run(q)
}

type assumeRoleResult struct {
	XMLName          xml.Name        `xml:"AssumeRoleResult"`
	SourceIdentity   string          `xml:",omitempty"`
	Credentials      *credentialsXML `xml:",omitempty"`
	AssumedRoleUser  assumedRoleUser
	PackedPolicySize int `xml:",omitempty"`
}

type assumedRoleUser struct{ AssumedRoleId, Arn string }

func (q *request) assumeRole() (any, *refusal) {
	v := violations{form: q.form}
	v.required("RoleArn", 20, 2048, nil)
	v.required("RoleSessionName", 2, 64, nameChars)
	v.text("ExternalId", 2, 1224, externalIDChars)
	v.text("SourceIdentity", 2, 64, nameChars)
	v.text("SerialNumber", 9, 256, serialChars)
	v.text("TokenCode", 6, 6, digits)
	v.text("Policy", 1, maxForm, nil)
	asked := v.number("DurationSeconds", 900, 43200)
	v.number("MinimumSessionTokenSize", 0, 4096)
	if no := v.refusal(); no != nil {
		return nil, no
	}
	arn, session := q.form.Get("RoleArn"), q.form.Get("RoleSessionName")
	name, ok := parseRoleARN(arn)
	if !ok {
		return nil, malformed("ValidationError", arn+" is invalid")
	}
	if policy := q.form.Get("Policy"); policy != "" && !json.Valid([]byte(policy)) {
		return nil, malformed("MalformedPolicyDocument", "Syntax errors in policy.")
	}
	mfa, no := q.useMFA()
	if no != nil {
		return nil, no
	}
	role, no := q.mayAssume(arn, mfa)
	if no != nil {
		return nil, no
	}
	life, no := roleLife(asked, role.MaxDuration, q.caller.role != "")
	if no != nil {
		return nil, no
	}

	account := accountOf(arn)
	id := q.server.issue(identity{
		arn:     fmt.Sprintf("arn:%s:sts::%s:assumed-role/%s/%s", partitionOf(arn), account, name, session),
		userID:  roleID(arn) + ":" + session,
		account: account,
		role:    arn,
		mfa:     mfa,
	}, q.expiry(life))
	return assumeRoleResult{
		SourceIdentity:   q.form.Get("SourceIdentity"),
		Credentials:      q.show(id),
		AssumedRoleUser:  assumedRoleUser{id.userID, id.arn},
		PackedPolicySize: packedSize(q.form),
	}, nil
}

// roleLife is how long a role session lives.
func roleLife(asked, most time.Duration, chained bool) (time.Duration, *refusal) {
	switch {
	case chained && asked > time.Hour:
		return 0, malformed("ValidationError",
			"The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	case most > 0 && asked > most:
		return 0, malformed("ValidationError",
			"The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	case asked > 0:
		return asked, nil
	case most > 0:
		return min(most, time.Hour), nil
	}
	return time.Hour, nil
}

type getCallerIdentityResult struct {
	XMLName              xml.Name `xml:"GetCallerIdentityResult"`
	Arn, UserId, Account string
}

func (q *request) getCallerIdentity() (any, *refusal) {
	return getCallerIdentityResult{Arn: q.caller.arn, UserId: q.caller.userID, Account: q.caller.account}, nil
}

type getSessionTokenResult struct {
	XMLName     xml.Name        `xml:"GetSessionTokenResult"`
	Credentials *credentialsXML `xml:",omitempty"`
}

func (q *request) getSessionToken() (any, *refusal) {
	if q.caller.temporary() {
		return nil, forbidden("Cannot call GetSessionToken with session credentials")
	}
	v := violations{form: q.form}
	v.text("SerialNumber", 9, 256, serialChars)
	v.text("TokenCode", 6, 6, digits)
	asked := v.number("DurationSeconds", 900, 129600)
	v.number("MinimumSessionTokenSize", 0, 4096)
	if no := v.refusal(); no != nil {
		return nil, no
	}
	mfa, no := q.useMFA()
	if no != nil {
		return nil, no
	}
	life := cmp.Or(asked, 12*time.Hour)
	if resourceOf(q.caller.arn) == "root" {
		life = min(life, time.Hour)
	}
	id := identity{arn: q.caller.arn, userID: q.caller.userID, account: q.caller.account, mfa: mfa}
	return getSessionTokenResult{Credentials: q.show(q.server.issue(id, q.expiry(life)))}, nil
}

// expiry is when credentials end that are issued now for life.
func (q *request) expiry(life time.Duration) time.Time {
	switch {
	case q.fault.expired:
		return q.now.UTC().Add(-time.Second).Truncate(time.Second)
	case q.server.Lifetime > 0:
		return q.now.UTC().Add(q.server.Lifetime).Truncate(time.Millisecond)
	}
	return q.now.UTC().Add(life).Truncate(time.Second)
}

// show is the credentials as the answer has them.
func (q *request) show(id identity) *credentialsXML {
	c := showCredentials(id.creds)
	if q.fault.show != nil {
		return q.fault.show(c)
	}
	return c
}

// packedSize is how full the session's policies and tags make it, in percent of
// some limit.
func packedSize(form url.Values) int {
	n := 0
	for key, values := range form {
		switch param, _ := indexed(key); param {
		case "Policy", "PolicyArns.member.#.arn", "Tags.member.#.Key", "Tags.member.#.Value":
			n += len(values[0])
		}
	}
	if n == 0 {
		return 0
	}
	return min(1+n*100/2048, 100)
}

// useMFA looks at the code in a request, if there is one, and uses it up.
func (q *request) useMFA() (used bool, no *refusal) {
	serial, code := q.form.Get("SerialNumber"), q.form.Get("TokenCode")
	switch {
	case serial == "" && code == "":
		return false, nil
	case serial == "" || code == "":
		return false, forbidden("MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.")
	}
	d := q.server.device(serial)
	if d == nil || q.caller.role != "" || d.User != "" && d.User != q.caller.arn {
		return false, forbidden("MultiFactorAuthentication failed, unable to validate MFA code. " +
			"Please verify your MFA serial number is valid and associated with this user.")
	}
	if !q.server.useCode(d, code, q.now) {
		return false, forbidden("MultiFactorAuthentication failed with invalid MFA one time pass code.")
	}
	return true, nil
}

// mayAssume finds the role and decides whether the caller may assume it.
func (q *request) mayAssume(arn string, mfa bool) (Role, *refusal) {
	denied := forbidden(fmt.Sprintf("User: %s is not authorized to perform: sts:AssumeRole on resource: %s", q.caller.arn, arn))
	if resourceOf(q.caller.arn) == "root" {
		return Role{}, &refusal{status: http.StatusForbidden, code: "AccessDenied", message: "Roles may not be assumed by root accounts."}
	}
	role, declared := q.server.role(arn)
	switch {
	case !declared && q.server.DenyUndeclared,
		role.ExternalID != "" && q.form.Get("ExternalId") != role.ExternalID,
		role.MFA && !mfa && !q.caller.mfa,
		role.Trusted != nil && !role.trusts(q.caller):
		return Role{}, denied
	}
	return role, nil
}
