package ststest

import (
	"cmp"
	"encoding/xml"
	"time"
)

// This file has the operations that require long-lived credentials: GetSessionToken and GetFederationToken.

type getSessionTokenResult struct {
	XMLName xml.Name `xml:"GetSessionTokenResult"`
	sessionXML
}

func (q *request) getSessionToken() (any, *refusal) {
	if q.caller.temporary() {
		return nil, forbidden("Cannot call GetSessionToken with session credentials")
	}
	v := violations{form: q.form}
	v.text("SerialNumber", 9, 256, serialChars)
	v.secret("TokenCode", 6, 6, digits)
	requested := v.number("DurationSeconds", 900, 129600)
	v.number("MinimumSessionTokenSize", 0, longestToken)
	if no := v.refusal(); no != nil {
		return nil, no
	}
	mfa, no := q.useMFA()
	if no != nil {
		return nil, no
	}
	session, no := q.grant(identity{
		arn: q.caller.arn, userID: q.caller.userID, account: q.caller.account, mfa: mfa, kind: ofSession,
	}, q.userLifetime(requested))
	if no != nil {
		return nil, no
	}
	return getSessionTokenResult{sessionXML: session}, nil
}

type getFederationTokenResult struct {
	XMLName xml.Name `xml:"GetFederationTokenResult"`
	sessionXML
	FederatedUser struct{ FederatedUserId, Arn string }
}

func (q *request) getFederationToken() (any, *refusal) {
	if q.caller.temporary() {
		return nil, forbidden("Cannot call GetFederationToken with session credentials")
	}
	v := violations{form: q.form}
	v.required("Name", 2, 32, nameChars)
	v.policies(maxSessionPolicy)
	v.tags()
	requested := v.number("DurationSeconds", 900, 129600)
	v.number("MinimumSessionTokenSize", 0, longestToken)
	if no := v.refusal(); no != nil {
		return nil, no
	}
	if no := checkPolicy(q.form.Get("Policy")); no != nil {
		return nil, no
	}
	tags, no := newTags(q.formTags(), nil, nil)
	if no != nil {
		return nil, no
	}
	account, name := q.caller.account, q.form.Get("Name")
	id := identity{
		arn:     "arn:" + partitionOf(q.caller.arn) + ":sts::" + account + ":federated-user/" + name,
		userID:  account + ":" + name,
		account: account,
		tags:    tags,
		kind:    ofFederation,
	}
	session, no := q.grant(id, q.userLifetime(requested))
	if no != nil {
		return nil, no
	}
	result := getFederationTokenResult{sessionXML: session}
	result.FederatedUser.FederatedUserId, result.FederatedUser.Arn = id.userID, id.arn
	return result, nil
}

// userLifetime is the lifetime of a session of a user, or of an account's root,
// which is limited to an hour without an error.
func (q *request) userLifetime(requested time.Duration) time.Duration {
	life := cmp.Or(requested, 12*time.Hour)
	if resourceOf(q.caller.arn) == "root" {
		return min(life, time.Hour)
	}
	return life
}

// useMFA checks the MFA code of a request, if it has one, and marks it as used.
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
