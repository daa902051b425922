package signature

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// Algorithm names the signatures made here.
const Algorithm = "AWS4-HMAC-SHA256"

// Signing is one act of signing: who, when, and for what.
type Signing struct {
	AccessKeyID string
	Key         *Key
	Time        string // 20060102T150405Z
	Scope       Scope
}

// AppendStringToSign appends what the key signs.
func (s *Signing) AppendStringToSign(dst, canonical []byte) []byte {
	sum := sha256.Sum256(canonical)
	dst = append(dst, Algorithm+"\n"...)
	dst = append(dst, s.Time...)
	dst = append(dst, '\n')
	dst = s.Scope.append(dst)
	dst = append(dst, '\n')
	return hex.AppendEncode(dst, sum[:])
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
	b := append(space[:0], Algorithm+" Credential="...)
	b = append(b, s.AccessKeyID...)
	b = append(b, '/')
	b = s.Scope.append(b)
	b = append(b, ", SignedHeaders="...)
	b = appendNames(b, r.Header)
	b = append(b, ", Signature="...)
	return string(s.appendSignature(b, r))
}

// Presigning says what a presigned query holds besides the signature.
type Presigning struct {
	Seconds       int64  // how long the signature is good
	Token         string // session token, if any
	TokenUnsigned bool   // a few services want the token added after signing
	ContentHash   bool   // name the payload, as S3 asks if there is a hash of it
}

// PresignedQuery returns r.Query with the signature and all it needs appended.
func (s *Signing) PresignedQuery(r *Request, p Presigning) string {
	b := s.appendUnsignedQuery(make([]byte, 0, 512+len(r.Query)+len(p.Token)*5/4), r, p)
	signed := *r
	signed.Query = string(b)
	if p.TokenUnsigned {
		b = appendToken(b, p.Token)
	}
	b = append(b, "&X-Amz-Signature="...)
	return string(s.appendSignature(b, &signed))
}

func (s *Signing) appendUnsignedQuery(b []byte, r *Request, p Presigning) []byte {
	var space [256]byte
	b = append(b, r.Query...)
	if r.Query != "" {
		b = append(b, '&')
	}
	b = append(b, "X-Amz-Algorithm="+Algorithm+"&X-Amz-Credential="...)
	credential := append(append(space[:0], s.AccessKeyID...), '/')
	b = appendEscaped(b, string(s.Scope.append(credential)), "")
	b = append(b, "&X-Amz-Date="...)
	b = append(b, s.Time...)
	b = append(b, "&X-Amz-SignedHeaders="...)
	b = appendEscaped(b, string(appendNames(space[:0], r.Header)), "")
	b = append(b, "&X-Amz-Expires="...)
	b = strconv.AppendInt(b, p.Seconds, 10)
	if p.ContentHash {
		b = append(b, "&X-Amz-Content-Sha256="...)
		b = append(b, r.Payload...)
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
	b = append(b, "&X-Amz-Security-Token="...)
	return appendEscaped(b, token, "")
}
