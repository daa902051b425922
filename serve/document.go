package serve

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/stschain-go/stschain"
)

// lease is the Expiration of credentials that never expire: it makes clients call again by then.
const lease = time.Hour

// document is the JSON of both protocols. Fields that a protocol does not have are zero.
type document struct {
	Version         int    `json:",omitempty"` // of credential_process
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	Token           *string `json:",omitempty"` // the session token in the container protocol
	SessionToken    string  `json:",omitempty"` // the session token in the credential_process protocol
	Expiration      string  `json:",omitempty"` // the last whole second in RFC 3339; "": they never expire
	AccountID       string  `json:"AccountId,omitempty"`
}

// containerDocument returns the response of the container protocol. Token and
// Expiration are always set, since SDKs require them.
func containerDocument(c stschain.Credentials, now time.Time) ([]byte, error) {
	d, err := newDocument(c, now)
	if err != nil {
		return nil, err
	}
	token := c.SessionToken.Reveal()
	d.Token = &token
	d.Expiration = cmp.Or(d.Expiration, now.Add(lease).UTC().Format(time.RFC3339))
	return d.marshal(), nil
}

// processDocument returns the output of a credential_process.
func processDocument(c stschain.Credentials, now time.Time) ([]byte, error) {
	d, err := newDocument(c, now)
	if err != nil {
		return nil, err
	}
	d.Version, d.SessionToken = 1, c.SessionToken.Reveal()
	return d.marshal(), nil
}

// newDocument returns a document without a session token, or an error if the credentials cannot be used
// at now.
func newDocument(c stschain.Credentials, now time.Time) (document, error) {
	d := document{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey.Reveal(), AccountID: c.AccountID}
	expires := c.Expires.UTC().Truncate(time.Second)
	switch texts := []string{d.AccessKeyID, d.SecretAccessKey, c.SessionToken.Reveal(), d.AccountID}; {
	case d.AccessKeyID == "" || d.SecretAccessKey == "":
		return d, fmt.Errorf("the credentials of %s are incomplete", c.Origin)
	case slices.ContainsFunc(texts, func(s string) bool { return !utf8.ValidString(s) }):
		return d, fmt.Errorf("the credentials of %s contain bytes that are not valid in JSON", c.Origin)
	case c.Expires.IsZero(), expires.Year() > 9999: // not representable in RFC 3339
		return d, nil
	case !now.Before(expires):
		return d, fmt.Errorf("the credentials of %s expired at %s, and it is %s", c.Origin, c.Expires.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	d.Expiration = expires.Format(time.RFC3339)
	return d, nil
}

// marshal returns JSON with / + & < > = unescaped.
func (d document) marshal() []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(d) // marshaling strings cannot fail
	return buf.Bytes()
}
