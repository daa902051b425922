package signature

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// Algorithm names the signatures made here.
const Algorithm = "AWS4-HMAC-SHA256"

// Signing contains the inputs of one signature.
type Signing struct {
	AccessKeyID string
	Key         *Key
	Time        string // 20060102T150405Z
	Scope       Scope
}

// AppendStringToSign appends the string to sign.
func (s *Signing) AppendStringToSign(dst, canonical []byte) []byte {
	sum := sha256.Sum256(canonical)
	dst = s.Scope.append(appendAll(dst, Algorithm, "\n", s.Time, "\n"))
	return hex.AppendEncode(append(dst, '\n'), sum[:])
}

// appendSignature appends the signature of r in hex.
func (s *Signing) appendSignature(dst []byte, r *Request) []byte {
	var space [4096]byte // a session token alone may have 1 kB
	canonical := AppendCanonical(space[:0], r)
	var small [256]byte
	mac := s.Key.hmac(s.AppendStringToSign(small[:0], canonical))
	return hex.AppendEncode(dst, mac[:])
}

// Authorization returns the header of that name. The date, and the session
// token if there is one, are among the fields of r.
func (s *Signing) Authorization(r *Request) string {
	var space [512]byte
	b := s.Scope.append(appendAll(space[:0], Algorithm, " Credential=", s.AccessKeyID, "/"))
	b = appendNames(appendAll(b, ", SignedHeaders="), r.Header)
	return string(s.appendSignature(appendAll(b, ", Signature="), r))
}

// Presigning contains the additional inputs of a presigned query.
type Presigning struct {
	Seconds       int64  // how long the signature is valid
	Token         string // session token, if any
	TokenUnsigned bool   // the token is added after signing, as a few services require
	ContentHash   bool   // the hash of the payload is added, as S3 requires if there is one
}

// PresignedQuery returns r.Query with the signature and its parameters appended.
func (s *Signing) PresignedQuery(r *Request, p Presigning) string {
	b := s.appendUnsignedQuery(make([]byte, 0, 512+len(r.Query)+len(p.Token)*5/4), r, p)
	signed := *r
	signed.Query = string(b)
	if p.TokenUnsigned {
		b = appendToken(b, p.Token)
	}
	return string(s.appendSignature(appendAll(b, "&X-Amz-Signature="), &signed))
}

func (s *Signing) appendUnsignedQuery(b []byte, r *Request, p Presigning) []byte {
	var space [256]byte
	b = appendAll(b, r.Query)
	if r.Query != "" {
		b = append(b, '&')
	}
	b = appendAll(b, "X-Amz-Algorithm=", Algorithm, "&X-Amz-Credential=")
	b = appendEscaped(b, string(s.Scope.append(appendAll(space[:0], s.AccessKeyID, "/"))), "")
	b = appendAll(b, "&X-Amz-Date=", s.Time, "&X-Amz-SignedHeaders=")
	b = appendEscaped(b, string(appendNames(space[:0], r.Header)), "")
	b = strconv.AppendInt(appendAll(b, "&X-Amz-Expires="), p.Seconds, 10)
	if p.ContentHash {
		b = appendAll(b, "&X-Amz-Content-Sha256=", r.Payload)
	}
	if !p.TokenUnsigned {
		b = appendToken(b, p.Token)
	}
	return b
}

func appendToken(b []byte, token string) []byte {
	if token == "" {
		return b
	}
	return appendEscaped(appendAll(b, "&X-Amz-Security-Token="), token, "")
}
