package stschain

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// Identifier is implemented by providers that know whose credentials they return. Two providers have
// the same [Identity] only if the credentials of either may be used in place of the other's, so that
// processes can share them. The error says why there is no identity, such as a token that cannot be read.
type Identifier interface {
	Identity(ctx context.Context) (Identity, error)
}

// Identity is all that decides which credentials a provider returns: the identity, on whose behalf they are
// requested, and with which restrictions. Identities are equal (==) if their fields are. They contain
// no secret, but [Identity.Digest] is not for logs: a guess of a password can be verified with it.
type Identity struct {
	digest      [sha256.Size]byte
	description string
}

// identitySchema changes when fields of an identity change their meaning.
const identitySchema = "stschain-identity-1"

// NewIdentity returns the identity of a kind of provider, such as "assumerole", and its fields. A field is
// "name=value", and the same as none if the value is empty. The order of the fields counts. The value of a
// secret is its [Secret.Fingerprint].
func NewIdentity(kind string, fields ...string) Identity {
	h := sha256.New()
	write := func(s string) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	write(identitySchema)
	write(kind)
	description := kind
	for _, field := range fields {
		name, value, _ := strings.Cut(field, "=")
		if value == "" {
			continue
		}
		write(field)
		switch {
		case strings.HasPrefix(value, fingerprint):
			field = name + "=" + redacted
		case len(field) > maxShownField:
			field = fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(field[:maxShownField], ""), len(field))
		}
		description += " " + field
	}
	return Identity{[sha256.Size]byte(h.Sum(nil)), description}
}

// maxShownField is how much of a field is shown, in bytes.
const maxShownField = 100

// String returns the kind and the fields, without fingerprints of secrets and with long fields cut.
func (i Identity) String() string { return i.description }

// Digest is a SHA-256 of the kind and the fields. That of the zero Identity is zero.
func (i Identity) Digest() [sha256.Size]byte { return i.digest }

const fingerprint = "hmac-sha256:"

// Fingerprint returns a hash of the secret, the same in every process, for [NewIdentity]: "" if the secret is
// empty. It is not for logs: a guess of a password can be verified with it.
func (s Secret) Fingerprint() string {
	if s.IsZero() {
		return ""
	}
	h := hmac.New(sha256.New, []byte(identitySchema))
	h.Write([]byte(s.Reveal()))
	return fingerprint + hex.EncodeToString(h.Sum(nil))
}

// identity returns the identity of a provider, or an error that says which provider has none.
func identity(ctx context.Context, p Provider) (Identity, error) {
	if i, ok := p.(Identifier); ok {
		return i.Identity(ctx)
	}
	return Identity{}, Permanent(fmt.Errorf("stschain: %s has no identity: it does not implement stschain.Identifier", name(p)))
}

// Identity returns that of Provider.
func (c *Cache) Identity(ctx context.Context) (Identity, error) {
	if err := c.check(); err != nil {
		return Identity{}, Permanent(err)
	}
	return identity(ctx, c.Provider)
}

// Identity returns the identity of a provider that always returns these credentials.
func (c Credentials) Identity() Identity {
	return NewIdentity("keys", "id="+c.AccessKeyID, "secret="+c.SecretAccessKey.Fingerprint(), "token="+c.SessionToken.Fingerprint())
}

func (s static) Identity(ctx context.Context) (Identity, error) {
	creds, err := s.Retrieve(ctx)
	if err != nil {
		return Identity{}, err
	}
	return creds.Identity(), nil
}
