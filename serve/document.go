package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/stschain-go/stschain"
)

// lease is what clients are told of credentials that never expire: to ask again by then.
const lease = time.Hour

// containerDocument is the answer of the container protocol. Token and Expiration are
// always there, since SDKs miss them otherwise.
func containerDocument(c stschain.Credentials, now time.Time) ([]byte, error) {
	expiration, err := expiration(c, now)
	if err != nil {
		return nil, err
	}
	if expiration == "" {
		expiration = now.Add(lease).UTC().Format(time.RFC3339)
	}
	return marshal(struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		Token           string
		Expiration      string
		AccountID       string `json:"AccountId,omitempty"`
	}{c.AccessKeyID, c.SecretAccessKey.Reveal(), c.SessionToken.Reveal(), expiration, c.AccountID})
}

// processDocument is the output of a credential_process. Without Expiration the
// credentials never expire.
func processDocument(c stschain.Credentials, now time.Time) ([]byte, error) {
	expiration, err := expiration(c, now)
	if err != nil {
		return nil, err
	}
	return marshal(struct {
		Version         int
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string `json:",omitempty"`
		Expiration      string `json:",omitempty"`
		AccountID       string `json:"AccountId,omitempty"`
	}{1, c.AccessKeyID, c.SecretAccessKey.Reveal(), c.SessionToken.Reveal(), expiration, c.AccountID})
}

// expiration is the last whole second of credentials, in RFC 3339, or "" if they never
// expire. It is an error if they cannot be used at now.
func expiration(c stschain.Credentials, now time.Time) (string, error) {
	texts := []string{c.AccessKeyID, c.SecretAccessKey.Reveal(), c.SessionToken.Reveal(), c.AccountID}
	expires := c.Expires.UTC().Truncate(time.Second)
	switch {
	case c.AccessKeyID == "" || c.SecretAccessKey.IsZero():
		return "", fmt.Errorf("the credentials of %s are incomplete", c.Origin)
	case slices.ContainsFunc(texts, func(s string) bool { return !utf8.ValidString(s) }):
		return "", fmt.Errorf("the credentials of %s hold bytes that JSON cannot carry", c.Origin)
	case c.Expires.IsZero(), expires.Year() > 9999: // which RFC 3339 cannot say
		return "", nil
	case !now.Before(expires):
		return "", fmt.Errorf("the credentials of %s expired at %s, and it is %s", c.Origin, c.Expires.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return expires.Format(time.RFC3339), nil
}

// marshal is JSON that shows / + & < > = as they are.
func marshal(document any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(document); err != nil {
		return nil, errors.New("the credentials cannot be written as JSON")
	}
	return buf.Bytes(), nil
}
