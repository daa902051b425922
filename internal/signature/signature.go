package signature

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// Algorithm names the signatures of Signature Version 4.
const Algorithm = "AWS4-HMAC-SHA256"

// AppendStringToSign appends the string to sign. date is in DateFormat.
func (k *Key) AppendStringToSign(dst []byte, date string, canonical []byte) []byte {
	sum := sha256.Sum256(canonical)
	return hex.AppendEncode(appendAll(dst, k.algorithm, "\n", date, k.scope), sum[:])
}

// appendSignature appends the signature of the canonical request in s, in hex.
func (k *Key) appendSignature(dst []byte, s *space, date string) []byte {
	toSign := k.AppendStringToSign(s.small[:0], date, s.text)
	if k.sign != nil {
		return hex.AppendEncode(dst, k.sign(toSign))
	}
	return hex.AppendEncode(dst, s.mac(k, toSign))
}

// Authorization returns the header of that name. The date, and the session
// token if there is one, are among the fields of r.
func (k *Key) Authorization(r *Request, date string) string {
	s := k.spaces.get()
	s.names = appendNames(s.names[:0], r.Header)
	s.text = appendCanonical(s.text[:0], r, s.names, nil)
	s.line = k.appendSignature(s.line[:0], s, date)
	authorization := k.head + string(s.names) + ", Signature=" + string(s.line) // one allocation
	k.spaces.put(s)
	return authorization
}

// Presigning contains the additional inputs of a presigned query.
type Presigning struct {
	Seconds       int64 // how long the signature is valid
	TokenUnsigned bool  // the token is added after signing, as a few services require
	S3Session     bool  // the token is that of a session of S3 Express
	ContentHash   bool  // the hash of the payload is added, as S3 requires if there is one
}

// PresignedURL returns a URL with the query of r, the parameters of the signature and the signature. before is the URL up
// to the "?".
func (k *Key) PresignedURL(before string, r *Request, date string, p Presigning) string {
	s := k.spaces.get()
	s.names = appendNames(s.names[:0], r.Header)
	s.line = appendAll(s.line[:0], before, "?", r.Query)
	if r.Query != "" {
		s.line = append(s.line, '&')
	}
	start := len(s.line)
	s.line = k.appendParameters(s.line, r, s.names, date, p)
	s.text = appendCanonical(s.text[:0], r, s.names, s.line[start:])
	if p.TokenUnsigned {
		s.line = append(s.line, k.parameter()...)
	}
	s.line = k.appendSignature(append(s.line, "&X-Amz-Signature="...), s, date)
	url := string(s.line)
	k.spaces.put(s)
	return url
}

// appendParameters appends the parameters that are signed, escaped.
func (k *Key) appendParameters(b []byte, r *Request, names []byte, date string, p Presigning) []byte {
	b = appendAll(b, "X-Amz-Algorithm=", k.algorithm, k.regions, "&X-Amz-Credential=")
	b = appendEscaped(b, k.credential, "")
	b = appendAll(b, "&X-Amz-Date=", date, "&X-Amz-SignedHeaders=")
	b = appendEscaped(b, string(names), "")
	b = strconv.AppendInt(appendAll(b, "&X-Amz-Expires="), p.Seconds, 10)
	if p.ContentHash {
		b = appendAll(b, "&X-Amz-Content-Sha256=", r.Payload)
	}
	switch {
	case p.S3Session:
		b = append(appendAll(b, "&X-Amz-S3session-Token"), strings.TrimPrefix(k.parameter(), "&X-Amz-Security-Token")...)
	case !p.TokenUnsigned:
		b = append(b, k.parameter()...)
	}
	return b
}

func tokenParameter(token string) string {
	if token == "" {
		return ""
	}
	return string(appendEscaped([]byte("&X-Amz-Security-Token="), token, ""))
}
