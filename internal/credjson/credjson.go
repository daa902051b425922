// Package credjson parses the JSON documents in which processes, agents and services return credentials.
// Its errors never show what it read.
package credjson

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/wire"
)

// Document is a JSON object with credentials or a refusal. A member that it lacks is empty.
type Document struct {
	Version       string // of the output of a process; a number, as it was written
	Code, Message string // of a service

	accessKeyID, expiration, accountID string
	secretAccessKey, token             stschain.Secret
}

// Parse parses one JSON object. Names are not case-sensitive, as in the AWS SDKs. A duplicate name is an error,
// since parsers differ on which value they use. tokenName is the name of the session token, which differs by
// source.
func Parse(body []byte, tokenName string) (Document, error) {
	var d Document
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		return d, errors.New("it is empty")
	case !utf8.Valid(body):
		return d, errors.New("it is not in UTF-8")
	}
	members, err := object(body)
	if err != nil {
		return d, err
	}
	text := func(name string) (s string) { // null counts as missing
		if v, ok := members[strings.ToLower(name)]; ok && json.Unmarshal(v, &s) != nil {
			err = fmt.Errorf("its %s is not a string", name)
		}
		return s
	}
	d = Document{
		Version: string(members["version"]), Code: text("Code"), Message: text("Message"),
		accessKeyID: text("AccessKeyId"), expiration: text("Expiration"),
		secretAccessKey: stschain.NewSecret(text("SecretAccessKey")), token: stschain.NewSecret(text(tokenName)),
	}
	// The account is informational: an invalid one does not invalidate the keys.
	if account := strings.Trim(string(members["accountid"]), `"`); IsAccount(account) {
		d.accountID = account
	}
	if err != nil {
		return Document{}, err
	}
	return d, nil
}

// object returns the members of a JSON object under their names in lower case.
func object(body []byte) (map[string]json.RawMessage, error) {
	if !json.Valid(body) || !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		return nil, errors.New("it is not a JSON object")
	}
	members := map[string]json.RawMessage{}
	dec := json.NewDecoder(bytes.NewReader(body)) // cannot fail: the body is valid
	for _, _ = dec.Token(); dec.More(); {
		name, _ := dec.Token()
		key := strings.ToLower(name.(string))
		if _, twice := members[key]; twice {
			return nil, errors.New("it has a member twice")
		}
		var value json.RawMessage
		_ = dec.Decode(&value)
		members[key] = value
	}
	return members, nil
}

// Credentials returns the credentials of the document, which may have expired. Without Expiration they
// never expire.
func (d Document) Credentials(origin string) (stschain.Credentials, error) {
	c := stschain.Credentials{
		AccessKeyID:     d.accessKeyID,
		SecretAccessKey: d.secretAccessKey,
		SessionToken:    d.token,
		AccountID:       d.accountID,
		Origin:          origin,
	}
	unsendable := func(r rune) bool { return r <= ' ' || r > '~' }
	var err error
	switch {
	case c.AccessKeyID == "":
		err = errors.New("it has no AccessKeyId")
	case c.SecretAccessKey.IsZero():
		err = errors.New("it has no SecretAccessKey")
	case strings.ContainsFunc(c.AccessKeyID, unsendable):
		err = errors.New("its AccessKeyId has spaces or characters beyond ASCII, which no header can carry")
	case strings.ContainsFunc(c.SecretAccessKey.Reveal(), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		err = errors.New("its SecretAccessKey has control characters or white space")
	case strings.ContainsFunc(c.SessionToken.Reveal(), unsendable):
		err = errors.New("its session token has spaces or characters beyond ASCII, which no header can carry")
	case d.expiration != "":
		var ok bool
		if c.Expires, ok = wire.ParseTime(d.expiration); !ok {
			err = errors.New("its Expiration is not a valid time, such as 2026-11-21T17:56:58Z")
		}
	}
	if err != nil {
		return stschain.Credentials{}, err
	}
	return c, nil
}

// Complete parses temporary credentials without a time at which they expire.
func Complete(body []byte, tokenName string) (stschain.Credentials, error) {
	doc, err := Parse(body, tokenName)
	if err != nil {
		return stschain.Credentials{}, err
	}
	creds, err := doc.Credentials("")
	if err == nil && creds.SessionToken.IsZero() {
		err = fmt.Errorf("it has no %s", tokenName)
	}
	return creds, err
}

// IsAccount reports whether s has the form of an account ID: 12 digits.
func IsAccount(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

// Refusal returns the code and the message of a service, as [redact.Text] does. It is "" without either.
func (d Document) Refusal(secrets ...stschain.Secret) string {
	return redact.Text(strings.Trim(d.Code+": "+d.Message, ": "), append(secrets, d.secretAccessKey, d.token))
}

// Said returns the code and the message of a service's refusal, for which services use different members. They
// are "" if the response is not a JSON object.
func Said(r wire.Response) (code, message string) {
	var doc struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Type        string `json:"__type"`
		Message     string `json:"message"`
	}
	if json.Unmarshal(r.Body, &doc) != nil {
		return "", ""
	}
	header, _, _ := strings.Cut(r.Header.Get("X-Amzn-Errortype"), ":")
	return cmp.Or(doc.Error, header, doc.Type[strings.LastIndex(doc.Type, "#")+1:]), cmp.Or(doc.Description, doc.Message)
}
