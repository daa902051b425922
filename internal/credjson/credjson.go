// Package credjson reads the JSON in which a process, a container's agent and the
// metadata service of an instance hand over credentials. Its errors never show what
// it read.
package credjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/wire"
)

// Document is what the JSON object says; a field that it lacks is empty.
type Document struct {
	Version       string // of the output of a process; a number, as it was written
	Code, Message string // of a service

	accessKeyID, expiration, accountID string
	secretAccessKey, token             stschain.Secret
}

// Parse reads one JSON object. Names match in any case, as in the AWS SDKs; one that
// comes twice is an error, since readers would differ on which counts. The field of
// the session token is called differently by each source.
func Parse(body []byte, tokenName string) (Document, error) {
	var d Document
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		return d, errors.New("it is empty")
	case !utf8.Valid(body):
		return d, errors.New("it is not in UTF-8")
	}
	fields := map[string]func(string){
		"Code":            func(v string) { d.Code = v },
		"Message":         func(v string) { d.Message = v },
		"AccessKeyId":     func(v string) { d.accessKeyID = v },
		"SecretAccessKey": func(v string) { d.secretAccessKey = stschain.NewSecret(v) },
		tokenName:         func(v string) { d.token = stschain.NewSecret(v) },
		"Expiration":      func(v string) { d.expiration = v },
	}
	members, err := object(body)
	if err != nil {
		return Document{}, err
	}
	if v, ok := members["version"]; ok {
		d.Version = string(v)
	}
	// The account only informs: what is not the number of one is no reason to refuse good keys.
	if account := strings.Trim(string(members["accountid"]), `"`); IsAccount(account) {
		d.accountID = account
	}
	for name, set := range fields {
		var value *string
		switch v, ok := members[strings.ToLower(name)]; {
		case !ok:
		case json.Unmarshal(v, &value) != nil:
			return Document{}, fmt.Errorf("its %s is not a string", name)
		case value != nil:
			set(*value)
		}
	}
	return d, nil
}

// object returns the members of a JSON object under their names in lower case.
func object(body []byte) (map[string]json.RawMessage, error) {
	notJSON := errors.New("it is not a JSON object")
	if !json.Valid(body) {
		return nil, notJSON
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, notJSON
	}
	members := map[string]json.RawMessage{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, notJSON
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, notJSON
		}
		key := strings.ToLower(name.(string)) // the name of a member is a string
		if _, twice := members[key]; twice {
			return nil, errors.New("it has a member twice")
		}
		members[key] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, notJSON
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, notJSON
	}
	return members, nil
}

// Credentials are what the document holds, if that can be used. They may be expired;
// without Expiration they never expire.
func (d Document) Credentials(source string) (stschain.Credentials, error) {
	c := stschain.Credentials{
		AccessKeyID:     d.accessKeyID,
		SecretAccessKey: d.secretAccessKey,
		SessionToken:    d.token,
		AccountID:       d.accountID,
		Origin:          source,
	}
	sent := func(r rune) bool { return r <= ' ' || r > '~' } // what no header of a request carries in one word
	err := error(nil)
	switch {
	case c.AccessKeyID == "":
		err = errors.New("it has no AccessKeyId")
	case c.SecretAccessKey.IsZero():
		err = errors.New("it has no SecretAccessKey")
	case strings.ContainsFunc(c.AccessKeyID, sent):
		err = errors.New("its AccessKeyId has spaces or characters beyond ASCII, which no request can carry")
	case strings.ContainsFunc(c.SecretAccessKey.Reveal(), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		err = errors.New("its SecretAccessKey has control characters or white space")
	case strings.ContainsFunc(c.SessionToken.Reveal(), sent):
		err = errors.New("its session token has spaces or characters beyond ASCII, which no request can carry")
	case d.expiration != "":
		c.Expires, err = expiration(d.expiration)
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

// IsAccount reports whether s can be the number of an account.
func IsAccount(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

func expiration(s string) (time.Time, error) {
	t, ok := wire.ParseTime(s)
	if !ok {
		return time.Time{}, errors.New("its Expiration is not a valid time, such as 2026-11-21T17:56:58Z")
	}
	return t, nil
}

// Refusal is the code and the message of a service, as redact.Text returns them. It is "" if there is neither.
func (d Document) Refusal(secrets ...stschain.Secret) string {
	said := d.Code
	if d.Message != "" {
		said = strings.TrimPrefix(said+": "+d.Message, ": ")
	}
	return redact.Text(said, append(secrets, d.secretAccessKey, d.token))
}
