// Package rolesanywhere compares source/rolesanywhere with the credential helper of AWS, and signs with a key in a
// PKCS #11 token, that of softhsm2. Both need cgo. It has only tests.
package rolesanywhere
