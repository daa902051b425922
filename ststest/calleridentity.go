package ststest

import (
	"encoding/xml"
	"net/http"
)

// This file has the operations that only return information.

type getCallerIdentityResult struct {
	XMLName              xml.Name `xml:"GetCallerIdentityResult"`
	Arn, UserId, Account string
}

func (q *request) getCallerIdentity() (any, *refusal) {
	return getCallerIdentityResult{Arn: q.caller.arn, UserId: q.caller.userID, Account: q.caller.account}, nil
}

type getAccessKeyInfoResult struct {
	XMLName xml.Name `xml:"GetAccessKeyInfoResult"`
	Account string
}

func (q *request) getAccessKeyInfo() (any, *refusal) {
	v := violations{form: q.form}
	v.required("AccessKeyId", 16, 128, keyIDChars)
	if no := v.refusal(); no != nil {
		return nil, no
	}
	id, known := q.server.lookup(q.form.Get("AccessKeyId"))
	if !known {
		return nil, &refusal{status: http.StatusBadRequest, code: "ValidationError", message: "Invalid Access Key Id"}
	}
	return getAccessKeyInfoResult{Account: id.account}, nil
}

// EncodedMessage returns the encoded form of an authorization failure message,
// which is JSON: what DecodeAuthorizationMessage decodes on this server.
func (s *Server) EncodedMessage(decoded string) string {
	encoded := randomID(64)
	s.lock()
	defer s.mu.Unlock()
	s.messages[encoded] = decoded
	return encoded
}

type decodeAuthorizationMessageResult struct {
	XMLName        xml.Name `xml:"DecodeAuthorizationMessageResult"`
	DecodedMessage string
}

func (q *request) decodeAuthorizationMessage() (any, *refusal) {
	v := violations{form: q.form}
	v.required("EncodedMessage", 1, 10240, nil)
	if no := v.refusal(); no != nil {
		return nil, no
	}
	decoded, known := q.server.message(q.form.Get("EncodedMessage"))
	if !known {
		return nil, &refusal{status: http.StatusBadRequest, code: "InvalidAuthorizationMessageException", message: "Message is not valid."}
	}
	return decodeAuthorizationMessageResult{DecodedMessage: decoded}, nil
}

func (s *Server) message(encoded string) (string, bool) {
	s.lock()
	defer s.mu.Unlock()
	decoded, known := s.messages[encoded]
	return decoded, known
}
