package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"sync"
	"sync/atomic"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
)

// Scope is what a signing key is valid for.
type Scope struct{ Date, Region, Service string } // Date: 20060102

func (s Scope) append(dst []byte) []byte {
	return appendAll(dst, s.Date, "/", s.Region, "/", s.Service, "/aws4_request")
}

func appendAll(dst []byte, parts ...string) []byte {
	for _, part := range parts {
		dst = append(dst, part...)
	}
	return dst
}

// Key is a signing key: for one secret, day, region and service.
type Key [sha256.Size]byte

// DeriveKey derives the signing key of a secret access key.
func DeriveKey(secret string, s Scope) Key {
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.Date, s.Region, s.Service, "aws4_request"} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return Key(key)
}

// hmac is RFC 2104 for a key that is shorter than a block. crypto/hmac would
// allocate five times for each signature.
func (k *Key) hmac(message []byte) [sha256.Size]byte {
	var pad [sha256.BlockSize]byte
	for i := range pad {
		pad[i] = 0x36
	}
	for i, b := range k {
		pad[i] ^= b
	}
	var space [512]byte
	inner := sha256.Sum256(append(append(space[:0], pad[:]...), message...))
	for i := range pad {
		pad[i] ^= 0x36 ^ 0x5c
	}
	return sha256.Sum256(append(append(space[:0], pad[:]...), inner[:]...))
}

// Keys caches derived keys. The zero value is ready to use, and safe for concurrent
// use. Its contents cannot be printed: a secret is masked, and a key is inside a function.
type Keys struct {
	last  atomic.Pointer[derived] // most programs use one key at a time
	mu    sync.Mutex
	table map[keyOf]*derived
}

type keyOf struct {
	secret stschain.Secret
	scope  Scope
}

type derived struct {
	of  keyOf
	key func() *Key
}

const maxKeys = 64

// Get returns the signing key of secret for scope. A secret that no service issues
// is an error, which does not show it.
func (k *Keys) Get(secret stschain.Secret, scope Scope) (*Key, error) {
	of := keyOf{secret, scope}
	if d := k.last.Load(); d != nil && d.of == of {
		return d.key(), nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	d := k.table[of]
	if d == nil {
		text := secret.Reveal()
		if err := redact.Malformed("SecretAccessKey", text); err != nil {
			return nil, err
		}
		key := DeriveKey(text, scope)
		d = &derived{of, func() *Key { return &key }}
		if k.table == nil || len(k.table) >= maxKeys { // keys that are still in use are derived again
			k.table = make(map[keyOf]*derived)
		}
		k.table[of] = d
	}
	k.last.Store(d)
	return d.key(), nil
}
