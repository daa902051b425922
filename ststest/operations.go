package ststest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

const apiVersion = "2011-06-15"

// operation is an operation of STS.
type operation struct {
	params   []string // allowed parameters, with # for the index in a list
	unsigned bool     // it is called without a signature
	regional bool     // the global endpoint does not have it
	issues   bool     // it issues credentials, which is refused in a disabled region
	callers  []kind   // kinds of credentials that may call it; nil: every kind
	run      func(*request) (any, *refusal)
}

var operations = map[string]operation{
	"AssumeRole": {
		params: []string{
			"RoleArn", "RoleSessionName", "DurationSeconds", "ExternalId", "SerialNumber", "TokenCode", "SourceIdentity",
			"Policy", "PolicyArns.member.#.arn", "Tags.member.#.Key", "Tags.member.#.Value", "TransitiveTagKeys.member.#",
			"ProvidedContexts.member.#.ProviderArn", "ProvidedContexts.member.#.ContextAssertion", "MinimumSessionTokenSize",
		},
		issues:  true,
		callers: []kind{ofUser, ofRole, ofSession, ofDelegation},
		run:     (*request).assumeRole,
	},
	"AssumeRoleWithSAML": {
		params: []string{
			"RoleArn", "PrincipalArn", "SAMLAssertion", "DurationSeconds",
			"Policy", "PolicyArns.member.#.arn", "MinimumSessionTokenSize",
		},
		unsigned: true,
		issues:   true,
		run:      (*request).assumeRoleWithSAML,
	},
	"AssumeRoleWithWebIdentity": {
		params: []string{
			"RoleArn", "RoleSessionName", "WebIdentityToken", "ProviderId", "DurationSeconds",
			"Policy", "PolicyArns.member.#.arn", "MinimumSessionTokenSize",
		},
		unsigned: true,
		issues:   true,
		run:      (*request).assumeRoleWithWebIdentity,
	},
	"AssumeRoot": {
		params:   []string{"TargetPrincipal", "TaskPolicyArn.arn", "DurationSeconds", "MinimumSessionTokenSize"},
		regional: true,
		issues:   true,
		callers:  []kind{ofUser, ofRole, ofDelegation},
		run:      (*request).assumeRoot,
	},
	"DecodeAuthorizationMessage": {
		params:  []string{"EncodedMessage"},
		callers: []kind{ofUser, ofRole, ofDelegation},
		run:     (*request).decodeAuthorizationMessage,
	},
	"GetAccessKeyInfo": {
		params:  []string{"AccessKeyId"},
		callers: []kind{ofUser, ofRole, ofDelegation},
		run:     (*request).getAccessKeyInfo,
	},
	"GetCallerIdentity": {
		run: (*request).getCallerIdentity,
	},
	"GetDelegatedAccessToken": {
		params:  []string{"TradeInToken"},
		issues:  true,
		callers: []kind{ofUser, ofRole, ofDelegation},
		run:     (*request).getDelegatedAccessToken,
	},
	"GetFederationToken": {
		params: []string{
			"Name", "DurationSeconds", "Policy", "PolicyArns.member.#.arn",
			"Tags.member.#.Key", "Tags.member.#.Value", "MinimumSessionTokenSize",
		},
		issues: true,
		run:    (*request).getFederationToken,
	},
	"GetSessionToken": {
		params: []string{"DurationSeconds", "SerialNumber", "TokenCode", "MinimumSessionTokenSize"},
		issues: true,
		run:    (*request).getSessionToken,
	},
	"GetWebIdentityToken": {
		params: []string{
			"Audience.member.#", "DurationSeconds", "SigningAlgorithm", "Tags.member.#.Key", "Tags.member.#.Value",
		},
		regional: true,
		callers:  []kind{ofUser, ofRole, ofDelegation},
		run:      (*request).getWebIdentityToken,
	},
}

// request is a call whose signature was accepted, or that does not need one.
type request struct {
	server *Server
	now    time.Time
	host   string
	region string   // that it was sent to; "": the host does not name one
	caller identity // zero for the operations without a signature
	form   url.Values
	fault  Fault
}

func (q *request) run(name string) (any, *refusal) {
	op := operations[name]
	if no := checkNames(q.form, op.params); no != nil {
		return nil, no
	}
	switch {
	case op.regional && isGlobal(q.host):
		return nil, malformed("InvalidAction", fmt.Sprintf("Could not find operation %s for version %s", name, apiVersion)).
			because("the global endpoint does not have it")
	case op.issues && slices.Contains(q.server.DisabledRegions, q.region):
		return nil, &refusal{status: http.StatusForbidden, code: "RegionDisabledException",
			message: "STS is not activated in this region for account:" + q.account() + ". Your account administrator can activate STS in this region using the IAM Console."}
	case op.callers != nil && !slices.Contains(op.callers, q.caller.kind):
		return nil, forbidden(fmt.Sprintf("User: %s is not authorized to perform: sts:%s with credentials of %s", q.caller.arn, name, q.caller.kind))
	}
	return op.run(q)
}

// account is the account of the call, for errors.
func (q *request) account() string {
	if q.caller.account != "" {
		return q.caller.account
	}
	return accountOf(q.form.Get("RoleArn"))
}

// sessionXML is the part of a result that is the same in all operations that
// issue credentials.
type sessionXML struct {
	Credentials             *credentialsXML `xml:",omitempty"`
	PackedPolicySize        int             `xml:",omitempty"`
	SessionTokenSize        int
	SessionTokenUtilization int
}

// Sizes of session tokens in bytes, from the STS reference of September 2026.
// STS does not document how it packs policies: here a policy takes half of its
// length in the token.
const (
	emptyToken   = 328
	longestToken = 4096
	packing      = 2
)

// grant issues the credentials of a session.
func (q *request) grant(id identity, life time.Duration) (sessionXML, *refusal) {
	packed := q.policySize() + id.tags.size()
	percent := (packed*100 + packedRoom - 1) / packedRoom
	if percent > 100 {
		return sessionXML{}, &refusal{status: http.StatusBadRequest, code: "PackedPolicyTooLarge",
			message: fmt.Sprintf("Packed policy consumes %d%% of allotted space, please use smaller policy.", percent)}
	}
	least, _ := strconv.Atoi(q.form.Get("MinimumSessionTokenSize")) // it was validated
	id.chained = q.caller.temporary()
	id = q.server.issue(id, q.expiry(life), max(emptyToken+packed/packing, least))
	size := len(id.creds.SessionToken.Reveal())
	return sessionXML{
		Credentials:             q.show(id),
		PackedPolicySize:        percent,
		SessionTokenSize:        size,
		SessionTokenUtilization: (size*100 + longestToken - 1) / longestToken,
	}, nil
}

// packedRoom is the maximum size of policies and tags before they are packed.
const packedRoom = (longestToken - emptyToken) * packing

// policySize is the length of the session's policies.
func (q *request) policySize() int {
	n := len(q.form.Get("Policy"))
	for _, arn := range members(q.form, "PolicyArns.member.#.arn") {
		n += len(arn)
	}
	return n
}

// expiry returns when credentials expire that are issued now for life.
func (q *request) expiry(life time.Duration) time.Time {
	switch {
	case q.fault.expired:
		return q.now.UTC().Add(-time.Second).Truncate(time.Second)
	case q.server.Lifetime > 0:
		return q.now.UTC().Add(q.server.Lifetime).Truncate(time.Millisecond)
	}
	return q.now.UTC().Add(life).Truncate(time.Second)
}

// show returns the credentials in the form of the response.
func (q *request) show(id identity) *credentialsXML {
	c := showCredentials(id.creds)
	if q.fault.show != nil {
		return q.fault.show(c)
	}
	return c
}
