package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding"
	"hash"
	"sync"
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

// Key signs for one scope with the credentials that it was derived from. It is never changed.
type Key struct {
	Token string // the session token, as it is sent

	algorithm    string
	head         string                      // of the Authorization header, up to the list of signed headers
	credential   string                      // in head: AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request
	scope        string                      // the line of the string to sign, between line breaks
	parameter    func() string               // of a query, with the token, or ""; most signers do not presign
	regions      string                      // parameter of a query, with the region set of SigV4a
	inner, outer []byte                      // states of SHA-256 after the padded key: where HMAC begins (RFC 2104)
	sign         func(message []byte) []byte // instead of HMAC; nil: HMAC
	spaces       *spaces
}

func newKey(accessKeyID, secret, token string, s Scope, spaces *spaces) *Key {
	scope := string(s.append(nil))
	const before, after = Algorithm + " Credential=", ", SignedHeaders="
	head := before + accessKeyID + "/" + scope + after
	derived := DeriveKey(secret, s)
	return &Key{
		Token:      token,
		algorithm:  Algorithm,
		head:       head,
		credential: head[len(before) : len(head)-len(after)],
		scope:      "\n" + scope + "\n",
		parameter:  parameterOf(token),
		inner:      padded(derived, 0x36),
		outer:      padded(derived, 0x5c),
		spaces:     spaces,
	}
}

// parameterOf returns a function that formats a token once: sync.OnceValue would be another 2 kB of code.
func parameterOf(token string) func() string {
	var once sync.Once
	var text string
	return func() string {
		once.Do(func() { text = tokenParameter(token) })
		return text
	}
}

// DeriveKey derives the signing key of a secret access key.
func DeriveKey(secret string, s Scope) [sha256.Size]byte {
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.Date, s.Region, s.Service, "aws4_request"} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return [sha256.Size]byte(key)
}

// padded returns the state of SHA-256 after a block of the key, padded and combined with pad. Keeping it saves each
// signature two of the four blocks that HMAC takes.
func padded(key [sha256.Size]byte, pad byte) []byte {
	var block [sha256.BlockSize]byte
	copy(block[:], key[:])
	for i := range block {
		block[i] ^= pad
	}
	h := sha256.New()
	h.Write(block[:])
	state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		panic(err) // documented to work
	}
	return state
}

// space is memory for one signature at a time.
type space struct {
	text  []byte            // the canonical request, which has the session token
	names []byte            // of the signed headers
	line  []byte            // the result, which may have the token too
	small [512]byte         // for the string to sign
	sum   [sha256.Size]byte // of the canonical request, then the signature
	hash  hash.Hash
}

// mac returns the HMAC of a message.
func (s *space) mac(k *Key, message []byte) []byte {
	s.restore(k.inner)
	s.hash.Write(message)
	inner := s.hash.Sum(s.sum[:0])
	s.restore(k.outer)
	s.hash.Write(inner)
	return s.hash.Sum(s.sum[:0])
}

func (s *space) restore(state []byte) {
	if err := s.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		panic(err) // the state is from the same package
	}
}

// spaces lends spaces. The zero value is ready to use.
type spaces struct{ free sync.Pool }

func (p *spaces) get() *space {
	if s, ok := p.free.Get().(*space); ok {
		return s
	}
	return &space{text: make([]byte, 0, 2048), hash: sha256.New()}
}

// put takes back a space. It wipes what credentials can be read from, so that nothing of it outlives them.
func (p *spaces) put(s *space) {
	if max(cap(s.text), cap(s.line)) > maxSpace {
		return
	}
	clear(s.text)
	clear(s.line)
	s.hash.Reset()
	p.free.Put(s)
}

const maxSpace = 64 << 10 // larger buffers are not kept: few requests need them
