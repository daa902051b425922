package signature

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// Algorithm names the signatures made here.
const Algorithm = "AWS4-HMAC-SHA256"

// AppendStringToSign appends the string to sign. date is in DateFormat.
func (k *Key) AppendStringToSign(dst []byte, date string, canonical []byte) []byte {
	sum := sha256.Sum256(canonical)
	return hex.AppendEncode(appendAll(dst, Algorithm+"\n", date, k.scope), sum[:])
}

// appendSignature appends the signature of the canonical request in s, in hex.
func (k *Key) appendSignature(dst []byte, s *space, date string) []byte {
	return hex.AppendEncode(dst, s.mac(k, k.AppendStringToSign(s.small[:0], date, s.text)))
}

// Authorization returns the header of that name. The date, and the session
// token if there is one, are among the fields of r.
func (k *Key) Authorization(r *Request, date string) string {
	s := k.spaces.get()
	s.names = appendNames(s.names[:0], r.Header)
	s.text = appendCanonical(s.text[:0], r, s.names, nil)
	s.line = append(append(s.line[:0], k.head...), s.names...)
	s.line = k.appendSignature(append(s.line, ", Signature="...), s, date)
	authorization := string(s.line)
	k.spaces.put(s)
	return authorization
}

// Presigning contains the additional inputs of a presigned query.
type Presigning struct {
	Seconds       int64 // how long the signature is valid
	TokenUnsigned bool  // the token is added after signing, as a few services require
	ContentHash   bool  // the hash of the payload is added, as S3 requires if there is one
}

// PresignedQuery returns r.Query with the signature and its parameters appended.
func (k *Key) PresignedQuery(r *Request, date string, p Presigning) string {
	s := k.spaces.get()
	s.names = appendNames(s.names[:0], r.Header)
	s.line = append(s.line[:0], r.Query...)
	if r.Query != "" {
		s.line = append(s.line, '&')
	}
	start := len(s.line)
	s.line = k.appendParameters(s.line, r, s.names, date, p)
	s.text = appendCanonical(s.text[:0], r, s.names, s.line[start:])
	if p.TokenUnsigned {
		s.line = k.appendToken(s.line)
	}
	s.line = k.appendSignature(append(s.line, "&X-Amz-Signature="...), s, date)
	query := string(s.line)
	k.spaces.put(s)
	return query
}

// appendParameters appends the parameters that are signed, escaped.
func (k *Key) appendParameters(b []byte, r *Request, names []byte, date string, p Presigning) []byte {
	b = appendAll(b, "X-Amz-Algorithm=", Algorithm, "&X-Amz-Credential=")
	b = appendEscaped(b, k.credential, "")
	b = appendAll(b, "&X-Amz-Date=", date, "&X-Amz-SignedHeaders=")
	b = appendEscaped(b, string(names), "")
	b = strconv.AppendInt(appendAll(b, "&X-Amz-Expires="), p.Seconds, 10)
	if p.ContentHash {
		b = appendAll(b, "&X-Amz-Content-Sha256=", r.Payload)
	}
	if !p.TokenUnsigned {
		b = k.appendToken(b)
	}
	return b
}

func (k *Key) appendToken(b []byte) []byte {
	if k.Token == "" {
		return b
	}
	return appendEscaped(appendAll(b, "&X-Amz-Security-Token="), k.Token, "")
}
