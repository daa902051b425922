package webidentity

import "time"

// Peek is peek with exported results.
func Peek(token string) (issuer, subject string, audiences []string, expires time.Time, isJWT bool) {
	c, isJWT := peek(token)
	return c.issuer, c.subject, c.audiences, c.expires, isJWT
}
