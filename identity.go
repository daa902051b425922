package stschain

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
)

// Identifier is a provider that can tell which credentials it returns. Two providers have the same
// [Identity] only if the credentials of either may be used in place of the other's. Its error says why
// there is none, such as the failure to read a token.
type Identifier interface {
	Identity(ctx context.Context) (Identity, error)
}

// Identity names the credentials that a provider returns: whose they are, on whose behalf they were
// requested, and with which restrictions. Identities are compared with ==. They hold no secret.
type Identity struct {
	digest      [sha256.Size]byte
	description string
}

// identitySchema changes when the fields of an identity change their meaning.
const identitySchema = "stschain-identity-1"

// NewIdentity returns the identity of a kind of provider, such as "assumerole", and all that decides which
// credentials it returns. A field is "name=value"; one without a value is the same as none. The order of
// the fields counts. A secret is passed as its hash, see [Secret.Fingerprint].
func NewIdentity(kind string, fields ...string) Identity {
	h := sha256.New()
	write := func(s string) {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(s)))
		h.Write(size[:])
		h.Write([]byte(s))
	}
	write(identitySchema)
	write(kind)
	description := kind
	for _, field := range fields {
		if strings.HasSuffix(field, "=") && strings.Count(field, "=") == 1 {
			continue
		}
		write(field)
		if len(field) > maxShown {
			field = fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(field[:maxShown], ""), len(field))
		}
		description += " " + field
	}
	return Identity{[sha256.Size]byte(h.Sum(nil)), description}
}

// maxShown is how much of a field a description shows, in bytes.
const maxShown = 100

// String describes the identity: its kind and fields, long ones cut.
func (i Identity) String() string { return i.description }

// Digest is the SHA-256 of the identity's fields. It is zero for the zero Identity.
func (i Identity) Digest() [sha256.Size]byte { return i.digest }
