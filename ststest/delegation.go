package ststest

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/stschain-go/stschain"
)

// This file has the operations for sessions on behalf of another identity: AssumeRoot and GetDelegatedAccessToken.

type assumeRootResult struct {
	XMLName xml.Name `xml:"AssumeRootResult"`
	sessionXML
	SourceIdentity string `xml:",omitempty"`
}

var (
	accountID  = regexp.MustCompile(`^\d{12}$`)
	rootARN    = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:root$`)
	taskPolicy = regexp.MustCompile(`^arn:aws[a-z-]*:iam::aws:policy/root-task/` +
		`(IAMAuditRootUserCredentials|IAMCreateRootUserPassword|IAMDeleteRootUserCredentials|S3UnlockBucketPolicy|SQSUnlockQueuePolicy)$`)
)

func (q *request) assumeRoot() (any, *refusal) {
	v := violations{form: q.form}
	v.required("TargetPrincipal", 12, 2048, nil)
	v.required("TaskPolicyArn.arn", 20, 2048, nil)
	requested := v.number("DurationSeconds", 0, 900)
	v.number("MinimumSessionTokenSize", 0, longestToken)
	if no := v.refusal(); no != nil {
		return nil, no
	}
	target, policy := q.form.Get("TargetPrincipal"), q.form.Get("TaskPolicyArn.arn")
	account, partition := target, partitionOf(q.caller.arn)
	switch {
	case rootARN.MatchString(target):
		account, partition = accountOf(target), partitionOf(target)
	case !accountID.MatchString(target):
		return nil, malformed("ValidationError", target+" is neither an account ID nor the ARN of an account's root")
	}
	if !taskPolicy.MatchString(policy) {
		return nil, malformed("ValidationError", policy+" is not a task policy of root sessions")
	}
	if resourceOf(q.caller.arn) == "root" {
		return nil, q.notAuthorized("sts:AssumeRoot", target)
	}
	session, no := q.grant(identity{
		arn:            "arn:" + partition + ":sts::" + account + ":assumed-root",
		userID:         account,
		account:        account,
		kind:           ofRoot,
		sourceIdentity: q.caller.sourceIdentity,
	}, cmp.Or(requested, 15*time.Minute))
	if no != nil {
		return nil, no
	}
	return assumeRootResult{sessionXML: session, SourceIdentity: q.caller.sourceIdentity}, nil
}

// TradeInToken returns a token that GetDelegatedAccessToken exchanges for
// credentials of principal: the ARN of a user, a root or an assumed role. It is
// valid for life on the server's clock; 0: an hour.
func (s *Server) TradeInToken(principal string, life time.Duration) stschain.Secret {
	if !principalARN.MatchString(principal) {
		s.mistake(fmt.Errorf("TradeInToken: %q is not the ARN of a user, a root or an assumed role", principal))
		return stschain.Secret{}
	}
	token := newSecretKey()
	expires := s.now().Add(cmp.Or(life, time.Hour))
	s.lock()
	defer s.mu.Unlock()
	s.tradeIns[token] = tradeIn{principal, expires}
	return token
}

type tradeIn struct {
	principal string
	expires   time.Time
}

func (s *Server) tradeIn(token stschain.Secret) (tradeIn, bool) {
	s.lock()
	defer s.mu.Unlock()
	t, known := s.tradeIns[token]
	return t, known
}

type getDelegatedAccessTokenResult struct {
	XMLName          xml.Name        `xml:"GetDelegatedAccessTokenResult"`
	Credentials      *credentialsXML `xml:",omitempty"`
	AssumedPrincipal string
}

func (q *request) getDelegatedAccessToken() (any, *refusal) {
	v := violations{form: q.form}
	v.requiredSecret("TradeInToken", 1, maxForm)
	if no := v.refusal(); no != nil {
		return nil, no
	}
	t, known := q.server.tradeIn(stschain.NewSecret(q.form.Get("TradeInToken")))
	switch {
	case !known:
		return nil, forbidden("The trade-in token is not valid.")
	case !q.now.Before(t.expires):
		return nil, &refusal{status: http.StatusBadRequest, code: "ExpiredTradeInTokenException", message: "The trade-in token has expired."}
	}
	id := principal(t.principal)
	id.kind = ofDelegation
	session, no := q.grant(id, time.Hour)
	if no != nil {
		return nil, no
	}
	return getDelegatedAccessTokenResult{Credentials: session.Credentials, AssumedPrincipal: id.arn}, nil
}
